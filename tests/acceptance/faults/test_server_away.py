"""PostgreSQL is stopped, killed, frozen or read-only for a while, or ends a back end in the middle of a tick."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.moments import assert_all_gapless
from tests.acceptance.product import Product, wait_for

from .outages import JOBS, NEWEST, SECOND, Bounds, live_through, load_jobs
from .sabotaging import note, sabotaged
from .servers import Server, product_on_own_server
from .table import Witness

pytestmark = [pytest.mark.process, pytest.mark.only_on("PostgreSQL")]

AWAY = 35
"""Longer than 30: at 31 s a pool that doubles its pauses from a second tries by chance, and then only at 63."""


@contextmanager
def away(server: Server, how: str) -> Iterator[None]:
    if how == "stopped":
        server.stop()
    elif how == "killed":
        server.kill()
    elif how == "frozen":
        server.freeze()
    else:
        server.make_read_only(True)
    yield
    if how == "frozen":
        server.thaw()
    elif how == "read-only":
        server.make_read_only(False)
    else:
        server.start()


@pytest.mark.soak
@pytest.mark.fault(
    4,
    "PostgreSQL away for 35 s",
    "nobody ends or is declared lost; firing again within 5 s; each moment has its row; "
    "a run that ended meanwhile is stored once",
)
@pytest.mark.parametrize("how", ["stopped", "killed", "frozen", "read-only"])
def test_a_server_that_is_away_is_waited_for(tmp_path: Path, witness: Witness, how: str) -> None:
    witness.did(f"the server {how} for {AWAY} s under two schedulers, 20 jobs a second, one run in flight")
    with product_on_own_server(tmp_path) as (product, server):
        live_through(product, away(server, how), Bounds(seconds=AWAY), witness)


@pytest.mark.fault(4, "its back end ended in mid-tick", "that tick leaves nothing; the next does it, once")
def test_a_back_end_that_is_ended_at_each_statement_of_a_tick_loses_nothing(faulty: Product, witness: Witness) -> None:
    load_jobs(faulty)
    scheduler = sabotaged(faulty, "back end")

    def ended() -> list[int]:
        lines = note(faulty).read_text().splitlines() if note(faulty).exists() else []
        return [json.loads(line)["statement"] for line in lines]

    # each statement once, then the last one's number again before its COMMIT, and after it
    wait_for(lambda: len(ended()) > 5 and len(set(ended()[-3:])) == 1, seconds=60, what="all back ends ended")
    before = faulty.one(NEWEST)
    wait_for(lambda: faulty.one(NEWEST) != before, what="another firing")
    assert scheduler.terminate() == 0, scheduler.output()
    assert "server closed the connection" in scheduler.output() or "terminating connection" in scheduler.output()
    total = assert_all_gapless(faulty, JOBS, interval=SECOND, at_least=2)
    witness.did(f"its back end ended before statements 1 to {max(ended())}, before COMMIT and after it")
    witness.saw(f"{total} moments, each once")
