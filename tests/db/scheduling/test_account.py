"""One moment of one job: why it ran, did not run or will not run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django_apscheduler.models import DjangoJob
from pytest_django import Settings

from scheduling import account, definitions, signals, upcoming
from scheduling.account import Verdict, rules
from scheduling.account.recorded import scheduled
from scheduling.account.words import local
from scheduling.exceptions import JobNotFound
from scheduling.models import DefinitionVersion, JobRun, Process, RunLog, ScheduledJob

from .ticking import make_timer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]

START = datetime(2026, 3, 2, 12, 0, 0, 500_000, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


class Clock:
    """The time as the product sees it."""

    def __init__(self) -> None:
        self.now = START

    def go(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


def make_job(job_id: str = "job", **changes: object) -> ScheduledJob:
    """Every ten minutes of the hour, unless told otherwise."""
    document: dict[str, object] = {
        "job_id": job_id,
        "handler": "idle",
        "trigger": {"type": "cron", "cron": "*/10 * * * *", "timezone": "UTC"},
        **changes,
    }
    return definitions.save_job(definitions.parse_job(document))


def at(minute: int, second: int = 0) -> datetime:
    return START.replace(minute=minute, second=second, microsecond=0)


def make_scheduler(since: datetime = START, until: datetime | None = None, **fields: object) -> Process:
    """A scheduler that is alive, or that ended."""
    state = Process.State.ALIVE if until is None else Process.State.STOPPED
    values: dict[str, object] = {
        "kind": "scheduler",
        "host": "h",
        "pid": 1,
        "pid_created": 1.0,
        "max_workers": 4,
        "state": state,
        "started_at": since,
        "beat_at": until or timezone.now(),
    }
    return Process.objects.create(**{**values, **fields})


def tick(now: datetime) -> None:
    timer, _rung = make_timer()
    while timer.tick(now).more:
        pass


def why(moment: datetime, job_id: str = "job", *, now: datetime | None = None) -> account.Explanation:
    return account.explain(job_id, moment, now=now or timezone.now())


def end(run: JobRun, state: str = "succeeded", **fields: object) -> JobRun:
    now = timezone.now()
    JobRun.objects.filter(pk=run.pk).update(state=state, started_at=now, finished_at=now, execution_time=1.5, **fields)
    run.refresh_from_db()
    return run


def hold(run: JobRun, owner: Process) -> None:
    JobRun.objects.filter(pk=run.pk).update(state="running", owner=owner, started_at=timezone.now(), slot=0, claim=1)


def only_run(job_id: str = "job") -> JobRun:
    return JobRun.objects.get(job_key=job_id)


def test_moment_that_ran_says_how_it_ended(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=10))
    run = end(only_run())
    told = why(at(10))
    assert (told.verdict, told.run, told.version) == (Verdict.RAN, run, 1)
    assert told.sentence == "It ran at 2026-03-02 20:10 and succeeded after 1.5 s."


def test_run_that_was_interrupted_says_when_it_began_and_how_long_it_worked(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=10))
    run = only_run()
    RunLog.objects.create(run=run, seq=1, text="2026-03-02T12:10:02.000000Z Here we go.")
    end(run, claim=2)
    JobRun.objects.update(started_at=at(11), finished_at=at(12), execution_time=90)
    told = why(at(10))
    assert told.sentence == (
        "It went on at 2026-03-02 20:11 and succeeded at 2026-03-02 20:12, after 1 min 30 s of work in all."
        " It had begun at 2026-03-02 20:10:02, and was interrupted."
    )
    RunLog.objects.update(text="no time at all")
    assert "had begun" not in why(at(10)).sentence


def test_failed_run_says_why(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=10))
    end(only_run(), "failed", error_type="TimeoutError", message="after 30 s")
    told = why(at(10))
    assert (told.verdict, told.sentence) == (
        Verdict.RAN,
        "It ran at 2026-03-02 20:10 and failed (TimeoutError: after 30 s).",
    )


def test_moment_without_a_scheduler_names_from_when_to_when_it_was_down(clock: Clock) -> None:
    make_job()
    make_scheduler(until=at(5))
    clock.go(minutes=18)
    make_scheduler(since=at(17))
    tick(clock.now)
    told = why(at(10))
    assert told.verdict == Verdict.MISSED_DOWN
    assert "no scheduler was alive from 2026-03-02 20:05:03 to 2026-03-02 20:17" in told.sentence
    assert told.remedy == "Raise “Late by more than (seconds)” (now 30), or back-fill it."
    assert (told.since, told.until) == (at(5, 3), at(17))


def test_tick_that_came_late_is_told_from_a_scheduler_that_was_down(clock: Clock) -> None:
    make_job()
    make_scheduler()
    Process.objects.update(beat_at=clock.go(minutes=12))
    tick(clock.now)
    told = why(at(10))
    assert told.verdict == Verdict.MISSED_LATE
    assert "a scheduler came to it only at 2026-03-02 20:12" in told.sentence


def test_date_that_had_passed_when_its_schedule_was_made_blames_no_scheduler(clock: Clock) -> None:
    made = clock.go(days=400)
    make_job(trigger={"type": "date", "run_date": at(10).isoformat()})
    make_scheduler(since=clock.go(seconds=1))
    tick(clock.now)
    told = why(at(10))
    assert told.verdict == Verdict.MISSED_LATE
    assert f"had passed already when the schedule was made, at {local(made)}" in told.sentence
    assert account.timeline("job").past[0].sentence == told.sentence


def test_one_off_of_long_ago_blames_no_scheduler(clock: Clock) -> None:
    make_scheduler(since=clock.go(days=400))
    definitions.create_one_off(job_id="once", handler="idle", job_data={}, run_date=at(10))
    Process.objects.update(beat_at=clock.go(minutes=10))
    tick(clock.now)
    told = why(at(10), "once")
    assert told.verdict == Verdict.MISSED_LATE
    assert "a scheduler came to it only" in told.sentence
    assert account.timeline("once").past[0].sentence == told.sentence


def test_moments_beyond_catch_up(clock: Clock) -> None:
    make_job(
        trigger={"type": "interval", "seconds": 1},
        policies={"misfire_grace_time": None, "overlap": "wait"},
    )
    tick(clock.go(seconds=1200))
    told = why(START + 100 * SECOND)
    assert (told.verdict, told.run.missed_count if told.run else None) == (Verdict.MISSED_BEYOND, 200)
    assert told.remedy == "Back-fill what is needed, or tick “One run for a whole gap”."
    assert why(START + 300 * SECOND).verdict == Verdict.QUEUED_NO_SCHEDULER


def test_skipped_moment_names_the_run_in_the_way(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=10))
    in_way = only_run()
    tick(clock.go(minutes=10))
    told = why(at(20))
    assert told.verdict == Verdict.SKIPPED
    assert told.sentence == f"It was skipped: run #{in_way.pk} of this schedule was still waiting or running."
    assert told.run is not None
    assert (told.run.reason, told.run.in_way) == ("overlap", in_way.pk)
    assert told.remedy == "Raise “Runs at the same time”, or set “If a run is still going” to “wait”."


def test_more_instances_are_no_remedy_where_only_one_may_run(clock: Clock) -> None:
    make_job(handler="locked", job_data={"door": "front"})
    tick(clock.go(minutes=10))
    tick(clock.go(minutes=10))
    assert why(at(20)).remedy == "Set “If a run is still going” to “wait”, or let it run less often."


def test_full_queue(clock: Clock) -> None:
    job = make_job(policies={"overlap": "wait"})
    waiting = [
        JobRun(
            job=job,
            job_key="job",
            job_name="job",
            cause="fanout",
            state="queued",
            scheduled_time=START,
            available_at=START,
            queued_at=START,
        )
        for _number in range(1000)
    ]
    JobRun.objects.bulk_create(waiting)
    tick(clock.go(minutes=10))
    assert why(at(10)).verdict == Verdict.QUEUE_FULL


def test_coalesced_moment_names_the_run_that_stands_for_it(clock: Clock) -> None:
    make_job(policies={"coalesce": True, "misfire_grace_time": None})
    tick(clock.go(minutes=40))
    run = end(only_run())
    told = why(at(20))
    assert (told.verdict, told.run, told.since) == (Verdict.COALESCED, run, at(10))
    assert told.sentence.startswith(f"It was coalesced: run #{run.pk} of 2026-03-02 20:40 stands for it.")
    assert "It stands for 3 earlier moments as well" in why(at(40)).sentence


def test_pause_is_told_with_who_and_note_after_it_was_resumed(clock: Clock) -> None:
    make_job()
    clock.go(minutes=5)
    definitions.pause_job("job", by="ann", note="holiday")
    clock.go(minutes=30)
    definitions.resume_job("job")
    told = why(at(20))
    assert told.verdict == Verdict.PAUSED
    assert told.sentence == (
        "It did not run: the schedule was paused from 2026-03-02 20:05 to 2026-03-02 20:35 by ann. Note: “holiday”."
    )
    assert (told.since, told.until) == (START + 5 * MINUTE, START + 35 * MINUTE)
    assert only_run().data == {"by": "ann", "since": (START + 5 * MINUTE).isoformat(), "note": "holiday"}


@pytest.mark.parametrize(
    ("hold_it", "verdict", "words", "remedy"),
    [
        (lambda: definitions.pause_job("job", by="ann"), "paused", "by ann", "Resume the schedule."),
        (lambda: definitions.pause_all("ann"), "paused_all", "Everything is paused", "Resume everything."),
        (lambda: make_job(enabled=False), "disabled", "is disabled since", "Enable the schedule."),
    ],
    ids=["paused", "everything paused", "disabled"],
)
def test_what_holds_a_job_now_is_told_of_past_and_future(
    clock: Clock, hold_it: Callable[[], object], verdict: str, words: str, remedy: str
) -> None:
    make_job()
    clock.go(minutes=5)
    hold_it()
    clock.go(minutes=10)
    for moment in (at(10), at(50)):
        told = why(moment)
        assert (told.verdict, told.remedy) == (verdict, remedy)
        assert words in told.sentence


def test_why_everything_is_paused_is_told_while_it_is_and_after_it_was(clock: Clock) -> None:
    make_job()
    clock.go(minutes=5)
    definitions.pause_all("ann", note="the disk is changed")
    clock.go(minutes=30)
    assert why(at(20)).sentence.endswith("until it is resumed. Note: “the disk is changed”.")
    definitions.resume_all()
    assert why(at(20)).sentence.endswith(" by ann. Note: “the disk is changed”.")
    definitions.pause_all()
    assert "disk" not in why(at(50)).sentence


@pytest.mark.parametrize(
    ("hold_it", "release_it"),
    [
        (lambda: definitions.pause_job("job", note="换盘"), lambda: definitions.resume_job("job")),
        (lambda: definitions.pause_all(note="换盘"), lambda: definitions.resume_all()),
    ],
    ids=["paused", "everything paused"],
)
def test_no_blank_stands_before_a_note_in_chinese(
    clock: Clock, hold_it: Callable[[], object], release_it: Callable[[], object]
) -> None:
    make_job()
    clock.go(minutes=5)
    hold_it()
    clock.go(minutes=30)
    with translation.override("zh-hans"):
        told = [upcoming.hold_of(ScheduledJob.objects.get())[2], why(at(20)).sentence]
        release_it()
        told.append(why(at(20)).sentence)
    assert ["。备注" in sentence for sentence in told] == [True] * 3, told


def test_moments_while_disabled_are_one_missed_row_when_it_is_enabled(clock: Clock) -> None:
    make_job()
    clock.go(minutes=5)
    make_job(enabled=False)
    clock.go(minutes=30)
    make_job()
    run = only_run()
    assert (run.state, run.reason, run.missed_count, run.scheduled_time) == ("missed", "disabled", 3, at(10))
    assert why(at(20)).verdict == Verdict.DISABLED
    assert why(at(40)).verdict == Verdict.PLANNED


def test_edit_while_paused_keeps_the_moments_of_the_old_rule(clock: Clock) -> None:
    """Counting them by the new rule would invent some and lose others."""
    make_job()
    definitions.pause_job("job")
    clock.go(minutes=25)
    make_job(trigger={"type": "cron", "cron": "5 * * * *", "timezone": "UTC"})
    clock.go(minutes=60)
    definitions.resume_job("job")
    rows = JobRun.objects.order_by("scheduled_time")
    assert [(row.scheduled_time, row.missed_until, row.missed_count, row.reason) for row in rows] == [
        (at(10), at(20), 2, "paused"),
        (at(5) + 60 * MINUTE, at(5) + 60 * MINUTE, 1, "paused"),
    ]


def test_due_moment_that_an_edit_overtook(clock: Clock) -> None:
    make_job()
    clock.go(minutes=11)
    make_job(trigger={"type": "interval", "hours": 5})
    told = why(at(10))
    assert told.verdict == Verdict.CHANGED
    assert told.sentence.startswith("It did not run: the schedule was changed at 2026-03-02 20:11")


def test_due_moment_under_a_pause_of_everything_is_that_whatever_is_edited(clock: Clock) -> None:
    make_job()
    definitions.pause_all("ann")
    clock.go(minutes=11)
    make_job(trigger={"type": "interval", "hours": 5})
    assert why(at(10)).verdict == Verdict.PAUSED_ALL


def test_removed_job_keeps_its_account(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=10))
    end(only_run())
    clock.go(minutes=11)
    definitions.delete_job("job")
    clock.go(minutes=9)
    assert [why(at(minute)).verdict for minute in (10, 20, 30)] == ["ran", "removed", "removed"]
    assert why(at(20)).sentence.startswith("It did not run: the schedule was removed at 2026-03-02 20:21")
    assert why(at(30)).sentence == "The schedule was removed at 2026-03-02 20:21."
    assert why(at(15)).verdict == Verdict.NEVER_DUE


def test_job_that_came_back_tells_of_both_lives(clock: Clock) -> None:
    make_job(trigger={"type": "interval", "minutes": 10})
    tick(clock.go(minutes=10))
    end(only_run())
    clock.go(minutes=5)
    definitions.delete_job("job")
    clock.go(minutes=10)
    make_job(trigger={"type": "interval", "minutes": 10})
    verdicts = [why(START + minutes * MINUTE).verdict for minutes in (10, 20, 30, 35)]
    assert verdicts == ["ran", "removed", "never_due", "planned"]
    assert JobRun.objects.get().definition_version == 1
    assert ScheduledJob.objects.get().version == 2


def test_anchor_of_an_older_interval_is_that_of_its_time(clock: Clock) -> None:
    """Also where retention has taken the rows away."""
    make_job(trigger={"type": "interval", "minutes": 7})
    clock.go(minutes=3)
    make_job(trigger={"type": "interval", "minutes": 7}, name="renamed")
    clock.go(minutes=20)
    make_job(trigger={"type": "interval", "hours": 1})
    JobRun.objects.all().delete()
    clock.go(days=200)
    assert why(START + 14 * MINUTE).verdict == Verdict.FORGOTTEN
    told = why(START + 13 * MINUTE)
    assert (told.verdict, told.nearest_before, told.nearest_after) == (
        Verdict.NEVER_DUE,
        START + 7 * MINUTE,
        START + 14 * MINUTE,
    )


def test_moment_of_a_removed_job_is_forgotten_with_its_row(clock: Clock) -> None:
    make_job()
    clock.go(minutes=25)
    definitions.delete_job("job")
    JobRun.objects.all().delete()
    assert why(at(10)).verdict == Verdict.FORGOTTEN
    assert why(at(10), now=START + timedelta(days=91)).sentence == "It is forgotten: runs are kept for 90 days."


def test_job_that_an_older_release_removed(clock: Clock) -> None:
    make_job()
    definitions.delete_job("job")
    DefinitionVersion.objects.update(removed_at=None)
    assert why(at(10)).verdict == Verdict.REMOVED


def test_versions_beyond_those_looked_at_are_not_taken_for_none(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_VERSIONS", 2)
    for minutes in (20, 30, 40):
        make_job(trigger={"type": "interval", "minutes": minutes})
        clock.go(minutes=5)
    told = why(START + MINUTE)
    assert (told.verdict, told.sentence) == (
        Verdict.FORGOTTEN,
        "Nothing is on record, and so old a version of the schedule is not looked at.",
    )


def test_rule_that_cannot_be_read(clock: Clock) -> None:
    make_job()
    ScheduledJob.objects.update(trigger={"type": "moon"})
    told = why(at(50))
    assert (told.verdict, told.remedy) == (
        Verdict.QUARANTINED,
        "Mend the schedule and save it; then back-fill what is needed.",
    )


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2026, 3, 2, 1, 0, tzinfo=UTC), "2026-03-02 02:00"),
        (datetime(2026, 3, 2, 1, 0, 5, 900_000, tzinfo=UTC), "2026-03-02 02:00:05"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "2026-10-25 02:30+02:00"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "2026-10-25 02:30+01:00"),
    ],
    ids=["minutes", "seconds", "first of two", "second of two"],
)
def test_times_are_local_and_never_ambiguous(settings: Settings, moment: datetime, words: str) -> None:
    settings.SCHEDULER_TIMEZONE = "Europe/Berlin"
    assert local(moment) == words


def test_moment_that_was_never_due_names_its_neighbours(clock: Clock) -> None:
    make_job()
    clock.go(minutes=15)
    told = why(at(12))
    assert (told.verdict, told.nearest_before, told.nearest_after) == (Verdict.NEVER_DUE, at(10), at(20))
    assert "The moment before is 2026-03-02 20:10. The moment after is 2026-03-02 20:20." in told.sentence


def test_moment_between_two_of_a_missed_row_was_never_due(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=35))
    assert (why(at(10)).verdict, why(at(12)).verdict) == (Verdict.MISSED_DOWN, Verdict.NEVER_DUE)


def test_before_the_job_and_after_its_end(clock: Clock) -> None:
    make_job(trigger={"type": "cron", "cron": "*/10 * * * *", "timezone": "UTC", "end": "2026-03-02T12:20:00Z"})
    tick(clock.go(minutes=10))
    tick(clock.go(minutes=10))
    assert why(START - MINUTE).verdict == Verdict.NOT_YET_CREATED
    told = why(at(30))
    assert (told.verdict, told.nearest_before) == (Verdict.ENDED, at(20))
    assert told.sentence == "The schedule had ended: its last moment was 2026-03-02 20:20."


def test_due_now_with_and_without_a_scheduler(clock: Clock) -> None:
    make_job()
    clock.go(minutes=10)
    told = why(at(10))
    assert (told.verdict, told.remedy) == (Verdict.DUE_NO_SCHEDULER, "Start a scheduler: manage.py runscheduler.")
    make_scheduler()
    assert why(at(10)).verdict == Verdict.DUE


def test_planned_moment(clock: Clock) -> None:
    make_job()
    told = why(at(10))
    assert (told.verdict, told.remedy) == (Verdict.PLANNED, "Start a scheduler: manage.py runscheduler.")
    make_scheduler()
    assert (why(at(10)).sentence, why(at(10)).remedy) == ("It is planned for 2026-03-02 20:10.", "")


def test_broken_definition_is_told_of_what_failed_and_what_will(clock: Clock) -> None:
    make_job()
    ScheduledJob.objects.update(handler="gone")
    tick(clock.go(minutes=10))
    failed, ahead = why(at(10)), why(at(20))
    assert (failed.verdict, ahead.verdict) == (Verdict.QUARANTINED, Verdict.QUARANTINED)
    assert "There is no handler “gone”" in failed.sentence
    assert only_run().reason == "broken"


def test_mending_a_job_accounts_for_what_was_due_meanwhile(clock: Clock) -> None:
    make_job()
    ScheduledJob.objects.update(handler="gone")
    tick(clock.go(minutes=10))
    clock.go(minutes=15)
    make_job()
    assert why(at(20)).verdict == Verdict.QUARANTINED
    assert why(at(30)).verdict == Verdict.PLANNED


def test_clock_that_was_set_back_counts_no_moment_twice(clock: Clock) -> None:
    make_job(policies={"misfire_grace_time": None, "overlap": "wait"})
    tick(clock.go(minutes=20))
    clock.go(minutes=-15)
    make_job(trigger={"type": "cron", "cron": "*/5 * * * *", "timezone": "UTC"})
    clock.go(minutes=6)
    definitions.pause_job("job")
    clock.go(minutes=25)
    definitions.resume_job("job")
    rows = JobRun.objects.order_by("scheduled_time")
    assert [(row.scheduled_time, row.state, row.missed_count) for row in rows] == [
        (at(10), "queued", None),
        (at(20), "queued", None),
        (at(25), "missed", 3),
    ]


def test_job_whose_row_was_lost_accounts_for_the_time_between(clock: Clock) -> None:
    make_job()
    DjangoJob.objects.all().delete()
    clock.go(minutes=25)
    definitions.restore_rows()
    told = why(at(20))
    assert (told.verdict, told.run.missed_count if told.run else None) == (Verdict.QUARANTINED, 2)
    assert why(at(30)).verdict == Verdict.PLANNED


class TestSetAside:
    """A job of which the database or a receiver refuses a row."""

    @pytest.fixture(autouse=True)
    def _refused(self, clock: Clock, handlers: None) -> Iterator[None]:
        def refuse(run: JobRun, **_kwargs: object) -> None:
            if run.reason == "late":
                raise LookupError("task")

        make_job(trigger={"type": "cron", "cron": "* * * * *", "timezone": "UTC"})
        signals.run_ended.connect(refuse)
        tick(clock.go(minutes=2.9))
        yield
        signals.run_ended.disconnect(refuse)

    def test_its_moments_until_the_next_try_are_on_record(self) -> None:
        run = only_run()
        assert (run.state, run.reason, run.missed_count, run.missed_until) == ("missed", "broken", 7, at(7))
        assert DjangoJob.objects.get().next_run_time == at(8)
        told = why(at(5))
        assert told.verdict == Verdict.QUARANTINED
        assert "LookupError: task" in told.sentence

    def test_what_comes_after_it_was_mended_runs(self, clock: Clock) -> None:
        clock.go(minutes=1)
        make_job(trigger={"type": "cron", "cron": "* * * * *", "timezone": "UTC"})
        run = only_run()
        assert (run.missed_count, run.missed_until) == (3, at(3))
        assert [why(at(minute)).verdict for minute in (3, 4)] == ["quarantined", "planned"]
        tick(clock.go(minutes=0.2))
        assert why(at(4)).verdict == Verdict.QUEUED_NO_SCHEDULER


def test_cancelled_run(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=10))
    definitions.cancel_run(only_run().pk, by="ann")
    told = why(at(10))
    assert (told.verdict, told.sentence) == (Verdict.CANCELLED, "It was cancelled at 2026-03-02 20:10 by ann.")


def test_run_that_was_cancelled_with_its_schedule(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=10))
    definitions.delete_job("job")
    told = why(at(10))
    assert (told.verdict, told.sentence) == (
        Verdict.CANCELLED,
        "It was cancelled at 2026-03-02 20:10: the schedule was removed.",
    )


def test_back_fill_is_told_beside_what_was_missed(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=15))
    [filled] = definitions.backfill("job", [at(10)], by="ann")
    end(filled)
    told = why(at(10))
    assert (told.verdict, told.remedy) == (Verdict.MISSED_DOWN, "")
    assert f"It was filled in by run #{filled.pk}: It ran at" in told.sentence


class TestQueuedRun:
    def test_waits_for_a_scheduler(self, clock: Clock) -> None:
        make_job()
        tick(clock.go(minutes=10))
        told = why(at(10))
        assert (told.verdict, told.remedy) == (
            Verdict.QUEUED_NO_SCHEDULER,
            "Start a scheduler: manage.py runscheduler.",
        )

    def test_was_queued_a_moment_ago(self, clock: Clock) -> None:
        make_job()
        make_scheduler()
        tick(clock.go(minutes=10))
        make_scheduler()
        assert why(at(10)).verdict == Verdict.QUEUED

    def test_waits_for_a_slot(self, clock: Clock) -> None:
        make_job(policies={"overlap": "wait"})
        tick(clock.go(minutes=10))
        first = only_run()
        hold(first, make_scheduler(since=clock.now))
        tick(clock.go(seconds=600))
        Process.objects.update(beat_at=clock.now)
        told = why(at(20))
        assert told.verdict == Verdict.QUEUED_SLOT
        assert f"(#{first.pk})" in told.sentence
        assert why(at(10)).verdict == Verdict.RUNNING

    def test_waits_for_the_holder_of_its_key(self, clock: Clock) -> None:
        for job_id in ("job", "other"):
            make_job(job_id, handler="locked", job_data={"door": "front"})
        tick(clock.go(minutes=10))
        other = only_run("other")
        hold(other, make_scheduler(since=clock.now))
        told = why(at(10))
        assert told.verdict == Verdict.QUEUED_EXCLUSIVE
        assert told.sentence == f"It waits for run #{other.pk} (other): only one of the two may run at a time."
        assert account.timeline("job", now=clock.now).past[0].sentence == told.sentence

    def test_waits_for_a_place(self, clock: Clock) -> None:
        make_job()
        make_job("other")
        tick(clock.go(minutes=10))
        hold(only_run("other"), make_scheduler(since=clock.now, max_workers=1))
        assert why(at(10)).verdict == Verdict.QUEUED_PLACE

    def test_waits_for_its_jitter(self, clock: Clock) -> None:
        make_job(policies={"jitter": 3600})
        tick(clock.go(minutes=10))
        told = why(at(10))
        assert (told.verdict, told.until) == (Verdict.QUEUED_LATER, only_run().available_at)


def test_one_off_is_accounted_for_before_and_after(clock: Clock) -> None:
    definitions.create_one_off(job_id="once", handler="idle", job_data={}, run_date=at(10))
    assert why(at(10), "once").verdict == Verdict.PLANNED
    clock.go(minutes=30)
    tick(clock.now)
    told = why(at(10), "once")
    assert (told.verdict, ScheduledJob.objects.count()) == (Verdict.MISSED_DOWN, 0)
    other = why(at(12), "once")
    assert (other.verdict, other.nearest_before) == (Verdict.NEVER_DUE, at(10))


def test_one_off_that_was_asked_for_now_is_accounted_for(clock: Clock) -> None:
    run = definitions.run_once(job_id="once", handler="idle", job_data={}, by="ada")
    queued = why(run.scheduled_time, "once")
    assert (queued.run, queued.verdict) == (run, Verdict.QUEUED_NO_SCHEDULER)
    definitions.cancel_run(run.pk, by="ada")
    assert not ScheduledJob.objects.exists()
    assert why(run.scheduled_time, "once").verdict == Verdict.CANCELLED


def test_unknown_job_is_refused(clock: Clock) -> None:
    for ask in (lambda: why(at(10), "nobody"), lambda: account.timeline("nobody")):
        with pytest.raises(JobNotFound):
            ask()


def test_account_as_json_is_plain(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=11))
    told = why(at(10)).as_json()
    assert told["moment"] == "2026-03-02T12:10:00Z"
    assert told["run"] == {"id": only_run().pk, "state": "missed"}


@pytest.mark.parametrize("removed", [False, True], ids=["job", "removed job"])
def test_history_of_a_job_is_not_read(clock: Clock, removed: bool) -> None:
    """One moment among many costs a few look-ups, each by an index."""
    job = make_job()
    fields = {"job_key": "job", "job_name": "job", "cause": "schedule", "state": "succeeded"}
    runs = [
        JobRun(job=job, scheduled_time=moment, available_at=moment, queued_at=moment, finished_at=moment, **fields)
        for moment in (START - number * MINUTE for number in range(2000))
    ]
    JobRun.objects.bulk_create(runs)
    if removed:
        definitions.delete_job("job")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE scheduling_jobrun")
    with CaptureQueriesContext(connection) as queries:
        assert why(START - 1000 * MINUTE).verdict == Verdict.RAN
    assert len(queries) <= 12
    # Explained with its parameters: on SQLite a partial index serves only what is written out.
    rows = scheduled("job", None if removed else job)[0].filter(scheduled_time__lte=START).order_by("-scheduled_time")
    assert ("run_key_moments" if removed else "run_once") in rows[:3].explain()
