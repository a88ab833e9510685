"""What somebody sees beside a spider while they type, and before they break what worked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .browser import DESK, PHONE, barriers, browsing, make_first_administrator
from .product import Product
from .web import site_of

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.any_database, pytest.mark.soak]

LAMP = "<h1>{name}</h1><p class=price>{price}</p><p>9</p><a href=/lamp/2>next</a><a href=/private>no</a>"


def lamps(folder: Path) -> SiteServer:
    site = SiteServer(folder)
    site.replace("/", LAMP.format(name="One", price="1.50").encode())
    site.replace("/lamp/2", LAMP.format(name="Two", price="2.50").encode())
    site.replace("/robots.txt", b"User-agent: *\nDisallow: /private\n", content_type="text/plain")
    return site


def document(url: str, price: str) -> str:
    fields = {"name": {"css": "h1"}, "price": {"css": price, "type": "decimal"}}
    items = [{"type": "lamp", "key": ["name"], "fields": fields}]
    return json.dumps({"name": "lamps", "start_urls": [f"{url}/"], "follow": [{"css": "a"}], "items": items})


def test_the_preview_follows_the_keys_and_a_save_that_breaks_a_pinned_page_is_shown_first(
    product: Product, tmp_path: Path
) -> None:
    site = lamps(tmp_path)
    with serve_in_thread(site) as url, site_of(product) as base_url, browsing(base_url) as page:
        make_first_administrator(page, product)
        page.goto("/admin/crawler/spider/add/?tab=yaml")
        page.fill("#id_text", document(url, ".price"))
        expect(page.locator("[name=url]")).to_have_value(f"{url}/")
        page.locator("[name=url]").press("Enter")
        row = page.locator("[data-preview] tr", has_text="price")
        expect(row).to_contain_text("1.50")
        expect(page.locator("[data-preview]")).to_contain_text("robots.txt: Disallow: /private")
        page.click("button[name=_save]")
        expect(page.locator("h1")).to_have_text("lamps")
        expect(row).to_contain_text("1.50")

        asked = len(site.log)
        page.fill("#id_text", document(url, "p"))
        expect(row).to_contain_text("2 matches, the first is taken")
        page.fill("#id_text", document(url, "p::txt"))
        expect(page.locator("[data-preview-state]")).to_contain_text(re.compile(r"of \d+ s ago"))
        expect(row).to_contain_text("1.50")
        page.fill("#id_text", document(url, ".price"))
        expect(page.locator("[data-preview-state]")).to_contain_text("up to date")
        assert len(site.log) == asked

        page.get_by_role("button", name="Pin this page").click()
        expect(page.locator(".ll-pinned")).to_contain_text("as before")
        page.get_by_role("button", name="YAML").click()
        page.fill("#id_text", document(url, "p + p"))
        page.click("button[name=_save]")
        objection = page.locator(".ll-objection")
        expect(objection).to_contain_text("the items of 1 pinned page would change")
        expect(objection.locator("del")).to_contain_text("1.50")
        assert barriers_of(page) == []
        page.get_by_role("button", name="Save anyway").click()
        expect(page.locator(".messagelist")).to_contain_text("Saved: version 2")
        page.get_by_role("button", name="Pinned pages").click()
        expect(page.locator(".ll-pinned")).to_contain_text("as before")
        assert barriers_of(page) == []
        leave_for_another_view_while_a_page_comes(page, site)


def leave_for_another_view_while_a_page_comes(page: Page, site: SiteServer) -> None:
    """The page is there, too, and the site is asked for it once; and a folded section says what is put into it."""
    site.replace("/", LAMP.format(name="Three", price="3.50").encode())
    site.delays["/"] = 2.0
    asked = site.targets().count("/")
    fetch, state = page.get_by_role("button", name="Fetch", exact=True), page.locator("[data-preview-state]")
    fetch.click()
    expect(state).to_contain_text("fetching")
    fetch.click()
    for view, tab in (("Form", "form"), ("YAML", "yaml"), ("Form", "form")):
        page.get_by_role("button", name=view, exact=True).click()
        expect(page.locator("#w-part")).to_have_attribute("data-tab", tab)
        expect(state).to_contain_text("fetching")
    expect(page.locator("[data-preview] tr", has_text="name")).to_contain_text("Three")
    expect(state).to_contain_text("up to date")
    assert site.targets().count("/") == asked + 1
    ask_for_another_page_meanwhile(page, site)
    section = page.locator("[data-section=session] > summary")
    expect(section).to_contain_text("none")
    section.click()
    page.select_option("#w-session-auth_how", "bearer")
    page.fill("#w-session-auth_secret", "token")
    expect(section).to_contain_text("credentials")


def ask_for_another_page_meanwhile(page: Page, site: SiteServer) -> None:
    """The answer to the older question is not shown in place of that to the newer one."""
    address = page.locator("[name=url]")
    asked = len(site.targets())
    seen = page.evaluate_handle(
        """() => { const seen = [], el = document.querySelector('[data-preview]');
        el.addEventListener('shown', () => seen.push(el.textContent.includes('Two'))); return seen; }"""
    )
    page.get_by_role("button", name="Fetch", exact=True).click()
    address.fill(f"{site.url}/lamp/2")
    address.press("Enter")
    expect(page.locator("[data-preview] tr", has_text="name")).to_contain_text("Two")
    assert [target for target in site.targets()[asked:] if target != "/robots.txt"] == ["/", "/lamp/2"]
    assert seen.json_value() == [True]


def barriers_of(page: Page) -> list[str]:
    """Of the page as it stands, on a desk by day and on a phone by night."""
    found: list[str] = []
    page.emulate_media(reduced_motion="reduce")
    for scheme, size in (("dark", PHONE), ("light", DESK)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal
        page.set_viewport_size(size)  # type: ignore[arg-type]
        found += [f"{scheme}: {barrier}" for barrier in barriers(page)]
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{scheme}: {overflow} px too wide"] if overflow > 0 else []
    return found
