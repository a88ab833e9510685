"""`manage.py schedulerstatus [--json]`: how the schedulers are, and which processes live."""

from __future__ import annotations

import json
import sys

from django.core.management.base import BaseCommand, CommandParser

from scheduling import gauges
from scheduling.durations import duration
from scheduling.models import Process
from scheduling.scheduler import ProcessStatus, SchedulerStatus, get_status
from scheduling.terminal import printable


class Command(BaseCommand):
    help = "Show how the scheduler is, and its live processes. Exit code 0: running; 1: paused or stopped."
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *args: object, as_json: bool, **options: object) -> None:
        status = get_status()
        self.stdout.write(json.dumps(status) if as_json else "\n".join(describe(status)))
        if status["status"] != "running":
            sys.exit(1)


def describe(status: SchedulerStatus) -> list[str]:
    """Return the status in lines for people."""
    lines = [
        f"Scheduler: {status['status']}" + (f", up {_span(status['uptime'])}" if status["status"] != "stopped" else ""),
        *filter(None, [pause_of(status)]),
        f"Jobs: {status['job_count']} ({status['paused_jobs']} paused, {status['broken_jobs']} with a problem)",
        f"Runs: {status['running_jobs']} running, {status['queued_runs']} queued",
    ]
    if status["lateness"]:
        lines.append(f"Late: a job has been due for {duration(status['lateness'])}")
    for process in status["processes"]:
        lines += _describe(process)
    if sum(process["kind"] == Process.Kind.SCHEDULER for process in status["processes"]) > 1:
        lines.append("Several processes run crawls: each keeps a host's concurrency and delay for itself.")
    return lines


def pause_of(status: SchedulerStatus) -> str:
    """Since when everything is paused, by whom and why; empty where it is not."""
    if status["paused_at"] is None:
        return ""
    who = f" by {status['paused_by']}" if status["paused_by"] else ""
    why = f": {status['note']}" if status["note"] else ""
    return printable(f"Everything is paused since {status['paused_at']}{who}{why}")


def _describe(process: ProcessStatus) -> list[str]:
    first = (
        f"  #{process['id']} {process['kind']} {process['pid']} on {process['host']}: "
        f"{process['running']} runs, {process['max_workers']} places, last beat {process['beat_age']:g} s ago, "
        f"ticks late by {process['lateness']:g} s at most"
    )
    return [first, *(f"    {what}: {how}" for what, how in gauges.troubles(process["gauges"]))]


def _span(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
