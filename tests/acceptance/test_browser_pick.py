"""Spiders that are made by pointing and typing names alone bring exactly what their sites hold."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from playwright.sync_api import Page, Request, expect

from tests.servers.corpora import corpus
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer
from tests.spiders import differences, quotes_truth

from .browser import PHONE, barriers, browsing, make_first_administrator, save
from .product import Product
from .web import site_of

pytestmark = [pytest.mark.browser, pytest.mark.corpora, pytest.mark.process, pytest.mark.any_database]

JIGSAW = "96e88e40a1b4124e"
"""How the file of the product's page begins."""
CURRENT = ".ll-crumbs [aria-current]"
LEAVE = "window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
"""Whether the page may be left without a question."""
BETWEEN_LINES = """css => {
    const frame = document.querySelector('iframe.ll-peek-page'), corner = frame.getBoundingClientRect();
    const text = [...frame.contentDocument.querySelectorAll(css)].find((one) => one.getClientRects().length > 1);
    const [first, second] = text.getClientRects(), x = second.left + 20, y = (first.bottom + second.top) / 2;
    if (frame.contentDocument.elementFromPoint(x, y) === text) throw new Error('the lines touch each other');
    return [corner.left + x, corner.top + y];
}"""


class Hand:
    """Somebody in the tab *Pick by pointing*."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frame = page.frame_locator("iframe.ll-peek-page")
        self.aim = page.locator("[name=pick_aim]")

    def begin(self, name: str, url: str) -> None:
        self.page.goto("/admin/crawler/spider/add/?tab=pick")
        self.page.fill("#id_pick_name", name)
        self.page.fill("#id_pick_start", url)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("iframe.ll-peek-page[src*=sample]")).to_be_visible()

    def name(self, place: str, text: str) -> None:
        """Names a kind of item, or a field, and goes on to point."""
        self.page.locator(place).focus()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")
        expect(self.aim).not_to_have_value("")

    def point(self, css: str, text: str = "") -> None:
        element = self.frame.locator(css, has_text=text).first
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + min(box["width"] / 2, 20), box["y"] + min(box["height"] / 2, 8))
        expect(self.page.locator("tr[data-matched]").first).to_be_visible()

    def point_between_lines(self, css: str) -> None:
        """Of the first that goes over two lines, where the box around it lies bare."""
        x, y = self.page.evaluate(BETWEEN_LINES, css)
        self.page.mouse.click(x, y)
        expect(self.page.locator(CURRENT)).to_have_text(css)
        expect(self.page.locator("tr[data-matched]").first).to_be_visible()

    def use(self) -> None:
        """The sturdiest, which is in sight wherever one has pointed."""
        button = self.page.locator(".ll-now button")
        expect(button).to_be_in_viewport(ratio=1)
        button.click()
        expect(self.aim).to_have_value("")

    def walk(self, keys: Sequence[str], to: str) -> None:
        """By arrows, from the page's body."""
        self.page.keyboard.press("Escape")
        for key in keys:
            self.page.keyboard.press(f"Arrow{key}")
        expect(self.page.locator(CURRENT)).to_have_text(to)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("tr[data-matched]").first).to_be_visible()

    def use_by_keyboard(self) -> None:
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("(document.activeElement.value || '').startsWith('use:')"):
                self.page.keyboard.press("Enter")
                expect(self.aim).to_have_value("")
                return
        raise AssertionError("no Tab leads to the selectors")


def test_spiders_made_by_pointing_bring_exact_items(product: Product) -> None:
    """The quotes of ten pages, their author by keyboard alone, and a product of a real shop."""
    corpus("quotes")
    shop = corpus("products")
    [jigsaw] = [path.name for path in (shop / "site").glob(f"{JIGSAW}*.html")]
    [truth] = [
        value
        for key, value in json.loads((shop / "truth" / "ground-truth.json").read_text(encoding="utf-8")).items()
        if key.startswith(JIGSAW)
    ]
    site = SiteServer.of_corpus("products")
    with (
        serve_in_thread(SiteServer.of_corpus("quotes")) as quotes,
        serve_in_thread(site) as products,
        site_of(product) as base_url,
        browsing(base_url) as page,
    ):
        make_first_administrator(page, product)
        foreign: list[str] = []

        def listen(request: Request) -> None:
            if not request.url.startswith((base_url, "data:")):
                foreign.append(request.url)

        page.on("request", listen)
        hand = Hand(page)
        pick_quotes(hand, f"{quotes}/")
        assert not page.evaluate(LEAVE), "what was picked is not left by mistake"
        assert barriers(page) == []
        save(page)
        expect(page.locator("h1")).to_have_text("quotes")
        hand.begin("jigsaw", f"{products}/{jigsaw}")
        pick_product(hand)
        save(page)
        expect(page.locator("h1")).to_have_text("jigsaw")
        assert foreign == []
        assert site.targets() == ["/robots.txt", f"/{jigsaw}"], "the page's own pictures and styles are not loaded"
        product.manage("crawl", "quotes")
        product.manage("crawl", "jigsaw")
    assert differences(quotes_truth(), product.items("quotes")) == []
    [item] = product.items("jigsaw").values()
    assert item == {"price": truth["price"][0], "brand": truth["brand"][0]}


def pick_quotes(hand: Hand, url: str) -> None:
    hand.begin("quotes", url)
    point_before_it_is_said_at_what(hand)
    hand.name("#id_pick_type", "quote")
    hand.point("span.text")
    hand.use()
    hand.name("#id_pick_field_0", "text")
    hand.point_between_lines("span.text")
    hand.use()
    hand.name("#id_pick_field_0", "author")
    hand.walk(["Down", "Down", "Right", "Down", "Down", "Down", "Right", "Down"], to="small.author")
    hand.use_by_keyboard()
    hand.name("#id_pick_field_0", "tags")
    hand.point("a.tag")
    hand.page.check("[name=pick_many]")
    expect(hand.page.locator("tr[data-matched] td").nth(1)).to_contain_text("change · deep-thoughts")
    hand.use()
    hand.page.click("text=Point at a link")
    expect(hand.aim).not_to_have_value("")
    hand.point("li.next a")
    hand.use()


def point_before_it_is_said_at_what(hand: Hand) -> None:
    """What to do first is in sight on a desk and on a phone, and moves nothing when it is said once more."""
    hint, text = hand.page.locator("[data-hint]"), hand.frame.locator("span.text").first
    for size in (PHONE, {"width": 1280, "height": 800}):
        hand.page.set_viewport_size(size)  # type: ignore[arg-type]  # a literal
        expect(hint).to_be_in_viewport(ratio=1)
    before = text.bounding_box()
    text.click(position={"x": 5, "y": 5}, force=True)
    expect(hint).to_have_class("is-warn")
    assert text.bounding_box() == before


def pick_product(hand: Hand) -> None:
    hand.page.fill("#id_pick_type", "product")
    hand.page.click("text=One for each page")
    hand.name("#id_pick_field_0", "price")
    hand.point("p.price--large")
    hand.use()
    hand.name("#id_pick_field_0", "brand")
    hand.point("dd.product-specification-list__value", "Ridley's")
    hand.use()
