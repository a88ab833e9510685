"""The workshop's form: a draft as inputs, rows added and moved, and each problem at its input.

A document is shown by the form and read back *identical*: `read` of `of_document` gives each value as it was, and the
keys in the order in which `definitions.dump_spider` writes them (of what it writes: in the very same order). What says
the same by its absence (an explicit default, a null) is left out, as that leaves it out.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

from django.utils.translation import gettext as _

from crawler.definitions.places import parts_of
from crawler.engine.errors import DefinitionProblem
from crawler.engine.records import Json

from .form_inputs import ON, Inputs, rows_of, text_of
from .form_shape import FIELD, FOLLOW, ITEM, SPIDER

PREFIX = "w"
"""Ids and names of inputs are their way through the form: ``w-items-0-fields-2-source``."""
MAX_INPUTS = 5_000
"""Of a form: browsers send no more than the setting DATA_UPLOAD_MAX_NUMBER_FIELDS allows. Larger ones stay YAML."""
_ROW = re.compile(r"[0-9]{1,6}")
_POINTED = re.compile(
    r"w-(?P<rows>follow(?=-\d+$)|items(?=-\d+-))-(?P<index>\d{1,6})(?:-fields-(?P<field>\d{1,6})|-(?P<each>each))?",
    re.ASCII,
)
_NAMED_VALUE: Inputs = {"name": "", "value_how": "text", "value": ""}
_NEW_FIELD: Inputs = {"name": "", "is_key": "", **FIELD.show({})}
NEW_ROWS: Mapping[str, Inputs] = {
    "follow": FOLLOW.show({}),
    "items": {**ITEM.show({}), "fields": [_NEW_FIELD]},
    "fields": _NEW_FIELD,
    "headers": _NAMED_VALUE,
    "set_cookies": _NAMED_VALUE,
}
"""What a new row of a list holds, and so which inputs its rows have."""


class DraftProblem(DefinitionProblem):
    """A problem with the id of the input at which it is to be shown."""

    __slots__ = ("control",)

    def __init__(self, place: str, message: str, *, control: str) -> None:
        super().__init__(place, message)
        self.control = control


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input as it is shown."""

    id: str
    """Its name too."""
    value: str
    errors: tuple[str, ...] = ()

    @property
    def is_on(self) -> bool:
        return self.value == ON

    @property
    def rows(self) -> int:
        """Lines of a text that may have several."""
        return min(self.value.count("\n") + 1, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowList:
    """The rows of a list."""

    id: str
    rows: list[Shown]
    errors: tuple[str, ...] = ()


Shown: TypeAlias = "dict[str, Input | RowList | Shown | list[Input] | str | bool | int]"
"""A mapping of the form for its template: inputs by their names, and of a row its place in the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What stands in the inputs."""

    inputs: Inputs
    unknown: tuple[str, ...] = ()
    """Names that were sent and are none of the form's."""

    @classmethod
    def of_document(cls, document: Mapping[str, Json]) -> Form:
        return cls(inputs=SPIDER.show(document))

    @classmethod
    def of_post(cls, data: Mapping[str, str]) -> Form:
        """Of what was sent; rows keep their order, whatever their numbers are."""
        tree: dict[str, object] = {}
        unknown = []
        for name, value in data.items():
            if name.startswith(f"{PREFIX}-") and not _put(tree, _BLANK, name.split("-")[1:], value):
                unknown.append(name)
        return cls(inputs=_with_lists(tree), unknown=tuple(unknown))

    @property
    def size(self) -> int:
        """How many inputs it has."""
        return sum(1 for _name, _value in _walk(self.inputs, PREFIX))

    @property
    def is_too_large(self) -> bool:
        return self.size > MAX_INPUTS

    def read(self) -> tuple[dict[str, Json], list[DraftProblem]]:
        """The document that the inputs describe, and what of them none can hold: a name that stands twice, a box of
        YAML that cannot be read."""
        problems: list[DraftProblem] = []

        def say(control: str, message: str) -> None:
            problems.append(DraftProblem("", message, control=control))

        if self.is_too_large:
            say("", too_large())
        for name in self.unknown[:1]:
            say("", _("The form holds “%(name)s”, which it does not know; load the page again.") % {"name": name[:100]})
        return SPIDER.take(self.inputs, PREFIX, say), problems

    def control_of(self, problem: DefinitionProblem, document: dict[str, Json]) -> str:
        """The id of the input, or of the list of rows, at which a problem of `document` is shown."""
        if isinstance(problem, DraftProblem):
            return problem.control
        return SPIDER.locate(self.inputs, parts_of(problem.place, document), PREFIX)

    def place_of(self, path: str) -> tuple[str | int, ...] | None:
        """The place of what a button beside it points at: a field's row, ``w-items-0-fields-2``, the rule of
        ``w-follow-0``, what a kind of item is for each of, ``w-items-0-each``. None: there is no such thing, or it has
        no name yet."""
        found = _POINTED.fullmatch(path)
        if found is None:
            return None
        rows = rows_of(self.inputs, found["rows"])
        index = int(found["index"])
        if index >= len(rows):
            return None
        if found["field"] is None:
            return (found["rows"], index, "each") if found["each"] else (found["rows"], index)
        fields = rows_of(rows[index], "fields")
        field = int(found["field"])
        name = text_of(fields[field], "name") if field < len(fields) else ""
        return (found["rows"], index, "fields", name) if name else None

    def rows_in(self, path: str) -> int:
        """How many rows a list has, ``w-items-0-fields``; 0 where there is no such list."""
        count = 0

        def look(found: list[Inputs], _kind: str, index: int | None) -> None:
            nonlocal count
            count = len(found) if index is None else 0

        self._changed(path, look)
        return count

    # --- rows -------------------------------------------------------------------------------------------------------
    def with_row(self, rows: str) -> Form:
        """With one more row at the end of a list, ``w-items-0-fields``; unchanged where there is no such list."""

        def add(found: list[Inputs], kind: str, _index: int | None) -> None:
            found.append(copy.deepcopy(NEW_ROWS[kind]))

        return self._changed(rows, add)

    def without_row(self, row: str) -> Form:
        """Without a row, ``w-items-0-fields-2``; unchanged where there is none."""

        def remove(found: list[Inputs], _kind: str, index: int | None) -> None:
            if index is not None:
                del found[index]

        return self._changed(row, remove)

    def with_row_moved(self, row: str, by: int) -> Form:
        """With a row moved up (-1) or down (+1); unchanged where it cannot go there."""

        def move(found: list[Inputs], _kind: str, index: int | None) -> None:
            if index is not None and 0 <= index + by < len(found):
                found.insert(index + by, found.pop(index))

        return self._changed(row, move)

    def _changed(self, path: str, change: Change) -> Form:
        inputs = copy.deepcopy(self.inputs)
        here: object = inputs
        rows: list[Inputs] | None = None
        kind, index = "", None
        for part in path.split("-")[1:]:
            if isinstance(here, list):
                if not _ROW.fullmatch(part) or int(part) >= len(here):
                    return self
                rows, index = here, int(part)
                here = here[index]
            elif isinstance(here, dict) and part in here:
                here = here[part]
                if isinstance(here, list):
                    rows, kind, index = here, part, None
            else:
                return self
        # A path that goes on inside a row names an input, and no row.
        if rows is None or not (here is rows or (index is not None and here is rows[index])):
            return self
        change(rows, kind, index)
        return Form(inputs=inputs)

    # --- as it is shown ---------------------------------------------------------------------------------------------
    def shown(self, errors: Mapping[str, list[str]]) -> Shown:
        """For the template; `errors` are the messages of each input by its id."""
        return _shown(self.inputs, _BLANK, PREFIX, errors)


def too_large() -> str:
    return _("This definition is too large for a form; edit it as YAML.")


_BLANK: Inputs = SPIDER.show({})


class Change(Protocol):
    """What is done to a list: its rows, its name, and the row that is meant."""

    def __call__(self, found: list[Inputs], kind: str, index: int | None, /) -> None: ...


def _put(tree: dict[str, object], blank: Inputs, parts: list[str], value: str) -> bool:
    """Put what was sent under a name into the tree; False where the form has no such input."""
    key, rest = parts[0], parts[1:]
    kind = blank.get(key)
    if isinstance(kind, str):
        tree[key] = value
        return not rest
    if isinstance(kind, dict) and rest:
        return _put(cast("dict[str, object]", tree.setdefault(key, {})), kind, rest, value)
    if isinstance(kind, list) and len(rest) > 1 and _ROW.fullmatch(rest[0]):
        rows = cast("dict[int, dict[str, object]]", tree.setdefault(key, {}))
        return _put(rows.setdefault(int(rest[0]), {}), NEW_ROWS[key], rest[1:], value)
    return False


def _with_lists(tree: dict[str, object], blank: Inputs | None = None) -> Inputs:
    """The tree with its numbered rows as lists."""
    blank = _BLANK if blank is None else blank
    inputs: Inputs = {}
    for key, kind in blank.items():
        value = tree.get(key)
        if isinstance(kind, list):
            rows = cast("dict[int, dict[str, object]]", value or {})
            inputs[key] = [_with_lists(rows[number], NEW_ROWS[key]) for number in sorted(rows)]
        elif isinstance(kind, dict):
            inputs[key] = _with_lists(cast("dict[str, object]", value or {}), kind)
        elif isinstance(value, str):
            inputs[key] = value
    return inputs


def _walk(inputs: Inputs, at: str) -> Iterator[tuple[str, str]]:
    for key, value in inputs.items():
        here = f"{at}-{key}"
        if isinstance(value, str):
            yield here, value
        elif isinstance(value, dict):
            yield from _walk(value, here)
        else:
            for index, row in enumerate(value):
                yield from _walk(row, f"{here}-{index}")


def _shown(inputs: Inputs, blank: Inputs, at: str, errors: Mapping[str, list[str]]) -> Shown:
    shown: Shown = {}
    for key, kind in blank.items():
        here = f"{at}-{key}"
        value = inputs.get(key, "")
        if isinstance(kind, str):
            text = value if isinstance(value, str) else ""
            shown[key] = Input(id=here, value=text, errors=tuple(errors.get(here, ())))
        elif isinstance(kind, dict):
            shown[key] = _shown(value if isinstance(value, dict) else {}, kind, here, errors)
        else:
            rows = rows_of(inputs, key)
            shown[key] = RowList(
                id=here,
                errors=tuple(errors.get(here, ())),
                rows=[
                    _shown(row, NEW_ROWS[key], f"{here}-{index}", errors)
                    | {"number": index + 1, "is_last": index + 1 == len(rows)}
                    for index, row in enumerate(rows)
                ],
            )
    shown["erring"] = [found for found in shown.values() if isinstance(found, Input) and found.errors]
    shown["at"] = at
    shown["has_errors"] = any(id_.startswith(f"{at}-") for id_ in errors)
    return shown
