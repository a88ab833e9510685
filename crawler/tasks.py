"""Requested crawls: ask for one, follow it, cancel it."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django_apscheduler.models import DjangoJob

from scheduling import definitions
from scheduling.exceptions import InvalidJob, JobExists, JobNotFound, RunConflict
from scheduling.models import JobRun

from .crawl_data import CrawlRequest, check_request, read_request
from .exceptions import CrawlerError
from .fan_out import ACTIVE, COUNTS, end_task
from .models import CrawlTask, Page, Spider

ATTEMPTS = 20
"""At a task id that nobody has: four of 36 characters within one second."""
_JUST_NOW = timedelta(minutes=1)
"""A moment that has passed no longer ago is taken for now: a request takes its time, and clocks differ."""
_ALPHABET = string.ascii_lowercase + string.digits


class TaskNotFound(CrawlerError):
    """There is no task of this id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(_("There is no crawl task “%s”.") % task_id)
        self.task_id = task_id


class TaskEnded(CrawlerError):
    """What was asked of a task needs one that has not ended."""

    def __init__(self, task: CrawlTask) -> None:
        values = {"task": task.task_id, "status": task.get_status_display()}
        super().__init__(_("Task “%(task)s” has ended (%(status)s).") % values)
        self.task = task


class CrawlTaskService:
    """The specification's name for what the functions below do."""

    def create_task(
        self,
        task_type: str,
        targets: Sequence[str] = (),
        *,
        spider: Spider | None = None,
        task_id: str | None = None,
    ) -> CrawlTask:
        """Write a pending task; nothing runs it yet (see `request_crawl`)."""
        return create_task(task_type, targets, spider=spider, task_id=task_id)

    def update_task_status(self, task_id: str, status: str, message: str = "") -> CrawlTask:
        """Move a task on; nothing leaves a state that is an end.

        Raises:
            TaskNotFound, TaskEnded
        """
        return update_task_status(task_id, status, message)

    def get_task_by_id(self, task_id: str) -> CrawlTask:
        """Raises `TaskNotFound`."""
        return get_task_by_id(task_id)


def new_task_id(task_type: str, now: datetime | None = None) -> str:
    """``crawl_all_20270101_020000_k3x9``: the moment in the scheduler's zone, and four random characters."""
    local = (now or timezone.now()).astimezone(ZoneInfo(settings.SCHEDULER_TIMEZONE))
    tail = "".join(secrets.choice(_ALPHABET) for _character in range(4))
    return f"crawl_{task_type}_{local:%Y%m%d_%H%M%S}_{tail}"


def create_task(
    task_type: str,
    targets: Sequence[str] = (),
    *,
    spider: Spider | None = None,
    task_id: str | None = None,
    run: JobRun | None = None,
) -> CrawlTask:
    """Write a task: pending, or running where its run is at work already."""
    for _attempt in range(ATTEMPTS):
        task = CrawlTask(
            task_id=task_id or new_task_id(task_type),
            task_type=task_type,
            targets=list(targets),
            spider=spider,
            spider_version=spider.version if spider else None,
        )
        task.run = run
        if run is not None and run.state == JobRun.State.RUNNING:
            task.status, task.started_at = CrawlTask.Status.RUNNING, timezone.now()
        try:
            with transaction.atomic():
                task.save(force_insert=True)
        except IntegrityError:
            if task_id is not None or not CrawlTask.objects.filter(task_id=task.task_id).exists():
                raise
            continue
        return task
    raise CrawlerError(_("No free task id was found; try again."))


def get_task_by_id(task_id: str) -> CrawlTask:
    """Raises `TaskNotFound`."""
    task = CrawlTask.objects.select_related("run", "spider", "parent").filter(task_id=task_id).first()
    if task is None:
        raise TaskNotFound(task_id)
    return task


def update_task_status(task_id: str, status: str, message: str = "") -> CrawlTask:
    """See `CrawlTaskService.update_task_status`."""
    task = get_task_by_id(task_id)
    with transaction.atomic():
        if status in CrawlTask.TERMINAL:
            is_changed = end_task(task.pk, status, message)
        else:
            active = CrawlTask.objects.filter(pk=task.pk, status__in=ACTIVE)
            is_changed = active.update(status=status, message=message) == 1
    task.refresh_from_db()
    if not is_changed:
        raise TaskEnded(task)
    return task


def begun(tasks: QuerySet[CrawlTask]) -> QuerySet[CrawlTask]:
    """Without those that only a moment to come will begin: they do not wait yet, and say nothing of their spider."""
    planned = Exists(DjangoJob.objects.filter(id=OuterRef("task_id")))
    return tasks.exclude(Q(status=CrawlTask.Status.PENDING, run=None) & Q(planned))


# --- asking -----------------------------------------------------------------------------------------------------------


