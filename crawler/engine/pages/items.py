"""The items of one page under one item rule, each accepted with its key or rejected with the reason."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, Protocol, TypeVar

from turbohtml import Element, Node

from crawler.engine.errors import Reason
from crawler.engine.records import ItemRecord, Json, ValueProblem
from crawler.engine.spider import FieldRule, FieldType, ItemRule
from crawler.engine.urls import hash_url

from .article import ArticleReader
from .fields import FieldReader, Reading
from .page import PageTree
from .patterns import Patterns
from .selectors import compile_each
from .structured import StructuredReader
from .values import canonical_json, cleaned, storable_json

MAX_SHOWN = 200
"""Characters of a value in a problem."""
_WITH_FLOATS = (FieldType.FLOAT, FieldType.JSON)


@dataclass(slots=True)
class Candidate:
    """An item as it was read: with a `record`, or rejected for the `reason`."""

    type: str
    readings: dict[str, Reading]
    problems: list[ValueProblem]
    record: ItemRecord | None = None
    reason: Reason | None = None


class Page(Protocol):
    """What items need of the page that they are read from."""

    url: str

    def check_time(self) -> None: ...


_Page = TypeVar("_Page", bound=Page)
_Page_contra = TypeVar("_Page_contra", contravariant=True)
_Context = TypeVar("_Context")
_Context_contra = TypeVar("_Context_contra", contravariant=True)


class OneField(Protocol[_Context_contra, _Page_contra]):
    """`fields.FieldReader`, or that of JSON."""

    name: str

    def read(self, context: _Context_contra, page: _Page_contra) -> Reading: ...


class RuleReader(ABC, Generic[_Context, _Page]):
    """Reads the items of one rule, out of whatever kind of page. One for a crawl; holds nothing of a page."""

    def __init__(self, rule: ItemRule) -> None:
        self.type = rule.type
        self.types = (rule.type,)
        self.has_match = rule.match is not None
        self.hollow = _hollow(rule)
        """An item's JSON where no field had a value; no JSON at all where each item has some."""
        self._match = None if rule.match is None else Patterns([rule.match])
        self._fields = tuple(self._field(field) for field in rule.fields)
        self._key = rule.key
        self._is_plain = not any(field.type in _WITH_FLOATS for field in rule.fields)
        self._needed = frozenset(rule.key) | {field.name for field in rule.fields if field.required}

    @abstractmethod
    def _field(self, rule: FieldRule) -> OneField[_Context, _Page]:
        """The reader of one of the rule's fields."""

    @abstractmethod
    def _contexts(self, page: _Page) -> Iterator[_Context]:
        """What each item is read from."""

    def wants(self, url: str) -> bool:
        """Whether the rule's `match` is found in the page's final URL."""
        return self._match is None or self._match.first_in(url) is not None

    def read(self, page: _Page) -> Iterator[Candidate]:
        """Every item of the page in document order. Raises `ReadingFailed`."""
        is_first = True
        for context in self._contexts(page):
            if not is_first:
                page.check_time()
            is_first = False
            yield self._read_one(context, page)

    def _read_one(self, context: _Context, page: _Page) -> Candidate:
        readings: dict[str, Reading] = {}
        problems: list[ValueProblem] = []
        for field in self._fields:
            readings[field.name] = reading = field.read(context, page)
            for text, _ in reading.unreadable:
                problems.append(ValueProblem(self.type, field.name, Reason.UNREADABLE_VALUE, text[:MAX_SHOWN]))
        candidate = Candidate(self.type, readings, problems)
        candidate.reason = self._missing(candidate)
        if candidate.reason is None:
            candidate.record = self._record(candidate, page)
        return candidate

    def _missing(self, candidate: Candidate) -> Reason | None:
        """Why the item cannot be stored; each field that is the cause joins its problems."""
        readings = candidate.readings
        missing = [name for name in self._needed if _is_missing(readings[name])]
        if not missing:
            return None
        for name in sorted(missing):
            reason = Reason.MISSING_KEY if name in self._key else Reason.MISSING_REQUIRED
            candidate.problems.append(ValueProblem(self.type, name, reason))
        return Reason.MISSING_KEY if any(name in self._key for name in missing) else Reason.MISSING_REQUIRED

    def _record(self, candidate: Candidate, page: _Page) -> ItemRecord:
        data: dict[str, Json] = {name: reading.value for name, reading in candidate.readings.items()}
        raw = storable_json(data, is_plain=self._is_plain)
        if raw is None:
            data = {name: cleaned(value) for name, value in data.items()}
            raw = canonical_json(data).encode()
        key_values: list[Json] = [data[name] for name in self._key] or [page.url]
        key = canonical_json(key_values)
        return ItemRecord(
            type=self.type,
            key=key,
            key_hash=hash_url(key),
            data=data,
            data_json=raw.decode(),
            data_hash=blake2b(raw, digest_size=16).digest(),
            problems=candidate.problems,
        )


class ItemReader(RuleReader[Node, PageTree]):
    """The items of HTML and XML pages."""

    def __init__(self, rule: ItemRule) -> None:
        super().__init__(rule)
        self._each = None if rule.each is None else compile_each(rule.each)

    def _field(self, rule: FieldRule) -> OneField[Node, PageTree]:
        if rule.type is FieldType.ARTICLE:
            return ArticleReader(rule)
        return FieldReader(rule) if rule.jsonld is None and rule.microdata is None else StructuredReader(rule)

    def _contexts(self, page: PageTree) -> Iterator[Node]:
        if self._each is None:
            yield page.document
            return
        for found in self._each.find(page.document, page):
            if isinstance(found, Element):
                yield found


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
