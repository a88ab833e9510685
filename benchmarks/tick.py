"""Many jobs due at once: one tick of ours against django-apscheduler's as it is, in the same run.

    python -m benchmarks.tick [--jobs 10000] [--due 10000] [--rounds 5] [--postgres]

Each side of each round is a process of its own on a migrated scratch database of its own; the rounds are interleaved.
Timed is the tick alone: from due rows to jobs moved on and firings recorded (`JobRun` here, `DjangoJobExecution`
there), committed. Ours is cold: no trigger was built before. Our statements are counted for different numbers of due
jobs; they must be the same, batches apart.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from .measuring import ROOT, closing_line, median

Figures = Mapping[str, float]
BEFORE_ALL = datetime(2020, 1, 1, tzinfo=UTC)
"""Nothing is due yet: a tick connects to the database, and does no more."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--due", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL (TEST_DATABASE_URL, or from the wheel)")
    parser.add_argument("--side", choices=["store", "ours", "statements"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side == "store":
        store(options.jobs, options.due)
    elif options.side == "ours":
        print(json.dumps(tick_once(options.jobs, options.due)))
    elif options.side == "statements":
        print(json.dumps({"statements": count_statements(options.due)}))
    else:
        compare(options.jobs, options.due, options.rounds, postgres=options.postgres)


def compare(jobs: int, due: int, rounds: int, *, postgres: bool) -> None:
    """Interleaved rounds, the comparison of statements, and the closing line."""
    # `pool` is what a user of the stock store has; `never` leaves out what the jobs themselves write: its best case.
    peer_module = "benchmarks.peers.stock_tick"
    sides = {
        "ours": ["benchmarks.tick", "--side", "ours", "--jobs", str(jobs), "--due", str(due)],
        "stock": [peer_module, str(jobs), str(due), "pool"],
        "stock, nothing executed": [peer_module, str(jobs), str(due), "never"],
    }
    measured: dict[str, list[Figures]] = {side: [] for side in sides}
    with server() if postgres else nullcontext("") as url:
        counts = {
            n: int(in_scratch_database(["benchmarks.tick", "--side", "statements", "--due", str(n)], url)["statements"])
            for n in (1, 20, min(due, 5_000))  # what one tick takes on
        }
        if len(set(counts.values())) != 1:
            raise SystemExit(f"The number of statements grows with the jobs that are due: {counts}")
        for number in range(rounds):
            for side, command in sides.items():
                measured[side].append(in_scratch_database(command, url))
            rates = {side: f"{due / figures[-1]['seconds']:,.0f}" for side, figures in measured.items()}
            print(f"round {number + 1}: firings a second {rates}", file=sys.stderr)
    closing_line(
        "tick",
        database="postgresql" if postgres else "sqlite",
        jobs=jobs,
        due=due,
        rounds=rounds,
        statements=counts[1],
        subject=_summary(measured["ours"], due),
        peer=_summary(measured["stock"], due),
        peer_best_case=_summary(measured["stock, nothing executed"], due),
        ratio=_ratio(measured["ours"], measured["stock"]),
        cpu_ratio=_ratio(measured["ours"], measured["stock"], "cpu_seconds"),
        ratio_best_case=_ratio(measured["ours"], measured["stock, nothing executed"]),
    )


def _summary(rows: list[Figures], due: int) -> dict[str, float]:
    return {
        "firings_per_second": median(due / row["seconds"] for row in rows),
        "seconds": median(row["seconds"] for row in rows),
        "cpu_seconds": median(row["cpu_seconds"] for row in rows),
        "grown_megabytes": median(row["grown_bytes"] / 1_000_000 for row in rows),
    }


def _ratio(ours: list[Figures], theirs: list[Figures], figure: str = "seconds") -> float:
    return median(peer[figure] / mine[figure] for mine, peer in zip(ours, theirs, strict=True))


def in_scratch_database(command: list[str], server_url: str) -> Figures:
    """What one side prints, in a process and a database of its own (SQLite's where there is no server)."""
    with tempfile.TemporaryDirectory() as folder, scratch_database(server_url, folder) as url:
        env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "crawlproject.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "benchmark-" + "x" * 50,
            "DATA_DIR": folder,
            "DATABASE_URL": url,
            "LOG_LEVEL": "ERROR",
        }
        subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "migrate", "-v", "0", "--skip-checks"],
            env=env,
            cwd=ROOT,
            check=True,
        )
        done = subprocess.run(
            [sys.executable, "-m", *command], env=env, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


@contextmanager
def server(*, fsync: bool = False) -> Iterator[str]:
    """The URL of a PostgreSQL server. The tests' own does without fsync; `fsync` gives it what real ones have."""
    import psycopg

    from tests.postgres import postgres_url

    with postgres_url() as url:
        if fsync and "TEST_DATABASE_URL" not in os.environ:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = on")
                connection.execute("SELECT pg_reload_conf()")
        yield url


@contextmanager
def scratch_database(server_url: str, folder: str) -> Iterator[str]:
    """The URL of an empty database."""
    if not server_url:
        yield f"sqlite:///{Path(folder) / 'scratch.sqlite3'}"
        return
    import psycopg

    name = f"bench_{Path(folder).name.lower()}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            base, question, query = server_url.partition("?")
            yield f"{base.rpartition('/')[0]}/{name}{question}{query}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


# --- the side of ours, in its own process -----------------------------------------------------------------------------


def tick_once(jobs: int, due: int) -> dict[str, float]:
    """Tick until nothing is due any more."""
    import resource
    import time

    timer, rung = _prepare(jobs, due)
    before = memory_before()
    wall, cpu = time.perf_counter(), time.process_time()
    ends = [wall]
    while timer.tick().more:
        ends.append(time.perf_counter())
    ends.append(time.perf_counter())
    wall, cpu = ends[-1] - wall, time.process_time() - cpu
    grown = memory_peak() - before
    from scheduling.models import JobRun

    assert JobRun.objects.filter(state="queued").count() == len(rung) == due
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "seconds": wall,
        "cpu_seconds": cpu,
        "firings": due,
        "peak_bytes": peak,
        "grown_bytes": grown,
        "longest_tick_seconds": max(end - begin for begin, end in pairwise(ends)),
    }


