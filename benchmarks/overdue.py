"""A start after a long time down: everything is overdue. How long until all is on record, with how much memory?

    python -m benchmarks.overdue [--jobs 100000] [--stock-jobs 10000] [--rounds 3] [--postgres]

Ours ticks until nothing is due any more. The peer, django-apscheduler as it is, does all in its first tick; it is
measured with fewer jobs and extrapolated in proportion, which is kind to it: its list of due jobs grows with them.
Memory is what the ticks take beyond what the process had before them (Linux alone).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext

from .measuring import closing_line, median
from .tick import in_scratch_database, server

Figures = Mapping[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--stock-jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL (TEST_DATABASE_URL, or from the wheel)")
    options = parser.parse_args()
    ours, stock = str(options.jobs), str(options.stock_jobs)
    sides = {
        "ours": ["benchmarks.tick", "--side", "ours", "--jobs", ours, "--due", ours],
        "stock": ["benchmarks.peers.stock_tick", stock, stock, "pool"],
    }
    measured: dict[str, list[Figures]] = {side: [] for side in sides}
    with server() if options.postgres else nullcontext("") as url:
        for number in range(options.rounds):
            for side, command in sides.items():
                measured[side].append(in_scratch_database(command, url))
                print(f"round {number + 1}, {side}: {json.dumps(measured[side][-1])}", file=sys.stderr)
    factor = options.jobs / options.stock_jobs
    subject, peer = _summary(measured["ours"], 1.0), _summary(measured["stock"], factor)
    pairs = list(zip(measured["ours"], measured["stock"], strict=True))
    closing_line(
        "overdue",
        database="postgresql" if options.postgres else "sqlite",
        jobs=options.jobs,
        rounds=options.rounds,
        subject=subject,
        peer_extrapolated_from=options.stock_jobs,
        peer=peer,
        ratio=median(peer["seconds"] * factor / mine["seconds"] for mine, peer in pairs),
        cpu_ratio=median(peer["cpu_seconds"] * factor / mine["cpu_seconds"] for mine, peer in pairs),
    )


def _summary(rows: list[Figures], factor: float) -> dict[str, float]:
    return {
        "seconds": median(row["seconds"] * factor for row in rows),
        "cpu_seconds": median(row["cpu_seconds"] * factor for row in rows),
        "longest_tick_seconds": median(row["longest_tick_seconds"] * factor for row in rows),
        "grown_megabytes": median(row["grown_bytes"] * factor / 1_000_000 for row in rows),
    }


if __name__ == "__main__":
    main()
