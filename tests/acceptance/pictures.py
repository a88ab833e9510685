"""The pictures of the README and the docs, of a real browser on a furnished installation.

    python -m tests.acceptance.pictures

writes docs/pictures/*.png, in English and in Chinese.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Page

from crawlproject.demo import CHANGES_EVERY
from tests.servers.numbered import NumberedSite
from tests.servers.serving import serve_in_thread

from .browser import DESK, PHONE, browsing
from .product import ROOT, Product, wait_for
from .test_browser_walk import log_in, look
from .web import site_of

PICTURES = ROOT / "docs" / "pictures"
LANGUAGES = {"en": "", "zh-hans": ".zh"}
"""And what their files end in."""
SCHEDULES = {
    "books": "0 2 * * *", "recipes": "0 2 * * *", "jobs-board": "0 2,14,20 * * *", "gov-tenders": "30 5 * * *",
    "weather": "15 */6 * * *", "forum-archive": "0 15 * * tue,fri", "prices": "0 9,12,18 * * *",
}  # fmt: skip
"""A spider, and when it is crawled."""


def spiders(shop: str, big: str) -> Iterator[Mapping[str, object]]:
    price = {"css": ".price::text", "regex": r"[\d.]+", "type": "decimal"}
    fields = {"name": {"css": "h1::text", "required": True}, "price": price}
    for name in SCHEDULES:
        at = {"books": f"{shop}/", "gov-tenders": f"{big}/"}.get(name, f"https://{name}.example/")
        items: dict[str, object] = {"type": name.partition("-")[0].rstrip("s"), "key": ["name"], "fields": fields}
        if name == "books":
            sku = {"css": ".sku::text", "regex": r"LL-\d+", "required": True}
            stock = {"css": ".stock::text", "regex": r"\d+", "type": "integer"}
            items |= {"match": r"/product/\d+$", "key": ["sku"], "fields": {"sku": sku, **fields, "stock": stock}}
        yield {
            "name": name,
            "category": "shops" if name in ("books", "prices") else "public",
            "start_urls": [at],
            "follow": [{"css": "article a, nav a" if name == "books" else "a[href]"}],
            "items": [items],
            "manners": {"delay": 0.2} if name == "gov-tenders" else {},
        }


def jobs() -> Iterator[Mapping[str, object]]:
    for name, cron in SCHEDULES.items():
        yield {
            "job_id": f"{name}-rounds",
            "name": name,
            "handler": "crawl",
            "job_data": {"type": "spider", "target": name},
            "trigger": {"type": "cron", "cron": cron, "start": "2026-01-01T00:00:00"},
        }


@contextmanager
def furnished() -> Iterator[tuple[Product, str]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        product = Product(folder, f"sqlite:///{folder / 'lamplighter.sqlite3'}")
        stack.callback(product.close)
        product.environment["CRAWLER_ALLOWED_NETWORKS"] = "127.0.0.0/8"
        product.manage("migrate", "-v", "0")
        shop = product.start("demosite", "127.0.0.1:0", name="shop")

        url = wait_for(lambda: [word for word in shop.output().split() if word.startswith("http")], what="the shop")[0]
        big = stack.enter_context(serve_in_thread(NumberedSite(2_096)))
        product.load(spiders=list(spiders(url, big)), jobs=list(jobs()))
        product.manage("crawl", "books")
        time.sleep(CHANGES_EVERY)  # other prices by then
        product.manage("crawl", "books")
        product.manage("shell", "-v", "0", stdin=(ROOT / "tests/acceptance/past.py").read_text(encoding="utf-8"))
        product.create_superuser("mei")
        yield product, stack.enter_context(site_of(product))


def take(page: Page, name: str, address: str, *, language: str, full: bool = False) -> None:
    page.goto(address)
    page.wait_for_timeout(2_500)  # what is asked for after the page is there
    page.screenshot(path=PICTURES / f"{name}{LANGUAGES[language]}.png", full_page=full)
    print(f"{name}{LANGUAGES[language]}.png")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with furnished() as (product, base_url), browsing(base_url) as page:
        log_in(page, "mei")
        ids = {str(name): number for name, number in product.sql("SELECT name, id FROM crawler_spider")}
        tender = product.one("SELECT id FROM scheduling_scheduledjob WHERE job_id = 'gov-tenders-rounds'")
        page.goto(f"/admin/scheduling/scheduledjob/{tender}/change/")
        page.locator("button, a", has_text="Run now").first.click()
        page.wait_for_timeout(8_000)
        run = product.one("SELECT id FROM scheduling_jobrun WHERE state = 'running'")
        failed = product.one(
            "SELECT max(id) FROM scheduling_jobrun WHERE job_key = 'jobs-board-rounds' AND state = 'failed'"
        )
        item = product.one("SELECT item_id FROM crawler_itemversion ORDER BY id DESC LIMIT 1")
        for language in LANGUAGES:
            look(page, base_url, (language, "light", DESK))
            take(page, "dashboard", "/admin/", language=language, full=True)
            take(page, "workshop", f"/admin/crawler/spider/{ids['books']}/change/", language=language, full=True)
            take(page, "calendar", "/admin/scheduling/scheduledjob/calendar/", language=language, full=True)
            take(page, "runs", "/admin/scheduling/jobrun/", language=language)
            take(page, "failed", f"/admin/scheduling/jobrun/{failed}/change/", language=language)
            take(page, "item", f"/admin/crawler/item/{item}/change/", language=language, full=True)
            look(page, base_url, (language, "dark", DESK))
            take(page, "run", f"/admin/scheduling/jobrun/{run}/change/", language=language, full=True)
            look(page, base_url, (language, "dark", PHONE))
            take(page, "phone", "/admin/", language=language)


if __name__ == "__main__":
    main()
