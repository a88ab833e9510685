"""Random sites whose items wander, change, clash and vanish: what must hold whatever the order of the pages."""

from __future__ import annotations

import random

import pytest

from crawler.models import Item, ItemVersion, Spider
from scheduling.lanes import Lane

from .making import Crawl, Site, make_item, make_spider

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = [f"/{number}" for number in range(6)]
KEYS = "abcdefgh"


def make_random_site(chance: random.Random, *, clashes: bool) -> Site:
    """Some pages are linked, some of them there; each key stands on up to two pages, with one price or two."""
    site = Site({"/": ([], chance.sample(PAGES, chance.randint(2, 6)))})
    items: dict[str, dict[str, str]] = {page: {} for page in PAGES}
    for key in KEYS:
        price = str(chance.randint(1, 3))
        for page in chance.sample(PAGES, chance.choice([0, 1, 1, 1, 2])):
            items[page][key] = str(chance.randint(1, 3)) if clashes else price
    for page in PAGES:
        if chance.random() < 0.9:
            site[page] = ([make_item(key, price=price) for key, price in items[page].items()], [])
    return site


def given_by(site: Site) -> dict[str, set[object]]:
    """Prices by key, of all pages that a crawl reaches."""
    prices: dict[str, set[object]] = {}
    for page in site["/"][1]:
        for record in site[page][0] if page in site else []:
            prices.setdefault(str(record.data["key"]), set()).add(record.data["price"])
    return prices


def present() -> dict[str, object]:
    return {item.data["key"]: item.data["price"] for item in Item.objects.filter(gone_at=None)}


@pytest.mark.parametrize("clashes", [False, True], ids=["pages agree", "pages clash"])
@pytest.mark.parametrize("seed", range(6))
def test_items_are_those_of_the_site_and_come_to_rest(lane: Lane, seed: int, clashes: bool) -> None:
    chance = random.Random(seed)
    spider = make_spider()
    for _change in range(5):
        site = make_random_site(chance, clashes=clashes)
        given = given_by(site)
        walk(spider, lane, site, chance)
        assert present().keys() == given.keys()
        # What another page owned until now may be a crawl late; then each value is one that the site gives.
        walk(spider, lane, site, chance)
        assert all(price in given[key] for key, price in present().items())
        before, versions = list(Item.objects.order_by("id").values()), ItemVersion.objects.count()
        walk(spider, lane, site, chance)
        assert list(Item.objects.order_by("id").values()) == before
        assert ItemVersion.objects.count() == versions
    for item in Item.objects.all():
        numbers = list(item.versions.order_by("number").values_list("number", flat=True))
        assert numbers == list(range(1, item.version))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_when_attempts_die_between_checkpoints(lane: Lane, seed: int) -> None:
    chance = random.Random(1000 + seed)
    spider = make_spider()
    for _change in range(4):
        site = make_random_site(chance, clashes=False)
        given = given_by(site)
        attempt = Crawl(spider, lane)
        attempt.open("/")
        while attempt.frontier:
            attempt.step(site, chance.choice(sorted(attempt.frontier)))
            if chance.random() < 0.3:
                attempt = Crawl(spider, lane, task=attempt.task)
                attempt.open("/")
        attempt.mark_gone()
        assert present().keys() == given.keys()
        walk(spider, lane, site, chance)
        walk(spider, lane, site, chance)
        assert present() == {key: next(iter(prices)) for key, prices in given.items()}


def walk(spider: Spider, lane: Lane, site: Site, chance: random.Random) -> None:
    order = chance.sample(PAGES, len(PAGES))
    Crawl(spider, lane).walk(site, order, one_by_one=chance.random() < 0.7)
