"""A real browser on the product's site, as a person has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

from .product import Product, wait_for

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",  # root, as in a container, has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAME, PASSWORD = "ada", "a-long-enough-pass"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@contextmanager
def browsing(base_url: str) -> Iterator[Page]:
    """A page of a fresh browser; at its end the console must have been silent."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}")
    errors: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{page.url}: {message.text}")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        try:
            context = browser.new_context(
                base_url=base_url, viewport={"width": 1280, "height": 900}, locale="en-US", color_scheme="light"
            )
            page = context.new_page()
            page.on("console", listen)
            page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
            yield page
        finally:
            browser.close()
    assert errors == []


def make_first_administrator(page: Page, product: Product) -> None:
    """By the link that the scheduler printed."""
    [link] = wait_for(
        lambda: re.findall(r"administrator here .*?: (http\S+)", product.started[-1].output()), what="the set-up link"
    )
    page.goto(link)
    page.fill("#id_username", NAME)
    page.fill("#id_email", "ada@example.org")
    page.fill("#id_password1", PASSWORD)
    page.fill("#id_password2", PASSWORD)
    page.click("button[type=submit].is-primary")
    expect(page).to_have_url(re.compile(r"/admin/$"))


def save(page: Page) -> None:
    page.click("[name=_save]")


UNSTICK = """() => document.querySelectorAll('body *').forEach((element) => {
    if (getComputedStyle(element).position === 'sticky') element.style.position = 'static';
})"""


def barriers(page: Page) -> list[str]:
    """What keeps people out of the page as it stands: axe's findings, and what is wider than a phone."""
    # What sticks to the window's edge covers half of something, wherever one has scrolled to: axe takes that for small.
    page.evaluate(UNSTICK)
    # Without `preload`: axe would read the style sheets anew by inline styles, which the policy forbids.
    found = Axe().run(page, options={"preload": False, "runOnly": STANDARD}).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


def barriers_everywhere(page: Page, path: str) -> list[str]:
    """Of an address in light and dark, on a desk and on a phone."""
    found: list[str] = []
    # No transitions: a colour on its way from light to dark has no contrast.
    page.emulate_media(reduced_motion="reduce")
    page.goto(path)
    for scheme, size in (("light", DESK), ("dark", PHONE)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal
        page.set_viewport_size(size)  # type: ignore[arg-type]
        found += [f"{path} {scheme}: {barrier}" for barrier in barriers(page)]
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if overflow > 0:
            found.append(f"{path} {scheme}: {overflow} px too wide")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    return found