def memory_before() -> int:
    """Forget the highest mark of this process's memory; returns its bytes now. Linux alone: 0 elsewhere."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def memory_peak() -> int:
    """Return the most bytes of memory since then."""
    return _memory("VmHWM")


def _memory(name: str) -> int:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def count_statements(due: int) -> int:
    """How many statements a tick sends."""
    from django.db import connection

    timer, _rung = _prepare(due, due)
    statements: list[str] = []

    def count(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # Django's wrapper protocol
        statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        report = timer.tick()
    assert report.queued == due
    return len(statements)


def _prepare(jobs: int, due: int):  # type: ignore[no-untyped-def]  # Django is set up inside
    """A timer over stored jobs. They are stored by another process: none of its memory is left to this one."""
    numbers = ["--jobs", str(jobs), "--due", str(due)]
    subprocess.run([sys.executable, "-m", "benchmarks.tick", "--side", "store", *numbers], check=True, cwd=ROOT)
    import django

    django.setup()
    from scheduling import registry
    from scheduling.contract import JobHandler
    from scheduling.timer import Timer

    class IdleJobHandler(JobHandler):
        """Never executed here."""

    registry.register(IdleJobHandler)
    settle()
    rung: list[int] = []
    timer = Timer(ring=rung.extend)
    timer.open()
    timer.tick(BEFORE_ALL)
    return timer, rung


def store(jobs: int, due: int) -> None:
    """Jobs of one hour each, the first `due` of them due a second ago; every job with an anchor of its own."""
    import django

    django.setup()
    from django_apscheduler.models import DjangoJob

    from scheduling import triggers
    from scheduling.jobstore import pickled_state
    from scheduling.models import ScheduledJob

    DjangoJob.objects.all().delete()
    ScheduledJob.objects.all().delete()
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    document = {"type": "interval", "hours": 1}
    definitions, stored = [], []
    for n in range(jobs):
        planned = now - timedelta(seconds=1, microseconds=n) if n < due else now + hour
        job = ScheduledJob(
            job_id=f"job-{n:05}",
            name=f"job-{n:05}",
            handler="idle",
            trigger=document,
            anchor_at=planned - hour,
            misfire_grace_time=3600,
        )
        trigger = triggers.build(document, anchor=job.anchor_at)
        definitions.append(job)
        stored.append(DjangoJob(id=job.job_id, next_run_time=planned, job_state=pickled_state(job, trigger, planned)))
    DjangoJob.objects.bulk_create(stored, batch_size=500)
    ScheduledJob.objects.bulk_create(definitions, batch_size=500)
    settle()


def settle() -> None:
    """Nothing of the preparation is left to do within the measured time."""
    import gc

    from django.db import connection

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    gc.collect()
    gc.freeze()  # as `runscheduler` does


if __name__ == "__main__":
    main()
