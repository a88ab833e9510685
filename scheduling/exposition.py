"""The metrics in Prometheus' text format. Labels are bounded: windows, states, live processes; no job, no host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .alerts import alert_of
from .metrics import Metrics, ProcessMetrics, collect
from .recent import Window

PREFIX = "lamplighter_"
Value = float | int | None


def exposition() -> bytes:
    """Measure now, and return the text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(collect()))
    text: bytes = generate_latest(registry)
    return text


class _Once(Collector):
    """Metrics that are measured already; the library's own counters of this process are not among them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from _of_all(self._metrics)
        yield from _of_windows(list(self._metrics.windows.items()))
        yield from _of_processes(self._metrics.processes)


def _of_all(metrics: Metrics) -> Iterator[Metric]:
    yield _gauge("schedulers_alive", "Schedulers that beat lately.", metrics.schedulers)
    yield _gauge("paused", "Whether everything is paused.", int(metrics.is_paused))
    yield _gauge("lateness_seconds", "How late the most overdue job is.", metrics.lateness_seconds)
    jobs = {"all": metrics.jobs, "paused": metrics.paused_jobs, "broken": metrics.broken_jobs}
    yield _family("jobs", "Schedules.", ["state"], [([state], count) for state, count in jobs.items()])
    yield _gauge("queued_runs", "Runs that wait.", metrics.queued)
    yield _gauge("queue_head_age_seconds", "How long the first due run waits.", metrics.queue_head_age_seconds)
    yield _gauge("running_runs", "Runs that execute.", metrics.running)
    yield _gauge("database_bytes", "Size of the database.", metrics.database_bytes)
    alert = alert_of(metrics.windows["1h"])
    yield _gauge("failure_alert", "Whether more runs fail than ALERT_FAILURE_RATE.", int(alert is not None))


def _of_windows(windows: list[tuple[str, Window]]) -> Iterator[Metric]:
    states = [
        ([name, state], getattr(window, state))
        for name, window in windows
        for state in ("succeeded", "failed", "cancelled", "missed", "skipped")
    ]
    yield _family("recent_runs", "Runs that ended in the window, by state.", ["window", "state"], states)
    for field, help_text in (
        ("success_rate", "Succeeded, of those that executed (0 to 1)."),
        ("error_rate", "Failed, of those that executed (0 to 1)."),
        ("mean_seconds", "Mean time of a run that executed."),
        ("missed_moments", "Planned moments that were missed."),
    ):
        values = [([name], getattr(window, field)) for name, window in windows]
        yield _family(f"recent_{field}", help_text, ["window"], values)


def _of_processes(processes: Iterable[ProcessMetrics]) -> Iterator[Metric]:
    for field, help_text in (
        ("beat_age_seconds", "Since the last beat."),
        ("places", "Runs that it may execute at once."),
        ("places_used", "Runs that it executes; sleeping retries hold no place."),
        ("tick_lateness_seconds", "Worst lateness of a tick since the beat before."),
        ("loop_lag_seconds", "Worst lag of the event loop since the beat before."),
        ("abandoned_handlers", "Handlers that ignored their cancel and still run."),
        ("is_blocked", "Whether a run blocks the event loop."),
        ("rss_bytes", "Resident memory."),
        ("cpu_percent", "Of one core, since the beat before."),
    ):
        values = [([str(process.id), process.kind], float(getattr(process, field))) for process in processes]
        yield _family(f"process_{field}", help_text, ["process", "kind"], values)


def _gauge(name: str, help_text: str, value: Value) -> Metric:
    return _family(name, help_text, [], [([], value)])


def _family(name: str, help_text: str, labels: list[str], values: Iterable[tuple[list[str], Value]]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, help_text, labels=labels)
    for label_values, value in values:
        if value is not None:
            family.add_metric(label_values, value)
    return family
