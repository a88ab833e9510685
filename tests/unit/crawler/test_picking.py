"""What is proposed for made pages: items, links, examples, readings, offers; and what a name may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import pytest
from django.test import RequestFactory
from turbohtml import Element

from crawler.admin.picking_steps import stepped
from crawler.engine.pages.page import PageTree
from crawler.engine.records import Answer, Json
from crawler.workshop.candidates import candidates
from crawler.workshop.containers import containers
from crawler.workshop.draft import Draft
from crawler.workshop.examples import places
from crawler.workshop.features import is_generated
from crawler.workshop.following import follows, link_of
from crawler.workshop.goals import MAX_SHOWN_MATCHES, Candidate, Goal
from crawler.workshop.likeness import like
from crawler.workshop.offers import feed_offers, field_name, field_offers
from crawler.workshop.picking import Asked, propose
from crawler.workshop.picks import BadChoice, Choice, field_at, used
from crawler.workshop.readings import ways
from crawler.workshop.scopes import OutsideScope
from crawler.workshop.trying import Coming, Trial, cheapest_first, first_values, rank

LIST = """<main><h1>Lamps</h1><div class=grid>
<div class="cell"><article class="card"><h3><a href="/oil" title="Oil lamp">Oil…</a></h3>
<b class=price>€ 12,50</b></article></div>
<div class="cell"><article class="card"><h3><a href="/gas" title="Gas lamp">Gas…</a></h3>
<b class=price>€ 99,00</b></article></div>
<div class="cell"><article class="card"><h3><a href="/arc" title="Arc lamp">Arc…</a></h3>
<b class=price>€ 1.250,00</b></article></div>
</div><a rel=next href="/2">Next</a></main><nav><a href="/a">About</a><a href="/b">Basket</a></nav>"""
SHEET = """<h1>Oil lamp</h1><div><span class="css-1x2y3z">Price:</span><span class="css-1x2y3z">12.50</span></div>
<table><tr><th>Maker</th><td>Lampe &amp; Co</td></tr><tr><th>Code</th><td>L-100</td></tr></table>
<ul><li><b>Weight:</b> 3 kg</li><li><b>Height:</b> 40 cm</li></ul><p>Colour: red</p>"""


def make_page(html: str, url: str = "https://shop.example/lamp") -> PageTree:
    return PageTree(url, html.encode(), "utf-8")


def one(page: PageTree, css: str, number: int = 0) -> Element:
    return page.document.select(css)[number]


def best(html: str, css: str, number: int = 0, **goal: object) -> Candidate:
    page = make_page(html)
    return candidates(page, Goal(targets=(one(page, css, number),), **goal))[0]  # type: ignore[arg-type]


# --- fields -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("css", "number", "selector"),
    [
        ("td", 0, "//th[normalize-space()='Maker']/following-sibling::td[1]"),
        ("td", 1, "//th[normalize-space()='Code']/following-sibling::td[1]"),
        ("span", 1, "//span[normalize-space()='Price:']/following-sibling::*[1][self::span]"),
        ("li", 0, "//b[normalize-space()='Weight:']/following-sibling::text()[1]"),
        ("p", 0, "//p[starts-with(normalize-space(), 'Colour:')]"),
        ("h1", 0, "h1"),
    ],
)
def test_a_label_beside_the_value_is_held_on_to(css: str, number: int, selector: str) -> None:
    assert best(SHEET, css, number).selector == selector


@pytest.mark.parametrize(
    ("html", "css", "selector"),
    [
        ('<p class="a9f3b2c8 price">1</p><p>2</p>', "p", ".price"),
        ('<p id="x81723" itemprop="price" class="price">1</p>', "p", '[itemprop="price"]'),
        ('<div class="mt-4 text-lg total">1</div><div class="mt-4">2</div>', "div", ".total"),
        ('<div><p>0</p></div><div id="offer"><p>1</p></div>', "#offer p", "#offer p"),
        ('<i data-testid="price" class="Price_root__3kD8s">1</i><i>2</i>', "i", '[data-testid="price"]'),
        ("<h2>Sizes</h2><p>1</p><h2>Colours</h2><p>2</p>", "p:last-child", "//h2[normalize-space()='Colours']"),
        ('<h1 id="oil-lamp">Oil lamp</h1>', "h1", "h1"),
    ],
)
def test_what_was_made_by_tools_or_of_data_is_let_go(html: str, css: str, selector: str) -> None:
    assert best(html, css).selector.startswith(selector)


def test_what_looks_alike_is_told_apart_by_its_place_alone_at_last() -> None:
    found = best("<div><i>1</i><i>2</i><i>3</i></div>", "i", 1)
    assert found.selector == "div i:nth-of-type(2)"
    assert found.value == "2"


def test_each_candidate_says_what_it_gives_in_how_many_items() -> None:
    page = make_page(LIST.replace("<b class=price>€ 99,00</b>", ""))
    found = candidates(page, Goal(targets=(one(page, ".price"),), each="article.card"))[0]
    assert (found.selector, found.value, found.filled, found.items) == (".price", "€ 12,50", 2, 3)
    assert [element.text for element in found.matched] == ["€ 12,50", "€ 1.250,00"]


def test_other_pages_decide_between_selectors() -> None:
    """A class that only this page has is no hold."""
    page = make_page("<div class=sheet><p class=oil>1</p></div>")
    others = [make_page(f"<div class=sheet><p class={word}>2</p></div>") for word in ("gas", "arc")]
    alone = candidates(page, Goal(targets=(one(page, "p"),)))[0]
    tried = candidates(page, Goal(targets=(one(page, "p"),)), others)[0]
    assert alone.selector == ".oil"
    assert (tried.selector, tried.passed, tried.pages) == ("p", 2, 2)


def test_two_of_a_kind_mean_all_of_them_and_several_kinds_a_list() -> None:
    page = make_page("<h1>A</h1><h2>B</h2><p>x</p><h2>C</h2><h3>D</h3>")
    heads = tuple(one(page, tag) for tag in ("h1", "h2", "h3"))
    found = candidates(page, Goal(targets=heads, many=True))[0]
    assert found.selector == "h1, h2, h3"
    assert found.value == ["A", "B", "C", "D"]


def test_several_for_one_value_are_counted() -> None:
    page = make_page("<p><i class='star full'>*</i><i class='star full'>*</i><i class=star>*</i></p>")
    found = candidates(page, Goal(targets=(one(page, "i"), one(page, "i", 1))))[0]
    assert (found.selector, found.value) == ("count(//i[@class='star full'])", "2")


def test_the_item_itself_gives_its_attribute_or_its_text() -> None:
    html = "<ul><li data-sku=a1>A</li><li data-sku=b2>B</li></ul>"
    assert best(html, "li", each="li", attribute="data-sku").selector == "::attr(data-sku)"
    assert best(html, "li", 1, each="li").selector == "."


def test_outside_of_the_items_nothing_is_proposed() -> None:
    page = make_page(LIST)
    with pytest.raises(OutsideScope):
        candidates(page, Goal(targets=(one(page, "h1"),), each="article"))


def test_a_page_of_ten_thousand_elements_is_answered_in_time() -> None:
    rows = "".join(f"<tr><td class=a>{n}</td><td>{n}</td></tr>" for n in range(5_000))
    page = make_page(f"<table>{rows}</table>")
    found = candidates(page, Goal(targets=(one(page, "td", 9_001),)), seconds=0.3)
    assert found[0].value == "4500"


# --- items and links --------------------------------------------------------------------------------------------------
def test_items_are_what_repeats_around_a_value() -> None:
    page = make_page(LIST)
    found = containers(page, [one(page, ".price")])
    assert [(one.candidates[0].selector, one.count) for one in found][:1] == [(".card", 3)]
    two = containers(page, [one(page, ".price"), one(page, "h3 a", 1)])
    assert two[0].candidates[0].selector == ".card"
    assert containers(page, [one(page, "h1")]) == []
    texts = make_page("<div class=quote><q>A</q></div><div class=quote><q>B</q><i>x</i></div><p>And more</p>")
    assert {one.candidates[0].selector for one in containers(texts, [one(texts, "q")])} == {"q", ".quote"}


def test_links_are_followed_alone_or_with_their_like() -> None:
    page = make_page(LIST)
    step, card = follows(page, one(page, "a[rel=next]")), follows(page, one(page, "h3 a"))
    assert (step[0].meaning, step[0].candidates[0].selector) == ("alone", 'a[rel~="next"]')
    assert (card[0].meaning, card[0].candidates[0].selector, card[0].links) == ("alike", ".card a", 3)
    assert card[0].candidates[0].value == "/oil"
    assert link_of(one(page, "article", 1)) == one(page, "h3 a", 1)
    assert link_of(one(page, "h1")) is None


def test_all_links_are_counted_also_of_more_than_are_shown() -> None:
    links = "".join(f"<li><a href=/{number}>{number}</a></li>" for number in range(MAX_SHOWN_MATCHES + 50))
    page = make_page(f"<ul>{links}</ul>")
    [alike, *_others] = follows(page, one(page, "a"))
    assert (alike.meaning, alike.links) == ("alike", MAX_SHOWN_MATCHES + 50)


@pytest.mark.parametrize("pages", ['<a href="/?page=2">2</a>', '<a href="/?page=2">2</a><a href="/?page=3">3</a>'])
def test_a_link_is_not_found_by_what_is_written_beside_it(pages: str) -> None:
    cards = "<article>Oil Lamp</article><article>Night Wick</article>"
    page = make_page(f"<main>{cards}<nav>{pages}</nav></main>")
    for meaning in follows(page, one(page, "nav a")):
        selectors = [candidate.selector for candidate in meaning.candidates]
        assert selectors
        assert not [selector for selector in selectors if "Night Wick" in selector]
        assert meaning.candidates[0].kind == "css"


# --- examples ---------------------------------------------------------------------------------------------------------
def test_an_example_is_found_in_texts_attributes_and_data() -> None:
    found = places(make_page(LIST), "Gas lamp", each="article.card")
    assert found[0].candidate.selector == "a::attr(title)"
    script = '<script type="application/ld+json">{"@type":"Product","sku":"L-100"}</script>'
    kinds = {place.candidate.kind for place in places(make_page(SHEET + script), "L-100")}
    assert kinds == {"jsonld", "xpath"}


def test_an_example_inside_of_a_text_is_cut_out() -> None:
    page = make_page("<p class=price>now € 12.50 only</p>")
    place = places(page, "12.50")[0]
    assert place.candidate.selector == ".price"
    assert place.way.values() == {"regex": r"\d+(?:[.,'’]\d+)*", "type": "decimal"}
    word = places(make_page("<p class=colour>Colour: dark red (matt)</p>"), "dark red")[0]
    assert word.way.regex is not None


# --- readings, offers, names ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("£51.77", "", {"type": "decimal", "regex": r"\d+(?:[.,'’]\d+)*"}),
        (
            "1.299,00 €",
            "",
            {"type": "decimal", "regex": r"\d+(?:[.,'’]\d+|\s\d{3})*", "decimal_mark": ","},
        ),
        ("Sale £10.00 was £12.00", "price", {"type": "decimal", "regex": r"£\s*(\d+(?:[.,'’]\d+)*)"}),
        ("In stock (22 available)", "", {"type": "integer", "regex": r"\d+(?:[.,'’]\d+)*"}),
        ("In stock", "instock", {"type": "boolean", "regex": "^In stock$"}),
        ("4.5 out of 5", "rating", {"type": "float", "regex": r"(\d+(?:[.,'’]\d+)*)\s*out"}),
        ("1,234", "", {"type": "integer"}),
        ("0049", "", {}),
        ("9780552173742", "isbn", {}),
        ("2027-01-31", "", {"type": "date"}),
        ("2027-01-31T10:00:00Z", "", {"type": "datetime"}),
        ("31 January 2027", "", {"type": "date", "format": "%d %B %Y"}),
        ("https://shop.example/", "", {"type": "url"}),
        ("A Light in the Attic", "title", {}),
        ("Chapter 5", "title", {}),
    ],
)
def test_a_text_is_read_as_what_it_is(text: str, name: str, values: Mapping[str, str]) -> None:
    assert dict(ways(text, name=name)[0].values()) == values


@pytest.mark.parametrize(
    ("pointed", "other", "value"),
    [
        ("£934.50", "£1,234.50", "1234.50"),
        ("£934.50, with tax", "£1,234,567.50, with tax", "1234567.50"),
        ("CHF 934.50", "CHF 1'234.50", "1234.50"),
        ("£934", "£1,234.50", "1234.50"),
        ("Sale £10.00 was £12.00", "Sale £1,010.00 was £1,012.00", "1010.00"),
        ("934,50 €", "1.234,50 €", "1234.50"),
        ("934 €", "1 234 €", "1234"),
        ("934,50 €", "1\u00a0234,50 €", "1234.50"),
        ("1 234,50 zł", "934,50 zł", "934.50"),
        ("22 available", "1,022 available", 1022),
        ("In stock (22 available)", "In stock (1,234,567 available)", 1234567),
        ("3 of 22 pages", "3 of 1,022 pages", 3),
        ("4 stars", "4.5 stars", None),  # not 4
    ],
)
def test_a_number_is_read_with_its_thousands_where_that_pointed_at_has_none(
    pointed: str, other: str, value: str | int | None
) -> None:
    way = ways(pointed)[0]
    page = make_page(f"<p>{other}</p>")
    assert first_values(way.rule("css", "p")).read(page.document, page).value == value


STATES = '<script type="application/ld+json">{"@type": "Product", "offers": {"price": %s}}</script>'


@pytest.mark.parametrize(
    ("lang", "head", "text", "value"),
    [
        ("es", "", "$24.990", "24990"),
        ("es-CL", "", "$24.990", "24990"),
        ("pt_BR", "", "R$ 1.234.567", "1234567"),
        ("sr-Latn-RS", "", "24.990 RSD", "24990"),
        ("en", "", "$24.990", "24.990"),
        ("", "", "$24.990", "24.990"),
        ("", "", "$1.224.990", "1224990"),
        ("es-MX", "", "$24.990", "24.990"),
        ("es", "<meta property=og:locale content=es_MX>", "$24.990", "24.990"),
        ("", "<meta property=og:locale content=es_CL>", "$24.990", "24990"),
        ("en", STATES % '"24990"', "$24.990", "24990"),
        ("en", STATES % "24990.0", "$24.990", "24990"),
        ("es", STATES % "24.99", "$24.990", "24.990"),
        ("es", STATES % '"24.990"', "$24.990", "24990"),
        ("es", "", "$24.99", "24.99"),
        ("es", "", "$0.990", "0.990"),
    ],
)
def test_a_dot_before_three_digits_is_read_as_the_page_means_it(lang: str, head: str, text: str, value: str) -> None:
    body = f'<html lang="{lang}"><head>{head}</head><body><p>{text}</p></body></html>'.encode()
    number = len(make_page(body.decode()).document.select("*")) - 1
    answer = Answer("https://shop.example/", 200, {}, body, len(body), 0.1, "utf-8", "text/html")
    proposal = propose(answer, Asked(aim=("items", 0, "fields", "price"), document={}, chosen=(number,)))
    assert proposal.groups[0].rows[0].gives == value
    reading = Choice.of_text(proposal.groups[0].rows[0].choice).reading
    assert (reading["type"], reading.get("decimal_mark")) == ("decimal", None if "." in value else ",")
    if text == "$24.990":
        assert {one.value for one in proposal.readings} == {"24990", "24.990", text}, "the other one can be chosen"


def test_what_a_page_says_to_machines_is_offered() -> None:
    page = make_page(
        '<head><title>Oil</title><meta property="og:title" content="Oil lamp"><meta name=viewport content=x>'
        '<link rel="alternate" type="application/atom+xml" href="/f.xml" title="News">'
        '<script type="application/ld+json">[{"@type":"BreadcrumbList","name":"way"},'
        '{"@type":["Product"],"name":"Oil lamp","offers":{"@type":"Offer","price":12.5},"image":["/a.png","/b.png"]}]'
        "</script></head>"
    )
    offered = {(offer.kind, offer.path): (offer.value, offer.way.type.value) for offer in field_offers(page)}
    assert offered[("jsonld", "Product.offers.price")] == ("12.5", "decimal")
    assert offered[("jsonld", "Product.name")] == ("Oil lamp", "text")
    assert offered[("meta", "og:title")] == ("Oil lamp", "text")
    assert offered[("css", "title")] == ("Oil", "text")
    assert ("meta", "viewport") not in offered
    assert next(iter(offered)) == ("css", "title")
    assert list(offered).index(("jsonld", "Product.name")) < list(offered).index(("jsonld", "BreadcrumbList.name"))
    assert [(feed.url, feed.title) for feed in feed_offers(page)] == [("https://shop.example/f.xml", "News")]
    assert [field_name(path) for path in ("Product.offers.priceCurrency", "og:title", "a.1st")] == [
        "price_currency", "title", "field_1st",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "is_made"),
    [("price", False), ("product_pod", False), ("star-rating", False), ("col2", False), ("navBar", False),
     ("css-1x2y3z", True), ("sc-bdVaJa", True), ("bdVaJa", True), ("Card_title__3kD8s", True), ("a9f3b2c8", True),
     ("jss123", True), ("SQGpu8", True), ("item-1234567", True), ("qwrtzp", True)],
)  # fmt: skip
def test_names_of_tools_are_told_from_those_of_people(word: str, is_made: bool) -> None:
    assert is_generated(word) is is_made


@pytest.mark.parametrize(
    ("url", "expression"),
    [
        ("https://a.example/product/12", r"/product/\d+$"),
        ("https://a.example/catalogue/a-light-in-the-attic_1000/index.html", r"/catalogue/[^/]+_\d+/index\.html$"),
        ("https://a.example/blog/2027/01/oil-lamps/", r"/blog/\d+/\d+/[^/]+/$"),
        ("https://a.example/lamp/oil", "/lamp/[^/]+$"),
        ("https://a.example/lamps.html", ""),
        ("https://a.example/", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_pages_of_a_kind_have_addresses_of_a_kind(url: str, expression: str) -> None:
    assert like(url) == expression


# --- what is put into the draft ---------------------------------------------------------------------------------------
def test_a_choice_is_put_in_place_and_gives_the_items_a_key() -> None:
    document: dict[str, object] = {"items": [{"type": "a", "each": ".a", "fields": {}}]}
    choice = Choice(kind="css", selector="h2", reading={"type": "integer"}, many=True)
    after = used(document, ("items", 0, "fields", "n"), choice)  # type: ignore[arg-type]
    assert after == {
        "items": [
            {"type": "a", "each": ".a", "key": ["n"], "fields": {"n": {"css": "h2", "type": "integer", "many": True}}}
        ]
    }
    assert document == {"items": [{"type": "a", "each": ".a", "fields": {}}]}
    assert Choice.of_text(choice.as_text()) == choice


@pytest.mark.parametrize("aim", [("items", 3, "fields", "n"), ("follow", 2), ("items", 0, "fields", "n")])
def test_where_nothing_can_be_put_nothing_is(aim: Sequence[str | int]) -> None:
    with pytest.raises(BadChoice):
        used({"items": ["text"], "follow": []}, tuple(aim), Choice(kind="css", selector="h2", reading={}))


def test_an_offered_field_takes_no_name_of_a_rule_with_hundreds() -> None:
    """The picker shows the first two hundred of them alone."""
    fields: dict[str, Json] = {f"f{number}": {"css": "p"} for number in range(250)}
    document: dict[str, Json] = {"name": "a", "items": [{"type": "t", "fields": fields}]}
    choice = Choice(kind="meta", selector="og:title", reading={}).as_text()
    request = RequestFactory().post("/", {"_pick": f"offer:0:f249:{choice}"})
    step = stepped(request, Draft.of_document(document))
    assert field_at(step.draft.document, ("items", 0, "fields", "f249")) == {"css": "p"}
    assert field_at(step.draft.document, ("items", 0, "fields", "f249_2")) == {"meta": "og:title"}


def test_no_name_is_offered_that_no_button_can_carry() -> None:
    page = make_page(f'<head><meta name="{"a" * 5_000}" content=x><meta name=author content=y></head>')
    assert [offer.path for offer in field_offers(page)] == ["author"]


# --- on further pages -------------------------------------------------------------------------------------------------
def costing(cost: float, css: str = "p") -> Candidate:
    return Candidate(kind="css", selector=css, cost=cost, value="", matches=1, matched=(), filled=1, items=1)


def coming(found: Iterable[Candidate]) -> Iterator[Coming]:
    """All that a search has found, before anything is taken."""
    return ((0.0, one) for one in found)


def test_candidates_are_tried_on_further_pages_only_when_their_turn_comes() -> None:
    """And come in the very order in which they would if all had been tried."""
    pages = [make_page("<p class=a>1</p><i>2</i>"), make_page("<i>3</i><b></b>")]
    costs = {"p": 1.0, "b": 2.0, "i": 3.0, ".a": 4.0, "u": 30.0} | {f"s{number}": 40.0 for number in range(50)}
    found = [costing(cost, css) for css, cost in costs.items()]
    asked: list[str] = []

    class Noted(Trial):
        def of(self, candidate: Candidate) -> Candidate:
            asked.append(candidate.selector)
            return super().of(candidate)

    first = [(one.selector, one.passed) for one in islice(cheapest_first(coming(found), Noted(pages, "")), 4)]
    assert first == [("i", 2), ("p", 1), (".a", 1), ("b", 0)]
    assert asked == ["p", "b", "i", ".a"]
    trial = Trial(pages, "")
    assert list(cheapest_first(coming(found), trial)) == sorted(map(trial.of, found), key=rank)


def test_no_more_candidates_are_looked_for_than_are_cheaper_than_all_that_may_come() -> None:
    """And what costs less than it seemed at first comes in its place."""
    costs = {1.0: 7.0, 2.0: 2.0, 3.0: None, 4.0: 4.0, 8.0: 8.0, 9.0: 9.0}
    looked_for: list[float] = []

    def looking() -> Iterator[Coming]:
        for least, cost in costs.items():
            looked_for.append(least)
            yield least, None if cost is None else costing(cost)

    taken = [one.cost for one in islice(cheapest_first(looking(), None), 3)]
    assert (taken, looked_for) == ([2.0, 4.0, 7.0], [1.0, 2.0, 3.0, 4.0, 8.0])


def test_of_many_values_those_that_are_shown_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"<ul>" + b"".join(b"<li class=row><b>%d</b></li>" % number for number in range(2_000)) + b"</ul>"
    answers = [
        Answer(f"https://shop.example/{number}", 200, {}, body, len(body), 0.1, "utf-8", "text/html")
        for number in range(4)
    ]
    texts: list[Element] = []
    text_of = PageTree.text_of

    def noted(page: PageTree, element: Element) -> str:
        texts.append(element)
        return text_of(page, element)

    monkeypatch.setattr(PageTree, "text_of", noted)
    asked = Asked(aim=("items", 0, "fields", "n"), document={}, chosen=(4,), many=True)
    [group] = propose(answers[0], asked, answers[1:]).groups
    assert (group.rows[0].matches, group.rows[0].passed, group.rows[0].pages) == (2_000, 3, 3)
    assert group.rows[0].gives.startswith("0 · 1 · 2")
    assert len(texts) < 2_000
