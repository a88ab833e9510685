"""The admin's frame: navigation, and whether the scheduler is alive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.apps import apps
from django.contrib.admin import AdminSite
from django.db.models.functions import Now
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class NavLink:
    text: StrOrPromise
    icon: str
    url: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Beat:
    """What the lamp at the foot of the navigation says."""

    alive: int
    seconds: int | None
    """Since the last beat, by the database's clock."""
    paused_at: datetime | None
    paused_by: str
    path: str
    """Of the page that says it."""

    @property
    def paused(self) -> bool:
        return self.paused_at is not None

    @property
    def shows_pause(self) -> bool:
        """On every page where somebody may wonder why nothing fires."""
        concerned = self.path == reverse("admin:index") or self.path.startswith(_under("scheduling", "crawler"))
        return self.paused and concerned and self.path != reverse("admin:scheduling_scheduledjob_pause_all")

    @property
    def shows_dead(self) -> bool:
        """On schedules and runs; the dashboard says it first of all by itself."""
        return not self.alive and self.path.startswith(_under("scheduling/scheduledjob", "scheduling/jobrun"))


# group → (app.model, text, icon); shown to those who may view the model
NAVIGATION: tuple[tuple[StrOrPromise, tuple[tuple[str, StrOrPromise, str], ...]], ...] = (
    ("", (("scheduling.jobrun", _("Runs"), "run"), ("crawler.crawltask", _("Crawl tasks"), "lamp"))),
    (
        _("Define"),
        (
            ("crawler.spider", _("Spiders"), "spider"),
            ("scheduling.scheduledjob", _("Schedules"), "schedule"),
            ("crawler.secret", _("Secrets"), "secret"),
            ("scheduling.definitionversion", _("Versions"), "history"),
        ),
    ),
    (_("Data"), (("crawler.item", _("Items"), "item"), ("crawler.page", _("Pages"), "link"))),
    (
        _("Operate"),
        (
            ("scheduling.process", _("Processes"), "process"),
            ("knox.authtoken", _("API tokens"), "code"),
            ("auth.user", _("Users"), "user"),
            ("auth.group", _("Groups"), "group"),
        ),
    ),
)


def _under(*rooms: str) -> tuple[str, ...]:
    return tuple(f"{reverse('admin:index')}{room}/" for room in rooms)


class LamplighterAdminSite(AdminSite):
    site_title = "Lamplighter"
    site_header = "Lamplighter"
    index_title = _("Dashboard")
    enable_nav_sidebar = False

    def each_context(self, request: HttpRequest) -> dict[str, object]:
        context: dict[str, object] = super().each_context(request)
        if self.has_permission(request):
            context["nav"] = self._navigation(request)
            context["beat"] = self._beat(request.path)
        return context

    def index(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> TemplateResponse:
        # Late: models are there once all apps are.
        from .dashboard import dashboard

        context = (
            dashboard(request, is_alive=self._beat(request.path).alive > 0) if self.has_permission(request) else {}
        )
        return super().index(request, context | (extra_context or {}))

    def _navigation(self, request: HttpRequest) -> list[tuple[StrOrPromise, list[NavLink]]]:
        groups: list[tuple[StrOrPromise, list[NavLink]]] = []
        for group, entries in NAVIGATION:
            links = [] if group else [NavLink(_("Dashboard"), "dashboard", reverse("admin:index"), exact=True)]
            for label, text, picture in entries:
                app, model = label.split(".")
                if not request.user.has_perm(f"{app}.view_{model}"):
                    continue
                try:
                    links.append(NavLink(text, picture, reverse(f"admin:{app}_{model}_changelist")))
                except NoReverseMatch:  # not registered in this installation
                    continue
            if links:
                groups.append((group, links))
        return groups

    def _beat(self, path: str) -> Beat:
        process = apps.get_model("scheduling", "Process")
        state = apps.get_model("scheduling", "SchedulerState")
        alive = process._default_manager.filter(state="alive").exclude(kind="command")
        last = alive.annotate(now=Now()).order_by("-beat_at").values_list("beat_at", "now").first()
        seconds = int((last[1] - last[0]).total_seconds()) if last else None
        held = state._default_manager.filter(paused_at__isnull=False).values_list("paused_at", "paused_by").first()
        paused_at, paused_by = held or (None, "")
        return Beat(alive.count(), seconds, paused_at, paused_by, path)
