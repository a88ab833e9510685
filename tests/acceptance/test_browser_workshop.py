"""A spider made by the form alone, in a real browser: rows in place, problems that one can go to, a save on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from .browser import DESK, PHONE, barriers, browsing, make_first_administrator
from .product import Product
from .web import site_of

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.any_database, pytest.mark.soak]
ADD = "/admin/crawler/spider/add/"
STORED = "SELECT definition FROM crawler_spider"


def test_a_spider_is_made_by_its_form(product: Product) -> None:
    with site_of(product) as base_url, browsing(base_url) as page:
        make_first_administrator(page, product)
        page.goto(ADD)
        page.fill("#w-name", "lamps")
        page.fill("#w-start_urls", "http://127.0.0.1:9/\nhttp://127.0.0.1:9/more")
        add_a_field_in_place(page)
        go_to_what_is_wrong(page)
        take_the_draft_to_yaml_and_back(page)
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a literal
        # At the foot of the screen, wherever one is.
        expect(page.get_by_role("button", name="Save")).to_be_in_viewport()
        page.get_by_role("button", name="Save").click()
        expect(page).to_have_url(re.compile(r"/admin/crawler/spider/\d+/change/$"))
        expect(page.locator(".messagelist")).to_contain_text("Saved: version 1 of “lamps”.")
        for name in ("Versions", "Runs", "Items"):
            expect(page.locator(".ll-tabs").get_by_role("link", name=name)).to_be_in_viewport()
        assert barriers(page) == []
        assert '"said": {"css": "time", "type": "date", "format": "%d.%m.%Y"}' in str(product.one(STORED))


def add_a_field_in_place(page: Page) -> None:
    """The focus goes to the new row, and what was typed elsewhere stays."""
    page.locator("#w-items-0-fields-add").click()
    name = page.locator("#w-items-0-fields-1-name")
    expect(name).to_be_focused()
    page.keyboard.type("said")
    page.locator("#w-items-0-fields-1-source").fill("time")
    page.select_option("#w-items-0-fields-1-type", "date")
    page.locator("#w-items-0-fields-1-format").fill("%d.%m.%Y")
    page.locator("#w-items-0-fields-1-up").click()
    expect(page.locator("#w-items-0-fields-0-down")).to_be_focused()
    expect(page.locator("#w-items-0-fields-0-name")).to_have_value("said")
    expect(page.locator("#w-name")).to_have_value("lamps")
    expect(page).to_have_url(re.compile(f"{ADD}$"))


def go_to_what_is_wrong(page: Page) -> None:
    page.locator("#w-items-0-fields-1-source").fill("title::txt")
    page.locator("[data-section=limits] summary").click()
    page.fill("#w-limits-max_pages", "many")
    page.get_by_role("button", name="Save").click()
    note = page.locator("#w-problems")
    expect(note).to_contain_text("Not saved. 2 things are to be mended.")
    assert barriers(page) == []
    note.get_by_role("link", name="Field title · Selector").click()
    expect(page.locator("#w-items-0-fields-1-source")).to_be_focused()
    page.locator("#w-items-0-fields-1-source").fill("title::text")
    page.locator("[data-section=limits] summary").click()
    note.get_by_role("link", name="Pages of a crawl").click()
    expect(page.locator("#w-limits-max_pages")).to_be_focused()
    page.fill("#w-limits-max_pages", "50")


def take_the_draft_to_yaml_and_back(page: Page) -> None:
    page.get_by_role("button", name="YAML").click()
    text = page.locator("#id_text")
    expect(text).to_have_value(re.compile("max_pages: 50"))
    text.fill(text.input_value().replace("max_pages: 50", "max_pages: 60"))
    page.get_by_role("button", name="Form").click()
    expect(page.locator("#w-limits-max_pages")).to_have_value("60")
    page.set_viewport_size(DESK)  # type: ignore[arg-type]  # a literal
