"""Each reason that a crawl counts is explained to a person."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields

import pytest
from django.utils.translation import override

from crawler.causes import BY_KEY, CAUSES, OTHER, Cause, cause_of
from crawler.engine.errors import NO_ANSWER, FetchError, Reason, TimedOut, http_reason
from crawler.engine.spider import FieldRule, FollowRule, ItemRule, Limits, Manners, Session, SpiderDefinition

SECTIONS = {"manners": Manners, "limits": Limits, "session": Session}
ORDERS = re.compile(
    r"\b(add|ask|check|choose|compare|correct|crawl|deny|give|leave|look|match|narrow|open|raise|read|schedule|see|set|"
    r"simplify|slow|start|take|try|wait)\b|^Nothing needs to be done",
    re.IGNORECASE,
)
MAX_TITLE = 40
"""Characters that fit into a line of a table on a phone."""


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_one_cause(reason: Reason) -> None:
    assert cause_of(reason) is not OTHER
    assert [cause.key for cause in CAUSES if reason in cause.reasons] == [cause_of(reason).key]


def test_each_status_that_is_an_error_has_a_cause() -> None:
    statuses = [*range(100, 200), *range(300, 1000)]
    assert {cause_of(http_reason(status)) for status in statuses}.isdisjoint({OTHER})


@pytest.mark.parametrize(
    ("status", "key"),
    [
        (304, "odd_answer"),
        (400, "request_refused"),
        (401, "login"),
        (403, "blocked"),
        (404, "not_found"),
        (408, "timeout"),
        (410, "not_found"),
        (429, "overloaded"),
        (451, "legal"),
        (500, "server_error"),
        (503, "overloaded"),
        (520, "server_error"),
        (600, "odd_answer"),
    ],
)
def test_statuses_fall_into_families(status: int, key: str) -> None:
    assert cause_of(http_reason(status)).key == key


@pytest.mark.parametrize("reason", ["", "http_", "http_40", "http_4044", "of_tomorrow"])
def test_what_no_release_knows_is_shown_as_another_reason(reason: str) -> None:
    assert cause_of(reason) is OTHER


def test_keys_and_reasons_stand_once() -> None:
    assert len(BY_KEY) == len(CAUSES) + 1
    reasons = Counter(reason for cause in CAUSES for reason in cause.reasons)
    assert not [reason for reason, count in reasons.items() if count > 1]


def test_each_request_without_an_answer_counts_as_a_page_that_was_not_answered() -> None:
    kinds = [kind for kind in FetchError.__subclasses__() if kind.__module__ == FetchError.__module__]
    of_time = {Reason.CONNECT_TIMEOUT, Reason.READ_TIMEOUT, Reason.TOTAL_TIMEOUT}
    assert {kind.reason for kind in kinds if kind is not TimedOut} | of_time == NO_ANSWER


@pytest.mark.parametrize("cause", BY_KEY.values(), ids=lambda cause: cause.key)
def test_a_cause_is_told_in_a_title_and_two_sentences(cause: Cause) -> None:
    with override("en"):
        title, what, remedy = str(cause.title), str(cause.what), str(cause.remedy)
        at_start = str(cause.at_start().remedy)
    assert 0 < len(title) <= MAX_TITLE
    assert not title.endswith(".")
    for sentence in (what, remedy, at_start):
        assert sentence.endswith(".")
        assert ". " not in sentence.removesuffix(".")
        assert "!" not in sentence


@pytest.mark.parametrize("cause", BY_KEY.values(), ids=lambda cause: cause.key)
def test_a_remedy_says_what_to_do(cause: Cause) -> None:
    with override("en"):
        assert ORDERS.search(str(cause.remedy))
        assert ORDERS.search(str(cause.at_start().remedy))


@pytest.mark.parametrize("cause", BY_KEY.values(), ids=lambda cause: cause.key)
def test_the_keys_that_a_cause_names_are_those_of_a_document(cause: Cause) -> None:
    with override("en"):
        said = f"{cause.what} {cause.remedy} {cause.at_start().remedy}"
    for section, key in re.findall(rf"\b({'|'.join(SECTIONS)})\.(\w+)", said):
        assert key in {field.name for field in fields(SECTIONS[section])}
    keys = {
        field.name
        for kind in (SpiderDefinition, Manners, Limits, Session, FollowRule, ItemRule, FieldRule)
        for field in fields(kind)
    }
    assert set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", said)) <= keys | {"each_json"}
