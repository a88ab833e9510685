"""What every answer passes on its way out."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from crawlproject.middleware import direction_marks

OTHER_WAY = "a\u202eb\u2069"


def passed(content: str, content_type: str = "text/html; charset=utf-8") -> HttpResponseBase:
    return direction_marks(lambda _request: HttpResponse(content, content_type=content_type))(HttpRequest())


def text_of(response: HttpResponseBase) -> str:
    assert isinstance(response, HttpResponse)
    return response.content.decode()


def test_marks_of_direction_are_shown_as_their_code_on_a_page() -> None:
    assert text_of(passed(f"<b>{OTHER_WAY}</b>")) == r"<b>a\u202eb\u2069</b>"


@pytest.mark.parametrize("mark", ["\u200e", "\u200f", "\u061c", "\u05d0", "\u200d", "\u2060", "\u202f", "\u2065"])
def test_what_names_of_other_scripts_need_stays(mark: str) -> None:
    assert text_of(passed(f"<b>{mark}</b>")) == f"<b>{mark}</b>"


@pytest.mark.parametrize("form", ["<textarea rows=3>\n{}</textarea>", '<input type="text" value="{}">'])
def test_what_is_edited_keeps_its_marks(form: str) -> None:
    page = f"{form}<p>{{}}</p>"
    assert text_of(passed(page.format(OTHER_WAY, OTHER_WAY))) == page.format(OTHER_WAY, r"a\u202eb\u2069")


def test_what_is_no_page_is_not_touched() -> None:
    assert text_of(passed(OTHER_WAY, "application/json")) == OTHER_WAY
