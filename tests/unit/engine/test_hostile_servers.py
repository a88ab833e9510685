"""Servers that mean harm, crawled whole by a process that watches its own size and the turns of its loop."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import TypedDict
from urllib.parse import quote

import pytest

from tests.servers.misbehaving import MisbehavingServer
from tests.servers.serving import serve_in_thread

MOST_GROWN = 32 * 1024 * 1024
LONGEST = 0.3
"""Processor seconds of one turn: the tenth of that is usual, and much of the rest a busy machine's."""
PATIENCE = 300.0
"""Seconds: what ends otherwise does so before."""
CODINGS = ("gzip", "deflate", "br", "zstd", "gzip,gzip", "zstd,br", "gzip,deflate,br", "zstd,zstd,gzip,br,gzip")


HOSTILE = (
    "one line",
    "a line of 9 MB",
    "NUL",
    "nested divs",
    "nested tables",
    "formatting that is never closed",
    "elements blown up",
    # These end their reader.
    *(ENDING := ("many links", "elements blown up to millions", "attributes of one body")),
)


class Seen(TypedDict):
    reasons: dict[str, str]
    done: list[str]
    grown: int
    longest: float
    seconds: float


@pytest.fixture(scope="module")
def server() -> Iterator[MisbehavingServer]:
    made = MisbehavingServer()
    with serve_in_thread(made):
        yield made


def crawled(server: MisbehavingServer, *paths: str, patience: float = PATIENCE) -> Seen:
    """What a crawl of these paths came to, with `/ok` pages beside them. `patience` for one answer, in seconds."""
    urls = [server.url + path for path in (*paths, *(f"/ok/{number}" for number in range(10)))]
    command = [sys.executable, "-m", "tests.unit.engine.watched", str(patience), *urls]
    seen: Seen = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=2 * PATIENCE).stdout)
    assert {f"/ok/{number}" for number in range(10)} <= set(seen["done"])
    return seen


def test_bombs_take_no_memory_and_no_time_and_fail_by_their_reason(server: MisbehavingServer) -> None:
    """Of 10 MiB and one that is too much, and of 10 GiB, in every coding and up to five on top of each other.

    Many of each: what one took is free when the next comes.
    """
    sizes = [size + number for size in (11 << 20, 10 << 30) for number in range(3)]
    paths = [f"/great-bomb/{codings}?bytes={size}" for codings in CODINGS for size in sizes]
    seen = crawled(server, *paths)

    assert seen["reasons"] == dict.fromkeys(paths, "body_too_large")
    assert seen["grown"] < MOST_GROWN
    assert seen["longest"] < LONGEST


def test_hostile_pages_hold_up_no_turn_of_the_loop_and_no_other_page(server: MisbehavingServer) -> None:
    """All on one host, with a rule that takes the cube of a page's links: some end their reader, and fail alone."""
    paths = [f"/html/{name}" for name in HOSTILE]
    seen = crawled(server, *map(quote, paths))

    assert seen["longest"] < LONGEST
    assert {seen["reasons"][f"/html/{name}"] for name in ENDING} <= {"reading_timeout", "reading_died"}
    assert {"/html/one line", "/html/a line of 9 MB", "/html/NUL", "/html/nested divs"} <= set(seen["done"])
    assert set(seen["reasons"]) | set(seen["done"]) >= set(paths)


def test_servers_that_never_end_are_given_up_by_their_limits_while_others_are_crawled(
    server: MisbehavingServer,
) -> None:
    slow = {
        "/stall": "read_timeout",
        "/drip?seconds=0.05": "total_timeout",
        "/slow-headers?seconds=0.05": "total_timeout",
        "/endless": "body_too_large",
        "/endless-headers": "protocol_error",
        "/endless-bomb": "body_too_large",
        "/huge-length": "body_too_large",
        "/redirect-loop": "redirect_loop",
    }
    seen = crawled(server, *slow, patience=6.0)

    assert {path: reason for path, reason in seen["reasons"].items() if path in slow} == {
        path: reason for path, reason in slow.items() if path != "/redirect-loop"
    }
    assert "redirect_loop" in seen["reasons"].values()
    assert seen["longest"] < LONGEST
    assert seen["grown"] < MOST_GROWN
