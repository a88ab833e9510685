"""A tick: what is due becomes runs, times move, once, in one transaction."""

from __future__ import annotations

from datetime import timedelta

import pytest
from apscheduler.schedulers.base import BaseScheduler
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from scheduling import definitions, ledger
from scheduling.models import JobRun, ScheduledJob
from scheduling.rowsets import Columns, moment

from .ticking import (
    CRON_MINUTE,
    EVERY_MINUTE,
    EVERY_SECOND,
    NOON,
    broken_ring,
    make_job,
    make_one_off,
    make_run,
    make_timer,
    plan,
    planned,
    runs,
    states,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def test_due_job_becomes_a_queued_run_and_moves_on() -> None:
    job = make_job()
    timer, rung = make_timer()

    report = timer.tick(NOON + SECOND)

    [run] = runs()
    assert (run.state, run.scheduled_time, run.available_at, run.queued_at) == ("queued", NOON, NOON, NOON + SECOND)
    assert (run.job, run.job_name, run.definition_version, run.finished_at) == (job, "job", 1, None)
    assert planned() == NOON + MINUTE
    assert rung == [run.pk]
    assert (report.queued, report.more, report.held, report.next_run_time) == (1, False, False, NOON + MINUTE)


def test_job_that_is_not_due_is_left_alone() -> None:
    make_job(due=NOON + MINUTE)
    timer, rung = make_timer()

    report = timer.tick(NOON)

    assert (states(), rung, planned()) == ([], [], NOON + MINUTE)
    assert report.next_run_time == NOON + MINUTE


def test_nothing_fires_without_apscheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    make_job()
    timer, _rung = make_timer()

    def broken(self: BaseScheduler) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(BaseScheduler, "_process_jobs", broken)
    with pytest.raises(ZeroDivisionError):
        timer.tick(NOON)

    assert (states(), planned()) == ([], NOON)


def test_date_trigger_leaves_its_row_with_nothing_planned() -> None:
    make_job(trigger={"type": "date", "run_date": NOON.isoformat()})
    timer, _rung = make_timer()

    timer.tick(NOON)

    assert states() == [("queued", NOON)]
    assert planned() is None


def test_moment_fires_once_however_often_it_is_due() -> None:
    make_job()
    timer, rung = make_timer()

    timer.tick(NOON)
    plan("job", NOON)  # a clock that was set back, a restored backup
    timer.tick(NOON + SECOND)

    assert states() == [("queued", NOON)]
    assert len(rung) == 1
    assert planned() == NOON + MINUTE


def test_each_moment_within_the_grace_gets_a_run() -> None:
    make_job(misfire_grace_time=180)
    timer, _rung = make_timer()

    timer.tick(NOON + 3 * MINUTE)

    assert states() == [("queued", NOON + n * MINUTE) for n in range(4)]
    assert planned() == NOON + 4 * MINUTE


@pytest.mark.parametrize("trigger", [EVERY_MINUTE, CRON_MINUTE], ids=["interval", "cron"])
def test_gap_makes_one_missed_row_with_its_bounds(trigger: dict[str, object]) -> None:
    make_job(trigger=trigger, misfire_grace_time=90)
    timer, rung = make_timer()

    timer.tick(NOON + 10 * MINUTE)

    [missed, *queued] = runs()
    assert (missed.state, missed.scheduled_time, missed.missed_until) == ("missed", NOON, NOON + 8 * MINUTE)
    assert missed.missed_count == 9
    assert missed.message == "Later than the grace of 90 s."
    assert missed.finished_at == NOON + 10 * MINUTE
    assert [run.scheduled_time for run in queued] == [NOON + 9 * MINUTE, NOON + 10 * MINUTE]
    assert rung == [run.pk for run in queued]
    assert missed.pk < min(rung), "a time line, newest row first, would not be in order"


def test_everything_missed_moves_on_to_the_future() -> None:
    make_job(trigger={"type": "interval", "hours": 1, "start": "2026-01-01T00:00:00+00:00"}, misfire_grace_time=30)
    timer, rung = make_timer()

    timer.tick(NOON + 2.5 * timedelta(hours=1))

    [missed] = runs()
    assert (missed.missed_count, missed.missed_until) == (3, NOON + timedelta(hours=2))
    assert planned() == NOON + timedelta(hours=3)
    assert rung == []


def test_coalesced_moments_are_counted_on_the_run_that_stands_for_them() -> None:
    make_job(coalesce=True, misfire_grace_time=None)
    timer, _rung = make_timer()

    timer.tick(NOON + 5 * MINUTE)

    [run] = runs()
    assert (run.scheduled_time, run.coalesced_count, run.coalesced_from) == (NOON + 5 * MINUTE, 5, NOON)


def test_catch_up_runs_the_newest_thousand() -> None:
    make_job(trigger=EVERY_SECOND, misfire_grace_time=None)
    timer, rung = make_timer()
    week = timedelta(days=7)

    timer.tick(NOON + week)

    [missed, *queued] = runs()
    assert len(queued) == len(rung) == 1000
    assert queued[0].scheduled_time == NOON + week - timedelta(seconds=999)
    assert (missed.missed_count, missed.missed_until) == (7 * 86400 - 999, NOON + week - timedelta(seconds=1000))
    assert missed.message == "Beyond catch-up: only the newest 1000 moments of a job are run."


@pytest.mark.parametrize("state", ["queued", "running"])
def test_overlap_skip_names_the_run_in_the_way(state: str) -> None:
    job = make_job()
    active = make_run(job, state=state)
    timer, rung = make_timer()

    timer.tick(NOON)

    [run] = runs()[-1:]
    assert (run.state, run.message) == ("skipped", f"Run #{active.pk} of this job is still {state}.")
    assert (rung, planned()) == ([], NOON + MINUTE)


def test_overlap_skip_counts_what_was_active_before_the_tick_alone() -> None:
    job = make_job(max_instances=2, misfire_grace_time=300)
    make_run(job)
    timer, _rung = make_timer()

    timer.tick(NOON + 3 * MINUTE)

    assert [state for state, _moment in states()] == ["queued"] * 4


def test_overlap_wait_queues_behind_active_runs() -> None:
    job = make_job(overlap="wait")
    make_run(job)
    timer, _rung = make_timer()

    timer.tick(NOON)

    assert states() == [("queued", NOON)]


def test_overlap_wait_skips_when_the_queue_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job(overlap="wait", misfire_grace_time=300)
    JobRun.objects.bulk_create(
        [
            JobRun(
                job=job,
                job_key="job",
                job_name="job",
                cause="fanout",
                scheduled_time=NOON,
                available_at=NOON,
                queued_at=NOON,
            )
            for _ in range(999)
        ]
    )
    timer, _rung = make_timer()

    timer.tick(NOON + MINUTE)

    [first, second] = runs()
    assert (first.state, second.state) == ("queued", "skipped")
    assert second.message == "The queue is full: 999 runs of this job wait already."


def test_jitter_delays_the_same_moment_by_the_same_time() -> None:
    make_job(jitter=30, misfire_grace_time=300)
    timer, _rung = make_timer()

    timer.tick(NOON + 3 * MINUTE)

    delays = [run.available_at - run.scheduled_time for run in runs()]
    assert all(timedelta(0) <= delay < timedelta(seconds=30) for delay in delays)
    assert len(set(delays)) > 1
    assert planned() == NOON + 4 * MINUTE


def test_exclusive_key_is_the_handlers() -> None:
    make_job(handler="locked", job_data={"door": "front"})
    timer, _rung = make_timer()

    timer.tick(NOON)

    assert runs()[0].exclusive_key == "door:front"


def test_paused_scheduler_fires_nothing_and_stays_due() -> None:
    make_job()
    definitions.pause_all("ada")
    timer, _rung = make_timer()

    report = timer.tick(NOON)

    assert (states(), planned(), report.next_run_time) == ([], NOON, None)


def test_pause_between_look_and_lock_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    make_job()
    timer, _rung = make_timer()
    definitions.pause_all("ada")
    monkeypatch.setattr("scheduling.timer.ledger.look", lambda *args: (NOON, False))

    timer.tick(NOON)

    assert (states(), planned()) == ([], NOON)


@pytest.mark.parametrize("fields", [{"paused_at": NOON}, {"enabled": False}], ids=["paused", "off"])
def test_planned_time_of_a_job_that_does_not_run_is_taken_off(fields: dict[str, object]) -> None:
    job = make_job()
    ScheduledJob.objects.filter(pk=job.pk).update(**fields)
    timer, _rung = make_timer()

    timer.tick(NOON)

    assert (states(), planned()) == ([], None)


def test_row_without_a_definition_is_taken_off_and_does_not_spin() -> None:
    job = make_job()
    ScheduledJob.objects.filter(pk=job.pk).delete()
    timer, _rung = make_timer()

    report = timer.tick(NOON)

    assert (planned(), report.more, report.held) == (None, False, False)


def test_fewer_jobs_than_are_due_go_into_one_tick() -> None:
    for n in range(5):
        make_job(f"job-{n}", due=NOON + (4 - n) * SECOND)
    timer, rung = make_timer()
    timer._limit = 2

    reports = [timer.tick(NOON + 10 * SECOND) for _ in range(3)]

    assert [(report.queued, report.more) for report in reports] == [(2, True), (3, False), (0, False)]
    assert len(rung) == 5
    assert runs("job-4")[0].pk < runs("job-0")[0].pk, "the most overdue goes first"


def test_tick_ends_early_when_it_has_many_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduling.tick.MOST_RUNS", 3)
    for n in range(3):
        make_job(f"job-{n}", misfire_grace_time=300)
    timer, _rung = make_timer()

    reports = [timer.tick(NOON + MINUTE) for _ in range(2)]

    assert [(report.queued, report.more) for report in reports] == [(4, True), (2, False)]


def test_after_a_downtime_ticks_take_on_fewer_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduling.tick.MOST_TOLD", 2)
    monkeypatch.setattr("scheduling.timer.MOST_TOLD", 2)
    for n in range(5):
        make_job(f"job-{n}", misfire_grace_time=1)
    timer, _rung = make_timer()

    reports = [timer.tick(NOON + 10 * MINUTE + 5 * SECOND) for _ in range(4)]

    assert [(report.missed, report.more) for report in reports] == [(2, True), (2, True), (1, False), (0, False)]
    assert timer._limit > 2, "once that is over, they take on many again"


def test_error_while_writing_leaves_everything_as_it_was() -> None:
    make_job()
    timer, _rung = make_timer()
    timer._ring = broken_ring

    with pytest.raises(ZeroDivisionError):
        timer.tick(NOON)

    assert (states(), planned()) == ([], NOON)


def test_error_that_apscheduler_would_swallow_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    make_job(jitter=30)
    timer, _rung = make_timer()
    monkeypatch.setattr("scheduling.tick.available_at", lambda *args, **kwargs: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        timer.tick(NOON)

    assert (states(), planned()) == ([], NOON)


def test_one_off_stays_until_its_run_ends() -> None:
    make_one_off()
    timer, _rung = make_timer()

    timer.tick(NOON)

    assert states("once") == [("queued", NOON)]
    assert planned("once") is None
    assert ScheduledJob.objects.filter(job_id="once").exists()


def count_statements(jobs: int) -> int:
    for n in range(jobs):
        make_job(f"job-{jobs}-{n}")
    timer, rung = make_timer()
    with CaptureQueriesContext(connection) as queries:
        timer.tick(NOON)
    assert len(rung) == jobs
    return len(queries)


def test_statements_do_not_grow_with_what_is_due() -> None:
    assert count_statements(1) == count_statements(40)


def test_insert_names_every_column_that_may_not_be_null() -> None:
    """The statement is raw: a new column without a database default must be added to it."""
    optional = {
        field.column for field in JobRun._meta.local_fields if field.null or field.primary_key or field.has_db_default()
    }
    required = {field.column for field in JobRun._meta.local_fields} - optional

    for statement in (ledger._INSERT, ledger._QUEUE):
        inserted = statement.partition("(")[2].partition(")")[0].split(",")
        assert required <= {name.strip() for name in inserted}


def read_plan(statement: str, columns: Columns, rows: list[tuple[object, ...]], sets: int) -> str:
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE scheduling_jobrun")
        cursor.execute(f"{explain} {columns.into(statement)}", columns.params(rows) * sets)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def test_history_of_a_job_is_not_read() -> None:
    """A job that fires every second has millions of runs: a tick looks at those that are active alone."""
    job = make_job()
    JobRun.objects.bulk_create(
        [
            JobRun(
                job=job,
                job_key="job",
                job_name="job",
                cause="schedule",
                state="succeeded",
                scheduled_time=NOON - n * SECOND,
                available_at=NOON,
                queued_at=NOON,
                finished_at=NOON,
            )
            for n in range(1, 3000)
        ]
    )

    active = read_plan(ledger._ACTIVE, ledger._PKS, [(job.pk,)], 2)
    in_the_way = read_plan(ledger._DUE_LOCKED, ledger._JOB_IDS, [("job",)], 1)

    for plan_of in (active, in_the_way):
        assert "run_waiting" in plan_of or "run_claim" in plan_of
        assert "run_slot" in plan_of or "run_owned" in plan_of
        assert "timeline" not in plan_of
        assert "run_once" not in plan_of


def make_new(job: ScheduledJob, *, state: str = "queued") -> ledger.NewRun:
    return ledger.NewRun(
        pk=job.pk,
        job_key="job",
        job_name="job",
        scheduled_time=NOON,
        available_at=NOON,
        definition_version=1,
        state=state,
    )


def test_moment_on_record_is_passed_over() -> None:
    job = make_job()
    first = ledger.insert([make_new(job)], NOON)

    assert list(first) == [(job.pk, NOON)]
    assert ledger.insert([make_new(job, state="missed")], NOON) == {}
    assert ledger.queue([make_new(job)], NOON) == []
    assert ledger.queue_plain([(job.pk, str(moment(NOON)))], NOON) == []
    assert states() == [("queued", NOON)]


def test_row_that_breaks_another_rule_is_an_error_and_not_passed_over() -> None:
    job = make_job()

    with pytest.raises(IntegrityError):
        ledger.insert([make_new(job, state="running")], NOON)
