"""Spiders: the list, the document as a form, and crawl now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin, User
from django.db import transaction
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crawler import definitions
from crawler.account.explaining import at_a_glance
from crawler.engine.errors import DefinitionError
from crawler.exceptions import CrawlerError
from crawler.models import CrawlTask, Item, Page, PinnedPage, Spider
from crawler.reach import hosts_of
from crawler.rounds import CRAWLS
from crawler.schedules import schedules_of
from crawler.tasks import begun, request_crawl
from crawlproject.templatetags.lamplighter import badge, num, rounds
from crawlproject.web.admin import LampAdmin, linked, tell_switched, two_lines, when
from scheduling.exceptions import SchedulingError
from scheduling.planned import Planned, planned

from .asked import asked_for, state_view
from .importing import export_view, import_view
from .picking import candidates_view, fetched_view
from .previews import preview_view
from .tasks import changes_of
from .versions import restore_view, versions_view
from .workshop import workshop_view

STAYS = gettext_lazy(
    "Its documents stay under “Versions”: whoever may add spiders can restore one there, without what was found."
)


@admin.register(Spider)
class SpiderAdmin(LampAdmin[Spider]):
    list_display = ("named", "b_state", "rounds", "planned", "last_crawl", "n_items", "changes")
    list_filter = ("enabled", "category")
    search_fields = ("name", "category")
    search_help_text = gettext_lazy("Name or category")
    ordering = ("name",)
    actions = ("crawl_now", "enable", "disable")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Spider]:
        # By the index (spider, -id): PostgreSQL would else walk down all tasks to find one of a spider that has few.
        own = CrawlTask.objects.filter(spider__gte=OuterRef("pk"), spider__lte=OuterRef("pk"))
        latest = begun(own).order_by("spider_id", "-id")
        spiders = super().get_queryset(request)
        return spiders.annotate(
            last_id=Subquery(latest.values("pk")[:1]),
            last_at=Subquery(latest.values("created_at")[:1]),
            present=F("stock__present"),
        )

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Adds what stands in other tables with one query each, not one a row."""
        changelist = super().get_changelist_instance(request)
        spiders: list[Spider] = list(changelist.result_list)
        tasks = CrawlTask.objects.defer("hosts", "rules", "headway").in_bulk(
            [getattr(spider, "last_id", None) for spider in spiders]
        )
        letters = CRAWLS.last([spider.pk for spider in spiders])
        may_see = request.user.has_perm("scheduling.view_scheduledjob")
        schedules = schedules_of(spiders) if may_see else {}
        first = {key: jobs[0] for key, jobs in schedules.items() if jobs}
        next_firing = {one.job.pk: one for one in planned(first.values())}
        for spider in spiders:
            spider.latest = tasks.get(getattr(spider, "last_id", None))  # type: ignore[attr-defined]
            spider.letters = letters.get(spider.pk, "")  # type: ignore[attr-defined]
            spider.more = len(schedules.get(spider.pk, ())) - 1  # type: ignore[attr-defined]
            job = first.get(spider.pk)
            spider.planned = next_firing[job.pk] if job is not None else None  # type: ignore[attr-defined]
        changelist.result_list = spiders
        return changelist

    def get_urls(self) -> list[URLPattern]:
        """With our versions in the place of Django's own history."""
        own = [
            path(address, self.admin_site.admin_view(partial(view, self)), name=f"crawler_spider_{name}")
            for address, name, view in (
                ("workshop/preview/", "preview", preview_view),
                ("workshop/fetched/", "fetched", fetched_view),
                ("workshop/candidates/", "candidates", candidates_view),
                ("import/", "import", import_view),
                ("export/", "export", export_view),
                ("<path:object_id>/state/", "state", state_view),
                ("<path:object_id>/history/", "history", versions_view),
                ("<path:object_id>/history/<int:number>/restore/", "restore", restore_view),
            )
        ]
        return own + super().get_urls()

    @admin.display(description=gettext_lazy("spider"), ordering="name")
    def named(self, spider: Spider) -> SafeString:
        where = [part for part in (spider.category, *hosts_of(spider.definition)[:1]) if part]
        return two_lines(spider.name, " · ".join(where) or "–")

    @admin.display(description=gettext_lazy("state"), ordering="enabled")
    def b_state(self, spider: Spider) -> SafeString | str:
        """How its last crawl went, or goes."""
        task: CrawlTask | None = getattr(spider, "latest", None)
        if not spider.enabled:
            return badge("off")
        if task is None:
            return "–"
        return badge("lacking" if task.shown_status == "lacking" else at_a_glance(task, None).verdict)

    @admin.display(description=gettext_lazy("rounds"))
    def rounds(self, spider: Spider) -> SafeString:
        return rounds(getattr(spider, "letters", ""))

    @admin.display(description=gettext_lazy("schedule"))
    def planned(self, spider: Spider) -> SafeString | str:
        """In words, and when next."""
        one: Planned | None = getattr(spider, "planned", None)
        if one is None:
            return "–"
        following = when(one.next_run_time) if one.state == "active" else badge(one.state)
        more = _(" and %(count)d more") % {"count": spider.more} if spider.more > 0 else ""  # type: ignore[attr-defined]
        return two_lines(following, f"{one.in_words}{more}")

    @admin.display(description=gettext_lazy("last crawl"), ordering="last_at")
    def last_crawl(self, spider: Spider) -> SafeString | str:
        task: CrawlTask | None = getattr(spider, "latest", None)
        return "–" if task is None else when(task.created_at)

    @admin.display(description=gettext_lazy("items"))
    def n_items(self, spider: Spider) -> SafeString | str:
        """That there are, whichever crawl found them: one that finds its pages unchanged reads none."""
        present: int | None = getattr(spider, "present", None)
        if present is None:
            return "–" if getattr(spider, "latest", None) is None else num(0)
        return num(present)

    @admin.display(description=gettext_lazy("changes"))
    def changes(self, spider: Spider) -> SafeString | str:
        """Of its last crawl."""
        task: CrawlTask | None = getattr(spider, "latest", None)
        return "–" if task is None else changes_of(task)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return workshop_view(self, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return workshop_view(self, request, object_id)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without Django's own deletion, which would go round the write path and its checks."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A spider that is crawled, or that a schedule names, stays: the page says what stands in the way."""
        try:
            with transaction.atomic():
                return super().delete_view(request, object_id, {"stays": STAYS, **(extra_context or {})})
        except definitions.SpiderInUse as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect("admin:crawler_spider_change", object_id)

    def get_deleted_objects(
        self, objs: Iterable[Spider], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """In numbers: all that it found goes with it. Or what stands in the way."""
        spiders = list(objs)
        in_the_way = [sentence for spider in spiders for sentence in _users_of(spider, request.user)]
        counts: dict[str, int] = {str(self.opts.verbose_name_plural): len(spiders)}
        for model in (CrawlTask, Page, Item, PinnedPage):
            counts[str(model._meta.verbose_name_plural)] = model._default_manager.filter(spider__in=spiders).count()
        found = [f"{name}: {count}" for name, count in list(counts.items())[1:]]
        return found, counts, set(), in_the_way

    def delete_model(self, request: HttpRequest, obj: Spider) -> None:
        definitions.delete_spider(obj.name, user=request.user if isinstance(request.user, User) else None)

    @admin.action(description=gettext_lazy("Crawl now"), permissions=["crawl"])
    def crawl_now(self, request: HttpRequest, queryset: QuerySet[Spider]) -> None:
        for spider in queryset:
            try:
                task = request_crawl("spider", spider.name, by=request.user.get_username())
            except (CrawlerError, SchedulingError) as error:
                self.message_user(request, f"{spider.name}: {error}", messages.WARNING)
            else:
                text = asked_for(task, request.user, sentence=f"{spider.name}:")
                self.message_user(request, text, messages.SUCCESS)

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Spider]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Spider]) -> None:
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, spiders: Iterable[Spider], *, enabled: bool) -> None:
        """What cannot be changed is told by itself, and holds up no other."""
        user, done = request.user if isinstance(request.user, User) else None, {True: 0, False: 0}
        for spider in spiders:
            try:
                done[definitions.set_enabled(spider.name, enabled=enabled, user=user)] += 1
            except (CrawlerError, DefinitionError) as error:
                self.message_user(request, f"{spider.name}: {error}", messages.WARNING)
        tell_switched(request, enabled=enabled, changed=done[True], same=done[False])

    def has_crawl_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("crawler.add_crawltask")


def _users_of(spider: Spider, user: AbstractBaseUser | AnonymousUser) -> Iterator[SafeString | str]:
    """What has to end before a spider can be deleted, in a sentence each, which leads there."""
    jobs, run = definitions.users_of(spider.name)
    for job in jobs:
        text = _("The schedule “%(name)s” crawls it: change or delete that first.") % {"name": job.name or job.job_id}
        yield linked(text, _address(user, "scheduledjob", job.pk))
    if run is not None:
        text = _("Run #%(run)s crawls it: cancel that, or wait for its end.") % {"run": run.pk}
        yield linked(text, _address(user, "jobrun", run.pk))


def _address(user: AbstractBaseUser | AnonymousUser, model: str, pk: int) -> str:
    """Of a row's page, for those who may see it; else nothing."""
    may_see = isinstance(user, PermissionsMixin) and user.has_perm(f"scheduling.view_{model}")
    return reverse(f"admin:scheduling_{model}_change", args=[pk]) if may_see else ""
