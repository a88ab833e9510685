"""The end of a crawl: the items that no page gives any more, marked in several transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from django.utils import timezone

from crawler.items import gone
from crawler.items.history import Claim
from crawler.items.rows import Key

from . import rule_counts
from .checkpoint import CrawlMemory, CrawlScope
from .lanes import PART_PAUSE, LaneRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """Of one crawl. May be done again after a crash, or a stop."""

    scope: CrawlScope
    memory: CrawlMemory
    lasting: Collection[str]
    """Types of items that do not vanish all at once: a crawl that reads none of one calls none gone."""
    is_walk: bool
    """Whether it went on with the pages that another crawl had left."""
    lane_run: LaneRun
    stopping: Callable[[], bool]

    async def mark(self) -> int:
        """Returns how many were marked."""
        unread = await self.lane_run(self._unread)
        blind = await self.lane_run(gone.is_blind, self.scope)
        for claims in _claim_parts(self.memory.claims.by_owner):
            if self.stopping():
                return 0
            await self.lane_run(gone.settle_claims, self.scope, claims, blind=blind)
        while not blind and not self.stopping() and await self.lane_run(gone.forget_unreached, self.scope) > 0:
            await asyncio.sleep(PART_PAUSE)
        marked = await self._mark_candidates(unread, blind=blind)
        if unread and not self.stopping():
            await self.lane_run(gone.note_unread, self.scope, unread, self.memory.reasons)
        return marked

    def _unread(self) -> Sequence[str]:
        """Types that the crawl should have read items of, and has read none."""
        types = [kind for kind in self.lasting if not self.memory.rules[kind, rule_counts.GIVEN]]
        return gone.find_unread(self.scope, types, is_walk=self.is_walk)

    async def _mark_candidates(self, unread: Sequence[str], *, blind: bool) -> int:
        count, after, shares = 0, 0, None
        while not self.stopping():
            candidates = await self.lane_run(gone.find_candidates, self.scope, after=after, blind=blind, unread=unread)
            if not candidates:
                break
            if shares is None:
                shares = await self.lane_run(gone.read_shares, self.scope)
            count += await self.lane_run(gone.mark_part, self.scope, candidates, shares, timezone.now())
            after = candidates[-1].item_id
            await asyncio.sleep(PART_PAUSE)
        return count


def _claim_parts(claims: dict[int, dict[Key, Claim]]) -> Iterator[dict[int, dict[Key, Claim]]]:
    part: dict[int, dict[Key, Claim]] = {}
    count = 0
    for owner, owned in claims.items():
        part[owner] = owned
        count += len(owned)
        if count >= gone.PART:
            yield part
            part, count = {}, 0
    if part:
        yield part
