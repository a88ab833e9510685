"""Memory for a page that is read in the event loop is bounded, and that bound is no other thread's."""

from __future__ import annotations

import mmap
import socket
import sqlite3
import threading
from collections.abc import Callable

import pytest
from turbohtml import parse as parse_html

from crawler.engine.documents.definition import parse
from crawler.engine.pages.bounds import INLINE_MEMORY, MemoryBound, Outgrown, may_outgrow
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


def formatted_paragraphs(count: int) -> bytes:
    return ("<p>" + "".join(f"<b a={n}>" for n in range(count)) + "<p>x" * count).encode()


def long_attributes(count: int) -> bytes:
    return ("<p>" + "".join(f"<b a={n:0400}>" for n in range(count)) + "<p>x" * count).encode()


def misnested(count: int) -> bytes:
    return ("".join(f"<a{n % 2} b={n}><b><i><u><s><p>" for n in range(count)) + "</b></i></u></s>" * count).encode()


def in_tables(count: int) -> bytes:
    return ("".join(f"<b c={n}><table>" for n in range(count)) + "<tr>x<p>" * count).encode()


@pytest.mark.parametrize("shape", [formatted_paragraphs, long_attributes, misnested, in_tables])
def test_a_body_that_is_parsed_without_a_look_at_the_memory_stays_within_the_allowance(
    shape: Callable[[int], bytes],
) -> None:
    count = max(count for count in range(1, 500) if not may_outgrow(shape(count)))
    bound = MemoryBound(INLINE_MEMORY)
    trees = [bound.call(lambda: parse_html(shape(count), positions=False)) for _ in range(2)]
    assert len(trees) == 2  # the first may have found room that the process had already


def test_a_page_whose_tree_may_be_big_is_known_by_its_tags() -> None:
    assert may_outgrow(BOMB)
    assert not may_outgrow(b"<p>some words</p>" * 100)


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
