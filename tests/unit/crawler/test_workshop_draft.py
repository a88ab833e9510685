"""Drafts: values put into places, and texts that cannot be read."""

from __future__ import annotations

from typing import cast

import pytest

from crawler.definitions.places import NoSuchPlace, Place, parts_of
from crawler.engine.records import Json
from crawler.workshop.draft import Draft

DOCUMENT: dict[str, Json] = {
    "name": "a",
    "start_urls": ["https://a.example/"],
    "items": [{"type": "t", "fields": {"x": {"css": "h1"}, "x.css": {"css": "h2"}, "y[0]": {"css": "h3"}}}],
}


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("name", ("name",)),
        ("items[0].fields.x.css", ("items", 0, "fields", "x.css")),
        ("items[0].fields.x.css.css", ("items", 0, "fields", "x.css", "css")),
        ("items[0].fields.x.regex", ("items", 0, "fields", "x", "regex")),
        ("items[0].fields.y[0].css", ("items", 0, "fields", "y[0]", "css")),
        ("items[0].fields.new.css", ("items", 0, "fields", "new", "css")),
        ("items[1].fields.a.css", ("items", 1, "fields", "a", "css")),
        ("a..b", ("a", ".b")),
        (("items", 0, "fields", "x", "css"), ("items", 0, "fields", "x", "css")),
    ],
)
def test_a_place_is_read_by_what_the_document_has(place: Place, parts: tuple[str | int, ...]) -> None:
    assert parts_of(place, DOCUMENT) == parts


def test_a_value_is_put_in_with_what_leads_to_it() -> None:
    draft = (
        Draft.of_document({"name": "a"}).with_value("items[0].fields.title.css", "h1").with_value("start_urls[0]", "x")
    )
    assert draft.document == {"name": "a", "items": [{"fields": {"title": {"css": "h1"}}}], "start_urls": ["x"]}
    assert "items[0].type" in [problem.place for problem in draft.problems]


def test_what_is_put_in_stands_where_it_is_written() -> None:
    draft = Draft.of_document(DOCUMENT)
    values: tuple[tuple[str, Json], ...] = (
        ("items[0].key", ["x"]), ("items[0].match", "a"), ("items[0].fields.x.type", "url"), ("manners.delay", 1),
        ("items[0].fields.x.regex", "a"), ("follow[0].deny", ["a"]), ("follow[0].css", "a"), ("category", "c"),
        ("manners.obey_robots", False), ("new", 1),
    )  # fmt: skip
    for place, value in values:
        draft = draft.with_value(place, value)
    assert list(draft.document) == ["name", "category", "start_urls", "follow", "items", "manners", "new"]
    [item] = cast("list[dict[str, dict[str, object]]]", draft.document["items"])
    assert list(item) == ["type", "match", "key", "fields"]
    assert list(item["fields"]) == ["x", "x.css", "y[0]"]
    assert item["fields"]["x"] == {"css": "h1", "regex": "a", "type": "url"}
    assert draft.text.index("css: h1") < draft.text.index("regex: a") < draft.text.index("type: url")
    assert list(cast("dict[str, object]", draft.document["manners"])) == ["obey_robots", "delay"]


def test_a_draft_is_never_changed() -> None:
    draft = Draft.of_document(DOCUMENT)
    changed = draft.with_value("items[0].fields.x.regex", "a").without("start_urls").without("nothing.there[5]")
    assert draft.document == DOCUMENT
    [item] = cast("list[dict[str, dict[str, object]]]", changed.document["items"])
    assert item["fields"]["x"] == {"css": "h1", "regex": "a"}
    assert "start_urls" not in changed.document


@pytest.mark.parametrize("place", ["name.x", "name[0]", "items[5]", "items[0].fields[0]", "start_urls.x", ""])
def test_a_value_that_fits_nowhere_is_refused(place: str) -> None:
    with pytest.raises(NoSuchPlace):
        Draft.of_document(DOCUMENT).with_value(place, 1)


@pytest.mark.parametrize("text", ["", "a: [", "- a", "just text", "a: 1\na: 2", "x: \x00", "{" * 100, "\ufeff"])
def test_a_text_that_cannot_be_read_stays_as_it_was_typed(text: str) -> None:
    draft = Draft.of_text(text)
    assert (draft.text, draft.document, draft.definition) == (text, {}, None)
    assert draft.problems
    assert not draft.is_readable
