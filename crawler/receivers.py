"""Keeps tasks in step with their runs, inside the transaction that writes the run.

A recurring schedule's task is made by its handler, so a run that never began has none: such runs, which a tick may
write by the thousand, cost nothing here.

Every command listens; what a receiver works with is loaded when it is called first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from scheduling.exceptions import SchedulingError
from scheduling.models import DefinitionVersion, JobRun, ScheduledJob
from scheduling.signals import (
    BringBack,
    Defined,
    Reach,
    ReportSection,
    RunAccount,
    Work,
    bring_back_asked,
    definitions_shown,
    reach_asked,
    report_made,
    retention,
    run_ended,
    run_returned,
    run_shown,
    run_started,
    sums_checked,
    work_shown,
)

from .exceptions import CrawlerError
from .models import CrawlTask, Spider

Status = CrawlTask.Status

HANDLER_NAMES = ("crawl", "CrawlJobHandler")
_ENDS = {
    JobRun.State.SUCCEEDED: Status.COMPLETED,
    JobRun.State.CANCELLED: Status.CANCELLED,
    JobRun.State.FAILED: Status.FAILED,
    JobRun.State.MISSED: Status.FAILED,
    JobRun.State.SKIPPED: Status.FAILED,
}


def connect() -> None:
    """Listen; called once the apps are ready."""
    run_started.connect(start, dispatch_uid="crawler.start")
    run_returned.connect(give_back, dispatch_uid="crawler.give_back")
    run_ended.connect(end, dispatch_uid="crawler.end")
    report_made.connect(report, dispatch_uid="crawler.report")
    run_shown.connect(tell, dispatch_uid="crawler.tell")
    retention.connect(retain, dispatch_uid="crawler.retain")
    sums_checked.connect(check_sums, dispatch_uid="crawler.check_sums")
    reach_asked.connect(reach, dispatch_uid="crawler.reach")
    work_shown.connect(name_work, dispatch_uid="crawler.name_work")
    definitions_shown.connect(locate, dispatch_uid="crawler.locate")
    bring_back_asked.connect(offer_back, dispatch_uid="crawler.offer_back")


def start(*, run: JobRun, **kwargs: object) -> None:
    """The run was claimed: pending → running. A one-off's task learns its run here."""
    if not _may_have_task(run, first_claim=2):
        return
    _tasks_of(run).filter(status=Status.PENDING).update(
        run=run, status=Status.RUNNING, message="", started_at=Coalesce(F("started_at"), timezone.now())
    )


def give_back(*, run: JobRun, **kwargs: object) -> None:
    """The run went back to the queue: running → pending."""
    if _is_crawl(run):
        _tasks_of(run).filter(status=Status.RUNNING).update(status=Status.PENDING, message=run.message)


def end(*, run: JobRun, **kwargs: object) -> None:
    """The run ended, or was born ended: so does its task, but for a parent that waits for its children."""
    if not _may_have_task(run, first_claim=1):
        return
    task = _tasks_of(run).first()
    if task is None:
        return
    if task.run_id is None:
        CrawlTask.objects.filter(pk=task.pk).update(run=run)
    if not task.children_left:
        from .fan_out import end_task

        end_task(task.pk, _ENDS[JobRun.State(run.state)], run.message or _default_message(run))


def report(*, since: datetime, until: datetime, **kwargs: object) -> ReportSection | None:
    """A report is made: what is missing of the period's crawls, and why."""
    from .account.reporting import crawls_of

    crawls = crawls_of(since, until)
    if not crawls.crawls:
        return None
    return ReportSection(name="crawls", data=crawls.to_json(), sentence=crawls.sentence)


def tell(
    *, run: JobRun, user: User | AnonymousUser | None = None, part: str = "", **kwargs: object
) -> RunAccount | None:
    """A page shows a run: how its crawl went, or goes."""
    if user is None or not user.has_perm("crawler.view_crawltask"):
        return None
    task = CrawlTask.objects.select_related("spider").filter(run=run).first()
    if task is None:
        return None
    from .admin.panels import account_of

    return account_of(task, user, part)


def reach(
    *, jobs: Sequence[ScheduledJob], user: User | AnonymousUser | None = None, **kwargs: object
) -> dict[int, Reach] | None:
    """A page shows who gets into whose way: which hosts the crawls ask."""
    if user is None or not user.has_perm("crawler.view_spider"):
        return None
    from .reach import reach_of

    return reach_of(job for job in jobs if job.handler in HANDLER_NAMES)


def name_work(
    *, jobs: Sequence[ScheduledJob], user: User | AnonymousUser | None = None, **kwargs: object
) -> dict[int, Work] | None:
    """A list shows schedules: which spiders they crawl."""
    if user is None:
        return None
    from .schedules import work_of

    return work_of([job for job in jobs if job.handler in HANDLER_NAMES], user)


def locate(
    *, kind: str, keys: Collection[str], user: User | AnonymousUser | None = None, **kwargs: object
) -> dict[str, Defined] | None:
    """A page shows versions of definitions: where the spiders are."""
    if kind != DefinitionVersion.Kind.SPIDER or user is None or not user.has_perm("crawler.view_spider"):
        return None
    from .schedules import spider_address

    found = Spider.objects.filter(name__in=keys).values_list("name", "pk")
    return {name: Defined(page=spider_address(pk), versions=spider_address(pk, page="history")) for name, pk in found}


def offer_back(*, kind: str, **kwargs: object) -> BringBack | None:
    """A page shows a version of what was deleted: a spider's can be saved again."""
    if kind != DefinitionVersion.Kind.SPIDER:
        return None
    return BringBack(permission="crawler.add_spider", bring=_bring_back)


def _bring_back(name: str, number: int, user: User | None) -> str:
    from .definitions import restore_spider_version
    from .engine.errors import DefinitionError
    from .schedules import spider_address

    try:
        return spider_address(restore_spider_version(name, number, user=user, is_new=True).pk)
    except (CrawlerError, DefinitionError) as error:
        raise SchedulingError(str(error)) from error


def retain(*, before: datetime, limit: int, **kwargs: object) -> int:
    """Old rows are removed: one batch of the sums of items; how many went."""
    from .items.hours import remove_hours

    return remove_hours(before, limit=limit)


def check_sums(**kwargs: object) -> list[Callable[[], None]]:
    """Sums are compared with what is there: those of items, each spider's its own."""
    from .items import stock

    return [partial(stock.recount, spider_id) for spider_id in stock.drifted()]


def _tasks_of(run: JobRun) -> QuerySet[CrawlTask]:
    # A one-off's job_id is the task's id.
    return CrawlTask.objects.filter(Q(run=run) | Q(run=None, task_id=run.job_key))


def _may_have_task(run: JobRun, *, first_claim: int) -> bool:
    is_recurring = run.job is not None and not run.job.one_time
    return _is_crawl(run) and not (is_recurring and run.claim < first_claim)


def _is_crawl(run: JobRun) -> bool:
    if run.job is not None:
        return run.job.handler in HANDLER_NAMES
    # The schedule of a run without work of its own was removed: its handler is not known.
    return run.work is None or run.work.get("handler") in HANDLER_NAMES


def _default_message(run: JobRun) -> str:
    if run.state == JobRun.State.MISSED:
        return _("Its time was missed.")
    if run.state == JobRun.State.SKIPPED:
        return _("Skipped: another run was in the way.")
    return ""
