"""From the links of pages to new members of the frontier: each judged once; what is left out is counted by reason."""

from __future__ import annotations

import struct
from typing import Protocol

from .errors import Reason
from .known import KnownHashes
from .records import Link, PageResult
from .traps import Traps
from .urls import hash_url

MEMO = 50_000
"""Links whose verdict is remembered: a site's menus repeat on every page."""
MEMO_LENGTH = 300
"""Characters of a link that is remembered: what menus hold is shorter, and hostile pages could fill gigabytes."""


class Scope(Protocol):
    """The part of `scope.Scope` that links need."""

    def judge(self, url: str, depth: int = 0) -> Reason | None: ...


class Discovery:
    """The links of one crawl. `seen` is the frontier's own: a link enters it here, at the moment of its discovery, so
    that no other page of the batch reports it again."""

    def __init__(self, scope: Scope, *, max_depth: int | None, seen: KnownHashes, traps: Traps | None = None) -> None:
        self._scope = scope
        self._max_depth = max_depth
        self._seen = seen
        self._traps = traps
        self._memo: dict[str, int | Reason] = {}

    def take(self, result: PageResult, urls: list[str], *, is_echo: bool) -> None:
        """Judge links of the page; those of many may come in several calls."""
        if self._max_depth is None and not is_echo:
            hashes = self._take_all(result, urls)
        else:
            hashes = self._take_some(result, urls, is_echo=is_echo)
        result.link_hashes += struct.pack(f"<{len(hashes)}q", *hashes)

    def _take_all(self, result: PageResult, urls: list[str]) -> list[int]:
        """Links at any depth: one that is remembered is in the frontier already, so that only new ones cost a step."""
        verdicts: list[int | Reason | None] = [*map(self._memo.get, urls)]
        if None in verdicts:
            for place, known in enumerate(verdicts):
                if known is None:
                    url = urls[place]
                    verdicts[place] = verdict = self._judge(url)
                    if isinstance(verdict, int) and self._seen.add(verdict):
                        self._add_link(result, url, verdict)
        hashes = [verdict for verdict in verdicts if verdict.__class__ is int]
        if len(hashes) < len(verdicts):
            result.reasons.update(verdict for verdict in verdicts if verdict.__class__ is not int)  # type: ignore[misc]
        return hashes

    def _take_some(self, result: PageResult, urls: list[str], *, is_echo: bool) -> list[int]:
        """Links where depth or a trap may leave some out."""
        too_deep = self._max_depth is not None and result.page.depth >= self._max_depth
        memo, seen, reasons = self._memo, self._seen, result.reasons
        hashes: list[int] = []
        for url in urls:
            verdict = memo.get(url)
            if verdict is None:
                verdict = self._judge(url)
            if verdict.__class__ is not int:
                reasons[verdict] += 1  # type: ignore[index]
            elif too_deep:
                hashes.append(verdict)
                reasons[Reason.DEPTH_LIMIT] += 1
            elif is_echo and verdict not in seen:
                reasons[Reason.TRAP] += 1
                memo.pop(url, None)
            else:
                hashes.append(verdict)
                if seen.add(verdict):
                    self._add_link(result, url, verdict)
        return hashes

    def _add_link(self, result: PageResult, url: str, url_hash: int) -> None:
        trap = None if self._traps is None else self._traps.cuts(url, self._seen)
        if trap is not None:
            result.reasons[trap] += 1
        else:
            result.links.append(Link(url, url_hash, result.page.depth + 1))

    def _judge(self, url: str) -> int | Reason:
        """The hash of a URL in scope, or why it is not. Depth is left out: it is the linking page's matter."""
        verdict = self._scope.judge(url, 0) or hash_url(url)
        if len(url) <= MEMO_LENGTH:
            if len(self._memo) >= MEMO:
                self._memo.clear()
            self._memo[url] = verdict
        return verdict
