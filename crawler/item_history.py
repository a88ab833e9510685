# ruff: noqa: S608 - statements are put together from constants of this code; every value is a parameter
"""Whose item is it, and is its value a new version? Decided in memory, written in a few statements.

An item belongs to one page, its *owner*: the page that gave it last. What another page says under the same key:

* the same value: the page only *shares* the key (`Page.shared`), the item is not written;
* another value, and the owner still gives the key in this crawl: a conflict, counted; the page is extracted again at
  the next crawl, so nothing is hidden;
* the owner has not been read yet in this crawl: a *claim*, remembered until the owner is through. If the owner gives
  the key no more, the first claimant becomes the owner, with its value: an item that wanders over list pages keeps one
  history, whichever page is read first;
* the owner gave the key up, is gone, redirects, or answers "not there": the page takes the item over.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from hashlib import blake2b
from typing import TypeAlias, cast

from . import rawsql
from .engine.errors import Reason
from .engine.records import ItemRecord, Json, PageResult, PageState
from .models import Page

Key: TypeAlias = "tuple[str, int]"
"""An item's type and the hash of its key."""

MAX_CLAIMS = 20_000
"""Remembered at once, about a kilobyte each; what is beyond is settled one crawl later."""

UNKNOWN_STATUSES = (408, 425, 429)
"""Client errors that say "not now", not "not there"."""
UNKNOWN_REFUSALS = (
    Reason.ROBOTS_UNREACHABLE.value,
    Reason.ADDRESS_REFUSED.value,
    Reason.PAGE_LIMIT.value,
    Reason.TIME_LIMIT.value,
    Reason.DEPTH_LIMIT.value,
)


class Standing(Enum):
    """What a page's state in the present crawl says about the items that it owns."""

    GIVES = "gives"
    LEFT = "left"
    """Known to give nothing any more: redirected, not found, closed by robots.txt."""
    UNKNOWN = "unknown"
    """Not read (yet), or a failure that may be gone tomorrow."""


def standing(state: str, status_code: int | None, reason: str) -> Standing:
    """Judge a page by its row in the present crawl. `gone.py` says the same in SQL."""
    if state in (PageState.DONE, PageState.UNCHANGED):
        return Standing.GIVES
    if state == PageState.REDIRECTED:
        return Standing.LEFT
    if state == PageState.FAILED:
        is_absent = status_code is not None and 400 <= status_code < 500 and status_code not in UNKNOWN_STATUSES
        return Standing.LEFT if is_absent else Standing.UNKNOWN
    if state == PageState.REFUSED and reason not in UNKNOWN_REFUSALS:
        return Standing.LEFT
    return Standing.UNKNOWN


