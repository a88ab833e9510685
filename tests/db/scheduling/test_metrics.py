"""What is measured, from the database alone, and at what price."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from scheduling import alerts, definitions, gauges
from scheduling.alerts import FailureAlert, LookOut
from scheduling.exposition import exposition
from scheduling.metrics import collect
from scheduling.models import JobRun, Process, ScheduledJob
from scheduling.recent import HasEnded, window

from .making import make_job, make_process, make_run

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
GAUGES: dict[str, object] = {
    "rss_bytes": 50_000_000,
    "cpu_percent": 12.5,
    "loop_lag_seconds": 0.25,
    "tick_lateness_seconds": 1.5,
    "places_used": 2,
    "abandoned_handlers": 1,
    "abandoned": [{"run": 7, "handler": "deaf", "since": "2026-01-01T12:00:00+00:00"}],
    "database_bytes": 4_000_000,
    "blocked_by": {
        "run": 8, "handler": "busy", "task": "run-8", "seconds": 3.2, "at": "2026-01-01T12:00:00+00:00", "ended": False
    },
}  # fmt: skip


def ended(state: str, *, minutes: float = 5, job: ScheduledJob | None = None, **fields: object) -> JobRun:
    return make_run(job, state=state, finished_at=timezone.now() - timedelta(minutes=minutes), **fields)


def alive(**fields: object) -> Process:
    process = make_process(**fields)
    Process.objects.filter(pk=process.pk).update(beat_at=Now())
    return process


class TestWindow:
    def test_rates_and_mean_are_of_what_executed(self) -> None:
        for seconds in (1.0, 3.0, 8.0):
            ended("succeeded", execution_time=seconds)
        ended("failed", execution_time=4.0)
        ended("cancelled", execution_time=100.0)
        ended("skipped")
        ended("missed", missed_count=60)
        ended("missed", missed_count=None)
        ended("failed", minutes=90)
        make_run()

        found = window(HOUR)

        assert (found.success_rate, found.error_rate, found.mean_seconds) == (0.75, 0.25, 4.0)
        assert (found.cancelled, found.skipped, found.missed, found.missed_moments) == (1, 1, 2, 61)
        assert not found.is_sample
        assert window(2 * HOUR).failed == 2

    def test_nothing_has_no_rate(self) -> None:
        found = window(HOUR)

        assert (found.success_rate, found.error_rate, found.mean_seconds) == (None, None, None)

    def test_of_many_the_newest_count(self) -> None:
        for minutes in range(10, 20):
            ended("failed", minutes=minutes)
        for minutes in range(5):
            ended("succeeded", minutes=minutes)

        found = window(HOUR, most=5)

        assert (found.succeeded, found.failed, found.is_sample) == (5, 0, True)

    def test_the_history_is_read_through_its_index(self) -> None:
        ended_runs = JobRun.objects.filter(HasEnded("state"), finished_at__gte=Now() - HOUR).order_by("-finished_at")
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")  # of few rows it would read all
        assert "run_finished" in ended_runs.values("state")[:5].explain()


class TestCollect:
    def test_queue_places_and_processes(self) -> None:
        process = alive(max_workers=4, gauges=GAUGES)
        make_process(state="stopped")
        alive(kind="command")
        make_job("broken", problem="gone")
        make_run(available_at=timezone.now() - timedelta(seconds=90))
        make_run(available_at=timezone.now() + HOUR)
        for _ in range(2):
            make_run(state="running", owner=process, started_at=timezone.now())

        found = collect()

        assert (found.schedulers, len(found.processes), found.running, found.queued) == (1, 2, 2, 2)
        assert (found.jobs, found.broken_jobs, found.is_paused) == (1, 1, False)
        assert found.queue_head_age_seconds == pytest.approx(90, abs=10)
        assert found.database_bytes == 4_000_000
        [first] = [one for one in found.processes if one.id == process.pk]
        assert (first.places, first.places_used, first.running) == (4, 2, 2)
        assert (first.tick_lateness_seconds, first.loop_lag_seconds, first.abandoned_handlers) == (1.5, 0.25, 1)
        assert first.is_blocked

    def test_an_empty_database_is_measured(self) -> None:
        found = collect()

        assert (found.schedulers, found.queued, found.queue_head_age_seconds, found.lateness_seconds) == (0, 0, 0, 0)
        assert found.database_bytes is not None
        assert found.database_bytes > 0

    def test_the_number_of_statements_is_constant(self, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
        for _ in range(5):
            alive(gauges=GAUGES)
            ended("succeeded", execution_time=1.0)
            make_run(make_job())
        definitions.pause_all(by="ada")

        with django_assert_max_num_queries(14):
            collect()


class TestExposition:
    def test_prometheus_reads_it(self) -> None:
        process = alive(gauges=GAUGES)
        ended("succeeded", execution_time=2.0)
        ended("failed", execution_time=4.0)

        families = {family.name: family for family in text_string_to_metric_families(exposition().decode())}

        samples = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in families.values()
            for sample in family.samples
        }
        assert samples["lamplighter_schedulers_alive",] == 1
        assert samples["lamplighter_recent_runs", "1h", "failed"] == 1
        assert samples["lamplighter_recent_error_rate", "24h"] == 0.5
        assert samples["lamplighter_recent_mean_seconds", "1h"] == 3.0
        assert samples["lamplighter_process_tick_lateness_seconds", str(process.pk), "scheduler"] == 1.5
        assert samples["lamplighter_process_is_blocked", str(process.pk), "scheduler"] == 1

    def test_labels_are_bounded_and_name_no_host_and_no_job(self) -> None:
        alive(host="secret-host/boot/ns", gauges=GAUGES)
        for _ in range(20):
            ended("failed", job=make_job())

        text = exposition().decode()

        labels = {name for family in text_string_to_metric_families(text) for s in family.samples for name in s.labels}
        assert labels == {"window", "state", "process", "kind"}
        assert "secret-host" not in text
        assert "job-" not in text

    def test_what_is_not_known_is_left_out(self) -> None:
        assert "lamplighter_recent_success_rate{" not in exposition().decode()


class TestAlert:
    @pytest.mark.parametrize(
        ("failed", "succeeded", "limit", "expected"),
        [
            pytest.param(8, 4, 0.5, FailureAlert(8, 12), id="too many"),
            pytest.param(6, 6, 0.5, None, id="just as many as may"),
            pytest.param(9, 0, 0.5, None, id="too few to tell"),
            pytest.param(12, 0, 0.0, None, id="switched off"),
            pytest.param(12, 0, 1.0, None, id="all may fail"),
        ],
    )
    def test_alert(
        self, failed: int, succeeded: int, limit: float, expected: FailureAlert | None, settings: Settings
    ) -> None:
        settings.ALERT_FAILURE_RATE = limit
        for _ in range(failed):
            ended("failed")
        for _ in range(succeeded):
            ended("succeeded")

        assert alerts.failure_alert() == expected

    def test_it_is_logged_when_it_begins_and_when_it_ends(self, caplog: pytest.LogCaptureFixture) -> None:
        look_out = LookOut()
        with caplog.at_level(logging.INFO, "scheduling.alerts"):
            look_out.look()
            for _ in range(10):
                ended("failed")
            look_out.look()
            look_out.look()
            JobRun.objects.all().delete()
            look_out.look()
            look_out.look()

        assert [record.message for record in caplog.records] == [
            "10 of the last hour's 10 runs failed",
            "Runs succeed again",
        ]


class TestGaugesInWords:
    def test_troubles_name_run_and_handler(self) -> None:
        troubles = dict(gauges.troubles(GAUGES))

        assert troubles["abandoned handlers"] == "1: #7 deaf"
        assert "run #8 (handler busy)" in troubles["event loop blocked"]
        assert "3.2 s" in troubles["event loop blocked"]

    def test_what_a_process_did_not_write_is_left_out(self) -> None:
        assert gauges.in_words({}) == []
        assert gauges.troubles({"abandoned_handlers": 0}) == []

    def test_all_is_said(self) -> None:
        said = dict(gauges.in_words(GAUGES))

        assert (said["worker places in use"], said["latest tick was late by"]) == ("2", "1.5 s")
        assert "abandoned handlers" in said


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    from django.utils.translation import override

    with override("en"):
        yield
