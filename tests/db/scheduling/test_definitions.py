"""The one write path: saving, pausing, resuming, deleting, one-offs, cancelling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_apscheduler.models import DjangoJob

from scheduling import definitions, registry, signals
from scheduling.contract import JobHandler
from scheduling.definitions import jobs
from scheduling.exceptions import InvalidJob, InvalidJobData, JobExists, JobNotFound, RunConflict
from scheduling.models import DefinitionVersion, JobRun, ScheduledJob, SchedulerState
from tests.db.processes import make_process

pytestmark = pytest.mark.django_db(transaction=True)

EVERY_HOUR = {"type": "interval", "hours": 1}
NIGHTLY = {"type": "cron", "cron": "0 2 * * *", "timezone": "Europe/Berlin"}


class ProbeJobHandler(JobHandler):
    predefined_jobs = ({"job_id": "probe-nightly", "handler": "probe", "trigger": {"type": "cron", "cron": "@daily"}},)

    def validate(self, job_data: Mapping[str, object]) -> None:
        if "bad" in job_data:
            raise InvalidJobData("bad", "Leave it out.")

    def exclusive_key(self, job_data: Mapping[str, object]) -> str:
        return str(job_data.get("key", ""))


@pytest.fixture(autouse=True)
def _probe() -> Iterator[None]:
    registry.register(ProbeJobHandler)
    yield
    registry.unregister(ProbeJobHandler)


@pytest.fixture
def ended() -> Iterator[list[tuple[str, str]]]:
    """(job_key, state) of each run whose end was told."""
    heard: list[tuple[str, str]] = []

    def receiver(run: JobRun, **_kwargs: object) -> None:
        heard.append((run.job_key, run.state))

    signals.run_ended.connect(receiver)
    yield heard
    signals.run_ended.disconnect(receiver)


def make_values(job_id: str = "probe", **changes: object) -> definitions.JobValues:
    document = {"job_id": job_id, "handler": "probe", "trigger": EVERY_HOUR, **changes}
    return definitions.parse_job(document)


def next_run_time(job_id: str = "probe") -> datetime | None:
    planned: datetime | None = DjangoJob.objects.get(pk=job_id).next_run_time
    return planned


def make_due(job_id: str, ago: timedelta) -> datetime:
    """As if no scheduler had ticked for a while."""
    moment = timezone.now() - ago
    assert DjangoJob.objects.filter(pk=job_id).update(next_run_time=moment) == 1
    return moment


def make_running(run: JobRun) -> JobRun:
    now = timezone.now()
    process = make_process(kind="worker")
    JobRun.objects.filter(pk=run.pk).update(state="running", owner=process, started_at=now, slot=0)
    run.refresh_from_db()
    return run


def test_created_job_is_planned_and_versioned() -> None:
    before = timezone.now()
    job = definitions.create_job(make_values(), comment="first")
    assert job.version == 1
    assert job.anchor_at is not None
    assert before <= job.anchor_at <= timezone.now()
    assert next_run_time() == job.anchor_at + timedelta(hours=1)
    version = DefinitionVersion.objects.get(kind="job", key="probe")
    assert (version.number, version.comment) == (1, "first")
    assert version.document == definitions.dump_job(ScheduledJob.objects.get(job_id="probe"))


def test_second_create_says_that_the_job_exists() -> None:
    definitions.create_job(make_values())
    with pytest.raises(JobExists):
        definitions.create_job(make_values())


def test_saving_the_same_again_writes_nothing(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    definitions.create_job(make_values())
    with django_assert_num_queries(2 + TRANSACTION):
        job = definitions.save_job(make_values())
    assert job.version == 1
    assert DefinitionVersion.objects.count() == 1


# BEGIN and COMMIT are counted as queries where Django sends them itself.
TRANSACTION = 2


@pytest.mark.parametrize(
    ("act", "queries"),
    [
        pytest.param(lambda: definitions.save_job(make_values(name="Other")), 6, id="save"),
        pytest.param(lambda: definitions.pause_job("probe"), 4, id="pause"),
        pytest.param(lambda: definitions.run_now("probe"), 5, id="run now"),
    ],
)
def test_statements_of_a_change_are_few(act, queries, django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    definitions.create_job(make_values())
    with django_assert_max_num_queries(queries + TRANSACTION):
        act()


def test_edit_that_keeps_the_trigger_keeps_the_next_moment_and_the_anchor() -> None:
    job = definitions.create_job(make_values())
    planned = next_run_time()
    edited = definitions.save_job(make_values(name="Other name", policies={"max_retries": 7}))
    assert (edited.version, edited.max_retries) == (2, 7)
    assert edited.anchor_at == job.anchor_at
    assert next_run_time() == planned


def test_edit_of_the_trigger_plans_anew_from_now() -> None:
    definitions.create_job(make_values())
    job = definitions.save_job(make_values(trigger={"type": "interval", "minutes": 1}))
    planned = next_run_time()
    assert job.anchor_at is not None
    assert planned == job.anchor_at + timedelta(minutes=1)


def test_saving_clears_the_problem_and_plans_from_now() -> None:
    job = definitions.create_job(make_values())
    ScheduledJob.objects.filter(pk=job.pk).update(problem="No such handler", problem_at=timezone.now())
    DjangoJob.objects.filter(pk="probe").update(next_run_time=timezone.now() + timedelta(minutes=5))
    saved = definitions.save_job(make_values())
    assert (saved.problem, saved.problem_at, saved.version) == ("", None, 1)
    assert job.anchor_at is not None
    assert next_run_time() == job.anchor_at + timedelta(hours=1)


def test_disabled_job_is_not_planned_until_it_is_enabled() -> None:
    definitions.create_job(make_values(enabled=False))
    assert next_run_time() is None
    definitions.save_job(make_values(enabled=True))
    planned = next_run_time()
    assert planned is not None
    assert planned > timezone.now()


def test_edit_of_a_paused_job_leaves_it_paused() -> None:
    definitions.create_job(make_values())
    definitions.pause_job("probe", by="ann", note="holiday")
    job = definitions.save_job(make_values(trigger=NIGHTLY))
    assert (job.paused_by, job.note) == ("ann", "holiday")
    assert next_run_time() is None


def test_invalid_job_names_every_problem_and_writes_nothing() -> None:
    values = definitions.JobValues(job_id="a b", handler="prob", trigger={"type": "cron", "cron": "60 * * * *"})
    with pytest.raises(InvalidJob) as error:
        definitions.save_job(values)
    assert [place for place, _message in error.value.problems] == ["job_id", "trigger.cron", "handler"]
    assert not ScheduledJob.objects.exists()


def test_pause_records_one_missed_row_with_its_count_and_plans_from_now() -> None:
    job = definitions.create_job(make_values(trigger={"type": "interval", "minutes": 10}))
    definitions.pause_job("probe", by="ann")
    since = timezone.now() - timedelta(hours=2)
    ScheduledJob.objects.filter(pk=job.pk).update(paused_at=since, anchor_at=since)
    definitions.resume_job("probe", by="ann")
    run = JobRun.objects.get()
    assert (run.state, run.cause, run.message, run.missed_count) == ("missed", "schedule", "paused", 12)
    assert run.scheduled_time == since + timedelta(minutes=10)
    assert run.missed_until == since + timedelta(hours=2)
    assert next_run_time() == since + timedelta(minutes=130)
    job.refresh_from_db()
    assert (job.paused_at, job.paused_by) == (None, "")


def test_short_pause_without_a_moment_leaves_no_row() -> None:
    definitions.create_job(make_values())
    definitions.pause_job("probe")
    definitions.resume_job("probe")
    assert not JobRun.objects.exists()


def test_moment_that_was_due_when_the_job_was_paused_is_on_record(ended: list[tuple[str, str]]) -> None:
    definitions.create_job(make_values())
    due = make_due("probe", timedelta(seconds=5))
    definitions.pause_job("probe")
    run = JobRun.objects.get()
    assert (run.state, run.scheduled_time, run.missed_count, run.message) == ("missed", due, 1, "paused")
    assert ended == [("probe", "missed")]


def test_moment_that_was_due_when_the_trigger_changed_is_on_record() -> None:
    definitions.create_job(make_values())
    due = make_due("probe", timedelta(hours=3))
    definitions.save_job(make_values(trigger=NIGHTLY))
    run = JobRun.objects.get()
    assert (run.scheduled_time, run.message) == (due, "changed")


def test_pausing_and_resuming_twice_changes_nothing() -> None:
    definitions.create_job(make_values())
    first = definitions.pause_job("probe", by="ann").paused_at
    assert definitions.pause_job("probe", by="bob").paused_at == first
    assert definitions.resume_job("probe").paused_at is None
    assert definitions.resume_job("probe").paused_at is None


def test_global_pause_records_one_missed_row_per_job_and_moves_them() -> None:
    for number in range(3):
        definitions.create_job(make_values(f"probe-{number}", trigger={"type": "interval", "minutes": 10}))
    definitions.pause_all("ann")
    assert SchedulerState.objects.get(pk=1).paused_by == "ann"
    due = [make_due(f"probe-{number}", timedelta(minutes=25)) for number in range(2)]
    definitions.resume_all("ann")
    assert SchedulerState.objects.get(pk=1).paused_at is None
    runs = JobRun.objects.order_by("job_key")
    assert [(run.job_key, run.scheduled_time, run.message) for run in runs] == [
        ("probe-0", due[0], "paused"),
        ("probe-1", due[1], "paused"),
    ]
    assert not DjangoJob.objects.filter(next_run_time__lte=timezone.now()).exists()


def test_statements_of_resuming_everything_do_not_grow_with_the_jobs(django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    for number in range(30):
        definitions.create_job(make_values(f"probe-{number}"))
    definitions.pause_all()
    for number in range(30):
        make_due(f"probe-{number}", timedelta(minutes=5))
    with django_assert_max_num_queries(16):
        definitions.resume_all()
    assert JobRun.objects.count() == 30


def test_one_off_asked_for_now_outlives_a_global_pause(ended: list[tuple[str, str]]) -> None:
    definitions.pause_all()
    definitions.create_one_off(job_id="now", handler="probe", job_data={})
    definitions.create_one_off(
        job_id="dated", handler="probe", job_data={}, run_date=timezone.now() - timedelta(seconds=3)
    )
    definitions.resume_all()
    assert DjangoJob.objects.filter(pk="now", next_run_time__lte=timezone.now()).exists()
    assert ended == [("dated", "missed")]
    assert not ScheduledJob.objects.filter(job_id="dated").exists()
    assert not DjangoJob.objects.filter(pk="dated").exists()


def test_deleted_job_leaves_its_runs_and_cancels_the_queued(ended: list[tuple[str, str]]) -> None:
    definitions.create_job(make_values(name="Probe", policies={"max_instances": 2}))
    running = make_running(definitions.run_now("probe"))
    queued = definitions.run_now("probe")
    definitions.delete_job("probe")
    assert not DjangoJob.objects.exists()
    assert not ScheduledJob.objects.exists()
    queued.refresh_from_db()
    running.refresh_from_db()
    assert (queued.job, queued.job_key, queued.job_name, queued.state) == (None, "probe", "Probe", "cancelled")
    assert running.state == "running"
    assert running.work == {"handler": "probe", "job_data": {}, "max_retries": 3, "timeout": None}
    assert ended == [("probe", "cancelled")]


@pytest.mark.parametrize(
    "act",
    [
        definitions.delete_job,
        definitions.pause_job,
        definitions.resume_job,
        definitions.run_now,
        lambda job_id: definitions.restore_version(job_id, 1),
        definitions.cancel_one_off,
        lambda _job_id: definitions.cancel_run(0),
    ],
)
def test_what_is_not_there_is_said_to_be_missing(act) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(JobNotFound):
        act("nobody")


def test_restored_version_is_a_new_version_with_the_old_document() -> None:
    definitions.create_job(make_values(name="First"))
    definitions.save_job(make_values(name="Second"))
    job = definitions.restore_version("probe", 1)
    assert (job.name, job.version) == ("First", 3)


def test_version_of_a_deleted_job_can_be_restored_and_numbers_go_on() -> None:
    definitions.create_job(make_values(name="First"))
    definitions.save_job(make_values(name="Second"))
    definitions.delete_job("probe")
    assert definitions.restore_version("probe", 1).version == 3


def test_second_run_now_conflicts_while_the_first_waits() -> None:
    definitions.create_job(make_values(job_data={"key": "spider:books"}))
    run = definitions.run_now("probe", by="ann")
    assert (run.state, run.cause, run.exclusive_key, run.definition_version) == ("queued", "manual", "spider:books", 1)
    with pytest.raises(RunConflict, match=f"#{run.pk}"):
        definitions.run_now("probe")


def test_paused_job_can_be_run_by_hand() -> None:
    definitions.create_job(make_values())
    definitions.pause_job("probe")
    assert definitions.run_now("probe").state == "queued"


def test_backfill_queues_each_moment_once() -> None:
    definitions.create_job(make_values(trigger={"type": "cron", "cron": "0 * * * *", "timezone": "UTC"}))
    moments = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 2, 3)]
    assert len(definitions.backfill("probe", moments)) == 3
    assert definitions.backfill("probe", moments) == []
    with pytest.raises(RunConflict):
        definitions.backfill("probe", [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(1001)])


def test_queued_run_is_cancelled_at_once(ended: list[tuple[str, str]]) -> None:
    definitions.create_job(make_values())
    run = definitions.cancel_run(definitions.run_now("probe").pk, by="ann")
    assert (run.state, run.cancel_requested_by) == ("cancelled", "ann")
    assert run.finished_at is not None
    assert ended == [("probe", "cancelled")]
    with pytest.raises(RunConflict, match="cancelled"):
        definitions.cancel_run(run.pk)


def test_running_run_is_asked_to_stop(ended: list[tuple[str, str]]) -> None:
    definitions.create_job(make_values())
    running = make_running(definitions.run_now("probe"))
    run = definitions.cancel_run(running.pk, by="ann")
    assert (run.state, run.cancel_requested_by) == ("running", "ann")
    assert definitions.cancel_run(running.pk, by="bob").cancel_requested_by == "ann"
    assert ended == []


def test_one_off_for_now_is_due_with_any_grace_and_has_no_version() -> None:
    job = definitions.create_one_off(job_id="crawl_1", handler="ProbeJobHandler", job_data={"a": 1}, name="Crawl")
    assert (job.one_time, job.misfire_grace_time, job.handler, job.name) == (True, None, "probe", "Crawl")
    due = next_run_time("crawl_1")
    assert due is not None
    assert due <= timezone.now()
    assert not DefinitionVersion.objects.exists()
    with pytest.raises(JobExists):
        definitions.create_one_off(job_id="crawl_1", handler="probe", job_data={})


def test_one_off_of_a_naive_date_is_in_the_schedulers_zone() -> None:
    definitions.create_one_off(job_id="later", handler="probe", job_data={}, run_date=datetime(2030, 1, 1, 12))
    assert next_run_time("later") == datetime(2030, 1, 1, 4, tzinfo=UTC)


def test_one_off_cancelled_before_its_run_leaves_a_cancelled_run(ended: list[tuple[str, str]]) -> None:
    definitions.create_one_off(job_id="crawl_1", handler="probe", job_data={})
    run = definitions.cancel_one_off("crawl_1", "ann")
    assert JobRun.objects.get().state == run.state == "cancelled"
    assert ended == [("crawl_1", "cancelled")]
    assert not DjangoJob.objects.exists()
    assert not ScheduledJob.objects.exists()


def test_cancelled_queued_run_of_a_one_off_removes_it() -> None:
    job = definitions.create_one_off(job_id="crawl_1", handler="probe", job_data={})
    now = timezone.now()
    run = JobRun.objects.create(
        job=job, job_key="crawl_1", job_name="c", cause="schedule", scheduled_time=now, available_at=now, queued_at=now
    )
    definitions.cancel_run(run.pk)
    assert not DjangoJob.objects.exists()
    assert not ScheduledJob.objects.exists()
    assert JobRun.objects.get().job is None


def test_finished_one_off_is_removed_once() -> None:
    definitions.create_one_off(job_id="crawl_1", handler="probe", job_data={})
    definitions.create_job(make_values())
    definitions.finish_one_off("crawl_1")
    definitions.finish_one_off("crawl_1")
    definitions.finish_one_off("probe")
    assert list(ScheduledJob.objects.values_list("job_id", flat=True)) == ["probe"]


def test_one_off_is_neither_saved_paused_nor_run_by_hand() -> None:
    definitions.create_one_off(job_id="crawl_1", handler="probe", job_data={})
    for act in (
        lambda: definitions.save_job(make_values("crawl_1")),
        lambda: definitions.pause_job("crawl_1"),
        lambda: definitions.run_now("crawl_1"),
        lambda: definitions.backfill("crawl_1", []),
    ):
        with pytest.raises(RunConflict):
            act()


def test_predefined_job_is_created_once_and_stays_deleted() -> None:
    DefinitionVersion.objects.all().delete()
    ScheduledJob.objects.all().delete()
    assert "probe-nightly" in definitions.predefine()
    assert definitions.predefine() == []
    definitions.delete_job("probe-nightly")
    assert definitions.predefine() == []


def test_job_whose_row_was_deleted_is_planned_anew(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    job = definitions.create_job(make_values())
    definitions.create_job(make_values("paused"))
    definitions.pause_job("paused")
    once = definitions.create_one_off(job_id="once", handler="probe", job_data={})
    planned = next_run_time("once")
    DjangoJob.objects.all().delete()
    assert definitions.restore_rows() == ["once", "paused", "probe"]
    assert job.anchor_at is not None
    assert next_run_time() == job.anchor_at + timedelta(hours=1)
    assert next_run_time("paused") is None
    assert next_run_time("once") == planned
    assert once.one_time
    with django_assert_num_queries(1):
        assert definitions.restore_rows() == []


def test_orphaned_row_is_taken_over() -> None:
    definitions.create_job(make_values())
    ScheduledJob.objects.all().delete()
    job = definitions.create_job(make_values())
    assert job.anchor_at is not None
    assert next_run_time() == job.anchor_at + timedelta(hours=1)


def test_paused_job_whose_row_was_deleted_comes_back_with_resume() -> None:
    definitions.create_job(make_values())
    DjangoJob.objects.all().delete()
    definitions.pause_job("probe")
    assert next_run_time() is None
    definitions.resume_job("probe")
    assert next_run_time() is not None


def test_long_history_is_taken_off_a_deleted_job_in_short_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "HISTORY_BATCH", 10)
    job = definitions.create_job(make_values())
    now = timezone.now()
    JobRun.objects.bulk_create(
        JobRun(
            job=job,
            job_key=job.job_id,
            cause=JobRun.Cause.SCHEDULE,
            scheduled_time=now + number * timedelta(seconds=1),
            available_at=now,
            queued_at=now,
            finished_at=None if number == 3 else now,
            state=JobRun.State.QUEUED if number == 3 else JobRun.State.SUCCEEDED,
        )
        for number in range(45)
    )
    with CaptureQueriesContext(connection) as queries:
        definitions.delete_job("probe")

    detached = [query["sql"] for query in queries if 'SET "job_id" = NULL' in query["sql"]]
    assert len(detached) == 5, "the last ten and the queued one go with the job itself"
    assert JobRun.objects.filter(job_key="probe", job=None).count() == 45
    assert JobRun.objects.get(scheduled_time=now + timedelta(seconds=3)).state == "cancelled"


def test_every_constraint_and_index_of_the_runs_is_in_the_database() -> None:
    """Django may drop a conditional unique constraint with a column's index; the models would not tell."""
    with connection.cursor() as cursor:
        found = set(connection.introspection.get_constraints(cursor, JobRun._meta.db_table))
    assert {item.name for item in (*JobRun._meta.constraints, *JobRun._meta.indexes)} <= found
