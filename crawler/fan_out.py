"""Crawls of several spiders: the children's beginning, and what their ends mean for the parent.

Every function here is called inside a transaction that holds the run's row; locks go on from the child to its parent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Count, F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from scheduling.exceptions import RunStopped
from scheduling.models import JobRun

from .crawl_data import CrawlRequest, spider_key
from .models import CrawlTask, Spider

Status = CrawlTask.Status

ACTIVE = (Status.PENDING, Status.RUNNING)
COUNTS = (
    "pages",
    "pages_unchanged",
    "pages_failed",
    "pages_refused",
    "pages_redirected",
    "items",
    "items_new",
    "items_changed",
    "items_gone",
    "items_returned",
    "items_rejected",
    "items_incomplete",
    "conflicts",
    "requests",
    "bytes",
)
"""The columns of a task that count."""


def fan_out(task_id: int, run_id: int) -> int:
    """Give each enabled spider a child task and a queued run; returns how many children there are.

    Doing it again changes nothing: a recovered run finds its children.

    Raises:
        RunStopped: the run's cancel was asked meanwhile.
    """
    parent = CrawlTask.objects.get(pk=task_id)
    known = CrawlTask.objects.filter(parent=parent).count()
    if known:
        return known
    run = JobRun.objects.select_related("job").get(pk=run_id)
    if run.cancel_requested_at is not None:
        raise RunStopped("Cancelled before its crawls began.")
    spiders = Spider.objects.filter(enabled=True).order_by("name")
    if parent.task_type == CrawlTask.Type.CATEGORY:
        spiders = spiders.filter(category=parent.targets[0])
    _create_children(parent, run, list(spiders))
    return CrawlTask.objects.filter(parent=parent).count()


def _create_children(parent: CrawlTask, run: JobRun, spiders: Sequence[Spider]) -> None:
    now = timezone.now()
    ids = {spider.pk: f"{parent.task_id}-{spider.name}" for spider in spiders}
    runs = JobRun.objects.bulk_create([_child_run(run, spider, ids[spider.pk], now) for spider in spiders])
    CrawlTask.objects.bulk_create(
        CrawlTask(
            task_id=ids[spider.pk],
            parent=parent,
            spider=spider,
            task_type=CrawlTask.Type.SPIDER,
            targets=[spider.name],
            run=child_run,
        )
        for spider, child_run in zip(spiders, runs, strict=True)
    )
    CrawlTask.objects.filter(pk=parent.pk).update(children_left=len(spiders))


def _child_run(run: JobRun, spider: Spider, task_id: str, now: datetime) -> JobRun:
    own = run.work or {}
    request = CrawlRequest(type=CrawlTask.Type.SPIDER, targets=(spider.name,), spider=spider.name)
    return JobRun(
        job_key=task_id,
        job_name=f"{run.job_name}: {spider.name}"[:200],
        cause=JobRun.Cause.FANOUT,
        requested_by=run.requested_by,
        scheduled_time=run.scheduled_time,
        available_at=now,
        queued_at=now,
        exclusive_key=spider_key(spider.name),
        work={
            "handler": "crawl",
            "job_data": request.job_data(),
            "max_retries": run.job.max_retries if run.job else own.get("max_retries", 0),
            "timeout": run.job.timeout if run.job else own.get("timeout"),
        },
    )


def end_task(task_id: int, status: str, message: str) -> bool:
    """End a task, and its parent when it was the last child. False: it had ended before, nothing was written."""
    now = timezone.now()
    active = CrawlTask.objects.filter(pk=task_id, status__in=ACTIVE)
    if active.update(status=status, message=message, finished_at=now) != 1:
        return False
    child = CrawlTask.objects.get(pk=task_id)
    if child.parent_id is not None:
        _roll_up(child, child.parent_id, now)
    return True


def _roll_up(child: CrawlTask, parent_id: int, now: datetime) -> None:
    """Add a child's counts to its parent. The parent's row is locked from the first statement on."""
    added = {name: F(name) + count for name in COUNTS if (count := getattr(child, name))}
    CrawlTask.objects.filter(pk=parent_id).update(children_left=F("children_left") - 1, **added)
    parent = CrawlTask.objects.get(pk=parent_id)
    if child.reasons:
        parent.reasons = dict(Counter(parent.reasons) + Counter(child.reasons))
        parent.save(update_fields=["reasons"])
    if parent.children_left == 0:
        status, message = _verdict(parent_id)
        lost = Q(falls_short=True) | Q(status__in=(Status.FAILED, Status.CANCELLED))
        falls_short = CrawlTask.objects.filter(lost, parent_id=parent_id).exists()
        # A parent that was cancelled has ended; its late children are only counted.
        CrawlTask.objects.filter(pk=parent_id, status__in=ACTIVE).update(
            status=status, message=message, finished_at=now, falls_short=falls_short
        )


def _verdict(parent_id: int) -> tuple[str, str]:
    """Failed or cancelled where every child is; else completed, with a sentence about the others."""
    children = CrawlTask.objects.filter(parent_id=parent_id).values("status").annotate(count=Count("pk"))
    by_status = {row["status"]: row["count"] for row in children.order_by("status")}
    total = sum(by_status.values())
    failed, cancelled = by_status.get(Status.FAILED, 0), by_status.get(Status.CANCELLED, 0)
    values = {"done": total - failed - cancelled, "total": total, "failed": failed, "cancelled": cancelled}
    message = _("%(done)d of %(total)d spiders completed.") % values
    if failed:
        message += " " + _("%(failed)d failed.") % values
    if cancelled:
        message += " " + _("%(cancelled)d cancelled.") % values
    if cancelled == total:
        return Status.CANCELLED, message
    if failed + cancelled == total:
        return Status.FAILED, message
    return Status.COMPLETED, message
