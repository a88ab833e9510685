"""A spider's document: what is read, what is refused with which words, and that dumping loses nothing."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.engine.documents.definition import FieldType, SecretRef, dump, parse, parse_with_warnings
from crawler.engine.documents.document import MAX_PROBLEMS
from crawler.engine.errors import DefinitionError
from crawler.engine.fetching.wire import FRAMING as HEADERS_OF_THE_TRANSPORT

MINIMAL: dict[str, object] = {"name": "books", "start_urls": ["https://shop.example/"]}


def make_document(**changes: object) -> dict[str, object]:
    return copy.deepcopy(MINIMAL) | changes


def make_item(**changes: object) -> dict[str, object]:
    return make_document(items=[{"type": "book", "fields": {"title": {"css": "h1"}}} | changes])


def make_field(**rule: object) -> dict[str, object]:
    return make_item(fields={"price": rule})


def problems_of(document: dict[str, object]) -> list[str]:
    with pytest.raises(DefinitionError) as raised:
        parse(document)
    return [str(problem) for problem in raised.value.problems]


def test_a_name_and_a_start_url_are_a_whole_spider() -> None:
    spider = parse(MINIMAL)
    assert spider.allowed_domains == ("shop.example",)
    assert (spider.enabled, spider.manners.concurrency_per_host, spider.limits.max_bytes_per_page) == (
        True,
        5,
        10_485_760,
    )


def test_start_urls_are_normalised_and_stand_once() -> None:
    spider = parse(make_document(start_urls=["HTTPS://Shop.Example:443/a/../b#x", "https://shop.example/b"]))
    assert spider.start_urls == ("https://shop.example/b",)


def test_domains_are_read_as_hosts_of_urls_are() -> None:
    spider = parse(make_document(allowed_domains=["Shop.Example", "bücher.example", "::1", "127.0.0.1"]))
    assert spider.allowed_domains == ("shop.example", "xn--bcher-kva.example", "::1", "127.0.0.1")


def test_of_thousands_of_problems_the_first_are_told() -> None:
    found = problems_of(make_document(**{f"k{number}": 1 for number in range(3_000)}))
    assert len(found) == MAX_PROBLEMS
    assert found[0].startswith("k0: unknown key")


def test_every_problem_is_told_at_once_with_its_place() -> None:
    document = make_field(css="p", typ="decimal") | {"nam": "x", "limits": {"max_pages": 0}}
    assert problems_of(document) == [
        'nam: unknown key "nam"; did you mean "name"?',
        'items[0].fields.price.typ: unknown key "typ"; did you mean "type"?',
        "limits.max_pages: 0 is out of range; give 1 to 2147483647",
    ]


REFUSED = {
    "no name": (make_document(name=None), "name: is missing"),
    "name with blanks": (make_document(name="my books"), 'name: "my books" is not a name'),
    "name with an underscore in front": (make_document(name="_books"), 'name: "_books" is not a name'),
    "name that is a number": (make_document(name=5), "name: 5 is not a text; put it in quotes"),
    "name that is a date": (make_document(name=dt.date(2027, 1, 1)), "put it in quotes"),
    "enabled that is a word": (make_document(enabled="yes"), 'enabled: "yes" is not true or false'),
    "category with a slash": (make_document(category="a/b"), 'category: "a/b" is not a name'),
    "no start url": (make_document(start_urls=[]), "start_urls: is missing; give at least one URL"),
    "start url without a list": (make_document(start_urls="https://a/"), "is not a list; put it in [ ]"),
    "start url of another scheme": (make_document(start_urls=["ftp://a/"]), 'start_urls[0]: "ftp://a/": scheme "ftp"'),
    "start url with a line end": (make_document(start_urls=["http://a/\r\nX: y"]), "start_urls[0]: "),
    "sitemap that is no URL": (make_document(sitemaps=["/s.xml"]), 'sitemaps[0]: "/s.xml" is not a valid URL'),
    "sitemap of another scheme": (make_document(sitemaps=["ftp://a/s.xml"]), 'sitemaps[0]: "ftp://a/s.xml": scheme'),
    "sitemap that is a number": (make_document(sitemaps=[5]), "sitemaps[0]: 5 is not a text; put it in quotes"),
    "sitemaps without a list": (
        make_document(sitemaps="https://a/s.xml"),
        "is not a list; put it in [ ], or write sitemaps: robots",
    ),
    "robots in a list": (make_document(sitemaps=["robots"]), "sitemaps[0]: robots stands alone, in place of a list"),
    "unknown canonical": (
        make_document(manners={"canonical": "obey"}),
        'canonical: "obey" is not known; write',
    ),
    "nofollow that is a word": (make_document(manners={"obey_nofollow": "no"}), 'obey_nofollow: "no" is not true or'),
    "no page of a host": (make_document(limits={"max_pages_per_host": 0}), "limits.max_pages_per_host: 0 is out of"),
    "half a page": (make_document(limits={"max_pages_per_pattern": 1.5}), "1.5 is not a whole number"),
    "domain with a star": (make_document(allowed_domains=["*.a.example"]), 'covers its subdomains anyway; write "a.ex'),
    "domain with a scheme": (make_document(allowed_domains=["http://a.example"]), "is more than a host"),
    "domain with a port": (make_document(allowed_domains=["a.example:80"]), "has a port; ports are not compared"),
    "domain that is none": (make_document(allowed_domains=["a b"]), "is not a host"),
    "NUL": (make_document(category="a\0b"), "holds a NUL"),
    "half a surrogate pair": (make_document(category="a\ud800"), "half a surrogate pair"),
    "follow that is no list": (make_document(follow={"css": "a"}), "follow: "),
    "follow with both": (make_document(follow=[{"css": "a", "xpath": "//a"}]), "follow[0]: has both css and xpath"),
    "follow with bad CSS": (make_document(follow=[{"css": "a >"}]), 'follow[0].css: "a >": expected a selector'),
    "allow that is no list": (make_document(follow=[{"allow": "/a/"}]), 'follow[0].allow: "/a/" is not a list'),
    "look-behind": (make_document(follow=[{"deny": ["(?<=a)b"]}]), 'follow[0].deny[0]: "(?<=a)b": look-behind is not'),
    "look-ahead": (make_item(match="a(?!b)"), 'items[0].match: "a(?!b)": look-ahead is not supported'),
    "back-reference": (make_field(css="p", regex=r"(a)\1"), r"back-references (\1) are not supported"),
    "open bracket": (make_field(css="p", regex="["), 'items[0].fields.price.regex: "[": missing ]'),
    "item without a type": (make_item(type=None), "items[0].type: is missing"),
    "item type twice": (
        make_document(items=[{"type": "a", "fields": {"x": {"css": "p"}}}] * 2),
        'items[1].type: "a" is the type of items[0] already',
    ),
    "item without fields": (make_item(fields={}), "items[0].fields: is missing"),
    "item type of ours": (make_item(type="_page"), 'items[0].type: "_page" begins with "_"'),
    "field name of ours": (make_item(fields={"_url": {"css": "p"}}), 'items[0].fields._url: "_url" begins with "_"'),
    "field name that is a number": (make_item(fields={1: {"css": "p"}}), "1 is not a name; put it in quotes"),
    "each without key": (make_item(each="article"), "items[0].key: is missing; with each"),
    "each with a pseudo-element": (make_item(each="p::text", key=["title"]), "each needs elements"),
    "each with bad XPath": (make_item(each="//p[", key=["title"]), 'items[0].each: "//p[": '),
    "key that is no field": (make_item(key=["upc"]), 'items[0].key[0]: "upc" is not among the fields: title'),
    "key twice": (make_item(key=["title", "title"]), 'items[0].key[1]: "title" stands twice'),
    "field that is a text": (make_item(fields={"title": "h1"}), 'items[0].fields.title: "h1" is not a mapping'),
    "field without a source": (
        make_field(type="text"),
        "items[0].fields.price: reads nothing; give css, xpath, ",
    ),
    "field with two sources": (
        make_field(css="p", **{"from": "url"}),
        "items[0].fields.price: has css and from; keep one",
    ),
    "unknown source": (make_field(**{"from": "title"}), 'items[0].fields.price.from: "title" is not known'),
    "unknown pseudo-element": (make_field(css="p::txt"), '"::txt" is not known. Did you mean "::text"?'),
    "pseudo-element with one colon": (make_field(css="p:text"), 'did you mean "::text"?'),
    "pseudo-element in a list": (make_field(css="a, b::text"), "may not stand in a comma list"),
    "pseudo-element in brackets": (make_field(css="a:not(b::text)"), "may not stand inside brackets"),
    "two pseudo-elements": (make_field(css="a::text::attr(x)"), "may stand once, at the very end"),
    "attr without a name": (make_field(css="a::attr()"), "names no attribute"),
    "CSS of a browser's pseudo-element": (make_field(css="p::before"), '"::before" is not known'),
    "bad XPath": (make_field(xpath="//p["), 'items[0].fields.price.xpath: "//p[": expected'),
    "XPath function of 2.0": (make_field(xpath="matches(//p, 'a')"), '"matches()" is not a function of XPath 1.0'),
    "XPath function in an unreached predicate": (make_field(xpath="//zz[foo()]"), '"foo()" is not a function'),
    "XPath variable": (make_field(xpath="//zz[$x]"), "there are no variables here"),
    "XPath prefix": (make_field(xpath="//svg:rect"), "prefixes are not known"),
    "unknown type": (make_field(css="p", type="money"), '"money" is not a type; known are text, html, integer'),
    "format of a text": (make_field(css="p", format="%Y"), "format: belongs to the types date and datetime"),
    "unknown directive": (make_field(css="p", type="date", format="%Q"), '"%Q" is not known'),
    "mark of a text": (make_field(css="p", decimal_mark=","), "decimal_mark: belongs to the types integer, float"),
    "mark that is none": (make_field(css="p", type="float", decimal_mark=";"), 'neither "." nor ","'),
    "many that is a number": (make_field(css="p", many=1), "items[0].fields.price.many: 1 is not true or false"),
    "no place at once": (make_document(manners={"concurrency_per_host": 0}), "0 is out of range; give 1 to 100"),
    "half a place": (make_document(manners={"concurrency_per_host": 1.5}), "1.5 is not a whole number"),
    "negative delay": (make_document(manners={"delay": -1}), "manners.delay: -1 is out of range"),
    "delay NaN": (make_document(manners={"delay": float("nan")}), "manners.delay: NaN is out of range"),
    "endless delay": (make_document(manners={"delay": float("inf")}), "manners.delay: inf is out of range"),
    "delay true": (make_document(manners={"delay": True}), "manners.delay: true is not a number"),
    "delay in quotes": (make_document(manners={"delay": "1"}), '"1" is not a number; take the quotes off'),
    "pages in words": (make_document(limits={"max_pages_per_pattern": "many"}), '"many" is not a number; give 1 to '),
    "canonical true": (make_document(manners={"canonical": True}), 'true is not known; write "ignore" or "follow"'),
    "canonical in words": (
        make_document(manners={"canonical": "yes"}),
        '"yes" is not known; write "ignore" or "follow"',
    ),
    "canonical empty": (make_document(manners={"canonical": ""}), '"" is not known; write "ignore" or "follow"'),
    "manners that are a list": (make_document(manners=[]), "manners: [] is not a mapping"),
    "no pages a day": (make_document(manners={"pages_per_day": 0}), "manners.pages_per_day: 0 is out of range"),
    "half a page a day": (make_document(manners={"pages_per_day": 0.5}), "0.5 is out of range"),
    "quiet hours that are a text": (
        make_document(manners={"quiet_hours": "08:00-20:00"}),
        'manners.quiet_hours: "08:00-20:00" is not a list; put it in [ ]',
    ),
    **{
        f"quiet hours {text}": (make_document(manners={"quiet_hours": [text]}), f"manners.quiet_hours[0]: {wrong}")
        for text, wrong in [
            ("8-20", '"8-20" is not a time of the day; write it as "08:00-20:00"'),
            ("8:00-20:00", '"8:00-20:00" is not a time of the day'),
            ("08:00 - 20:00", '"08:00 - 20:00" is not a time of the day'),
            ("08:00-20:00\n", '"08:00-20:00'),
            ("٠٨:٠٠-٢٠:٠٠", '"٠٨:٠٠-٢٠:٠٠" is not a time of the day'),
            ("24:00-08:00", '"24:00-08:00" is not on any clock; give 00:00 to 24:00'),
            ("08:60-09:00", '"08:60-09:00" is not on any clock'),
            ("08:00-24:01", '"08:00-24:01" is not on any clock'),
            ("08:00-08:00", '"08:00-08:00" ends when it begins'),
        ]
    },
    "no hour is left": (
        make_document(manners={"quiet_hours": ["20:00-08:00", "08:00-20:00"]}),
        "manners.quiet_hours: leave no time to fetch anything",
    ),
    "too many quiet hours": (
        make_document(manners={"quiet_hours": ["01:00-02:00"] * 51}),
        "manners.quiet_hours: has 51 entries; give 50 at most",
    ),
    **{
        f"header {name}, which the transport sets": (
            make_document(manners={"headers": {name.title(): "a"}}),
            f'manners.headers.{name.title()}: "{name.title()}" may not be set, leave it out: ',
        )
        for name in sorted(HEADERS_OF_THE_TRANSPORT)
    },
    "user agent with a line end": (make_document(manners={"user_agent": "a\r\nb"}), "manners.user_agent: "),
    "header injection": (make_document(manners={"headers": {"X": "a\r\nY: b"}}), "manners.headers.X: the value cannot"),
    "header name with a colon": (make_document(manners={"headers": {"X:": "a"}}), "is not a header's name"),
    "header twice": (make_document(manners={"headers": {"X-A": "a", "x-a": "b"}}), '"x-a" stands twice'),
    "header with another place": (make_document(manners={"headers": {"User-Agent": "a"}}), "use manners.user_agent"),
    "header that is a number": (make_document(manners={"headers": {"X": 1}}), "1 is not a text; put it in quotes"),
    "secret without a name": (make_document(manners={"headers": {"X": {}}}), "names no secret; write {secret: name}"),
    "secret misspelt": (make_document(manners={"headers": {"X": {"secrt": "a"}}}), 'did you mean "secret"?'),
    "negative depth": (make_document(limits={"max_depth": -1}), "limits.max_depth: -1 is out of range"),
    "no bytes": (make_document(limits={"max_bytes_per_page": 0}), "limits.max_bytes_per_page: 0 is out of range"),
}


@pytest.mark.parametrize(("document", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_honoured_is_refused_with_place_and_remedy(document: dict[str, object], message: str) -> None:
    problems = problems_of(document)
    assert len(problems) == 1
    assert message in problems[0]


def test_a_credential_in_a_refused_header_is_not_repeated() -> None:
    assert "hunter2" not in problems_of(make_document(manners={"headers": {"X-Token": "hunter2\n"}}))[0]


def test_sitemaps_are_a_list_or_the_word_robots() -> None:
    for sitemaps in ("robots", ["https://a.example/s.xml", "https://b.example/s.xml.gz"]):
        document = make_document(sitemaps=sitemaps)
        assert dump(parse(document)) == document
    assert parse(make_document(sitemaps=[])) == parse(MINIMAL)
    twice = make_document(sitemaps=["https://a.example/s.xml", "HTTPS://A.example/s.xml#x"])
    assert parse(twice).sitemaps == ("https://a.example/s.xml",)


def test_manners_are_written_as_they_are_read() -> None:
    manners = {
        "adaptive_throttle": True,
        "pages_per_day": 5_000,
        "quiet_hours": ["08:00-20:00", "23:30-00:15", "12:00-24:00"],
    }
    document = make_document(manners=manners)
    assert dump(parse(document)) == document
    nothing = make_document(manners={"adaptive_throttle": False, "pages_per_day": None, "quiet_hours": []})
    assert parse(nothing) == parse(MINIMAL)


def test_a_secret_is_a_reference() -> None:
    spider = parse(make_document(manners={"headers": {"Authorization": {"secret": "shop-token"}, "X-A": "b"}}))
    assert spider.manners.headers == {"Authorization": SecretRef(name="shop-token"), "X-A": "b"}


@pytest.mark.parametrize("xpath", ["//h1", "/html/body", "(//h1)[1]"])
def test_an_xpath_for_the_whole_page_within_each_is_warned_of(xpath: str) -> None:
    document = make_item(each="article", key=["title"], fields={"title": {"xpath": xpath}})
    warnings = parse_with_warnings(document)[1]
    assert [warning.place for warning in warnings] == ["items[0].fields.title.xpath"]
    assert "whole page" in warnings[0].message


@pytest.mark.parametrize("xpath", [".//h1", "h1/text()", "string(.//h1)"])
def test_an_xpath_within_the_match_is_not_warned_of(xpath: str) -> None:
    document = make_item(each="article", key=["title"], fields={"title": {"xpath": xpath}})
    assert parse_with_warnings(document)[1] == []


def test_a_start_url_out_of_scope_is_warned_of() -> None:
    warnings = parse_with_warnings(make_document(allowed_domains=["other.example"]))[1]
    assert [str(warning) for warning in warnings] == [
        'start_urls[0]: "https://shop.example/" is outside allowed_domains: it is not fetched'
    ]


WHOLE: dict[str, object] = {
    "name": "books",
    "enabled": False,
    "start_urls": ["https://shop.example/"],
    "category": "shops",
    "allowed_domains": ["shop.example", "cdn.example"],
    "follow": [{"css": "li.next a, article h3 a", "allow": ["/catalogue/"]}, {"xpath": "//nav//@href", "deny": ["x"]}],
    "items": [
        {
            "type": "book",
            "match": "/catalogue/.*_\\d+/index\\.html$",
            "each": "article.product_page",
            "key": ["upc"],
            "fields": {
                "upc": {"xpath": ".//th[text()='UPC']/following-sibling::td/text()", "required": True},
                "price": {"css": "p.price::text", "regex": "[\\d,]+", "type": "decimal", "decimal_mark": ","},
                "seen": {"css": "time", "type": "date", "format": "%d %B %Y"},
                "id": {"from": "url", "regex": "(\\d+)", "type": "integer"},
                "tags": {"css": ".tag::text", "many": True},
            },
        }
    ],
    "manners": {
        "obey_robots": False,
        "concurrency_per_host": 2,
        "delay": 0.5,
        "user_agent": "books/1",
        "headers": {"X-Token": {"secret": "token"}},
    },
    "limits": {"max_pages": 10, "max_depth": 0, "max_seconds": 60, "max_bytes_per_page": 1000},
}


def test_dump_writes_what_was_read() -> None:
    assert dump(parse(WHOLE)) == WHOLE


def test_dump_leaves_defaults_out() -> None:
    document = WHOLE | {"allowed_domains": ["shop.example"], "enabled": True, "manners": {"delay": 0}, "limits": {}}
    dumped = dump(parse(document))
    assert dumped.keys() == {"name", "start_urls", "category", "follow", "items"}
    assert parse(dumped) == parse(document)


names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
sources = st.sampled_from(
    [
        ("css", "h1"),
        ("css", "a::attr(href)"),
        ("xpath", "//h1"),
        ("from", "url"),
        ("jsonld", "A.b"),
        ("microdata", "A.b"),
        ("meta", "og:title"),
    ]
)


@st.composite
def field_rules(draw: st.DrawFn) -> dict[str, object]:
    kind = draw(st.sampled_from([kind for kind in FieldType if kind is not FieldType.ARTICLE]))
    key, value = draw(sources)
    rule: dict[str, object] = {key: value, "type": kind.value}
    rule |= draw(
        st.fixed_dictionaries({}, optional={"required": st.booleans(), "many": st.booleans(), "regex": st.just("a(b)")})
    )
    if kind in (FieldType.DATE, FieldType.DATETIME) and draw(st.booleans()):
        rule["format"] = "%d.%m.%Y"
    if kind in (FieldType.INTEGER, FieldType.FLOAT, FieldType.DECIMAL):
        rule["decimal_mark"] = draw(st.sampled_from([".", ","]))
    return rule


@st.composite
def documents(draw: st.DrawFn) -> dict[str, object]:
    fields = draw(st.dictionaries(names, field_rules(), min_size=1, max_size=4))
    item: dict[str, object] = {"type": draw(names), "fields": fields}
    if draw(st.booleans()):
        item |= {"each": "article", "key": draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, unique=True))}
    optional = {
        "enabled": st.booleans(),
        "category": st.sampled_from(["", "shops", "书店"]),
        "allowed_domains": st.lists(st.sampled_from(["a.example", "b.example", "10.0.0.1"]), max_size=2, unique=True),
        "items": st.just([item]),
        "follow": st.lists(
            st.fixed_dictionaries(
                {}, optional={"css": st.just("nav a"), "allow": st.just(["/a"]), "deny": st.just([])}
            ),
            max_size=2,
        ),
        "manners": st.fixed_dictionaries(
            {},
            optional={
                "obey_robots": st.booleans(),
                "delay": st.one_of(st.integers(0, 9), st.floats(0, 9)),
                "user_agent": st.sampled_from([None, "bot/1"]),
                "headers": st.dictionaries(st.just("X-A"), st.sampled_from(["b", {"secret": "c"}])),
            },
        ),
        "limits": st.fixed_dictionaries(
            {}, optional={"max_pages": st.none() | st.integers(1, 9), "max_seconds": st.none() | st.integers(1, 9)}
        ),
    }
    return draw(st.fixed_dictionaries({"name": names, "start_urls": st.just(["http://a.example/"])}, optional=optional))


@given(documents())
def test_dumping_and_reading_change_nothing(document: dict[str, object]) -> None:
    spider = parse(document)
    dumped = dump(spider)
    assert parse(dumped) == spider
    assert dump(parse(dumped)) == dumped
    assert all(_holds(value, document.get(key)) for key, value in dumped.items())


def _holds(dumped: object, given: object) -> bool:
    """Whether all that was dumped stood in the document: dumping only ever leaves out."""
    if isinstance(dumped, dict) and isinstance(given, dict):
        return all(key in given and _holds(value, given[key]) for key, value in dumped.items())
    if isinstance(dumped, list) and isinstance(given, list):
        return len(dumped) == len(given) and all(map(_holds, dumped, given))
    return dumped == given


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*WHOLE, "sitemaps", "x"]), junk, max_size=5))
def test_any_document_is_read_or_refused_and_never_breaks_the_reader(document: dict[str, object]) -> None:
    # Neither a name nor a start URL is among the keys for sure: most of these are refused.
    with contextlib.suppress(DefinitionError):
        assert dump(parse(document))


def test_what_is_said_of_a_strange_key_can_be_printed() -> None:
    (problem,) = problems_of(make_document(**{"\ud800\0": 1}))
    assert problem.encode().startswith(b"\\ud800")
