"""Whose item is it, and is its value a new version? Decided in memory, before `rows.py` writes.

An item belongs to one page, its *owner*: the page that gave it last. What another page says under the same key:

* the same value: the page only *shares* the key (`Page.shared`), the item is not written;
* another value, and the owner still gives the key in this crawl: a conflict, counted; the page is extracted again at
  the next crawl, so nothing is hidden;
* the owner has not been read yet in this crawl: a *claim*, remembered until the owner is through. If the owner gives
  the key no more, the first claimant becomes the owner, with its value: an item that wanders over list pages keeps one
  history, whichever page is read first;
* the owner gave the key up, is gone, redirects, or answers "not there": the page takes the item over;
* the owner was read, and gave items of the type that could not be stored: whether the key is among them nobody knows.
  The item stays its own, unless another page gives it, and the owner is read again next time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from typing import cast

from crawler.engine.errors import Reason
from crawler.engine.records import ItemRecord, PageResult, PageState
from crawler.models import Page

from .rows import Key, Known, count_returned, items_by_key, items_by_page

MAX_CLAIMS = 20_000
"""Remembered at once, about a kilobyte each; what is beyond is settled one crawl later."""

UNKNOWN_STATUSES = (408, 425, 429)
"""Client errors that say "not now", not "not there"."""
UNKNOWN_FAILURES = (Reason.BOT_WALL.value,)
"""Failures that say nothing of the page, whatever their status: something stood in its place."""
UNKNOWN_REFUSALS = (
    Reason.ROBOTS_UNREACHABLE.value,
    Reason.PROXY_ERROR.value,
    Reason.ADDRESS_REFUSED.value,
    Reason.PAGE_LIMIT.value,
    Reason.TIME_LIMIT.value,
    Reason.DEPTH_LIMIT.value,
    Reason.HOST_LIMIT.value,
    Reason.PATTERN_LIMIT.value,
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
        return Standing.LEFT if is_absent and reason not in UNKNOWN_FAILURES else Standing.UNKNOWN
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
    loose: set[Key] = field(default_factory=set)
    """Keys whose owners are through, and could not say whether they give them still: who does takes them over. Of more
    than `MAX_CLAIMS` the rest is a conflict."""

    def fork(self) -> Claims:
        return Claims({owner: dict(claims) for owner, claims in self.by_owner.items()}, self.count, set(self.loose))

    def add(self, owner_id: int, key: Key, claim: Claim) -> bool:
        """Remember the first claim of a key; False if there is no room for it."""
        if key in self.by_owner.get(owner_id, ()):
            return True
        if self.count >= MAX_CLAIMS:
            return False
        self.by_owner.setdefault(owner_id, {})[key] = claim
        self.count += 1
        return True

    def take(self, owner_id: int) -> dict[Key, Claim]:
        claims = self.by_owner.pop(owner_id, {})
        self.count -= len(claims)
        return claims


@dataclass(slots=True)
class ItemPlan:
    """What a batch does to items, decided but not yet written."""

    claims: Claims
    known: dict[Key, Known] = field(default_factory=dict)
    freed: set[Key] = field(default_factory=set)
    shared: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    revisit: set[int] = field(default_factory=set)
    """Pages that must be extracted at the next crawl even if they did not change."""
    items_new: int = 0
    items_changed: int = 0
    items_unchanged: int = 0
    conflicts: int = 0

    @property
    def items_returned(self) -> int:
        """Those that were gone, with the value that they had or another one."""
        return count_returned(self.known.values())


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
            self._keep(items_by_key(self.spider_id, kind, sorted(key_hashes)))
        # A page that was never extracted owns nothing: the first crawl does not ask.
        read_before = [r.page.page_id for r in self.results if r.extracted and (r.page.content_hash or r.page.size)]
        if read_before:
            owned = items_by_page(read_before)
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
        unsure = {kind for kind, name in result.missed if name} if result.rejected else ()
        for key in self.owned.get(page_id, ()):
            known = self.plan.known[key]
            if key in given or known.page_id != page_id:
                continue
            if key in claims:
                self._take_over(known, claims[key])
            elif key[0] in unsure:
                self._keep_loose(page_id, key)
            else:
                known.page_id = None
                self.plan.freed.add(key)

    def _keep_loose(self, page_id: int, key: Key) -> None:
        self.plan.revisit.add(page_id)
        if len(self.plan.claims.loose) < MAX_CLAIMS:
            self.plan.claims.loose.add(key)

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
            self.plan.known[key] = Known(None, page_id, record.data_hash, record.complete, False, record)
            return
        owner = known.page_id
        if owner is None or owner == page_id or known.is_gone or self._has_let_go(owner, key):
            self.plan.freed.discard(key)
            self.plan.claims.loose.discard(key)
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

    def _has_let_go(self, owner: int, key: Key) -> bool:
        return self.standings.get(owner) is Standing.LEFT or key in self.plan.claims.loose

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
        for key, known in items_by_key(spider_id, kind, sorted(key_hashes)).items():
            if known.page_id != owners[key]:
                continue
            plan.known[key] = known
            claim = claims[owners[key]][key]
            if known.set(claim.page_id, claim.record):
                plan.items_changed += 1
    return plan
