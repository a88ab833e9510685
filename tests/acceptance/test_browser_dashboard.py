"""The dashboard in a real browser: from “No spider yet” to a crawl whose progress one sees, and to the log-in."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from playwright.sync_api import expect

from crawlproject import demo

from .browser import barriers_everywhere, browsing, make_first_administrator
from .product import Product, wait_for
from .web import site_of

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.any_database, pytest.mark.soak]

SEEN_WITHIN = 2.0
"""Seconds from a commit to the screen; what a busy machine takes beside is `PATIENCE`."""
PATIENCE = 1.0
PAGES = "SELECT coalesce(max(pages), 0) FROM crawler_crawltask"


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Silent(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Nothing: the test's output is its own."""


@contextmanager
def shop() -> Iterator[str]:
    """The demo's."""
    server = make_server("127.0.0.1", 0, demo.application, Server, Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_progress_is_seen_within_two_seconds_of_its_commit_and_polls_end_with_the_session(product: Product) -> None:
    product.environment |= {"CRAWLER_CHECKPOINT_PAGES": "4", "CRAWLER_CHECKPOINT_SECONDS": "0.5"}
    with shop() as shop_url, site_of(product) as base_url, browsing(base_url) as page:
        make_first_administrator(page, product)
        expect(page.locator("#verdict")).to_have_text("No spider yet")
        assert barriers_everywhere(page, "/admin/") == []

        spider, job = (demo.definitions(shop_url)[kind][0] for kind in ("spiders", "jobs"))  # type: ignore[index]
        slowly = spider | {"manners": {"delay": 0.15, "concurrency_per_host": 1}}
        product.load(spiders=[slowly], jobs=[job | {"trigger": {"type": "date", "run_date": "2026-01-01T00:00:00"},
                                                    "policies": {"misfire_grace_time": None}}])  # fmt: skip
        # The page is not loaded again: all that follows comes by its polls.
        expect(page.locator("#live-running progress")).to_be_visible(timeout=10_000)
        expect(page.locator("#live-count")).to_have_text("1")
        link = page.locator("#live-running th a")
        link.focus()  # what somebody is at goes on to be shown as it is
        before = int(str(product.one(PAGES)))
        pages = wait_for(
            lambda: found if (found := int(str(product.one(PAGES)))) > before else 0, what="another checkpoint"
        )
        committed = time.monotonic()
        words = page.locator("#live-running td small").first

        def shown() -> bool:
            number = re.match(r"[\d,]+", words.text_content() or "")
            return number is not None and int(number[0].replace(",", "")) >= pages

        wait_for(shown, what="the progress on the screen")
        assert time.monotonic() - committed <= SEEN_WITHIN + PATIENCE
        expect(link).to_be_focused()

        # Somebody logs out elsewhere: the page stops asking, without a complaint in the console.
        other = page.context.new_page()
        other.goto("/admin/")
        other.click(".ll-menu form[action$='/logout/'] button")
        asked: list[str] = []
        page.bring_to_front()
        expect(page.locator("#live-running")).to_have_class(re.compile("is-stale"), timeout=15_000)
        expect(page.locator(".ll-seen").first).to_contain_text("last seen")
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(2_500)
        assert [url for url in asked if "/live/now/" in url] == []
