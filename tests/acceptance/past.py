"""Fourteen days of a busy installation, written as rows; run by ``manage.py shell`` in an installation of its own.

What it writes is what such an installation would have: runs of each schedule at its moments, crawls with their counts,
a night without a scheduler, a site that began to refuse, a site whose pages changed.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.utils import timezone

from crawler.models import CrawlTask, Spider, TaskFailure
from crawler.models.hours import ItemHour
from scheduling import hours, triggers
from scheduling.models import JobRun, ScheduledJob
from scheduling.models.hours import RunHour

DAYS = 14
USUAL = {"books": (1_159, 1_000, 140), "recipes": (1_240, 1_204, 112), "jobs-board": (640, 512, 75)}
"""Pages, items and seconds of a crawl; of the others fewer."""


def write(now: datetime) -> None:
    chance = random.Random(7)  # the same pictures each time
    night = (now - timedelta(days=4)).replace(hour=18, minute=0)
    planned = []
    for job in ScheduledJob.objects.filter(handler="crawl").order_by("job_id"):
        moments = triggers.next_firings(job.trigger, now - timedelta(days=DAYS), 400, anchor=job.anchor_at)
        runs = [moment for moment in moments if moment < now - timedelta(minutes=10)]
        planned += [(moment, job, len(runs) - index) for index, moment in enumerate(runs)]
    for moment, job, left in sorted(planned, key=lambda one: (one[0], one[1].job_id)):
        spider = Spider.objects.get(name=job.job_data["target"])
        is_missed = night <= moment < night + timedelta(hours=8)
        write_run(job, spider, moment, left=left, is_missed=is_missed, chance=chance)
    RunHour.objects.all().delete()
    while hours.fill(seconds=60):  # what a scheduler does little by little
        pass


def write_run(
    job: ScheduledJob, spider: Spider, moment: datetime, *, left: int, is_missed: bool, chance: random.Random
) -> None:
    pages, items, usual = USUAL.get(spider.name, (180, 120, 40))
    seconds = usual * chance.uniform(0.9, 1.2)
    refused = spider.name == "jobs-board" and left <= 3
    started, ended = moment + timedelta(seconds=0.1), moment + timedelta(seconds=seconds)
    state = JobRun.State.MISSED if is_missed else JobRun.State.FAILED if refused else JobRun.State.SUCCEEDED
    new, changed = chance.randint(0, items // 60), chance.randint(items // 40, items // 12)
    message = f"{pages:,} pages, {pages - changed:,} unchanged; {changed} items read, {new} new, {changed} changed."
    if refused:
        message = f"No start page answered: {spider.definition['start_urls'][0]}: http_403"
    run = JobRun.objects.create(
        job=job, job_key=job.job_id, job_name=job.name, cause="schedule", scheduled_time=moment, available_at=moment,
        state=state, definition_version=job.version, queued_at=moment, reason="late" if is_missed else "",
        started_at=None if is_missed else started, attempt_at=None if is_missed else started, finished_at=ended,
        execution_time=None if is_missed else seconds, message="" if is_missed else message,
    )  # fmt: skip
    if is_missed:
        return
    fell = spider.name == "recipes" and left == 1
    task = CrawlTask.objects.create(
        task_id=f"crawl_spider_{moment:%Y%m%d_%H%M%S}_{run.pk:04}", spider=spider, task_type="spider", run=run,
        status="failed" if refused else "completed", spider_version=spider.version, message=message,
        pages=0 if refused else pages, pages_failed=214 if refused else 0,
        items=0 if refused else 37 if fell else changed,
        pages_unchanged=0 if refused or fell else pages - changed, requests=pages,
        items_new=0 if refused or fell else new, items_changed=0 if refused or fell else changed,
        items_rejected=1_167 if fell else 0,
        reasons={"http_403": 214} if refused else {"missing_required": 1_167} if fell else {},
        started_at=started, finished_at=ended,
    )  # fmt: skip
    CrawlTask.objects.filter(pk=task.pk).update(created_at=moment)
    if refused or fell:
        reason = "http_403" if refused else "missing_required"
        address = spider.definition["start_urls"][0] + ("offer/88213" if refused else "r/pad-thai")
        detail = "" if refused else "recipe.price"
        TaskFailure.objects.create(
            task=task, url=address, reason=reason, status_code=403 if refused else 200, detail=detail, at=ended
        )
    elif moment.date() != timezone.localdate():
        hour = ended.replace(minute=0, second=0, microsecond=0)
        row, _created = ItemHour.objects.get_or_create(spider=spider, start_at=hour)
        ItemHour.objects.filter(pk=row.pk).update(added=row.added + new, changed=row.changed + changed)


write(timezone.localtime())
