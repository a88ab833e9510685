"""Parts of a form that are lists of rows: one law with `form_parts`."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.engine.records import Json

from .form_inputs import Inputs, Say, fits_text, name_twice, rows_of, shown_secret, taken_secret, text_of
from .form_parts import Parts, Shape, pop_null


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of mappings, a row each."""

    key: str
    shape: Shape

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = pop_null(rest, self.key)
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            return {self.key: []}
        del rest[self.key]
        return {self.key: [self.shape.show(entry) for entry in value if isinstance(entry, dict)]}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        rows = rows_of(inputs, self.key)
        found: list[Json] = [self.shape.take(row, f"{at}-{self.key}-{index}", say) for index, row in enumerate(rows)]
        return {self.key: found} if found else {}

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        rows = rows_of(inputs, self.key)
        here = f"{at}-{self.key}"
        if len(parts) < 2 or not isinstance(parts[1], int) or parts[1] >= len(rows):
            return here
        return self.shape.locate(rows[parts[1]], parts[2:], f"{here}-{parts[1]}")


@dataclass(frozen=True, slots=True)
class NamedValues:
    """A mapping of names to texts or ``{secret: name}``, a row each: headers and cookies."""

    key: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = pop_null(rest, self.key)
        rows: list[Inputs] = []
        for name, entry in value.items() if isinstance(value, dict) else ():
            shown = shown_secret(entry)
            if shown is None or not fits_text(name):
                return {self.key: []}
            rows.append({"name": name, "value_how": shown[0], "value": shown[1]})
        if isinstance(value, dict):
            del rest[self.key]
        return {self.key: rows}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for index, row in enumerate(rows_of(inputs, self.key)):
            name, value = text_of(row, "name"), text_of(row, "value")
            if not name and not value:
                continue
            if name in found:
                say(f"{at}-{self.key}-{index}-name", name_twice(name))
                continue
            found[name] = taken_secret(text_of(row, "value_how"), value)
        return {self.key: found} if found else {}

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        rows = rows_of(inputs, self.key)
        for index, row in enumerate(rows):
            if len(parts) > 1 and text_of(row, "name") == parts[1]:
                return f"{at}-{self.key}-{index}-value"
        return f"{at}-{self.key}"
