"""Plain jobs are recognised cheaply; what is recorded of them is what the whole decision says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from django_apscheduler.models import DjangoJob

from scheduling import jobstore, ledger
from scheduling.models import JobRun, ScheduledJob
from scheduling.plain import plain_jobs

from .ticking import CRON_MINUTE, EVERY_MINUTE, NOON, make_job, make_run, make_timer, plan

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]

SECOND = timedelta(seconds=1)
NUMBERED = {"id", "job_id", "message", "in_way"}
HOURLY: Mapping[str, object] = {"type": "interval", "hours": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    trigger: Mapping[str, object] = field(default_factory=lambda: HOURLY)
    fields: Mapping[str, object] = field(default_factory=dict)
    due: datetime = NOON
    late: timedelta = SECOND
    anchor: datetime | None = NOON - timedelta(hours=5)
    active: str = ""
    is_plain: bool = True


CASES = {
    "interval": Case(),
    "interval with a start": Case(trigger=EVERY_MINUTE),
    "interval that ends": Case(trigger={**HOURLY, "end": (NOON + timedelta(minutes=30)).isoformat()}),
    "interval planned by hand, off its rhythm": Case(due=NOON - timedelta(minutes=7, microseconds=3)),
    "interval planned before its anchor": Case(anchor=NOON + timedelta(days=2)),
    "interval without an anchor": Case(anchor=None),
    "cron": Case(trigger=CRON_MINUTE),
    "cron, in a zone": Case(trigger={"type": "cron", "hour": 20, "timezone": "Asia/Shanghai"}),
    "date": Case(trigger={"type": "date", "run_date": NOON.isoformat()}),
    "just within the grace": Case(fields={"misfire_grace_time": 30}, late=30 * SECOND),
    "however late": Case(trigger=HOURLY, fields={"misfire_grace_time": None}, late=timedelta(minutes=59)),
    "too late": Case(fields={"misfire_grace_time": 30}, late=30 * SECOND + timedelta(microseconds=1), is_plain=False),
    "two moments": Case(trigger=CRON_MINUTE, fields={"misfire_grace_time": 90}, late=61 * SECOND, is_plain=False),
    "jitter": Case(fields={"jitter": 10}, is_plain=False),
    "paused": Case(fields={"paused_at": NOON}, is_plain=False),
    "off": Case(fields={"enabled": False}, is_plain=False),
    "a problem that is over": Case(fields={"problem": "It was broken."}, is_plain=False),
    "a run in the way": Case(active="running", is_plain=False),
    "a run that waits": Case(active="queued", is_plain=False),
    "a handler with a key": Case(fields={"handler": "locked", "job_data": {"door": "front"}}, is_plain=False),
    "a handler that is gone": Case(fields={"handler": "gone"}, is_plain=False),
    "a trigger that cannot be read": Case(fields={"trigger": {"type": "lunar"}}, is_plain=False),
}


def prepare(case: Case) -> None:
    JobRun.objects.all().delete()
    DjangoJob.objects.all().delete()
    ScheduledJob.objects.all().delete()
    job = make_job(trigger=case.trigger)
    ScheduledJob.objects.filter(pk=job.pk).update(anchor_at=case.anchor, **case.fields)
    plan("job", case.due)
    if case.active:
        make_run(job, state=case.active)


def outcome(case: Case) -> tuple[list[dict[str, object]], datetime | None, str]:
    """What a tick leaves: the runs, the next planned moment, and the job's problem."""
    prepare(case)
    timer, rung = make_timer()
    timer.tick(case.due + case.late)
    runs = JobRun.objects.filter(cause="schedule").order_by("pk")
    assert rung == [run.pk for run in runs if run.state == "queued"]
    # but for numbers, which go on from one preparation to the next
    told = [field.attname for field in JobRun._meta.local_fields if field.attname not in NUMBERED]
    rows = [{name: getattr(run, name) for name in told} for run in runs]
    return rows, DjangoJob.objects.get().next_run_time, ScheduledJob.objects.get().problem


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_plain_way_and_whole_decision_leave_the_same(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = outcome(case)
    monkeypatch.setattr(jobstore, "plain_jobs", lambda rows, moment: [None for _row in rows])

    assert quick == outcome(case)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_special_is_not_plain(case: Case) -> None:
    prepare(case)
    now = case.due + case.late

    [job] = plain_jobs(ledger.due_jobs(now, 10), now)

    assert (job is not None) == case.is_plain


def test_row_without_a_definition_is_not_plain() -> None:
    make_job()
    ScheduledJob.objects.all().delete()

    assert plain_jobs(ledger.due_jobs(NOON, 10), NOON) == [None]


def test_plain_and_special_jobs_go_into_one_tick() -> None:
    for n in range(6):
        make_job(f"job-{n}", trigger=HOURLY, due=NOON - n * SECOND, jitter=5 if n % 2 else None)
    timer, rung = make_timer()

    report = timer.tick(NOON + SECOND)

    assert (report.queued, len(rung), report.more) == (6, 6, False)
    assert JobRun.objects.filter(state="queued").count() == 6


def test_texts_of_a_job_are_stored_as_they_are() -> None:
    name = "“%s” {set} \\ ' \" 中文\n"
    job = make_job()
    ScheduledJob.objects.filter(pk=job.pk).update(name=name)
    timer, _rung = make_timer()

    timer.tick(NOON)

    assert [run.job_name for run in JobRun.objects.all()] == [name]
