"""How much one look into the frontier brings, and how much one transaction writes."""

from __future__ import annotations

import pytest

from crawler import storage
from crawler.storage import FEWEST_ROWS, MOST_ROWS, Portions
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
