"""Links as Scrapy's LinkExtractor finds them on its own sample pages, where our rules can say the same."""

from __future__ import annotations

import base64
from typing import TypedDict, cast

import pytest

from crawler.engine.documents.definition import parse
from crawler.engine.pages.extractor import Extractor
from tests.servers.corpora import Case, cases

DIFFERS = {
    "links-0047": "parameters are not sorted: the URL of the page is the URL that goes out",
    "links-0049": "the same",
    "links-0050": "the same",
    "links-0052": "links are chosen by selector and URL, not by their text; an XPath does it",
    "links-0053": "the same",
}
CODECS = {"utf8": "utf-8", "cp1252": "windows-1252"}


class _Page(TypedDict):
    url: str
    encoding: str
    body_b64: str
    options: dict[str, object]


def rule_of(options: dict[str, object]) -> dict[str, object]:
    """The follow rule that means what the options of a LinkExtractor mean."""
    tags = ["a", "area"] if "tags" not in options else _listed(options["tags"])
    tags = [tag for tag in tags if tag not in _listed(options.get("deny_tags"))]
    attributes = _listed(options.get("attrs", "href"))
    inside = _listed(options.get("restrict_xpaths"))
    path = " | ".join(
        f"{place}//{tag}/@{attribute}" for place in inside or [""] for tag in tags for attribute in attributes
    )
    rule: dict[str, object] = {"xpath": path}
    if "restrict_css" in options:
        places = ", ".join(_listed(options["restrict_css"]))
        rule = {"css": f":is({places}):is(a, area), :is({places}) :is(a, area)"}
    hosts = [f"^https?://([^/]*\\.)?{host}/" for host in _listed(options.get("allow_domains"))]
    return rule | {"allow": [*_listed(options.get("allow")), *hosts], "deny": _listed(options.get("deny"))}


def _listed(value: object) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(entry) for entry in cast("list[object]", value)]


NOT_SAID = {"links-0027", "links-0028"}
"""No tag or no attribute to read: a follow rule always reads some."""


@pytest.mark.parametrize(
    "case", [c for c in cases("scrapy_linkextractor") if c["id"] not in NOT_SAID], ids=lambda case: case["id"]
)
def test_links_are_those_of_scrapy(case: Case) -> None:
    page = cast("_Page", case["input"])
    spider = parse({"name": "links", "start_urls": [page["url"]], "follow": [rule_of(page["options"])]})
    encoding = CODECS.get(page["encoding"], page["encoding"])
    found = Extractor(spider).extract(page["url"], base64.b64decode(page["body_b64"]), encoding, "text/html").links
    expected = [link["url"].partition("#")[0] for link in cast("list[dict[str, str]]", case["expected"])]
    same = sorted(found) == sorted(set(expected))
    assert same is (case["id"] not in DIFFERS), (found, expected)
