"""What one attempt at a crawl has seen so far, and whether its start pages answered."""

from __future__ import annotations

from .errors import Reason, http_reason
from .records import REDIRECTS, CheckpointAnswer, CrawlCounts, Opening, PageResult, PageState

_LIMITS: dict[str, str] = {
    Reason.HOST_LIMIT: "max_pages_per_host",
    Reason.PATTERN_LIMIT: "max_pages_per_pattern",
}
_UNASKED_304 = http_reason(304)


def is_start_answer(status: int | None, reason: str) -> bool:
    """Whether a start page that ended so did answer: below 400, and with more than "look elsewhere"."""
    return status is not None and status < 400 and status not in REDIRECTS and reason != _UNASKED_304


class Tally:
    """`answered` counts for `max_pages` and includes what earlier attempts stored; `counts` is this attempt's alone."""

    __slots__ = ("answered", "counts", "has_start", "is_cut", "limits_met", "start_problem")

    def __init__(self) -> None:
        self.counts = CrawlCounts()
        self.answered = 0
        self.has_start = False
        """Whether a start page, or what it redirects to, gave an answer below 400."""
        self.is_cut = False
        """Whether links were left out because of max_depth."""
        self.limits_met: dict[str, None] = {}
        """Keys of the document's `limits` because of which pages were not fetched."""
        self.start_problem = ""
        """Why the first start page that gave none did not."""

    def go_on(self, opening: Opening) -> None:
        """Begin with what earlier attempts of the crawl have stored."""
        self.answered = opening.pages_done
        self.has_start = opening.start_answered
        self.is_cut = opening.depth_limited
        self.limits_met = {key: None for reason, key in _LIMITS.items() if reason in opening.reasons}

    def add(self, result: PageResult) -> None:
        """Count one page that is through."""
        counts = self.counts
        self._add_state(result.state)
        if result.is_answer:
            counts.pages += 1
            self.answered += 1
        if result.reason:
            counts.reasons[result.reason] += 1
            self.is_cut = self.is_cut or result.reason == Reason.DEPTH_LIMIT
            if result.reason in _LIMITS:
                self.limits_met[_LIMITS[result.reason]] = None
        if result.reasons:
            counts.reasons.update(result.reasons)
            self.is_cut = self.is_cut or Reason.DEPTH_LIMIT in result.reasons
        if result.items:
            counts.items += len(result.items)
            for item in result.items:
                counts.items_incomplete += not item.complete
        counts.items_rejected += result.rejected
        if not self.has_start and result.page.depth == 0:
            self._judge_start(result)

    def add_stored(self, answer: CheckpointAnswer) -> None:
        """Count what a checkpoint did with the items, and which stored links it left out."""
        counts = self.counts
        counts.items_new += answer.items_new
        counts.items_changed += answer.items_changed
        counts.items_unchanged += answer.items_unchanged
        counts.conflicts += answer.conflicts
        if answer.rested:
            counts.pages_unchanged += answer.rested
            counts.reasons[Reason.LASTMOD_UNCHANGED] += answer.rested
        if answer.links_cut:
            counts.reasons[Reason.DEPTH_LIMIT] += answer.links_cut
            self.is_cut = True

    def _add_state(self, state: PageState) -> None:
        counts = self.counts
        if state is PageState.DONE:
            counts.pages_done += 1
        elif state is PageState.UNCHANGED:
            counts.pages_unchanged += 1
        elif state is PageState.FAILED:
            counts.pages_failed += 1
        elif state is PageState.REDIRECTED:
            counts.pages_redirected += 1
        else:
            counts.pages_refused += 1

    def _judge_start(self, result: PageResult) -> None:
        status = result.status_code
        if is_start_answer(status, result.reason):
            self.has_start = True
        elif not self.start_problem and result.reason:
            why = f"{result.reason} ({result.detail})" if result.detail else result.reason
            self.start_problem = f"No start page answered: {result.page.url}: {why}"
