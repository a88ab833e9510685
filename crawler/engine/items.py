"""The items of one page under one item rule, each accepted with its key or rejected with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from turbohtml import Element, Node

from .errors import Reason
from .fields import FieldReader, Reading
from .page import PageTree
from .patterns import Patterns
from .records import ItemRecord, Json, ValueProblem
from .selectors import compile_each
from .spider import FieldType, ItemRule
from .urls import hash_url
from .values import canonical_json, cleaned

MAX_SHOWN = 200
"""Characters of a value in a problem."""


@dataclass(slots=True)
class Candidate:
    """An item as it was read: with a `record`, or rejected for the `reason`."""

    type: str
    readings: dict[str, Reading]
    problems: list[ValueProblem]
    record: ItemRecord | None = None
    reason: Reason | None = None


class ItemReader:
    """Reads the items of one rule. One for a crawl; holds nothing of a page."""

    def __init__(self, rule: ItemRule) -> None:
        self.type = rule.type
        self.types = (rule.type,)
        self.has_match = rule.match is not None
        self.hollow = _hollow(rule)
        """An item's JSON where no field had a value; no JSON at all where each item has some."""
        self._match = None if rule.match is None else Patterns([rule.match])
        self._each = None if rule.each is None else compile_each(rule.each)
        self._fields = tuple(FieldReader(field) for field in rule.fields)
        self._key = rule.key
        self._needed = frozenset(rule.key) | {field.name for field in rule.fields if field.required}

    def wants(self, url: str) -> bool:
        """Whether the rule's `match` is found in the page's final URL."""
        return self._match is None or self._match.first_in(url) is not None

    def read(self, page: PageTree) -> Iterator[Candidate]:
        """Every item of the page in document order. Raises `ReadingFailed`."""
        for context in self._contexts(page):
            page.check_time()
            yield self._read_one(context, page)

    def _contexts(self, page: PageTree) -> Iterator[Node]:
        if self._each is None:
            yield page.document
            return
        for found in self._each.find(page.document, page):
            if isinstance(found, Element):
                yield found

    def _read_one(self, context: Node, page: PageTree) -> Candidate:
        readings = {field.name: field.read(context, page) for field in self._fields}
        problems = [
            ValueProblem(self.type, name, Reason.UNREADABLE_VALUE, text[:MAX_SHOWN])
            for name, reading in readings.items()
            for text, _ in reading.unreadable
        ]
        candidate = Candidate(self.type, readings, problems)
        candidate.reason = self._missing(candidate)
        if candidate.reason is None:
            candidate.record = self._record(candidate, page)
        return candidate

    def _missing(self, candidate: Candidate) -> Reason | None:
        """Why the item cannot be stored; each field that is the cause joins its problems."""
        if not self._needed:
            return None
        missing = [name for name in self._needed if _is_missing(candidate.readings[name])]
        for name in sorted(missing):
            reason = Reason.MISSING_KEY if name in self._key else Reason.MISSING_REQUIRED
            candidate.problems.append(ValueProblem(self.type, name, reason))
        if not missing:
            return None
        return Reason.MISSING_KEY if any(name in self._key for name in missing) else Reason.MISSING_REQUIRED

    def _record(self, candidate: Candidate, page: PageTree) -> ItemRecord:
        data: dict[str, Json] = {name: reading.value for name, reading in candidate.readings.items()}
        text = canonical_json(data)
        if "\\u0000" in text or not _is_storable(text):
            data = {name: cleaned(value) for name, value in data.items()}
            text = canonical_json(data)
        key_values: list[Json] = [data[name] for name in self._key] or [page.url]
        key = canonical_json(key_values)
        return ItemRecord(
            type=self.type,
            key=key,
            key_hash=hash_url(key),
            data=data,
            data_json=text,
            data_hash=blake2b(text.encode(), digest_size=16).digest(),
            problems=candidate.problems,
        )


def _hollow(rule: ItemRule) -> str:
    if any(field.source is not None for field in rule.fields):
        return ""
    nothing: dict[str, Json] = {}
    for field in rule.fields:
        asks_whether = field.type is FieldType.BOOLEAN and field.regex is not None
        nothing[field.name] = [] if field.many else False if asks_whether else None
    return canonical_json(nothing)


def _is_missing(reading: Reading) -> bool:
    return reading.value is None or reading.value == [] or bool(reading.unreadable)


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
