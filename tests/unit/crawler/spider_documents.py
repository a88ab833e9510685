"""Spiders' documents of all kinds: those that stand elsewhere in tests and documentation, and made-up ones that use the
whole language."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from hypothesis import strategies as st

from crawler.definitions import dump_spider
from crawler.definitions.reading import read
from crawler.engine.records import Json
from crawler.engine.spider import FieldType
from crawler.models import Spider
from crawlproject import demo
from tests import spiders

Document = dict[str, Json]
ROOT = Path(__file__).resolve().parents[3]


def written(document: Document) -> Document:
    """As a spider that was saved is dumped: keys in their usual order, defaults left out."""
    return cast(Document, dump_spider(Spider(definition=document)))


def known_documents() -> Iterator[tuple[str, Document]]:
    """Those of the documentation, of the real sites that tests crawl, and of the demo, by the name of a test."""
    for path in sorted((ROOT / "docs").glob("*.md")):
        for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)):
            yield from _spiders_of(f"{path.name}-{number}", read(block).value)
    for name, make in inspect.getmembers(spiders, inspect.isfunction):
        if name.endswith("_spider"):
            arguments = ["https://site.example"] * len(inspect.signature(make).parameters)
            yield name, make(*arguments)
    yield from _spiders_of("demo", cast(Json, demo.definitions("http://127.0.0.1:8000")))


def _spiders_of(name: str, file: Json) -> Iterator[tuple[str, Document]]:
    found = file.get("spiders") if isinstance(file, dict) else None
    for document in found if isinstance(found, list) else []:
        if isinstance(document, dict):
            yield f"{name}-{document['name']}", document


# --- made up ----------------------------------------------------------------------------------------------------------
_names = st.sampled_from(
    [
        "title",
        "price",
        "a.b",
        "x[0]",
        "two words",
        "书名",
        "-",
        "fields",
        "<b>",
        "more",
        "it's",
        '"q"',
        "é" * 100,
    ]
)
_words = st.sampled_from(["a", "books-1", "A_b", "0", "x" * 100])
_patterns = st.sampled_from(
    [
        "/book/",
        r"\d+$",
        "(?i)a b",
        " a",
        "a ",
        "(?s)a\n.*\nb",
        "#",
        "- a",
        "[:,]",
        "@",
        "%",
        "é",
        "02:00",
        "a\tb",
        "\u202e",
    ]
)
_css = st.sampled_from(["h1", "h1::text", "a::attr(href)", "::text", " p > b ", "a[title='x: y']", "div,\np", "a#b, i"])
_xpath = st.sampled_from(["//h1", ".//td[2]/text()", "count(//a)", 'string(.//a[@b="c"])', "//a\n/b"])
_json = st.sampled_from(["a.b", "quotes[]", "[?price > `100`]", "has_next && next", '"a-b"', "@"])
_paths = st.sampled_from(["Product.offers.price", "Book", "A.b"])
_urls = st.sampled_from(["https://a.example/", "https://b.example/x?y=z", "http://10.0.0.1:8080/", "https://[::1]/"])
_secrets = st.builds(lambda name: {"secret": name}, st.sampled_from(["token", "shop-1"]))
_header = st.sampled_from(["b", "a b", "no", "02:00", "null", "{x}", "a: b", "# c"]) | _secrets
_counts = st.integers(1, 10**6)


def _mapping(**optional: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=optional)


@st.composite
def _fields(draw: st.DrawFn, *, is_json: bool) -> dict[str, object]:
    key, value = draw(
        st.one_of(
            *(
                st.tuples(st.just(key), values)
                for key, values in (
                    [("json", _json), ("from", st.just("url"))]
                    if is_json
                    else [
                        *(("css", _css), ("xpath", _xpath), ("jsonld", _paths), ("microdata", _paths)),
                        *(("meta", st.sampled_from(["og:title", "description"])), ("from", st.just("url"))),
                    ]
                )
            )
        )
    )
    kind = draw(st.sampled_from([kind for kind in FieldType if kind is not FieldType.ARTICLE]))
    rule: dict[str, object] = {key: value, "type": kind.value}
    rule |= draw(_mapping(regex=_patterns, required=st.booleans(), many=st.booleans()))
    if kind in (FieldType.DATE, FieldType.DATETIME) and draw(st.booleans()):
        rule["format"] = draw(st.sampled_from(["%d.%m.%Y", "%d %B %Y, %H:%M", "%%"]))
    if kind in (FieldType.INTEGER, FieldType.FLOAT, FieldType.DECIMAL) and draw(st.booleans()):
        rule["decimal_mark"] = draw(st.sampled_from([".", ","]))
    return rule


@st.composite
def _items(draw: st.DrawFn) -> dict[str, object]:
    is_json = draw(st.booleans())
    fields: dict[str, object] = draw(st.dictionaries(_names, _fields(is_json=is_json), min_size=1, max_size=5))
    if is_json:
        fields["in_json"] = {"json": "a"}
    item: dict[str, object] = {"fields": fields, **draw(_mapping(match=_patterns))}
    has_each = draw(st.booleans())
    if has_each:
        item |= {"each_json": draw(_json)} if is_json else {"each": draw(st.sampled_from(["li.a", "//li", "(//a)[1]"]))}
    elif not is_json and draw(st.booleans()):
        fields["text"] = {"type": "article", **draw(_mapping(regex=_patterns, required=st.booleans()))}
    if has_each or draw(st.booleans()):
        item["key"] = draw(st.permutations(sorted(fields)))[: draw(st.integers(1, 3))]
    return item


_follow = st.one_of(
    _mapping(css=_css, allow=st.lists(_patterns, max_size=2), deny=st.lists(_patterns, max_size=2)),
    _mapping(xpath=_xpath, allow=st.lists(_patterns, max_size=2)),
    st.fixed_dictionaries(
        {"json": _json}, optional={"template": st.sampled_from(["/api?page={}", "https://a.example/{}"])}
    ),
)
_posts = st.one_of(
    st.fixed_dictionaries({"url": _urls, "form": st.dictionaries(_words, _header | st.lists(_header, max_size=2))}),
    st.fixed_dictionaries({"url": _urls, "json": st.sampled_from([{"q": [1, 2.5, None]}, [], "x", {"a": "\n"}, True])}),
    st.fixed_dictionaries({"url": _urls, "method": st.just("POST")}),
)
_auth = st.one_of(
    st.fixed_dictionaries({"bearer": _secrets}),
    st.fixed_dictionaries(
        {
            "basic": st.fixed_dictionaries(
                {"username": st.sampled_from(["ada", " a b "]) | _secrets, "password": _secrets}
            )
        }
    ),
)
_session = _mapping(
    cookies=st.booleans(),
    set_cookies=st.dictionaries(st.sampled_from(["a", "session-id"]), st.sampled_from(["", "1", "b c"]) | _secrets),
    auth=_auth,
    proxy=st.sampled_from(["http://proxy.example:8080", "socks5://[::1]:1"]) | _secrets,
    verify_tls=st.booleans(),
)
_manners = _mapping(
    obey_robots=st.booleans(),
    concurrency_per_host=st.integers(1, 100),
    delay=st.integers(0, 9) | st.floats(0, 3_600),
    adaptive_throttle=st.booleans(),
    pages_per_day=_counts,
    quiet_hours=st.lists(st.sampled_from(["08:00-20:00", "22:00-06:00"]), max_size=2),
    obey_nofollow=st.booleans(),
    obey_noindex=st.booleans(),
    trust_lastmod=st.booleans(),
    canonical=st.sampled_from(["ignore", "follow"]),
    user_agent=st.sampled_from(["ShopWatch/1.0", "a: b", "null"]),
    headers=st.dictionaries(st.sampled_from(["X-A", "accept", "X-Token"]), _header, max_size=3),
)
_limits = _mapping(
    max_pages=_counts,
    max_depth=st.integers(0, 9),
    max_seconds=_counts | st.floats(1, 1e6),
    max_bytes_per_page=_counts,
    max_pages_per_host=_counts,
    max_pages_per_pattern=_counts,
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A document without problems; defaults may stand in it."""
    types = draw(st.lists(_names, max_size=3, unique=True))
    whole = draw(
        st.fixed_dictionaries(
            {"name": _words, "start_urls": st.lists(_urls | _posts, min_size=1, max_size=3)},
            optional={
                "enabled": st.booleans(),
                "category": st.sampled_from(["", "shops", "书店", "a: b", "no"]),
                "sitemaps": st.just("robots") | st.lists(_urls, max_size=2),
                "allowed_domains": st.lists(st.sampled_from(["a.example", "10.0.0.1", "::1"]), max_size=2),
                "follow": st.lists(_follow, max_size=3),
                "session": _session,
                "manners": _manners,
                "limits": _limits,
            },
        )
    )
    if types:
        whole["items"] = [{"type": name, **draw(_items())} for name in types]
    return cast(Document, whole)