def request_crawl(
    task_type: str,
    target: str | Sequence[str] | None = None,
    *,
    spider: str = "",
    run_at: datetime | None = None,
    by: str = "",
) -> CrawlTask:
    """Ask for one crawl: its pending task and the one-off that runs it, in one transaction. Now: with its queued run,
    which says who asked; at `run_at`: a schedule of one moment, from which the run will come.

    `target` is the spider's name, the category, or (type ``urls``) the URLs that `spider` shall read.

    Raises:
        InvalidJobData: naming ``type``, ``target`` or ``spider``.
        InvalidJob: `run_at` lies in the past; up to `_JUST_NOW` means now.
    """
    run_at = _to_come(run_at)
    job_data: dict[str, object] = {"type": task_type}
    if target is not None:
        job_data["target"] = target if isinstance(target, str) else list(target)
    if spider:
        job_data["spider"] = spider
    request = read_request(job_data)
    check_request(request)
    for _attempt in range(ATTEMPTS):
        task_id = new_task_id(request.type)
        if CrawlTask.objects.filter(task_id=task_id).exists():
            continue
        try:
            return _request(request, task_id, run_at=run_at, by=by)
        except JobExists:
            continue
    raise CrawlerError(_("No free task id was found; try again."))


def request_again(task: CrawlTask, *, by: str = "") -> CrawlTask:
    """Ask for the same crawl once more, now, by the spider's document as it is now.

    Raises:
        InvalidJobData: its spider, category or URLs cannot be crawled (any more).
    """
    targets = [str(target) for target in task.targets]
    if task.task_type == CrawlTask.Type.URLS:
        return request_crawl(task.task_type, targets, spider=task.spider.name if task.spider else "", by=by)
    if task.task_type == CrawlTask.Type.ALL:
        return request_crawl(task.task_type, by=by)
    if task.spider is not None:
        return request_crawl(task.task_type, task.spider.name, by=by)
    return request_crawl(task.task_type, targets[0] if targets else "", by=by)


def _to_come(run_at: datetime | None) -> datetime | None:
    """None for now."""
    late = timedelta() if run_at is None else timezone.now() - run_at
    if run_at is None or timedelta() <= late <= _JUST_NOW:
        return None
    if late > timedelta():
        message = _("“%(given)s” lies in the past: write a moment to come, or leave it out to crawl now.")
        raise InvalidJob([("run_at", message % {"given": run_at.isoformat()})])
    return run_at


def _request(request: CrawlRequest, task_id: str, *, run_at: datetime | None, by: str) -> CrawlTask:
    with transaction.atomic():
        data, name = request.job_data(), title(request)
        run = None
        if run_at is None:
            run = definitions.run_once(job_id=task_id, handler="crawl", job_data=data, name=name, by=by)
        else:
            definitions.create_one_off(
                job_id=task_id, handler="crawl", job_data=data, run_date=run_at, name=name, by=by
            )
        spider = Spider.objects.get(name=request.spider) if request.spider else None
        return create_task(request.type, request.targets, spider=spider, task_id=task_id, run=run)


def title(request: CrawlRequest) -> str:
    """What a request is called in lists."""
    if request.type == CrawlTask.Type.ALL:
        return _("Crawl of all spiders")
    if request.type == CrawlTask.Type.CATEGORY:
        return _("Crawl of category %s") % request.targets[0]
    if request.type == CrawlTask.Type.URLS:
        return _("Crawl of URLs with %s") % request.spider
    return _("Crawl of %s") % request.spider


# --- a run's task -----------------------------------------------------------------------------------------------------


def take_task(run_id: int, job_id: str, request: CrawlRequest) -> CrawlTask:
    """Find the task of a run, or make it where a schedule or a command fired. Inside the run's own transaction.

    Raises:
        InvalidJobData: its spider is not there (any more).
    """
    task = CrawlTask.objects.filter(run_id=run_id).first()
    if task is None:
        waiting = CrawlTask.objects.filter(task_id=job_id, run=None, status__in=ACTIVE)
        waiting.update(run_id=run_id, status=CrawlTask.Status.RUNNING)
        task = CrawlTask.objects.filter(run_id=run_id).first()
    if task is not None:
        return task
    check_request(request)
    spider = Spider.objects.get(name=request.spider) if request.spider else None
    run = JobRun.objects.get(pk=run_id)
    return create_task(request.type, request.targets, spider=spider, run=run)


# --- cancelling -------------------------------------------------------------------------------------------------------


def cancel_task(task_id: str, *, by: str = "") -> CrawlTask:
    """Cancel a crawl: at once where it waits, as soon as it can stop where it runs; its children with it.

    Raises:
        TaskNotFound, TaskEnded
    """
    with transaction.atomic():
        task = get_task_by_id(task_id)
        if task.status in CrawlTask.TERMINAL:
            raise TaskEnded(task)
        if task.run_id is None:
            _cancel_planned(task, by)
        elif task.run is not None and task.run.state in JobRun.ACTIVE:
            _cancel_run(task.run_id, by)
        _cancel_children(task, by)
        task = get_task_by_id(task_id)
        is_orphan = task.status in ACTIVE and (task.run is None or task.run.state not in JobRun.ACTIVE)
        if is_orphan and not task.children_left:
            # Neither a run nor a one-off is there to end it.
            end_task(task.pk, CrawlTask.Status.CANCELLED, _cancelled_by(by))
            task.refresh_from_db()
    return task


