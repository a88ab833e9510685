"""What a person does in the admin, in a real browser: from the set-up link to items, without a restart.

Whatever the browser's console calls an error, a breach of the content security policy among them, fails the test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pytest
from playwright.sync_api import Page, expect

from tests.servers.corpora import corpus
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer
from tests.spiders import differences, quotes_spider, quotes_truth

from .browser import PHONE, barriers_everywhere, browsing, make_first_administrator, save
from .product import Product, wait_for
from .web import site_of

pytestmark = [pytest.mark.process, pytest.mark.browser]

SPIDER_VERSIONS = "SELECT count(*) FROM scheduling_definitionversion WHERE kind = 'spider'"


def create_spider(page: Page, document: Mapping[str, object]) -> None:
    page.goto("/admin/crawler/spider/add/?tab=yaml")
    page.fill("#id_text", json.dumps(document))
    save(page)
    expect(page).to_have_url(re.compile(r"/admin/crawler/spider/\d+/change/\?tab=yaml$"))
    expect(page.locator("h1")).to_have_text(str(document["name"]))


def schedule(page: Page, spider: str, *, seconds: int) -> None:
    page.goto("/admin/scheduling/scheduledjob/add/")
    page.fill("#id_job_id", f"{spider}-often")
    page.get_by_label("Spider", exact=True).fill(spider)
    expect(page.locator("#id_job_data")).to_be_hidden()
    page.get_by_label("Every …").check()
    page.fill("#id_every", str(seconds))
    page.select_option("#id_unit", "seconds")
    save(page)
    expect(page).to_have_url(re.compile(r"/admin/scheduling/scheduledjob/$"))
    expect(page.locator("#result_list")).to_contain_text(f"{spider}-often")


def wait_for_success(product: Product, spider: str) -> None:
    wait_for(
        lambda: product.sql(
            "SELECT id FROM scheduling_jobrun WHERE job_key = ? AND state = 'succeeded'", [f"{spider}-often"]
        ),
        seconds=120,
        what=f"a run of {spider}-often that succeeded",
    )


def see_run_and_items(page: Page, spider: str, *, text: str) -> None:
    """In the lists: a run that succeeded, and an item that holds the text."""
    page.goto(f"/admin/scheduling/jobrun/?job={spider}-often&state__exact=succeeded")
    expect(page.locator("#result_list tbody tr").first).to_contain_text("Succeeded")
    page.goto(f"/admin/crawler/item/?q={text}")
    row = page.locator("#result_list tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(text)
    row.locator("th a").click()
    expect(page.locator(".ll-table").first).to_contain_text(text)


def see_account(page: Page, spider: str) -> None:
    """On the page of a crawl: how it went, and how it treated the host; for everybody, also on a phone."""
    page.goto("/admin/crawler/crawltask/")
    page.locator("#result_list tbody tr", has_text=spider).filter(has_text="Completed").last.locator("th a").click()
    expect(page.locator(".ll-note").first).to_contain_text("pages and 100 readings of items")
    expect(page.locator("section", has_text="Manners").last).to_contain_text("for robots.txt, at most")
    assert barriers_everywhere(page, page.url) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a literal
    for name in ("Items", "Definition"):
        expect(page.locator(".ll-head").get_by_role("link", name=name)).to_be_visible()


@pytest.mark.corpora
def test_a_spider_and_a_schedule_that_are_made_in_the_admin_bring_the_items(product: Product) -> None:
    """From the set-up link to the 100 quotes, in one process that is never restarted."""
    corpus("quotes")
    with (
        serve_in_thread(SiteServer.of_corpus("quotes")) as quotes,
        site_of(product) as base_url,
        browsing(base_url) as page,
    ):
        make_first_administrator(page, product)
        create_spider(page, quotes_spider(quotes))
        schedule(page, "quotes", seconds=5)
        wait_for_success(product, "quotes")
        assert len(product.items("quotes")) == 100
        assert differences(quotes_truth(), product.items("quotes")) == []
        see_run_and_items(page, "quotes", text="It is our choices, Harry")
        see_account(page, "quotes")
        assert product.one(SPIDER_VERSIONS) == 1
        assert len(product.started) == 1


def test_a_wrong_spider_is_refused_in_its_form_with_the_place(product: Product) -> None:
    wrong = {
        "name": "wrong",
        "start_urls": ["http://127.0.0.1:9/"],
        "items": [{"type": "page", "fields": {"title": {"css": "h1[["}}}],
    }
    with site_of(product) as base_url, browsing(base_url) as page:
        make_first_administrator(page, product)
        page.goto("/admin/crawler/spider/add/?tab=yaml")
        page.fill("#id_text", json.dumps(wrong))
        save(page)
        expect(page).to_have_url(re.compile(r"/admin/crawler/spider/add/$"))
        expect(page.locator("#w-problems")).to_contain_text("items[0].fields.title.css")
        # What was typed is still there to be mended, and to be seen on a phone.
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a literal
        assert page.locator("#id_text").evaluate("area => area.clientHeight") > PHONE["height"] / 3
        assert json.loads(page.input_value("#id_text")) == wrong
        assert product.one("SELECT count(*) FROM crawler_spider") == 0
        assert product.one(SPIDER_VERSIONS) == 0
