"""The calendar and the schedule's form in a browser: presets and cron line fill each other, a free moment is taken."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .browser import barriers_everywhere, browsing, make_first_administrator
from .product import Product
from .web import site_of

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.any_database, pytest.mark.soak]
CALENDAR = "/admin/scheduling/scheduledjob/calendar/"


def job(job_id: str, cron: str) -> dict[str, object]:
    trigger = {"type": "cron", "cron": cron, "timezone": "Asia/Shanghai"}
    data = {"action": "check"}
    return {"job_id": job_id, "name": job_id, "handler": "maintenance", "job_data": data, "trigger": trigger}


def test_a_crowd_is_seen_and_left(product: Product) -> None:
    product.load(jobs=[job("first", "0 2 * * *"), job("second", "0 2 * * *")])
    with site_of(product) as base_url, browsing(base_url) as page:
        make_first_administrator(page, product)
        page.goto(CALENDAR)
        expect(page.locator("#collisions")).to_be_visible()
        expect(page.get_by_role("cell", name="first, second")).to_be_visible()
        leave_the_crowd(page)
        assert barriers_everywhere(page, CALENDAR) == []


def leave_the_crowd(page: Page) -> None:
    page.get_by_role("cell", name="first, second").get_by_role("link", name="second").click()
    cron, at = page.locator("#id_cron"), page.locator("#id_at")
    expect(cron).to_have_value("0 2 * * *")
    cron.fill("30 2 * * 1-5")
    expect(page.get_by_label("Weekdays")).to_be_checked()
    expect(at).to_have_value("02:30")
    page.get_by_label("Daily").check()
    expect(cron).to_have_value("30 2 * * *")
    page.route("**/preview/", lambda route: route.fulfill(body=""))
    at.fill("02:20")
    expect(page.locator("[data-preview-state]")).to_have_text("no answer")
    page.unroute("**/preview/")
    at.fill("02:00")
    expect(cron).to_have_value("0 2 * * *")
    page.get_by_role("button", name="Take 02:10").click()
    expect(at).to_have_value("02:10")
    expect(cron).to_be_focused()  # the button that was pressed is gone
    expect(page.locator("[data-preview]")).to_contain_text("Nobody is in the way")
    expect(page.locator("[data-preview-state]")).to_have_text("")
