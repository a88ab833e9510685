"""One bad job never stops the others, and says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from scheduling import definitions, registry
from scheduling.contract import JobHandler
from scheduling.models import JobRun, ScheduledJob

from .ticking import CRON_MINUTE, NOON, make_job, make_one_off, make_timer, plan, planned, runs, states

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]

MINUTE = timedelta(minutes=1)


class FailingKeyJobHandler(JobHandler):
    def exclusive_key(self, job_data: Mapping[str, object]) -> str:
        raise KeyError("door")


@pytest.fixture
def _failing_key() -> Iterator[None]:
    registry.register(FailingKeyJobHandler)
    yield
    registry.unregister(FailingKeyJobHandler)


def damage(job_id: str = "job", **fields: object) -> None:
    """As an older release, another process or a hand may have left it."""
    assert ScheduledJob.objects.filter(job_id=job_id).update(**fields) == 1


def refuse_runs_of(job_id: str) -> None:
    """Let the database itself refuse a row, as a constraint would that the code does not know of."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE scheduling_jobrun ADD CONSTRAINT refused CHECK (job_key <> '{job_id}')")
        else:
            cursor.execute(
                f"CREATE TRIGGER refused BEFORE INSERT ON scheduling_jobrun WHEN new.job_key = '{job_id}' "
                "BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )


@pytest.mark.parametrize(
    ("fields", "error_type", "next_time"),
    [
        pytest.param({"handler": "gone"}, "UnknownHandler", NOON + MINUTE, id="unknown handler"),
        pytest.param({"trigger": {"type": "moon"}}, "InvalidTrigger", NOON + 5 * MINUTE, id="unknown trigger"),
        pytest.param({"trigger": []}, "InvalidTrigger", NOON + 5 * MINUTE, id="no trigger"),
        pytest.param(
            {"trigger": {**CRON_MINUTE, "timezone": "Mars/Olympus"}}, "InvalidTrigger", NOON + 5 * MINUTE, id="bad zone"
        ),
        pytest.param(
            {"trigger": {"type": "cron", "cron": "61 * * * *"}}, "InvalidTrigger", NOON + 5 * MINUTE, id="bad line"
        ),
    ],
)
def test_job_that_cannot_be_built_is_quarantined_and_others_go_on(
    fields: dict[str, object], error_type: str, next_time: datetime
) -> None:
    make_job()
    make_job("healthy")
    damage("job", **fields)
    timer, rung = make_timer()

    report = timer.tick(NOON)

    [failed] = runs()
    assert (failed.state, failed.scheduled_time, failed.finished_at) == ("failed", NOON, NOON)
    assert failed.error_type == error_type
    assert failed.error
    job = ScheduledJob.objects.get(job_id="job")
    assert job.problem == f"{error_type}: {failed.error}"
    assert job.problem_at == NOON
    assert planned() == next_time
    assert states("healthy") == [("queued", NOON)]
    assert (report.failed, report.queued, len(rung)) == (1, 1, 1)


@pytest.mark.usefixtures("_failing_key")
def test_handler_that_raises_is_quarantined() -> None:
    make_job()
    damage(handler="failingkey")
    timer, _rung = make_timer()

    timer.tick(NOON)

    assert ScheduledJob.objects.get(job_id="job").problem == "KeyError: 'door'"


def test_trigger_that_cannot_be_built_is_tried_after_5_minutes_doubling_to_an_hour() -> None:
    make_job()
    damage(trigger={"type": "moon"})
    timer, _rung = make_timer()
    waits = []
    moment: datetime | None = NOON

    for _ in range(7):
        assert moment is not None
        timer.tick(moment)
        following = planned()
        assert following is not None
        waits.append((following - moment) / MINUTE)
        moment = following

    assert waits == [5, 10, 20, 40, 60, 60, 60]
    assert ScheduledJob.objects.get(job_id="job").problem_at == NOON


def test_many_moments_of_a_job_that_cannot_run_fail_once() -> None:
    make_job(misfire_grace_time=None)
    damage(handler="gone")
    timer, _rung = make_timer()

    timer.tick(NOON + 9 * MINUTE)

    [failed] = runs()
    assert (failed.state, failed.coalesced_count, failed.coalesced_from) == ("failed", 9, NOON)


def test_job_that_can_be_built_again_loses_its_problem() -> None:
    make_job()
    damage(problem="UnknownHandler: …", problem_at=NOON)
    timer, _rung = make_timer()

    timer.tick(NOON)

    job = ScheduledJob.objects.get(job_id="job")
    assert (job.problem, job.problem_at) == ("", None)


def test_saving_clears_the_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    make_job()
    damage(handler="gone")
    timer, _rung = make_timer()
    timer.tick(NOON)
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(seconds=1))

    make_job(due=NOON + MINUTE)
    timer.tick(NOON + MINUTE)

    assert ScheduledJob.objects.get(job_id="job").problem == ""
    assert states()[-1] == ("queued", NOON + MINUTE)


def test_quarantined_one_off_goes_with_its_failed_run() -> None:
    make_one_off()
    damage("once", handler="gone")
    timer, _rung = make_timer()

    timer.tick(NOON)

    [run] = JobRun.objects.filter(job_key="once")
    assert (run.state, run.job) == ("failed", None)
    assert not ScheduledJob.objects.filter(job_id="once").exists()


def test_row_that_the_database_refuses_is_set_aside_and_others_go_on() -> None:
    make_job()
    make_job("healthy")
    timer, _rung = make_timer()
    refuse_runs_of("job")

    for _ in range(20):
        if not timer.tick(NOON).more:
            break

    assert states("healthy") == [("queued", NOON)]
    assert states() == []
    assert planned() == NOON + 5 * MINUTE
    assert "refused" in ScheduledJob.objects.get(job_id="job").problem
    plan("healthy", NOON + MINUTE)
    timer.tick(NOON + MINUTE)
    assert len(states("healthy")) == 2


@pytest.mark.parametrize("field", ["job_data", "trigger"])
@pytest.mark.parametrize("value", [[1], "text", 7, []], ids=["list", "text", "number", "empty list"])
def test_spoilt_document_is_shown_as_it_is_and_mended_by_saving(field: str, value: object) -> None:
    make_job()
    values = definitions.parse_job(definitions.dump_job(ScheduledJob.objects.get()))
    damage("job", **{field: value})

    shown = definitions.dump_job(ScheduledJob.objects.get())
    definitions.save_job(values)

    assert shown[field] == value
    assert definitions.dump_job(ScheduledJob.objects.get()) == definitions.dump_values(values)
    assert planned() is not None
