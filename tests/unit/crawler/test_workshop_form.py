"""The workshop's form holds every definition, and gives it back as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import cast

import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, Phase, given, settings

from crawler.definitions.reading import Reading, read
from crawler.engine.documents.definition import NOT_IN_DOCUMENT
from crawler.engine.records import Json
from crawler.engine.spider import SpiderDefinition
from crawler.workshop import form_inputs
from crawler.workshop.draft import Draft
from crawler.workshop.form import Form, Input, RowList, Shown
from crawler.workshop.form_shape import FIELD, FOLLOW, ITEM, LIMITS, MANNERS, SESSION, SPIDER

from .spider_documents import Document, documents, known_documents, written

KNOWN = dict(known_documents())
FLAGS_ON_BY_DEFAULT = ("enabled", "obey_robots", "obey_nofollow", "trust_lastmod", "verify_tls")


def sent(form: Form) -> QueryDict:
    """As a browser sends the form: line ends of two characters, and nothing for a box that is not ticked."""
    data = QueryDict(mutable=True)
    data["_view"] = "form"
    for one in inputs_of(form.shown({})):
        is_flag = one.value in ("0", "1") and not one.id.endswith(("-max_pages", "-max_depth", "-name", "-type"))
        if is_flag and one.value == "0" and not one.id.endswith(FLAGS_ON_BY_DEFAULT):
            continue
        data[one.id] = one.value.replace("\n", "\r\n")
    return data


def inputs_of(shown: Shown) -> list[Input]:
    found = []
    for key, value in shown.items():
        if isinstance(value, Input):
            found.append(value)
        elif isinstance(value, RowList):
            found += [one for row in value.rows for one in inputs_of(row)]
        elif isinstance(value, dict) and key != "erring":
            found += inputs_of(value)
    return found


def exactly(document: Mapping[str, Json]) -> str:
    """With the order of its keys."""
    return json.dumps(document)


def check_round_trip(document: Document) -> None:
    """Form, YAML, form: each gives the document back, its values and the order of its keys."""
    draft = Draft.of_post(sent(Form.of_document(document)))
    assert [str(problem) for problem in draft.problems] == []
    assert exactly(draft.document) == exactly(document)
    from_yaml = read(draft.text.replace("\n", "\r\n")).value
    assert isinstance(from_yaml, dict)
    assert exactly(from_yaml) == exactly(document)
    again, problems = Form.of_document(from_yaml).read()
    assert (exactly(again), problems) == (exactly(document), [])


def test_every_key_of_a_document_has_an_input() -> None:
    for shape in (SPIDER, FOLLOW, ITEM, FIELD, SESSION, MANNERS, LIMITS):
        assert {key for part in shape.parts for key in part.keys} == set(shape.order)
    assert set(SPIDER.order) == {one.name for one in fields(SpiderDefinition)} - set(NOT_IN_DOCUMENT)


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_definition_survives_the_form_and_yaml(name: str) -> None:
    check_round_trip(written(KNOWN[name]))


@given(documents())
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_any_definition_survives_the_form_and_yaml(document: Document) -> None:
    check_round_trip(written(document))


def test_what_has_no_input_stands_in_a_box_of_yaml() -> None:
    document: Document = {
        "name": "odd",
        "start_urls": "https://a.example/",
        "follow": [{"css": "a", "xpath": "//a", "new": 1}],
        "items": [{"type": 5, "fields": {"x": {"css": ["h1"], "typ": "text"}, "y": {"css": "b"}}, "key": ["x", "x"]}],
        "manners": {"delay": "5", "headers": {"X-A": 5}, "obey_robots": None},
        "limits": ["max_pages"],
        "what": {"is": "this"},
    }
    form = Form.of_document(document)
    back, problems = form.read()
    assert problems == []
    assert back == document
    draft = Draft.of_post(sent(form))
    assert draft.document == document
    assert {problem.place for problem in draft.problems} >= {
        *("start_urls", "follow[0]", "follow[0].new", "items[0].type", "items[0].fields.x.typ"),
        *("manners.delay", "limits", "what"),
    }


@pytest.mark.parametrize(
    ("document", "place", "control"),
    [
        ({"start_urls": ["https://a.example/", "ftp://x"]}, "start_urls[1]", "w-start_urls"),
        ({"start_urls": ["https://a.example/", {"url": "x"}]}, "start_urls[1].url", "w-requests"),
        ({"follow": [{}, {"css": "a["}]}, "follow[1].css", "w-follow-1-source"),
        ({"follow": [{"allow": ["a", "("]}]}, "follow[0].allow[1]", "w-follow-0-allow"),
        ({"follow": [{"css": "a", "xpath": "//a["}]}, "follow[0].xpath", "w-follow-0-more"),
        ({"items": [{"type": "t", "match": "(", "fields": {"a": {"css": "b"}}}]}, "items[0].match", "w-items-0-match"),
        ({"items": [{"type": "t", "fields": {}}]}, "items[0].fields", "w-items-0-fields"),
        ({"items": [{"type": "t", "each": "a[", "fields": {"a": {"css": "b"}}}]}, "items[0].each", "w-items-0-each"),
        ({"items": [{"type": "t", "each": "a", "fields": {"a": {"css": "b"}}}]}, "items[0].key", "w-items-0-fields"),
        (
            {"items": [{"type": "t", "fields": {"a.b": {"css": "b"}, "a": {"css": "b["}}}]},
            "items[0].fields.a.css",
            "w-items-0-fields-1-source",
        ),
        (
            {"items": [{"type": "t", "fields": {"a": {"css": "b"}, "a.css": {"css": "b", "regex": "("}}}]},
            "items[0].fields.a.css.regex",
            "w-items-0-fields-1-regex",
        ),
        ({"items": [{"type": "t", "fields": {"_a": {"css": "b"}}}]}, "items[0].fields._a", "w-items-0-fields-0-name"),
        ({"items": [{"type": "t", "fields": {"a": {}}}]}, "items[0].fields.a", "w-items-0-fields-0-source"),
        (
            {"items": [{"type": "t", "fields": {"a": {"css": "b", "typ": "text"}}}]},
            "items[0].fields.a.typ",
            "w-items-0-fields-0-more",
        ),
        (
            {"items": [{"type": "t", "fields": {"a": {"css": "b", "type": "date", "format": "%Q"}}}]},
            "items[0].fields.a.format",
            "w-items-0-fields-0-format",
        ),
        ({"manners": {"headers": {"X-A": "b", "Host": "c"}}}, "manners.headers.Host", "w-manners-headers-1-value"),
        ({"manners": {"delay": -1}}, "manners.delay", "w-manners-delay"),
        ({"manners": {"quiet_hours": ["25"]}}, "manners.quiet_hours[0]", "w-manners-quiet_hours"),
        ({"session": {"proxy": "x"}}, "session.proxy", "w-session-proxy"),
        ({"session": {"auth": {"bearer": {"secret": "_"}}}}, "session.auth.bearer.secret", "w-session-auth_secret"),
        ({"limits": {"max_pages": 0}}, "limits.max_pages", "w-limits-max_pages"),
        ({"sitemaps": ["ftp://x"]}, "sitemaps[0]", "w-sitemaps"),
        ({"wat": 1}, "wat", "w-more"),
    ],
)
def test_a_problem_stands_at_its_input(document: Document, place: str, control: str) -> None:
    whole: Document = {"name": "a", "start_urls": ["https://a.example/"]}
    draft = Draft.of_document(whole | document)
    form = draft.as_form()
    controls = {problem.place: form.control_of(problem, draft.document) for problem in draft.problems}
    assert controls.get(place) == control
    shown = form.shown({control: ["wrong"]})
    assert control in {one.id for one in inputs_of(shown)} | lists_in(shown)


def lists_in(shown: Shown) -> set[str]:
    found: set[str] = set()
    for value in shown.values():
        if isinstance(value, RowList):
            found |= {value.id}.union(*map(lists_in, value.rows))
    return found


# --- rows -------------------------------------------------------------------------------------------------------------
def names(form: Form) -> list[str]:
    [item] = cast("list[dict[str, list[dict[str, str]]]]", form.inputs["items"])
    return [row["name"] for row in item["fields"]]


@pytest.fixture
def form() -> Form:
    rules: dict[str, Json] = {name: {"css": name} for name in ("a", "b", "c")}
    return Form.of_document({"items": [{"type": "t", "key": ["b"], "fields": rules}]})


def test_rows_are_added_removed_and_moved(form: Form) -> None:
    assert names(form.with_row("w-items-0-fields")) == ["a", "b", "c", ""]
    assert names(form.without_row("w-items-0-fields-1")) == ["a", "c"]
    assert names(form.with_row_moved("w-items-0-fields-2", -1)) == ["a", "c", "b"]
    assert names(form.with_row_moved("w-items-0-fields-0", 1)) == ["b", "a", "c"]
    assert names(form) == ["a", "b", "c"]


def test_a_row_that_was_added_and_left_empty_says_nothing(form: Form) -> None:
    before, _problems = form.read()
    after, problems = form.with_row("w-items-0-fields").with_row("w-manners-headers").read()
    assert (after, problems) == (before, [])


@pytest.mark.parametrize(
    "path",
    [
        *("", "w", "w-", "w-items-9", "w-items-0-fields-99", "w-items--1", "w-items-x", "w-name"),
        *("w-items-0-fields-0-name", "w-items-0-fields-0-name-0", "w-manners", "x" * 5_000, "w" + "-0" * 5_000),
        *("w-items-0-fields-00000000000000000000001", "w-items-0-fields-①"),
    ],
)  # fmt: skip
def test_a_row_that_is_not_there_changes_nothing(form: Form, path: str) -> None:
    assert form.without_row(path).inputs == form.inputs
    assert form.with_row_moved(path, 1).inputs == form.inputs
    assert form.with_row(path).inputs == form.inputs


# --- what browsers do not send ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"w-what": "x"}, "w-what"),
        ({"w-items-x-type": "x"}, "w-items-x-type"),
        ({"w-items-0-fields-9999999-name": "x"}, "9999999"),
        ({"w-items": "x"}, "w-items"),
        ({"w-": "x"}, "w-"),
        ({"w-manners-delay-0": "x"}, "w-manners-delay-0"),
        ({"w-more": "x: ["}, "line 2"),
        ({"w-more": "- a"}, "key: value"),
        ({"w-name": "a", "w-more": "name: b"}, "“name”"),
        ({"w-requests": "a: b"}, "list"),
        ({"w-follow-0-source_how": "sql", "w-follow-0-source": "x"}, "“sql”"),
    ],
)
def test_what_no_form_of_ours_sends_is_a_problem_of_the_form(data: dict[str, str], says: str) -> None:
    post = QueryDict(mutable=True)
    post.update({"_view": "form", **data})
    draft = Draft.of_post(post)
    assert not draft.is_whole
    assert draft.definition is None
    assert says in draft.problems[0].message


def test_a_name_that_stands_twice_is_named_at_its_row_and_nothing_is_lost() -> None:
    post = QueryDict(mutable=True)
    post["_view"] = "form"
    for index, (name, css) in enumerate([("a", "h1"), ("a", "h2"), ("", "h3")]):
        post[f"w-items-0-fields-{index}-name"] = name
        post[f"w-items-0-fields-{index}-source"] = css
    draft = Draft.of_post(post)
    controls = [draft.as_form().control_of(problem, draft.document) for problem in draft.problems]
    assert controls[:2] == ["w-items-0-fields-1-name", "w-items-0-fields-2-name"]
    assert names(draft.as_form()) == ["a", "a", ""]


def test_rows_with_gaps_in_their_numbers_keep_their_order() -> None:
    post = QueryDict(mutable=True)
    post["_view"] = "form"
    for index, css in ((7, "b"), (3, "a"), (100_000, "c")):
        post[f"w-follow-{index}-source"] = css
    assert Draft.of_post(post).document == {"follow": [{"css": "a"}, {"css": "b"}, {"css": "c"}]}


def test_a_part_of_the_form_that_was_not_sent_switches_nothing_off() -> None:
    post = QueryDict(mutable=True)
    post.update({"_view": "form", "w-name": "a", "w-start_urls": "https://a.example/"})
    assert Draft.of_post(post).document == {"name": "a", "start_urls": ["https://a.example/"]}


def test_a_box_of_yaml_is_read_once_for_all_the_problems_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []

    def reading(text: str) -> Reading:
        texts.append(text)
        return read(text)

    form = Form.of_document({"name": "a", **{f"k{number}.x": 1 for number in range(50)}})
    draft = Draft.of_form(form)
    monkeypatch.setattr(form_inputs, "read", reading)
    assert {form.control_of(problem, draft.document) for problem in draft.problems} == {"w-start_urls", "w-more"}
    assert len(draft.problems) > 50
    assert len(texts) == 1
