"""How much one look into the frontier brings, and how much one transaction writes."""

from __future__ import annotations

import pytest
from django.db import connection

from crawler import rawsql
from crawler.storing import storage
from crawler.storing.storage import FEWEST_ROWS, MOST_ROWS, Portions
from scheduling.lanes import Lane

from .making import Crawl, make_spider, wait

pytestmark = pytest.mark.django_db(transaction=True)


def test_long_urls_come_a_few_at_a_time_until_there_are_none(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "LOOK_CHARACTERS", 8_000)
    monkeypatch.setattr(storage, "ROWS_AT_ONCE", 20)
    crawl = Crawl(make_spider(), lane)
    paths = [f"/{number}{'x' * 2_000}" for number in range(9)]
    crawl.open(*paths, room=0)
    held: set[int] = set()
    sizes = []
    while found := wait(crawl.storage.window(room=100, held=held)):
        sizes.append(len(found))
        held |= {page.page_id for page in found}
    assert len(held) == 9
    assert max(sizes) <= 5


@pytest.mark.any_database
@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's cache")
def test_the_cache_grows_with_the_crawl_and_never_shrinks(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    def cached() -> int:
        [(size,)] = lane.submit(rawsql.fetch, "PRAGMA cache_size", []).result()
        return -int(str(size))

    small = Crawl(make_spider(), lane)
    small.open("/", "/a")
    before = cached()
    monkeypatch.setattr(storage, "CACHED_BYTES", 3_000 * 1024)
    large = Crawl(make_spider("large"), lane)
    large.open()
    opened = cached()
    large.store(large.read("/", links=["/b", "/c"]))
    grown = cached()
    monkeypatch.setattr(storage, "CACHED_BYTES", 1_500 * 1024)
    Crawl(make_spider("other"), lane).open()
    assert (before, opened, grown, cached()) == (2_000, 3_000, 9_000, 9_000)
    large.store(large.read("/b", links=[f"/{number}" for number in range(9)]))
    assert cached() == storage.CACHE_KIBIBYTES


@pytest.mark.parametrize(
    ("took", "rows"),
    [
        pytest.param([(3_000, 0.02)], MOST_ROWS, id="quick"),
        pytest.param([(3_000, 0.2)], 1_500, id="slow"),
        pytest.param([(1_000, 0.2)], 500, id="slow though it was small"),
        pytest.param([(3_000, 0.2)] * 20, FEWEST_ROWS, id="always slow"),
        pytest.param([(3_000, 0.2), (1_500, 0.03)], 1_500, id="neither quick nor slow"),
        pytest.param([(3_000, 0.2), (1_500, 0.02)], 1_875, id="quick again"),
        pytest.param([(3_000, 0.2), (100, 0.001)], 1_500, id="little says nothing"),
        pytest.param([(3_000, 0.2), *[(3_000, 0.02)] * 20], MOST_ROWS, id="quick for long"),
    ],
)
def test_a_transaction_writes_fewer_rows_where_it_takes_long(took: list[tuple[int, float]], rows: int) -> None:
    portions = Portions()
    for count, seconds in took:
        portions.took(count, seconds)
    assert portions.rows == rows
