"""The admin's frame: navigation, and whether the scheduler is alive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from .dashboard.pulse import STEADY_SECONDS, Pulse, pulse
from .web.login import LoginForm


@dataclass(frozen=True, slots=True)
class NavLink:
    text: StrOrPromise
    icon: str
    url: str
    exact: bool = False
    counts: bool = False
    """Whether the number of runs that are going stands beside it."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What the lamp at the foot of the navigation says."""

    pulse: Pulse
    path: str
    """Of the page that says it."""
    counts_runs: bool
    """Whether the reader may see runs."""

    @property
    def alive(self) -> int:
        return self.pulse.alive

    @property
    def seconds(self) -> float | None:
        """Since the last beat, by the database's clock."""
        return self.pulse.age

    @property
    def is_steady(self) -> bool:
        """Whether the newest beat is as new as it should be, and need not be told."""
        return self.seconds is not None and self.seconds < STEADY_SECONDS

    @property
    def paused_at(self) -> datetime | None:
        return self.pulse.paused_at

    @property
    def paused_by(self) -> str:
        return self.pulse.paused_by

    @property
    def note(self) -> str:
        return self.pulse.note

    @property
    def paused(self) -> bool:
        return self.paused_at is not None

    @property
    def count(self) -> str:
        """Of the runs that are going; empty where there is none."""
        return f"{self.pulse.running:,}" if self.pulse.running and self.counts_runs else ""

    @property
    def live(self) -> str:
        """Where what it says is asked for again."""
        return reverse("admin:live_now" if self.path == reverse("admin:index") else "admin:live_lamp")

    @property
    def shows_pause(self) -> bool:
        """On every page where somebody may wonder why nothing fires; the dashboard says it by itself."""
        return self.paused and self.path.startswith(_under("scheduling", "crawler"))

    @property
    def shows_dead(self) -> bool:
        """On schedules and runs; the dashboard says it first of all by itself."""
        return not self.alive and self.path.startswith(_under("scheduling/scheduledjob", "scheduling/jobrun"))


# group → (app.model or app.model:page, text, icon); shown to those who may view the model
NAVIGATION: tuple[tuple[StrOrPromise, tuple[tuple[str, StrOrPromise, str], ...]], ...] = (
    (
        "",
        (
            ("scheduling.jobrun", _("Runs"), "run"),
            ("scheduling.scheduledjob:calendar", _("Calendar"), "calendar"),
            ("crawler.crawltask", _("Crawl tasks"), "lamp"),
        ),
    ),
    (
        _("Define"),
        (
            ("crawler.spider", _("Spiders"), "spider"),
            ("scheduling.scheduledjob", _("Schedules"), "schedule"),
            ("crawler.secret", _("Secrets"), "secret"),
            ("scheduling.definitionversion", _("Versions"), "history"),
        ),
    ),
    (
        _("Data"),
        (
            ("crawler.item", _("Items"), "item"),
            ("crawler.item:changes", _("What changed"), "change"),
            ("crawler.page", _("Pages"), "link"),
            ("crawler.crawltask:compare", _("Compare"), "compare"),
        ),
    ),
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
    empty_value_display = "–"
    login_form = LoginForm

    def each_context(self, request: HttpRequest) -> dict[str, object]:
        context: dict[str, object] = super().each_context(request)
        if self.has_permission(request):
            context["nav"] = self._navigation(request)
            context["beat"] = self._beat(request)
        return context

    def get_urls(self) -> list[URLResolver | URLPattern]:
        # Late: models are there once all apps are.
        from .dashboard import demonstration, live

        own: list[URLResolver | URLPattern] = [
            path(f"live/{view.__name__}/", self.admin_view(self._live(view)), name=f"live_{view.__name__}")
            for view in (live.now, live.lamp, live.figures)
        ]
        own.append(path("demo/", self.admin_view(demonstration.load_view), name="load_demo"))
        return own + super().get_urls()

    def index(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> TemplateResponse:
        from .dashboard.page import page

        context = page(request, self._beat(request).pulse) if self.has_permission(request) else {}
        return super().index(request, context | (extra_context or {}))

    def _live(self, view: Callable[[HttpRequest, Beat, Pulse], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
        def answer(request: HttpRequest) -> HttpResponse:
            if request.method not in ("GET", "HEAD"):
                return HttpResponseNotAllowed(["GET", "HEAD"])
            beat = self._beat(request)
            return view(request, beat, beat.pulse)

        return answer

    def _navigation(self, request: HttpRequest) -> list[tuple[StrOrPromise, list[NavLink]]]:
        groups: list[tuple[StrOrPromise, list[NavLink]]] = []
        for group, entries in NAVIGATION:
            links = [] if group else [NavLink(_("Dashboard"), "dashboard", reverse("admin:index"), exact=True)]
            for label, text, picture in entries:
                app, model = label.partition(":")[0].split(".")
                page = label.partition(":")[2] or "changelist"
                if not request.user.has_perm(f"{app}.view_{model}"):
                    continue
                try:
                    url = reverse(f"admin:{app}_{model}_{page}")
                    links.append(NavLink(text, picture, url, counts=label == "scheduling.jobrun"))
                except NoReverseMatch:  # not registered in this installation
                    continue
            if links:
                groups.append((group, links))
        return groups

    def _beat(self, request: HttpRequest) -> Beat:
        """Asked once a request."""
        taken: Pulse | None = getattr(request, "lamplighter_pulse", None)
        if taken is None:
            taken = pulse()
            setattr(request, "lamplighter_pulse", taken)  # noqa: B010  # requests have no such attribute of their own
        return Beat(taken, request.path, request.user.has_perm("scheduling.view_jobrun"))