def _cancel_planned(task: CrawlTask, by: str) -> None:
    try:
        definitions.cancel_one_off(task.task_id, by)
    except (JobNotFound, RunConflict):
        task.refresh_from_db()


def _cancel_run(run_id: int, by: str) -> None:
    try:
        definitions.cancel_run(run_id, by=by)
    except (JobNotFound, RunConflict):
        return


def _cancel_children(task: CrawlTask, by: str) -> None:
    """Cancel a parent's children. Their runs are all locked before the first task is."""
    children = CrawlTask.objects.filter(parent=task, status__in=ACTIVE)
    run_ids = sorted(children.filter(run__isnull=False).values_list("run_id", flat=True))
    list(JobRun.objects.select_for_update().filter(pk__in=run_ids).order_by("pk").values_list("pk"))
    if children.exists():
        # First the parent: else the end of its last child would end it otherwise.
        end_task(task.pk, CrawlTask.Status.CANCELLED, _cancelled_by(by))
    for run_id in run_ids:
        _cancel_run(run_id, by)
    for pk in children.filter(run__isnull=True).values_list("pk", flat=True):
        end_task(pk, CrawlTask.Status.CANCELLED, _cancelled_by(by))


def _cancelled_by(by: str) -> str:
    return _("Cancelled by %(who)s.") % {"who": by} if by else _("Cancelled.")


# --- following --------------------------------------------------------------------------------------------------------


def scheduler_status(task: CrawlTask) -> str:
    """``scheduled`` before there is a run, else the run's state in the words of tasks."""
    if task.run is None:
        # The run of a task that ended may have been cleared away.
        return task.status if task.status in CrawlTask.TERMINAL else "scheduled"
    words = {JobRun.State.QUEUED: "pending", JobRun.State.SUCCEEDED: "completed"}
    return words.get(JobRun.State(task.run.state), task.run.state)


def describe_task(task: CrawlTask) -> dict[str, object]:
    """A task for programs: status, progress, counts, reasons."""
    return {
        "task_id": task.task_id,
        "type": task.task_type,
        "targets": task.targets,
        "spider": task.spider.name if task.spider else None,
        "spider_version": task.spider_version,
        "parent": task.parent.task_id if task.parent else None,
        "status": task.status,
        "message": task.message,
        "scheduler_status": scheduler_status(task),
        "progress": progress(task),
        "counts": counts(task),
        "reasons": task.reasons,
        "created_at": task.created_at,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
    }


def progress(task: CrawlTask) -> Mapping[str, int | float | None]:
    """How far a task is; `fraction` is of what is known by now, None before anything is."""
    if task.spider_id is None:
        total = _known(task, "children_total")
        if total is None:
            total = CrawlTask.objects.filter(parent=task).count()
        done = total - task.children_left
        return {"spiders": total, "spiders_done": done, "fraction": done / total if total else None}
    waiting = 0
    if task.status in ACTIVE:
        counted = _known(task, "pages_waiting")
        waiting = Page.objects.filter(task=task, state="pending").count() if counted is None else counted
    done = task.pages + task.pages_redirected + task.pages_refused
    known = done + waiting
    return {"pages_done": done, "pages_waiting": waiting, "fraction": done / known if known else None}


def with_progress(tasks: QuerySet[CrawlTask]) -> QuerySet[CrawlTask]:
    """Counts with the tasks what `progress` would ask for one by one: a list costs one query, however long it is."""
    waiting = Page.objects.filter(task=OuterRef("pk"), state="pending").order_by().values("task")
    children = CrawlTask.objects.filter(parent=OuterRef("pk")).order_by().values("parent")
    number = IntegerField()
    return tasks.defer("hosts", "rules", "headway").annotate(
        pages_waiting=Case(
            When(
                status__in=ACTIVE,
                then=Coalesce(Subquery(waiting.annotate(number=Count("pk")).values("number"), output_field=number), 0),
            ),
            default=0,
        ),
        children_total=Case(
            When(
                spider=None,
                then=Coalesce(Subquery(children.annotate(number=Count("pk")).values("number"), output_field=number), 0),
            ),
            default=0,
        ),
    )


def _known(task: CrawlTask, name: str) -> int | None:
    value = getattr(task, name, None)
    return value if isinstance(value, int) else None


def counts(task: CrawlTask) -> dict[str, int]:
    """Every count of a task, by its column's name."""
    return {name: getattr(task, name) for name in COUNTS}
