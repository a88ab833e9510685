"""The generated site of the benchmarks: whatever its size, all of it can be reached, and it is wide and deep."""

from __future__ import annotations

import json
from collections import deque

import pytest

from tests.servers.numbered import NumberedSite, Shape
from tests.servers.serving import serve_in_thread

from .test_site_server import get


@pytest.mark.parametrize("pages", [1, 2, 7, 100, 30_000])
def test_every_page_is_reached_by_the_links_that_lead_on(pages: int) -> None:
    shape = Shape(pages)
    depths = {0: 0}
    queue = deque([0])
    while queue:
        number = queue.popleft()
        for target in shape.leads_to(number):
            if target not in depths:
                depths[target] = depths[number] + 1
                queue.append(target)
    assert sorted(depths) == list(range(pages))
    if pages > 1_000:
        assert max(depths.values()) >= 250


def test_links_to_other_pages_lead_to_earlier_ones() -> None:
    shape = Shape(30_000)
    assert all(target < number for number in range(0, 30_000, 97) for target in shape.related(number))


def test_the_server_counts_who_was_asked_for() -> None:
    with serve_in_thread(NumberedSite(100)) as url:
        for path in ("/", "/p/7", "/p/7", "/p/99"):
            assert get(url + path)[0] == 200
        for path in ("/p/100", "/p/x", "/robots.txt", "/other/1"):
            assert get(url + path)[0] == 404
        counts = json.loads(get(url + "/counts")[2])
        assert (counts["requests"], counts["distinct"], counts["repeated"]) == (4, 3, 1)
        assert get(url + "/p/12")[2].count(b'<a href="/p/') == 8 + 11 + 1
