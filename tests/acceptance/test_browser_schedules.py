"""What somebody who knows nothing does with a schedule in a browser: find out why, pause, re-time, fill in, go back."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from .browser import barriers_everywhere, browsing, make_first_administrator
from .product import Product, wait_for
from .web import site_of

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.soak]

NIGHT = 3.0
"""Seconds."""
LIST = "/admin/scheduling/scheduledjob/"
NOTE = "The shop takes stock until Monday: https://shop.example/" + "stock" * 60
"""With a word that no page is wide enough for."""
FILLED = "SELECT count(*) FROM scheduling_jobrun WHERE cause = 'backfill' AND state = 'succeeded'"
MISSED = "SELECT count(*) FROM scheduling_jobrun WHERE state = 'missed' AND missed_count > 1"
WATCH: dict[str, object] = {
    "job_id": "watch",
    "name": "Night watch",
    "handler": "maintenance",
    "job_data": {"action": "check"},
    "trigger": {"type": "interval", "seconds": 1},
    "policies": {"misfire_grace_time": 1},
}


def tab(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="This schedule").get_by_role("link", name=name).click()


def test_a_stranger_explains_a_missed_night_and_sets_it_right(product: Product) -> None:
    # From here on it is due every second, and no scheduler is there to see it: that is the night.
    product.load(jobs=[WATCH])
    morning = time.monotonic() + NIGHT
    wait_for(lambda: time.monotonic() >= morning, what="the morning")
    with site_of(product) as base_url, browsing(base_url) as page:
        make_first_administrator(page, product)
        wait_for(lambda: product.one(MISSED), what="the missed night")
        retime(page)
        explain_and_fill_in(page, product)
        fill_in_the_rest(page, product)
        pause_and_resume(page)
        go_back_to_the_first_version(page)
        pause_everything_and_resume(page)
        job = product.one("SELECT id FROM scheduling_scheduledjob WHERE job_id = 'watch'")
        missed = product.one("SELECT max(id) FROM scheduling_jobrun WHERE state = 'missed'")
        assert pages_with_barriers(page, job, missed) == []


def retime(page: Page) -> None:
    """The preview follows the keys, and what it shows is what is saved."""
    page.goto(LIST)
    page.get_by_role("link", name="Night watch").click()
    in_words = page.locator("[data-preview] .ll-say")
    expect(in_words).to_have_text("Every 1 second")
    page.get_by_label("Cron line").first.check()
    page.get_by_role("textbox", name="Cron line").fill("61 2 * * *")
    expect(page.locator("#id_cron_error")).to_contain_text("61")
    expect(page.locator("#id_cron")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Daily").check()
    page.get_by_label("At", exact=True).fill("02:30")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    expect(in_words).to_contain_text("02:30")
    expect(page.locator("#id_cron_error")).to_have_text("")
    expect(page.locator("[data-preview] .ll-line li")).to_have_count(5)
    expect(page.locator("[data-preview]")).to_contain_text("clocks go")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(f"{LIST}$"))
    expect(page.locator("#result_list")).to_contain_text("02:30")
    told = page.locator(".messagelist li").inner_text()
    assert told == "The schedule “watch” was changed successfully.", "a link stands in its sentence"


def explain_and_fill_in(page: Page, product: Product) -> None:
    page.get_by_role("link", name="Night watch").click()
    tab(page, "Time line")
    row = page.locator("tr", has_text="Missed").filter(has_text="moments").last
    expect(row).to_contain_text("moments")
    written = row.locator("time").first.get_attribute("title")
    assert written is not None
    page.get_by_label("At", exact=True).fill(written[:19])
    page.get_by_role("button", name="Explain").click()
    answer = page.get_by_role("status")
    expect(answer).to_contain_text("no scheduler was alive")
    answer.get_by_role("button", name="Back-fill this moment").click()
    expect(page.locator(".messagelist")).to_contain_text("1 run is queued")
    wait_for(lambda: product.one(FILLED) == 1, what="the run that was filled in")
    page.reload()
    expect(page.locator("tr", has_text="back-fill").first).to_contain_text("Succeeded")


def fill_in_the_rest(page: Page, product: Product) -> None:
    row = page.locator("tr", has_text="Missed").filter(has_text="moments").last
    row.get_by_role("link", name="Back-fill").click()
    expect(page.locator("tr", has_text="Back-filled")).to_have_count(1)
    open_moments = page.locator("input[name=moments]:checked").count()
    assert open_moments >= 1
    page.get_by_label(re.compile("that did not run")).check()
    page.get_by_role("button", name="Back-fill", exact=True).click()
    message = page.locator(".messagelist")
    expect(message).to_contain_text("queued")
    wait_for(lambda: product.one(FILLED) == 1 + open_moments, what="the runs that were filled in")
    message.get_by_role("link", name="See them").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1 + open_moments)


def pause_and_resume(page: Page) -> None:
    page.goto(LIST)
    page.get_by_role("link", name="Night watch").click()
    page.get_by_role("link", name="Pause…").click()
    page.get_by_label("Why (a note for others)").fill(NOTE)
    page.get_by_role("button", name="Pause", exact=True).click()
    for name in ("Schedule", "Time line", "Back-fill", "Versions"):
        tab(page, name)
        expect(page.locator(".ll-note", has_text=NOTE)).to_contain_text("Paused by ada")
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, name
    page.locator(".ll-note", has_text=NOTE).get_by_role("button", name="Resume").click()
    expect(page).to_have_url(re.compile("/history/$"))
    expect(page.locator(".ll-note", has_text=NOTE)).to_have_count(0)
    expect(page.locator(".ll-head .ll-badge")).to_have_text("Active")


def go_back_to_the_first_version(page: Page) -> None:
    """Without the keyboard leaving the page: Tab and Enter alone."""
    page.locator("#v1").get_by_role("link", name="Restore…").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".ll-diff")).to_contain_text("trigger.seconds: 1")
    page.get_by_role("button", name="Restore version 1").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("as version 3")
    expect(page.locator("#v3")).to_contain_text("In force")


def pause_everything_and_resume(page: Page) -> None:
    page.goto(LIST)
    page.get_by_role("link", name="Pause everything…").click()
    expect(page.get_by_role("list").filter(has_text="will not fire")).to_contain_text("3 schedules will not fire")
    page.get_by_role("button", name="Pause everything").click()
    page.goto("/admin/crawler/spider/")
    banner = page.locator(".ll-banner")
    expect(banner).to_contain_text("Everything is paused")
    banner.get_by_role("button", name="Resume everything").click()
    expect(page).to_have_url(re.compile("/admin/crawler/spider/$"))
    expect(banner).to_have_count(0)


def pages_with_barriers(page: Page, job: object, missed: object) -> list[str]:
    paths = [
        f"{LIST}{job}/change/", f"{LIST}{job}/timeline/?at=2026-01-01T00:00", f"{LIST}{job}/backfill/",
        f"{LIST}{job}/history/", f"{LIST}{job}/history/1/restore/", f"{LIST}{job}/pause/", f"{LIST}pause-all/",
        f"/admin/scheduling/jobrun/{missed}/change/",
    ]  # fmt: skip
    return [barrier for path in paths for barrier in barriers_everywhere(page, path)]
