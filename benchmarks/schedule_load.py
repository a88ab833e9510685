"""Schedules as they come, one after the other: does the scheduler keep up, how late is it, what does a firing cost?

    python -m benchmarks.schedule_load [--jobs 10000] [--seconds 60] [--rounds 5] [--postgres] [--at-once]

Jobs are due evenly over the seconds, or all at one instant with a grace of 1 s (`--at-once`). Ours is a timer in its
lane beside an event loop, as in `runscheduler`, without handlers to execute; the peer is django-apscheduler as it is,
its jobs doing nothing, in the default pool. Both are told alike when a firing is on record: by a listener of
EVENT_JOB_SUBMITTED, called after our commit, and after the peer's own listener has stored its execution. Lateness is
that moment minus the planned one. In the middle of the time the database is told to make a checkpoint; PostgreSQL has
fsync on. Each side of each round is a process of its own on a scratch database of its own, the rounds interleaved;
CPU seconds are those of the process, not those of PostgreSQL's. Of five rounds the worst one of each side is dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

from .measuring import closing_line, median
from .tick import in_scratch_database, server

Figures = Mapping[str, float]
LEAD = 2.0
"""Seconds between the start of a scheduler and the first planned moment."""
PREPARATION = 0.0006
"""Seconds that storing one job may take."""
PATIENCE = 5.0
"""Seconds after the last planned moment in which a firing still counts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-once", action="store_true", help="all at one instant, with a grace of 1 s")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL (TEST_DATABASE_URL, or from the wheel)")
    parser.add_argument("--side", choices=["ours"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    seconds = 0.0 if options.at_once else options.seconds
    if options.side == "ours":
        print(json.dumps(asyncio.run(run_ours(options.jobs, seconds))))
    else:
        compare(options.jobs, seconds, options.rounds, postgres=options.postgres)


def compare(jobs: int, seconds: float, rounds: int, *, postgres: bool) -> None:
    load = [str(jobs), str(seconds)]
    at_once = [] if seconds else ["--at-once"]
    sides = {
        "ours": ["benchmarks.schedule_load", "--side", "ours", "--jobs", load[0], "--seconds", load[1], *at_once],
        "stock": ["benchmarks.peers.stock_load", *load],
    }
    measured: dict[str, list[Figures]] = {side: [] for side in sides}
    with server(fsync=True) if postgres else nullcontext("") as url:
        for number in range(rounds):
            for side, command in sides.items():
                measured[side].append(in_scratch_database(command, url))
                print(f"round {number + 1}, {side}: {json.dumps(measured[side][-1])}", file=sys.stderr)
    kept = {side: _without_worst(rows) if rounds >= 5 else rows for side, rows in measured.items()}
    subject, peer = (
        {name: median(row[name] for row in kept[side]) for name in kept[side][0]} for side in ("ours", "stock")
    )
    closing_line(
        "schedule_load",
        database="postgresql" if postgres else "sqlite",
        jobs=jobs,
        over_seconds=seconds,
        rounds=rounds,
        subject=subject,
        peer=peer,
        lateness_p99_ratio=_quotient(subject["late_p99_ms"], peer["late_p99_ms"]),
        cpu_a_firing_ratio=_quotient(subject["cpu_us_a_firing"], peer["cpu_us_a_firing"]),
    )


def _quotient(ours: float, theirs: float) -> float:
    return round(ours / theirs, 4) if theirs else 0.0


def _without_worst(rows: list[Figures]) -> list[Figures]:
    return sorted(rows, key=lambda row: row["late_p99_ms"])[:-1]


# --- what both sides do -----------------------------------------------------------------------------------------------


def planned_moments(jobs: int, seconds: float) -> list[datetime]:
    first = datetime.now(UTC) + timedelta(seconds=LEAD + 3.0 + jobs * PREPARATION)
    return [first + timedelta(seconds=seconds * n / jobs) for n in range(jobs)]


def wait_for_the_start(first: datetime) -> None:
    left = (first - datetime.now(UTC)).total_seconds() - LEAD
    if left < 0:
        raise SystemExit("The preparation took too long: nothing was measured.")
    time.sleep(left)


def checkpoint_at(moment: float) -> threading.Thread:
    """Force a checkpoint of the database at a monotonic time, from a connection of its own."""

    def checkpoint() -> None:
        from django.db import connection

        time.sleep(max(0.0, moment - time.monotonic()))
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("CHECKPOINT")
            else:
                cursor.execute("PRAGMA wal_checkpoint(FULL)")
        connection.close()

    thread = threading.Thread(target=checkpoint, name="checkpoint", daemon=True)
    thread.start()
    return thread


def figures(lateness: Sequence[float], *, jobs: int, cpu: float, seconds: float) -> dict[str, float]:
    late = sorted(lateness)
    return {
        "fired": len(late),
        "share": round(len(late) / jobs, 4),
        "late_p50_ms": percentile(late, 0.5),
        "late_p99_ms": percentile(late, 0.99),
        "late_max_ms": percentile(late, 1.0),
        "cpu_seconds": round(cpu, 3),
        "cpu_us_a_firing": round(cpu / max(1, len(late)) * 1e6, 1),
        "core": round(cpu / seconds, 4) if seconds else 0.0,
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return 0.0
    return round(ordered[max(0, math.ceil(len(ordered) * share) - 1)] * 1000, 2)


# --- the side of ours, in its own process -----------------------------------------------------------------------------


async def run_ours(jobs: int, seconds: float) -> dict[str, float]:
    moments = await asyncio.to_thread(prepare_ours, jobs, seconds)
    from apscheduler.events import EVENT_JOB_SUBMITTED

    from scheduling.lanes import Lane
    from scheduling.timer import Timer

    lateness: list[float] = []

    def hear(event) -> None:  # type: ignore[no-untyped-def]  # APScheduler is untyped
        now = time.time()
        lateness.extend(now - moment.timestamp() for moment in event.scheduled_run_times)

    control = Lane("control")
    timer = Timer(ring=lambda _ids: None, control=control)
    timer.add_listener(hear, EVENT_JOB_SUBMITTED)
    lags: list[float] = []
    watching = asyncio.create_task(_watch_loop(lags))
    timer.start()
    cpu = time.process_time()
    begin = time.monotonic() + moments[0].timestamp() - time.time()
    checkpoint_at(begin + seconds / 2)
    end = begin + seconds + PATIENCE
    while len(lateness) < jobs and time.monotonic() < end:
        await asyncio.sleep(0.05)
    cpu = time.process_time() - cpu
    watching.cancel()
    await timer.stop()
    recorded = await control.run(_recorded)
    control.close()
    assert recorded == len(lateness), f"{recorded} runs on record, {len(lateness)} told"
    return figures(lateness, jobs=jobs, cpu=cpu, seconds=seconds) | {
        "missed": jobs - recorded,
        "loop_lag_p99_ms": percentile(sorted(lags), 0.99),
        "loop_lag_max_ms": percentile(sorted(lags), 1.0),
    }


async def _watch_loop(lags: list[float]) -> None:
    """How late the event loop is to wake a sleeper."""
    while True:
        due = time.monotonic() + 0.005
        await asyncio.sleep(0.005)
        lags.append(max(0.0, time.monotonic() - due))


def _recorded() -> int:
    from scheduling.models import JobRun

    return JobRun.objects.filter(state="queued").count()


def prepare_ours(jobs: int, seconds: float) -> list[datetime]:
    import django

    django.setup()
    from django.db import connections
    from django_apscheduler.models import DjangoJob

    from scheduling import registry, triggers
    from scheduling.contract import JobHandler
    from scheduling.jobstore import pickled_state
    from scheduling.models import ScheduledJob

    from .tick import settle

    class IdleJobHandler(JobHandler):
        """Never executed here."""

    registry.register(IdleJobHandler)
    DjangoJob.objects.all().delete()
    ScheduledJob.objects.all().delete()
    hour = timedelta(hours=1)
    document = {"type": "interval", "hours": 1}
    shared = {"handler": "idle", "trigger": document, "misfire_grace_time": 1 if not seconds else 3600}
    moments = planned_moments(jobs, seconds)
    definitions, stored = [], []
    for n, moment in enumerate(moments):
        job = ScheduledJob(job_id=f"job-{n:06}", name=f"job-{n:06}", anchor_at=moment - hour, **shared)
        definitions.append(job)
        state = pickled_state(job, triggers.build(document, anchor=job.anchor_at), moment)
        stored.append(DjangoJob(id=job.job_id, next_run_time=moment, job_state=state))
    DjangoJob.objects.bulk_create(stored, batch_size=500)
    ScheduledJob.objects.bulk_create(definitions, batch_size=500)
    del stored, definitions
    settle()
    connections.close_all()
    wait_for_the_start(moments[0])
    return moments


if __name__ == "__main__":
    main()
