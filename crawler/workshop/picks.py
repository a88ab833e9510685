"""What a draft still wants to have pointed at, and how a choice is put into it.

A new kind of item waits beside the draft (`pending`) until it has its first field: so the draft stays right, and what
it gives is seen, from the first click on.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from crawler.engine.records import Json

Document: TypeAlias = "dict[str, Json]"
Aim: TypeAlias = "tuple[str | int, ...]"
"""A place of the document: ``("items", 0, "fields", "price")``, ``("items", 0, "each")``, ``("follow", 0)``."""
Kind: TypeAlias = Literal["field", "each", "follow"]

SOURCES = ("css", "xpath", "json", "jsonld", "microdata", "meta", "from")
READINGS = ("regex", "type", "format", "decimal_mark")
MAX_TEXT = 4_000
"""Characters of a selector that is put in."""
MAX_NAME = 100
MAX_OUTLINE = 200
"""Fields, and rules, that are shown."""


class BadChoice(ValueError):
    """A button's value that no page of ours has sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to be pointed at."""

    aim: str
    """As `aim_text` writes it."""
    name: str
    source: str
    """The selector that it has; empty: none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeOutline:
    index: int
    type: str
    each: Target
    fields: tuple[Target, ...]
    match: str
    """The expression that chooses its pages; empty: all."""
    is_pending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A selector that somebody uses, and how its text is read."""

    kind: str
    selector: str
    reading: Mapping[str, str]
    many: bool = False

    def as_text(self) -> str:
        return json.dumps(
            {"kind": self.kind, "selector": self.selector, "reading": dict(self.reading), "many": self.many},
            ensure_ascii=False,
        )

    @classmethod
    def of_text(cls, text: str) -> Choice:
        """Raises `BadChoice`."""
        given = _json(text)
        if not isinstance(given, dict):
            raise BadChoice(text[:100])
        kind, selector, reading = given.get("kind"), given.get("selector"), given.get("reading")
        if kind not in ("css", "xpath", "jsonld", "microdata", "meta") or not isinstance(selector, str):
            raise BadChoice(text[:100])
        if not isinstance(reading, dict) or len(selector) > MAX_TEXT:
            raise BadChoice(text[:100])
        if not all(
            name in READINGS and isinstance(value, str) and len(value) <= MAX_TEXT for name, value in reading.items()
        ):
            raise BadChoice(text[:100])
        return cls(
            kind=str(kind),
            selector=selector,
            reading={key: str(reading[key]) for key in reading},
            many=given.get("many") is True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A kind of item without fields."""

    type: str
    each: str = ""

    def as_text(self) -> str:
        return json.dumps({"type": self.type, "each": self.each}, ensure_ascii=False)

    @classmethod
    def of_text(cls, text: str) -> Pending | None:
        """None: there is none, or it is none of ours."""
        try:
            given = _json(text)
        except BadChoice:
            return None
        if (
            not isinstance(given, dict)
            or not isinstance(given.get("type"), str)
            or not isinstance(given.get("each"), str)
        ):
            return None
        return cls(type=str(given["type"])[:MAX_NAME], each=str(given["each"])[:MAX_TEXT])


def aim_text(aim: Aim) -> str:
    return json.dumps(list(aim), ensure_ascii=False, separators=(",", ":"))


def aim_of(text: str) -> Aim | None:
    """None: no aim, or none of ours."""
    try:
        given = _json(text)
    except BadChoice:
        return None
    if not isinstance(given, list):
        return None
    match given:
        case ["items", int(index), "each"] if index >= 0:
            return ("items", index, "each")
        case ["items", int(index), "fields", str(name)] if index >= 0 and 0 < len(name) <= MAX_NAME:
            return ("items", index, "fields", name)
        case ["follow", int(index)] if index >= 0:
            return ("follow", index)
    return None


def kind_of(aim: Aim) -> Kind:
    if aim[0] == "follow":
        return "follow"
    return "each" if aim[-1] == "each" and len(aim) == 3 else "field"


def merged(document: Document, pending: Pending | None) -> Document:
    """The document as it will be with the first field of what waits."""
    if pending is None:
        return document
    whole = copy.deepcopy(document)
    rule: Document = {"type": pending.type}
    if pending.each:
        rule["each"] = pending.each
    rule["fields"] = {}
    items = whole.setdefault("items", [])
    if isinstance(items, list):
        items.append(rule)
    return whole


def outline(document: Document, pending: Pending | None) -> list[TypeOutline]:
    """The kinds of items that are read from pages, with their fields."""
    rules = _list(merged(document, pending).get("items"))
    found: list[TypeOutline] = []
    for index, rule in enumerate(rules[:MAX_OUTLINE]):
        if not isinstance(rule, dict) or "each_json" in rule:
            continue
        fields = rule.get("fields")
        named = fields if isinstance(fields, dict) else {}
        found.append(
            TypeOutline(
                index=index,
                type=str(rule.get("type", "")),
                each=Target(aim=aim_text(("items", index, "each")), name="each", source=_text(rule.get("each"))),
                fields=tuple(
                    Target(aim=aim_text(("items", index, "fields", name)), name=name, source=source_of(field))
                    for name, field in list(named.items())[:MAX_OUTLINE]
                ),
                match=_text(rule.get("match")),
                is_pending=pending is not None and index == len(rules) - 1,
            )
        )
    return found


def follows(document: Document) -> list[Target]:
    """The rules that follow links."""
    return [
        Target(aim=aim_text(("follow", index)), name=str(index + 1), source=source_of(rule))
        for index, rule in enumerate(_list(document.get("follow"))[:MAX_OUTLINE])
        if isinstance(rule, dict) and "json" not in rule
    ]


def each_of(document: Document, aim: Aim) -> str:
    """The selector of the items that a field belongs to; empty: the page."""
    return _text(_rule(document, aim).get("each"))


def match_of(document: Document, aim: Aim) -> str:
    """The expression that chooses the pages of a field; empty: all."""
    return _text(_rule(document, aim).get("match"))


def field_at(document: Document, aim: Aim) -> Document:
    """What the draft says of a field so far."""
    fields = _rule(document, aim).get("fields")
    field = fields.get(str(aim[-1])) if isinstance(fields, dict) else None
    return field if isinstance(field, dict) else {}


def field_names(document: Document, index: int) -> set[str]:
    """Those of a kind of item, all of them."""
    fields = _rule(document, ("items", index)).get("fields")
    return set(fields) if isinstance(fields, dict) else set()


def used(document: Document, aim: Aim, choice: Choice) -> Document:
    """A copy of the document with the choice in its place. What else the rule says stays.

    Raises `BadChoice` where there is no such place.
    """
    whole = copy.deepcopy(document)
    if kind_of(aim) == "follow":
        _use_for_links(whole, int(aim[1]), choice)
        return whole
    rules = whole.get("items")
    index = int(aim[1])
    rule = rules[index] if isinstance(rules, list) and index < len(rules) else None
    if not isinstance(rule, dict):
        raise BadChoice(aim_text(aim))
    fields = rule.setdefault("fields", {})
    if not isinstance(fields, dict):
        raise BadChoice(aim_text(aim))
    if kind_of(aim) == "each":
        rule["each"] = choice.selector
    else:
        name = str(aim[-1])
        old = fields.get(name)
        kept = (
            {key: value for key, value in old.items() if key not in (*SOURCES, *READINGS, "many")}
            if isinstance(old, dict)
            else {}
        )
        field: Document = {choice.kind: choice.selector, **choice.reading, **kept}
        if choice.many:
            field["many"] = True
        fields[name] = field
    if "each" in rule and not rule.get("key") and fields:
        rule["key"] = [next(iter(fields))]
    return whole


def source_of(rule: Json) -> str:
    """Where a field or a link comes from, as one reads it."""
    if not isinstance(rule, dict):
        return ""
    return next(
        (_text(rule[key]) for key in SOURCES if key in rule), "article" if rule.get("type") == "article" else ""
    )


def _use_for_links(document: Document, index: int, choice: Choice) -> None:
    rules = document.setdefault("follow", [])
    if not isinstance(rules, list) or index > len(rules) or choice.kind not in ("css", "xpath"):
        raise BadChoice(str(index))
    old = rules[index] if index < len(rules) else {}
    kept = (
        {key: value for key, value in old.items() if key not in (*SOURCES, "template")} if isinstance(old, dict) else {}
    )
    rules[index : index + 1] = [{choice.kind: choice.selector, **kept}]


def _rule(document: Document, aim: Aim) -> Document:
    rules = _list(document.get("items"))
    index = aim[1] if len(aim) > 1 and isinstance(aim[1], int) else -1
    rule = rules[index] if 0 <= index < len(rules) else None
    return rule if isinstance(rule, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _json(text: str) -> Json:
    try:
        value: Json = json.loads(text[: 4 * MAX_TEXT])
    except (ValueError, RecursionError):
        raise BadChoice(text[:100]) from None
    return value