def share_hash(key: Key) -> int:
    """The number under which a page remembers a key that another page owns."""
    digest = blake2b(key[0].encode("utf-8", "replace"), digest_size=8, key=key[1].to_bytes(8, "little", signed=True))
    return int.from_bytes(digest.digest(), "little", signed=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """A page gave a key whose owner is not through yet."""

    page_id: int
    record: ItemRecord
    differs: bool
    """From the value that was stored then."""


@dataclass(slots=True)
class Claims:
    """Claims by owner. A value: `fork`, change the fork, keep it after the commit."""

    by_owner: dict[int, dict[Key, Claim]] = field(default_factory=dict)
    count: int = 0

    def fork(self) -> Claims:
        return Claims(dict(self.by_owner), self.count)

    def add(self, owner_id: int, key: Key, claim: Claim) -> bool:
        """Remember the first claim of a key; False if there is no room for it."""
        claims = self.by_owner.get(owner_id, {})
        if key in claims:
            return True
        if self.count >= MAX_CLAIMS:
            return False
        self.by_owner[owner_id] = {**claims, key: claim}
        self.count += 1
        return True

    def take(self, owner_id: int) -> dict[Key, Claim]:
        claims = self.by_owner.pop(owner_id, {})
        self.count -= len(claims)
        return claims


@dataclass(slots=True)
class Known:
    """One item as this batch sees it: what is stored, and what shall be written."""

    item_id: int | None
    page_id: int | None
    data_hash: bytes
    is_complete: bool
    is_gone: bool
    record: ItemRecord | None = None
    """The value to write; None: the stored one stays."""
    is_moved: bool = False
    """Whether only owner, task or `gone_at` change."""
    is_amended: bool = False
    """Whether the value is the same, but not what could not be read."""

    def set(self, page_id: int | None, record: ItemRecord) -> bool:
        """Make `page_id` the owner, with its value; returns whether that is another value."""
        is_other = record.data_hash != self.data_hash
        if self.page_id != page_id or self.is_gone:
            self.is_moved = True
        if is_other:
            self.record = record
            self.is_amended = False
        elif record.complete != self.is_complete and self.record is None:
            self.record = record
            self.is_amended = True
        self.page_id = page_id
        self.is_gone = False
        self.data_hash = record.data_hash
        self.is_complete = record.complete
        return is_other


@dataclass(slots=True)
class ItemPlan:
    """What a batch does to items, decided but not yet written."""

    claims: Claims
    known: dict[Key, Known] = field(default_factory=dict)
    new: dict[Key, Known] = field(default_factory=dict)
    freed: set[Key] = field(default_factory=set)
    shared: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    revisit: set[int] = field(default_factory=set)
    """Pages that must be extracted at the next crawl even if they did not change."""
    items_new: int = 0
    items_changed: int = 0
    items_unchanged: int = 0
    conflicts: int = 0


class _Planner:
    """Walks a batch in order; holds what is needed to judge an owner."""

    def __init__(self, results: Sequence[PageResult], *, spider_id: int, task_id: int, claims: Claims) -> None:
        self.results = results
        self.spider_id = spider_id
        self.task_id = task_id
        self.plan = ItemPlan(claims.fork())
        self.owned: dict[int, list[Key]] = defaultdict(list)
        self.standings: dict[int, Standing] = {}

    def run(self) -> ItemPlan:
        self._load()
        for result in self.results:
            page_id = result.page.page_id
            judged = standing(result.state, result.status_code, result.reason)
            self.standings[page_id] = judged
            if result.extracted:
                self._extracted(result)
            elif judged is not Standing.UNKNOWN:
                self._settle_unread(page_id, judged)
        return self.plan

    def _load(self) -> None:
        """Everything in at most one query per type of item, one for what pages own, one for the owners."""
        wanted: dict[str, set[int]] = defaultdict(set)
        for result in self.results:
            if result.extracted:
                for record in result.items:
                    wanted[record.type].add(record.key_hash)
            else:
                for kind, key_hash in self.plan.claims.by_owner.get(result.page.page_id, ()):
                    wanted[kind].add(key_hash)
        for kind, key_hashes in wanted.items():
            self._keep(_items_by_key(self.spider_id, kind, sorted(key_hashes)))
        # A page that was never extracted owns nothing: the first crawl does not ask.
        read_before = [r.page.page_id for r in self.results if r.extracted and r.page.content_hash]
        if read_before:
            owned = _items_by_page(read_before)
            self._keep(owned)
            for key, known in owned.items():
                self.owned[cast(int, known.page_id)].append(key)
        here = {result.page.page_id for result in self.results}
        owners = {known.page_id for known in self.plan.known.values() if known.page_id is not None} - here
        if owners:
            for page_id, state, status_code, reason in Page.objects.filter(
                id__in=owners, task_id=self.task_id
            ).values_list("id", "state", "status_code", "reason"):
                self.standings[page_id] = standing(state, status_code, reason)

    def _keep(self, items: Mapping[Key, Known]) -> None:
        for key, known in items.items():
            self.plan.known.setdefault(key, known)

    def _extracted(self, result: PageResult) -> None:
        page_id = result.page.page_id
        claims = self.plan.claims.take(page_id)
        given: set[Key] = set()
        for record in result.items:
            key = (record.type, record.key_hash)
            given.add(key)
            self._give(page_id, key, record)
            claim = claims.get(key)
            if claim is not None and claim.record.data_hash != record.data_hash:
                self._conflict(claim.page_id)
        for key in self.owned.get(page_id, ()):
            known = self.plan.known[key]
            if key in given or known.page_id != page_id:
                continue
            if key in claims:
                self._take_over(known, claims[key])
            else:
                known.page_id = None
                self.plan.freed.add(key)

    def _settle_unread(self, page_id: int, judged: Standing) -> None:
        """The owner came without being extracted: unchanged, or known to give nothing."""
        for key, claim in self.plan.claims.take(page_id).items():
            if judged is Standing.GIVES:
                if claim.differs:
                    self._conflict(claim.page_id)
                continue
            known = self.plan.known.get(key)
            if known is not None and known.page_id == page_id:
                self._take_over(known, claim)

    def _give(self, page_id: int, key: Key, record: ItemRecord) -> None:
        known = self.plan.known.get(key)
        if known is None:
            self.plan.items_new += 1
            self.plan.known[key] = self.plan.new[key] = Known(
                None, page_id, record.data_hash, record.complete, False, record
            )
            return
        owner = known.page_id
        if owner == page_id or owner is None or known.is_gone or self.standings.get(owner) is Standing.LEFT:
            self.plan.freed.discard(key)
            self._count(known.set(page_id, record))
            return
        differs = record.data_hash != known.data_hash
        self.plan.shared[page_id].append(share_hash(key))
        if self.standings.get(owner) is Standing.GIVES:
            if differs:
                self._conflict(page_id)
            else:
                self.plan.items_unchanged += 1
            return
        is_kept = self.plan.claims.add(owner, key, Claim(page_id, record, differs))
        if differs or not is_kept:
            self.plan.revisit.add(page_id)
        if not differs:
            self.plan.items_unchanged += 1

    def _take_over(self, known: Known, claim: Claim) -> None:
        if known.set(claim.page_id, claim.record):
            self.plan.items_changed += 1

    def _count(self, is_other: bool) -> None:
        if is_other:
            self.plan.items_changed += 1
        else:
            self.plan.items_unchanged += 1

    def _conflict(self, page_id: int) -> None:
        self.plan.conflicts += 1
        self.plan.revisit.add(page_id)


def plan_items(results: Sequence[PageResult], *, spider_id: int, task_id: int, claims: Claims) -> ItemPlan:
    """Decide what a batch does to items. Reads; writes nothing."""
    return _Planner(results, spider_id=spider_id, task_id=task_id, claims=claims).run()


def plan_takeovers(spider_id: int, claims: Mapping[int, Mapping[Key, Claim]]) -> ItemPlan:
    """Give items to their claimants, because their owners (the keys of `claims`) did not come in the whole crawl."""
    plan = ItemPlan(Claims())
    owners: dict[Key, int] = {key: owner for owner, owned in claims.items() for key in owned}
    wanted: dict[str, list[int]] = defaultdict(list)
    for kind, key_hash in owners:
        wanted[kind].append(key_hash)
    for kind, key_hashes in wanted.items():
        for key, known in _items_by_key(spider_id, kind, sorted(key_hashes)).items():
            if known.page_id != owners[key]:
                continue
            plan.known[key] = known
            claim = claims[owners[key]][key]
            if known.set(claim.page_id, claim.record):
                plan.items_changed += 1
    return plan


def write_items(plan: ItemPlan, *, spider_id: int, task_id: int, now: datetime) -> None:
    """Write a plan: versions first (they copy what is still stored), then values, owners, new items."""
    changed: list[tuple[int, ItemRecord, int | None]] = []
    amended: list[tuple[int, ItemRecord, int | None]] = []
    moved: list[tuple[int, int | None]] = []
    for known in plan.known.values():
        if known.item_id is None:
            continue
        if known.record is not None:
            (amended if known.is_amended else changed).append((known.item_id, known.record, known.page_id))
        elif known.is_moved:
            moved.append((known.item_id, known.page_id))
    freed = [item_id for key in plan.freed if (item_id := plan.known[key].item_id) is not None]
    if changed:
        _supersede([item_id for item_id, _, _ in changed], now)
        _update_values(changed, task_id=task_id, now=now)
    if amended:
        _amend_values(amended, task_id=task_id)
    for part in rawsql.chunks(moved, 2):
        _move(part, task_id)
    if freed:
        condition, ids = rawsql.among("id", freed)
        rawsql.execute(f"UPDATE crawler_item SET page_id = NULL WHERE {condition}", [ids])
    if plan.new:
        _insert(plan.new, spider_id=spider_id, task_id=task_id, now=now)


_SELECT = "SELECT id, type, key_hash, page_id, data_hash, complete, gone_at IS NOT NULL FROM crawler_item WHERE "


def _items_by_key(spider_id: int, kind: str, key_hashes: list[int]) -> dict[Key, Known]:
    condition, hashes = rawsql.among("key_hash", key_hashes)
    return _known(rawsql.fetch(f"{_SELECT} spider_id = %s AND type = %s AND {condition}", [spider_id, kind, hashes]))


def _items_by_page(page_ids: list[int]) -> dict[Key, Known]:
    condition, ids = rawsql.among("page_id", page_ids)
    return _known(rawsql.fetch(_SELECT + condition, [ids]))


def _known(rows: list[tuple[object, ...]]) -> dict[Key, Known]:
    found: dict[Key, Known] = {}
    for item_id, kind, key_hash, page_id, data_hash, complete, gone in rows:
        found[(cast(str, kind), cast(int, key_hash))] = Known(
            cast(int, item_id), cast("int | None", page_id), bytes(cast(bytes, data_hash)), bool(complete), bool(gone)
        )
    return found


_VALUE_COLUMNS = (("data", "jsonb"), ("data_hash", "bytea"), ("complete", "boolean"), ("problems", "jsonb"))


def _value(record: ItemRecord) -> tuple[rawsql.Param, ...]:
    return _data(record), record.data_hash, record.complete, problems_json(record)


def _supersede(item_ids: list[int], now: datetime) -> None:
    condition, ids = rawsql.among("id", item_ids)
    rawsql.execute(
        "INSERT INTO crawler_itemversion (item_id, number, data, task_id, valid_from, valid_to) "
        f"SELECT id, version, data, task_id, changed_at, %s FROM crawler_item WHERE {condition}",
        [rawsql.moment(now), ids],
    )


def _update_values(changed: Sequence[tuple[int, ItemRecord, int | None]], *, task_id: int, now: datetime) -> None:
    columns = (("id", "bigint"), ("page_id", "bigint"), *_VALUE_COLUMNS)
    rows = [(item_id, page_id, *_value(record)) for item_id, record, page_id in changed]
    for part in rawsql.chunks(rows, len(columns)):
        with_rows, params = rawsql.with_rows(columns, part)
        rawsql.execute(
            f"{with_rows} UPDATE crawler_item SET data = v.data, data_hash = v.data_hash, complete = v.complete, "
            "problems = v.problems, page_id = v.page_id, version = version + 1, changed_at = %s, task_id = %s, "
            "gone_at = NULL FROM v WHERE crawler_item.id = v.id",
            [*params, rawsql.moment(now), task_id],
        )


def _amend_values(amended: Sequence[tuple[int, ItemRecord, int | None]], *, task_id: int) -> None:
    columns = (("id", "bigint"), ("page_id", "bigint"), ("complete", "boolean"), ("problems", "jsonb"))
    rows = [(item_id, page_id, record.complete, problems_json(record)) for item_id, record, page_id in amended]
    for part in rawsql.chunks(rows, len(columns)):
        with_rows, params = rawsql.with_rows(columns, part)
        rawsql.execute(
            f"{with_rows} UPDATE crawler_item SET complete = v.complete, problems = v.problems, page_id = v.page_id, "
            "task_id = %s, gone_at = NULL FROM v WHERE crawler_item.id = v.id",
            [*params, task_id],
        )


def _move(part: Sequence[rawsql.Row], task_id: int) -> None:
    with_rows, params = rawsql.with_rows((("id", "bigint"), ("page_id", "bigint")), part)
    rawsql.execute(
        f"{with_rows} UPDATE crawler_item SET page_id = v.page_id, task_id = %s, gone_at = NULL "
        "FROM v WHERE crawler_item.id = v.id",
        [*params, task_id],
    )


def _insert(new: Mapping[Key, Known], *, spider_id: int, task_id: int, now: datetime) -> None:
    columns = (("type", "text"), ("key", "text"), ("key_hash", "bigint"), ("page_id", "bigint"), *_VALUE_COLUMNS)
    rows = [
        (record.type, rawsql.text(record.key), record.key_hash, known.page_id, *_value(record))
        for known in new.values()
        if (record := known.record) is not None
    ]
    at = rawsql.moment(now)
    for part in rawsql.chunks(rows, len(columns)):
        with_rows, params = rawsql.with_rows(columns, part)
        rawsql.execute(
            f"{with_rows} INSERT INTO crawler_item (spider_id, task_id, version, first_seen_at, changed_at, type, key, "
            "key_hash, page_id, data, data_hash, complete, problems) SELECT %s, %s, 1, "
            "%s, %s, v.type, v.key, v.key_hash, v.page_id, v.data, v.data_hash, v.complete, v.problems "
            "FROM v",
            [*params, spider_id, task_id, at, at],
        )


def _data(record: ItemRecord) -> str:
    r"""The value as JSON that PostgreSQL takes: it refuses ``\u0000`` and surrogates without their other half."""
    if "\\u" not in record.data_json:
        return rawsql.text(record.data_json)
    return json.dumps(_storable(cast(Json, record.data)), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _storable(value: Json) -> Json:
    if isinstance(value, str):
        return rawsql.text(value)
    if isinstance(value, list):
        return [_storable(element) for element in value]
    if isinstance(value, dict):
        return {rawsql.text(name): _storable(element) for name, element in value.items()}
    return value


def problems_json(record: ItemRecord) -> str:
    """What could not be read, as it stands in `Item.problems`."""
    if not record.problems:
        return "[]"
    return json.dumps(
        [
            {"field": rawsql.text(p.field), "reason": p.reason, "value": rawsql.text(p.value, 200)}
            for p in record.problems
        ],
        ensure_ascii=False,
    )
