"""Maintenance and report, called through a context as the runner gives it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from scheduling import hours, maintenance, registry, report, signals
from scheduling.contract import InvalidJobData, JobHandler
from scheduling.definitions import parse_job
from scheduling.models import JobRun, Process, RunHour, RunLog
from scheduling.runner import run_in_foreground

from .making import NOW, make_job, make_process, make_run


def make_ended(state: str, *, seconds: float = 1.0, days_ago: float = 0.1, **fields: object) -> JobRun:
    at = timezone.now() - timedelta(days=days_ago)
    return make_run(None, state=state, finished_at=at, execution_time=seconds, **fields)


class TestValidation:
    @pytest.mark.parametrize(
        ("handler", "job_data", "place", "words"),
        [
            ("maintenance", {}, "action", "retention"),
            ("maintenance", {"action": "backup"}, "action", "not in this release"),
            ("maintenance", {"action": "dance"}, "action", "“dance”"),
            ("maintenance", {"action": "check", "days": 3}, "days", "no such key"),
            ("report", {"period": "year"}, "period", "day, week, month"),
            ("report", {"span": "day"}, "span", "no such key"),
        ],
        ids=["nothing", "backup", "unknown", "unknown key", "period", "report's key"],
    )
    def test_what_cannot_work_is_refused_by_place(
        self, handler: str, job_data: dict[str, object], place: str, words: str
    ) -> None:
        with pytest.raises(InvalidJobData, match=words) as refused:
            registry.get(handler).validate(job_data)
        assert refused.value.place == place

    @pytest.mark.parametrize(
        ("handler", "job_data"),
        [
            ("maintenance", {"action": "retention"}),
            ("maintenance", {"action": "check"}),
            ("report", {}),
            ("report", {"period": "week"}),
        ],
    )
    def test_what_works_is_taken(self, handler: str, job_data: dict[str, object]) -> None:
        registry.get(handler).validate(job_data)

    @pytest.mark.parametrize("name", ["maintenance", "report"])
    def test_predefined_jobs_are_sound(self, name: str) -> None:
        handler: JobHandler = registry.get(name)

        for document in handler.predefined_jobs:
            assert parse_job(document).handler == name


@pytest.mark.django_db(transaction=True)
class TestRetention:
    def test_runs_are_summed_up_before_they_go(self, settings: object) -> None:
        """As after a downtime that is longer than runs are kept: the last hour before it was not over then."""
        settings.RUN_RETENTION_DAYS = 1  # type: ignore[attr-defined]
        ended = make_ended("failed", days_ago=2).finished_at
        assert ended is not None
        start = hours.hour_of(ended)
        RunHour.objects.create(start_at=start - hours.HOUR, end_at=start, counted_at=start + hours.SETTLED)

        run_in_foreground("maintenance", {"action": "retention"})

        assert not JobRun.objects.filter(finished_at__lte=ended).exists()
        assert RunHour.objects.get(start_at=start).failed == 1

    def test_old_runs_go_with_their_logs_and_the_rest_stays(self, settings: object) -> None:
        settings.RUN_RETENTION_DAYS = 30  # type: ignore[attr-defined]
        old = make_ended("succeeded", days_ago=31)
        RunLog.objects.create(run=old, seq=1, text="x")
        kept = [make_ended("failed", days_ago=29), make_run(available_at=timezone.now() + timedelta(days=1))]
        running = make_run(state="running", owner=make_process(), started_at=NOW, claim=1)

        run = run_in_foreground("maintenance", {"action": "retention"})

        assert (run.state, run.data) == (
            "succeeded",
            {"runs": 1, "versions": 0, "processes": 0, "hours": 0, "others": 0, "recounted": 0},
        )
        assert set(JobRun.objects.values_list("pk", flat=True)) == {*(one.pk for one in kept), running.pk, run.pk}
        assert not RunLog.objects.filter(run_id=old.pk).exists()

    def test_it_works_in_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(maintenance, "BATCH", 2)
        for _ in range(5):
            make_ended("succeeded", days_ago=400)

        assert [maintenance.remove_runs(timezone.now()) for _ in range(4)] == [2, 2, 1, 0]

    def test_a_process_goes_when_no_run_names_it(self) -> None:
        gone, named = make_process(state="lost"), make_process(state="stopped")
        make_process()
        make_ended("succeeded", owner=named)

        assert maintenance.remove_processes(timezone.now()) == 1
        assert not Process.objects.filter(pk=gone.pk).exists()

    def test_other_apps_are_asked_until_they_have_nothing(self) -> None:
        left = [500, 20, 0]

        def remove(*, limit: int, **_kwargs: object) -> int:
            return min(limit, left.pop(0)) if left else 0

        signals.retention.connect(remove)
        try:
            run = run_in_foreground("maintenance", {"action": "retention"})
        finally:
            signals.retention.disconnect(remove)

        assert run.data == {"runs": 0, "versions": 0, "processes": 0, "hours": 0, "others": 520, "recounted": 0}


@pytest.mark.django_db(transaction=True)
class TestCheck:
    def test_all_is_well(self) -> None:
        run = run_in_foreground("maintenance", {"action": "check"})

        assert run.state == "succeeded", run.message
        assert set(run.data or {}) == {"database", "disk", "clock", "processes"}

    def test_trouble_fails_the_run_and_names_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(maintenance, "LEAST_FREE_BYTES", 10**18)

        run = run_in_foreground("maintenance", {"action": "check"})

        assert run.state == "failed"
        assert "MB free" in run.message

    def test_a_clock_that_is_wrong_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make_process()
        monkeypatch.setattr(maintenance, "LARGEST_CLOCK_DIFFERENCE", timedelta(seconds=-1))

        finding = next(finding for finding in maintenance.check() if finding.name == "clock")

        assert not finding.ok
        assert "differ by" in finding.message

    def test_a_process_without_a_beat_is_named(self) -> None:
        make_process(beat_at=Now() - timedelta(minutes=5), pid=4242)

        finding = next(finding for finding in maintenance.check() if finding.name == "processes")

        assert not finding.ok
        assert "4242" in finding.message


@pytest.mark.django_db
class TestReport:
    def test_the_figures_are_those_of_the_period(self) -> None:
        job = make_job("books")
        for seconds in (1.0, 3.0):
            make_ended("succeeded", seconds=seconds)
        make_ended("failed", seconds=8.0, job_key="books", retry_count=2)
        make_ended("missed")
        make_ended("succeeded", days_ago=2)
        make_run(job)
        make_run(available_at=timezone.now() + timedelta(hours=1))

        made = report.make("day", timezone.now())

        assert {state: count for state, count in made.counts.items() if count} == {
            "succeeded": 2,
            "failed": 1,
            "missed": 1,
        }
        assert (made.success_rate, made.error_rate) == (2 / 3, 1 / 3)
        assert (made.longest_seconds, made.retries, made.queued, made.running) == (8.0, 1, 1, 0)
        assert made.failing == ({"job": "books", "failed": 1, "runs": 1},)
        assert report.in_words(made).startswith("3 runs executed, 66.7 % succeeded")

    @pytest.mark.parametrize(("period", "count"), [("day", 1), ("week", 2), ("month", 3)])
    def test_each_period_has_its_length(self, period: str, count: int) -> None:
        for days in (0.5, 5, 25, 40):
            make_ended("succeeded", days_ago=days)

        assert report.make(period, timezone.now()).counts["succeeded"] == count

    def test_a_period_without_runs_has_no_rates(self) -> None:
        made = report.make("week", timezone.now())

        assert (made.success_rate, made.error_rate, made.mean_seconds) == (None, None, None)
        assert report.in_words(made) == "No run was executed; 0 wait."

    def test_its_queries_are_few(self, django_assert_num_queries: Callable[[int], object]) -> None:
        with django_assert_num_queries(6):  # type: ignore[attr-defined]
            report.make("day", timezone.now())


@pytest.mark.django_db(transaction=True)
def test_the_report_is_its_runs_result() -> None:
    make_ended("succeeded")

    run = run_in_foreground("report", {"period": "day"})

    assert run.state == "succeeded"
    data = run.data or {}
    assert (data["counts"]["succeeded"], data["period"]) == (1, "day")
