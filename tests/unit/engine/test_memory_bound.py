"""Memory for a page that is read in the event loop is bounded, and that bound is no other thread's."""

from __future__ import annotations

import mmap
import socket
import sqlite3
import threading

import pytest

from crawler.engine.documents.definition import parse
from crawler.engine.pages.bounds import INLINE_MEMORY, MemoryBound, Outgrown
from crawler.engine.pages.page import PageTree
from crawler.engine.pages.steepness import hasty_bounds

MIB = 1024 * 1024
URL = "https://site.example/"
BOMB = ("<p>" + "".join(f"<b a={n}>" for n in range(600)) + "<p>x" * 2_000).encode()
"""14 kB, a million elements."""


def map_memory(size: int) -> None:
    mmap.mmap(-1, size).close()


def test_no_more_than_the_allowance_can_be_had_during_a_call() -> None:
    bound = MemoryBound(8 * MIB)
    bound.call(lambda: map_memory(4 * MIB))
    with pytest.raises(OSError, match="Cannot allocate memory"):
        bound.call(lambda: map_memory(16 * MIB))
    map_memory(16 * MIB)


def test_what_the_process_has_grown_by_is_not_taken_from_the_allowance() -> None:
    bound = MemoryBound(8 * MIB)
    bound.call(lambda: None)
    with mmap.mmap(-1, 64 * MIB):
        bound.call(lambda: map_memory(4 * MIB))


def test_queries_and_names_in_other_threads_go_on_while_bombs_are_met() -> None:
    bounds = hasty_bounds(parse({"name": "a", "start_urls": [URL], "follow": [{}]}))
    failures: list[Exception] = []
    asked = 0
    is_over = threading.Event()

    def ask() -> None:
        nonlocal asked
        database = sqlite3.connect(":memory:")
        try:
            while not is_over.is_set():
                for size in (1_000, 100_000, INLINE_MEMORY // 8):
                    database.execute("SELECT length(hex(randomblob(?)))", (size,)).fetchall()
                socket.getaddrinfo("localhost", 80)
                asked += 1
        except Exception as error:  # whatever it is, it is shown by the test
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(25):
        with pytest.raises(Outgrown):
            PageTree(URL, BOMB, "utf-8", bounds)
    is_over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert asked > 0
