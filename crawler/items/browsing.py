"""Looking through what was found: states, types, columns, and searches that cost the same among any number of items."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from crawler.engine.documents.definition import parse
from crawler.engine.errors import DefinitionError
from crawler.engine.pages.values import canonical_json
from crawler.engine.records import Json
from crawler.engine.spider import FieldType, ItemRule
from crawler.engine.urls import hash_url
from crawler.models import Item, Spider

LOOKED_AT = 10_000
"""Items, the newest ones, that are looked at where no index answers."""
MOST_FOUND = 500
"""Items that a search gives."""
TITLES = ("title", "name", "headline")
"""Fields that name an item better than its key."""
TITLE = 200
"""Characters of a title."""
NUMBERS = frozenset({FieldType.INTEGER, FieldType.FLOAT, FieldType.DECIMAL})
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")


class State(StrEnum):
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    """A value could not be read as its type."""
    GONE = "gone"
    """A whole crawl found it on no page."""


def state_of(item: Item) -> State:
    if item.gone_at:
        return State.GONE
    return State.COMPLETE if item.complete else State.INCOMPLETE


def in_state(items: QuerySet[Item], state: State) -> QuerySet[Item]:
    """Those in one state. Incomplete ones and gone ones have indexes of their own."""
    if state is State.GONE:
        return items.filter(gone_at__isnull=False)
    return items.filter(complete=state is State.COMPLETE, gone_at__isnull=True)


def rules_of(spider: Spider) -> tuple[ItemRule, ...]:
    """What a spider looks for; nothing where this release refuses its document, whose items can still be seen."""
    try:
        return parse(spider.definition).items
    except DefinitionError:
        return ()


def readable(key: str) -> str:
    """A key without the marks of JSON."""
    try:
        parts = json.loads(key)
    except ValueError:
        return key
    return " · ".join(str(part) for part in parts) if isinstance(parts, list) else key


def title_of(item: Item) -> str:
    """What people call it: its title, where it has one, else its key."""
    named = (item.data.get(name) for name in TITLES)
    return next((text for text in named if isinstance(text, str) and text), readable(item.key))[:TITLE]


def shown(value: Json) -> str:
    """A value as people read it."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(shown(element) for element in value)
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which items somebody wants to see. What is left empty leaves nothing out."""

    spider: Spider | None = None
    type: str = ""
    state: State | None = None
    changed_since: datetime | None = None
    text: str = ""
    """In the key or in a value."""

    def found(self) -> Found:
        """The newest first. Three queries at most here, none of which reads more than `LOOKED_AT` items."""
        items, by, rest = self._by_index()
        order = ["-pk"] if by == "pk" else [f"-{by}", "-pk"]
        if not rest and not self.text:
            return Found(items=items.order_by(*order))
        looked_at, is_cut = _newest(items, by)
        if "type" in rest:
            looked_at = looked_at.filter(type=self.type)
        if "state" in rest and self.state is not None:
            looked_at = in_state(looked_at, self.state)
        if not self.text:
            return Found(items=looked_at.order_by(*order), is_cut=is_cut)
        ids = list(containing(looked_at, self.text).order_by("-pk").values_list("pk", flat=True)[: MOST_FOUND + 1])
        # Where all were looked at, one with this key is among them.
        found = {*ids[:MOST_FOUND], *(self._with_this_key() if is_cut else ())}
        return Found(items=Item.objects.filter(pk__in=found).order_by("-pk"), is_cut=is_cut or len(ids) > MOST_FOUND)

    def _by_index(self) -> tuple[QuerySet[Item], str, set[str]]:
        """The items that an index gives, by what it orders them, and what is still to be looked at in each."""
        items = Item.objects.all() if self.spider is None else Item.objects.filter(spider=self.spider)
        rest = {name for name in ("type", "state") if getattr(self, name)}
        if self.changed_since is not None:
            return items.filter(changed_at__gte=self.changed_since), "changed_at", rest
        if self.spider is None:
            return items, "pk", rest
        if self.state in (State.INCOMPLETE, State.GONE):
            return in_state(items, self.state), "pk", rest - {"state"}
        return (items.filter(type=self.type) if self.type else items), "pk", rest - {"type"}

    def _with_this_key(self) -> list[int]:
        """However old it is: an item whose whole key is the text."""
        if self.spider is None:
            return []
        types = [self.type] if self.type else [rule.type for rule in rules_of(self.spider)]
        items = Item.objects.filter(spider=self.spider, type__in=types, key_hash__in=list(_hashes(self.text)))
        if self.state is not None:
            items = in_state(items, self.state)
        if self.changed_since is not None:
            items = items.filter(changed_at__gte=self.changed_since)
        return list(items.values_list("pk", flat=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    items: QuerySet[Item]
    is_cut: bool = False
    """Whether older items than the newest `LOOKED_AT` were not looked at, or more were found than are given."""


def containing(items: QuerySet[Item], text: str) -> QuerySet[Item]:
    """Those that hold `text` in key or value: every one of them is read."""
    written = {json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True)}
    found = Q()
    for form in written:
        found |= Q(key__icontains=form) | Q(as_text__icontains=form)
    return items.alias(as_text=Cast("data", TextField())).filter(found)


def _newest(items: QuerySet[Item], by: str) -> tuple[QuerySet[Item], bool]:
    """The newest `LOOKED_AT` of `items`, which an index gives in the order `by`; and whether that leaves any out."""
    bounds = list(items.order_by(f"-{by}").values_list(by, flat=True)[LOOKED_AT - 1 : LOOKED_AT + 1])
    if len(bounds) < 2:
        return items, False
    return items.filter(**{f"{by}__gte": bounds[0]}), True


def _hashes(text: str) -> Iterator[int]:
    """Of the keys that `text` may be: one text (a page's address is one), or one number."""
    yield hash_url(canonical_json([text]))
    if _NUMBER.fullmatch(text):
        yield hash_url(canonical_json([json.loads(text)]))
