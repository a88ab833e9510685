"""A crawl that somebody watches while it goes on, and two crawls that somebody compares."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .browser import PHONE, barriers_everywhere, browsing, make_first_administrator
from .product import Product, wait_for
from .web import site_of

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.any_database, pytest.mark.soak]

PAGES = 40
CUT = """(selects) => selects.filter((one) => {
  const style = getComputedStyle(one), pen = document.createElement('canvas').getContext('2d');
  pen.font = style.font;
  const line = 1.2 * parseFloat(style.fontSize), arrow = 36;
  const lines = style.whiteSpace === 'normal' ? Math.floor(one.clientHeight / line) : 1;
  return pen.measureText(one.selectedOptions[0].text).width > lines * (one.clientWidth - arrow);
}).map((one) => one.selectedOptions[0].text)"""
"""The chosen texts that are wider than their selects."""


def lamps(folder: Path) -> SiteServer:
    """A list and its pages, half a second each until it is told otherwise, one of them gone."""
    site = SiteServer(folder, delay=0.5)
    links = "".join(f'<a href="/{number}">{number}</a>' for number in range(PAGES))
    site.replace("/", f"<html><body>{links}</body></html>".encode())
    for number in range(1, PAGES):
        site.replace(f"/{number}", f"<h1>Lamp {number}</h1><p>1.00</p>".encode())
    return site


def spider(url: str) -> dict[str, object]:
    fields = {"name": {"css": "h1", "required": True}, "price": {"css": "p"}}
    return {
        "name": "lamps",
        "start_urls": [f"{url}/"],
        "follow": [{"css": "a"}],
        "items": [{"type": "lamp", "match": r"/\d+$", "key": ["name"], "fields": fields}],
        "manners": {"concurrency_per_host": 1},
    }


def test_a_crawl_is_watched_to_its_end_and_compared_with_the_next(product: Product, tmp_path: Path) -> None:
    site = lamps(tmp_path)
    with serve_in_thread(site) as url, site_of(product) as base_url, browsing(base_url) as page:
        product.load(spiders=[spider(url)])
        make_first_administrator(page, product)
        page.goto("/admin/crawler/spider/")
        page.locator(".action-select").check()
        page.select_option("select[name=action]", "crawl_now")
        page.click("button[name=index]")
        expect(page.locator(".messagelist")).to_contain_text("lamps: crawl_spider")

        page.goto("/admin/crawler/crawltask/")
        page.locator("#result_list tbody tr", has_text="lamps").locator("th a").click()
        facts = page.locator("section", has_text="Progress").locator(".ll-facts")
        expect(facts).to_contain_text("pages/s", timeout=15_000)  # written with the second checkpoint, and polled
        page.locator("a", has_text="and its log").click()
        expect(page.locator(".ll-follow")).to_contain_text("begins with 1 page")
        expect(page.locator(".ll-head .ll-badge")).to_have_text("Running")
        expect(page.locator("section", has_text="Manners").last).to_contain_text("1 / 1")
        searched = page.locator("main input[type=search]")
        searched.press_sequentially("Lamp")
        site.delay = 0
        wait_for(lambda: product.sql("SELECT 1 FROM scheduling_jobrun WHERE state = 'succeeded'"), what="its end")
        page.wait_for_timeout(3_000)
        assert searched.input_value() == "Lamp"  # who types is not interrupted
        searched.blur()
        # Nobody reloads: the polling ends with the run, and the page says how it ended.
        expect(page.locator(".ll-head .ll-badge")).to_have_text("Succeeded", timeout=20_000)
        expect(page.locator(".ll-note").first).to_contain_text(f"{PAGES + 1} pages and {PAGES - 1} items")
        expect(page.locator(".ll-follow")).to_contain_text("http_404")
        assert page.locator("[data-poll*='/jobrun/']").count() == 0
        assert barriers_everywhere(page, page.url) == []

        site.replace("/1", b"<h1>Lamp 1</h1><p>2.00</p>")
        page.get_by_role("button", name="Run again").click()
        expect(page.locator(".ll-head .ll-badge")).to_have_text("Completed", timeout=20_000)
        page.get_by_role("link", name="Compare with the one before").click()
        changed = page.locator("section", has_text="Changed").last
        expect(changed.locator("del")).to_have_text("1.00")
        expect(changed.locator("ins")).to_have_text("2.00")
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # two numbers
        assert page.locator("select#a, select#b").evaluate_all(CUT) == []
        assert barriers_everywhere(page, page.url) == []
