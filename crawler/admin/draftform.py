"""A draft as the workshop shows it: what can be chosen, what the buttons of rows do, where each problem is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawler.definitions import InvalidDefinitions
from crawler.definitions.reading import Reading, read
from crawler.engine.documents.item_rules import FIELD_SOURCES, NUMBERS, TIMES
from crawler.engine.errors import DefinitionProblem
from crawler.engine.spider import FieldType
from crawler.workshop.draft import Draft
from crawler.workshop.form import Form
from crawler.workshop.form_labels import label_at, said_by_label
from crawler.workshop.summaries import summaries
from crawler.workshop.wording import told, told_at_input

CHOICES: Mapping[str, tuple[tuple[str, StrOrPromise], ...]] = {
    "follow_kinds": (("css", "CSS"), ("xpath", "XPath"), ("json", "JSON")),
    "each_kinds": (("each", gettext_lazy("CSS or XPath")), ("each_json", "JSON")),
    "field_kinds": tuple(
        zip(
            FIELD_SOURCES,
            ("CSS", "XPath", "JSON", "JSON-LD", gettext_lazy("microdata"), "meta", gettext_lazy("address")),
            strict=True,
        )
    ),
    "field_types": tuple((kind.value, kind.value) for kind in FieldType),
    "decimal_marks": ((".", "1,234.5"), (",", "1.234,5")),
    "canonical_kinds": (
        ("ignore", gettext_lazy("are read like others")),
        ("follow", gettext_lazy("give their place to it")),
    ),
    "secret_kinds": (("text", gettext_lazy("text")), ("secret", gettext_lazy("secret"))),
    "auth_kinds": (
        ("", gettext_lazy("none")),
        ("basic", gettext_lazy("user name and password")),
        ("bearer", gettext_lazy("token")),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProblem:
    """A problem of the draft as the page tells it."""

    message: str
    short: str
    """The same beside the value that it is about."""
    place: str
    """In the document, or what the form calls it."""
    control: str
    """The id of the input that it is about; empty where there is none."""
    line: int | None
    """Of the text, where the draft is shown as one."""


# --- rows -------------------------------------------------------------------------------------------------------------
_FIRST = {"follow": "source", "items": "type", "fields": "name", "headers": "name", "set_cookies": "name"}
"""The input of a new row that one begins with."""


def with_rows_changed(form: Form, data: Mapping[str, str]) -> tuple[Form, str] | None:
    """The form as the button that was pressed leaves it, and the id of what has the focus then."""
    if "_add" in data:
        rows = data["_add"]
        changed = form.with_row(rows)
        return changed, f"{rows}-{form.rows_in(rows)}-{_FIRST.get(rows.rpartition('-')[2], '')}"
    if "_remove" in data:
        return form.without_row(data["_remove"]), f"{data['_remove'].rpartition('-')[0]}-add"
    for button, by in (("_up", -1), ("_down", 1)):
        if button in data:
            rows, _dash, index = data[button].rpartition("-")
            changed = form.with_row_moved(data[button], by)
            return changed, _moving_button(changed, rows, index, by)
    return None


def _moving_button(form: Form, rows: str, index: str, by: int) -> str:
    """That which moves the same row on; at an end of the list the other one."""
    there = int(index) + by if index.isdecimal() and len(index) < 7 else 0
    is_at_end = there <= 0 if by < 0 else there >= form.rows_in(rows) - 1
    goes_up = (by < 0) is not is_at_end
    return f"{rows}-{there}-{'up' if goes_up else 'down'}"


# --- problems ---------------------------------------------------------------------------------------------------------
def shown_problems(draft: Draft, problems: Iterable[DefinitionProblem], tab: str) -> list[ShownProblem]:
    """By the keys and lines of the text where it is shown, else by the labels of the form; where neither is on the
    page, there is nothing to lead to."""
    if tab == "yaml" or not draft.is_readable:
        text = _reading_of(draft)
        return [
            ShownProblem(
                message=told(problem.message),
                short=told_at_input(problem.message),
                place=problem.place,
                control="id_text" if tab == "yaml" else "",
                line=text.line_of(problem.place) if text and problem.place else None,
            )
            for problem in problems
        ]
    form = draft.as_form()
    return [
        ShownProblem(
            message=said_by_label(problem),
            short=said_by_label(problem, told_at_input),
            place=label_at(problem, form, draft.document),
            control=form.control_of(problem, draft.document) if tab == "form" else "",
            line=None,
        )
        for problem in problems
    ]


def _reading_of(draft: Draft) -> Reading | None:
    if not draft.problems:
        return None
    try:
        return read(draft.text)
    except InvalidDefinitions:
        return None


def form_context(form: Form, draft: Draft, problems: list[ShownProblem], focus: str) -> dict[str, object]:
    errors: dict[str, list[str]] = {}
    for problem in problems:
        errors.setdefault(problem.control, []).append(problem.short)
    return {
        "form": form.shown(errors),
        "focus": focus,
        "summary": summaries(draft.document),
        "time_types": TIMES,
        "number_types": NUMBERS,
        "open": [name for name in ("manners", "limits", "session") if focus.startswith(f"w-{name}-")],
    }
