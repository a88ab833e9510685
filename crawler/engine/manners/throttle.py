"""An adaptive limit for one host: how many requests at once it takes well, found by asking. Pure: no clock, no waiting.

The limit begins at one request at a time and grows while the host answers as quickly as before. It is taken back when

* the host says so (429, 503) more often than it does by chance (`refusals.py`): to a half, and where it is one already,
  to pauses between requests that double. Where it refuses as much at half the pace, the load was not the cause: what
  was taken back is given back. Where that is certain, and the host is asked with pauses, one request at a time without
  any is tried, now and then: bad luck at the beginning would else cost a crawl many minutes;
* answers get slow: two windows of answers in a row whose median is longer than `TOLERANCE` times the host's time
  without load (and `SLACK` longer: less is our own loop). The limit then goes to what the latency says that the host
  works on at once (Little's law: the part of the limit that is not queue). Where they are no quicker with less load,
  the load was not the cause: the limit is given back, and the time without load is what it takes now.

What was too much is remembered as a ceiling, so that the limit settles just below it, and is tried again only after a
while, and after twice that while when it was still too much; where it was not, twice as much more is tried next. The
time without load is measured at one request at a time, and anew every so often at half the limit, else a queue of our
own making would pass for the host's nature. A growing limit that is not used proves nothing and does not grow further.

Sources: additive increase, multiplicative decrease: Chiu and Jain (1989). A limit from latency against a baseline: TCP
Vegas (Brakmo and Peterson, 1994), and Netflix's concurrency-limits (its VegasLimit and Gradient2Limit, with the
tolerance and the rule on unused limits). That what was too much is probed again in growing steps: TCP CUBIC (Ha, Rhee
and Xu, 2008). That an answer which is an error never speeds up: Scrapy's AutoThrottle.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import NamedTuple

from .refusals import TRIAL, Cause, Refusals

WINDOWS = ((1.4, 8), (2.0, 16), (inf, 32))
"""Answers by which a limit is judged, by how far they differ (upper quartile over lower): where a host's pages take
more and less time by their nature, few of them say nothing. As many as the limit where that is more."""
TOLERANCE = 1.5
SLACK = 0.02
"""Seconds."""
REMEASURE = 20
"""Windows between two measurements of the time without load."""
FIRST_PATIENCE = 50
"""Good answers at a settled limit before more is tried; doubled each time that this was too much."""
MAX_PATIENCE = 6_400
HASTE = 300
"""Good answers between two trials to do without pauses."""
FIRST_PAUSE = 0.1
"""Seconds between the starts of two requests, where one at a time was too much."""
MAX_PAUSE = 60.0
CLOSE = 1.2
"""A pause is not shortened any more when it is less than so many times what was too short."""


class Verdict(Enum):
    """What a refusal led to."""

    CHANCE = 0
    """Nothing: the host refuses so much whatever it is asked. (What was taken back may be given back.)"""
    BURST = 1
    """Nothing: it was asked before the host was asked for less."""
    LESS = 2
    """The host is asked for less."""


class _Pace(NamedTuple):
    """What the throttle may go back to."""

    limit: int
    pause: float
    ceiling: int | None
    floor: float


class Throttle:
    """`limit` and `pause` are what holds now; `answered` says whether they changed."""

    __slots__ = (
        "_active",
        "_baseline",
        "_before",
        "_carried",
        "_ceiling",
        "_doubt",
        "_floor",
        "_hasty_in",
        "_is_cut",
        "_is_slow",
        "_is_trial",
        "_patience",
        "_refusals",
        "_samples",
        "_settled",
        "_size",
        "_skip",
        "_step",
        "_usual",
        "_windows",
        "cuts",
        "limit",
        "lowest",
        "pause",
    )

    def __init__(self) -> None:
        self.limit = 1
        """Requests at once."""
        self.pause = 0.0
        """Seconds between the starts of two requests; 0 while more than one at a time are allowed."""
        self.lowest = 0
        """The lowest limit that the host's answers led to; 0 before that."""
        self.cuts = 0
        """How often the host was found to have too much."""
        self._ceiling: int | None = None
        """A limit that was too much."""
        self._floor = 0.0
        """A pause that was too short."""
        self._baseline: float | None = None
        """The median latency without load, in seconds."""
        self._usual: int | None = None
        """While the baseline is measured: the limit to go back to."""
        self._doubt: tuple[int, float] | None = None
        """After a cut for slowness: the limit before, and the median beyond which that was not the cause."""
        self._samples: list[float] = []
        self._size = WINDOWS[0][1]
        self._active = 0
        """Most requests at once in this window."""
        self._skip = 0
        """Answers to come of requests that began under another limit."""
        self._is_cut = False
        """Whether the limit was lowered last."""
        self._is_slow = False
        """Whether the last window was."""
        self._windows = 0
        self._settled = 0
        """Good answers since the limit came as near to its ceiling as it may."""
        self._is_trial = False
        """Whether the limit is one that was too much before."""
        self._patience = FIRST_PATIENCE
        self._step = 1
        """By how much more is tried next."""
        self._refusals = Refusals()
        self._before: _Pace | None = None
        """While more is tried: what was well. After a cut for refusals: what that took."""
        self._hasty_in = 0
        """Good answers before it may be tried again to do without pauses."""
        self._carried = 0
        """The most requests at once that the host took for long."""

    def answered(self, seconds: float, active: int, cap: int) -> bool:
        """A good answer came after `seconds`, when `active` requests (it too) were under way and `cap` were allowed."""
        refusals = self._refusals
        if self._skip:
            self._skip -= 1
            refusals.late(is_refused=False)
            return False
        refusals.answered()
        self._hasty_in -= 1
        if refusals.is_trial and self._gives_back(active):
            return True
        if active > self._carried and refusals.has_held:
            self._carried = min(active, self.limit)
        self._samples.append(seconds)
        self._active = max(self._active, active)
        if len(self._samples) < self._size or len(self._samples) < self.limit:
            return False
        before = (self.limit, self.pause)
        self._judge(cap)
        if before == (self.limit, self.pause):
            return False
        self._skip = active - 1
        self._is_cut = self.limit < before[0]
        return True

    def refused(self, active: int) -> Verdict:
        """The host answered that it has too much (429, 503) while `active` requests (that one too) were under way."""
        refusals = self._refusals
        if self._skip and self._is_cut:  # the rest of a burst, begun before the last cut
            self._skip -= 1
            refusals.late(is_refused=True)
            return Verdict.BURST
        if refusals.refused(is_pausing=self.pause > 0, under_way=active - 1) is Cause.CHANCE:
            self._gives_back(active)
            return Verdict.CHANCE
        if 2 * self.limit <= self._carried and not refusals.are_many:
            refusals.take_for_chance()
            self._give_back(_Pace(self._carried, 0.0, self._carried + 1, 0.0), active)
            return Verdict.CHANCE
        self._carried = min(self._carried, self.limit if refusals.has_held else self.limit - 1)
        if self._is_trial and self._before is not None:
            self._end_trial(self._before)
        else:
            self._halve(active)
        self._skip = active - 1
        self._is_cut = True
        return Verdict.LESS

    # -- refusals -----------------------------------------------------------------------------------------------------

    def _halve(self, active: int) -> None:
        before = _Pace(self._usual or self.limit, self.pause, self._ceiling, self._floor)
        # A limit that was not used was not too much: what the host had was.
        limit = min(before.limit, max(active, self._active))
        if limit > 1:
            self._cut(limit, limit // 2)
        else:
            self._floor = self.pause
            self.pause = min(max(2 * (self.pause or self._usual_seconds), FIRST_PAUSE), MAX_PAUSE)
            self._cut(None, 1)
        self._before = before
        self._refusals.begin_trial()

    @property
    def _usual_seconds(self) -> float:
        """How long an answer takes without load, as far as that is known."""
        return self._baseline or (min(self._samples) if self._samples else 0.0)

    def _end_trial(self, before: _Pace) -> None:
        """More was tried, and was too much: what was well holds again."""
        self._cut(before.ceiling, before.limit)
        self.pause, self._floor = before.pause, before.floor
        self._refusals.begin()

    def _gives_back(self, active: int) -> bool:
        """Give back what the last cut took, if the refusals before it turn out to be chance; says whether."""
        if self._refusals.verdict() is not Cause.CHANCE or self._before is None:
            return False
        self._give_back(self._before, active)
        if self.pause and self._refusals.is_certain and self._hasty_in <= 0:
            self._hasty_in = HASTE
            self._try_more()
            self.pause = self._floor = 0.0
        return True

    def _give_back(self, pace: _Pace, active: int) -> None:
        self.limit, self.pause, self._ceiling, self._floor = pace
        self._before = self._usual = self._doubt = None
        self._is_trial = False
        self._refusals.begin()
        self._samples.clear()
        self._active = 0
        self._skip = active - 1
        self._is_cut = False

    # -- answers ------------------------------------------------------------------------------------------------------

    def _judge(self, cap: int) -> None:
        """A window is full."""
        ordered = sorted(self._samples)
        used, count = self._active, len(ordered)
        median = ordered[(count - 1) // 2]
        spread = ordered[3 * count // 4] / max(ordered[count // 4], 1e-6)
        self._size = next(size for most, size in WINDOWS if spread <= most)
        self._samples.clear()
        self._active = 0
        self._windows += 1
        if self._usual is not None:
            self._measured(median)
            self.limit, self._usual = self._usual, None
            return
        if self._doubt is not None:
            (limit, most), self._doubt = self._doubt, None
            if median > most:
                self.limit, self._ceiling, self._baseline = limit, None, median
                return
        if self.limit == 1 or self._baseline is None:
            self._measured(median)
        elif median > TOLERANCE * self._baseline and median - self._baseline > SLACK:
            self._slow_down(min(self.limit, used), median, self._baseline / median)
            return
        self._is_slow = False
        if self._refusals.is_trial or (self._is_trial and not self._is_trial_well(count)):
            return
        if self.limit > 1 and self._windows >= REMEASURE:
            self._windows = 0
            self._usual, self.limit = self.limit, self.limit // 2
        elif self.pause:
            self._shorten(count)
        elif used >= self.limit:
            self._grow(count, cap)

    def _measured(self, median: float) -> None:
        """A window without load: half of what is known of it, so that one odd window does not count for all."""
        self._baseline = median if self._baseline is None else (self._baseline * median) ** 0.5

    def _slow_down(self, limit: int, median: float, share: float) -> None:
        """`share`: the part of our `limit` requests that the host worked on, the rest stood in its queue."""
        if not self._is_slow:
            self._is_slow = True
            return
        self._cut(limit, max(1, min(limit - 1, round(limit * share))))
        self._carried = min(self._carried, self.limit)
        self._refusals.begin()
        self._doubt = limit, median * (1 + share) / 2

    def _cut(self, ceiling: int | None, limit: int) -> None:
        """Go down to `limit`; `ceiling` was too much."""
        self.cuts += 1
        self.limit = limit
        self.lowest = min(self.lowest or limit, limit)
        self._ceiling = ceiling
        if self._is_trial:
            self._patience = min(2 * self._patience, MAX_PATIENCE)
            self._is_trial = False
        self._before = None
        self._step = 1
        self._settled = 0
        self._is_slow = False
        self._usual = self._doubt = None
        self._samples.clear()
        self._active = 0

    def _grow(self, count: int, cap: int) -> None:
        before = self.limit
        if self._ceiling is None:
            self.limit = max(before, min(2 * before, cap))
        elif before < (top := min(self._ceiling - 1, cap)):
            self.limit += max(1, (top - before) // 2)
        elif before < cap and self._is_patience_over(count):
            self.limit = min(before + self._step, cap)
            self._ceiling = self.limit + 1
        if self.limit != before:
            self._refusals.begin()

    def _shorten(self, count: int) -> None:
        least = max(FIRST_PAUSE / 2, self._usual_seconds)  # one at a time is no quicker than that anyway
        floor = max(self._floor, least)
        if self.pause > CLOSE * floor:
            self.pause = float((self.pause * floor) ** 0.5)
        elif self._is_patience_over(count):
            self._floor /= 2
            if self._floor < least:
                self.pause = self._floor = 0.0
            else:
                self.pause = self._floor * CLOSE
        else:
            return
        self._refusals.begin()

    def _is_trial_well(self, count: int) -> bool:
        """Whether what was tried has held for long enough: for a moment, a host may take more than it does for long."""
        self._settled += count
        if self._settled < TRIAL / self._slowness:
            return False
        self._is_trial = False
        self._before = None
        self._patience = FIRST_PATIENCE
        self._step *= 2
        self._settled = 0
        return True

    def _is_patience_over(self, count: int) -> bool:
        """Whether what is settled has held for long enough to try more."""
        self._settled += count
        if self._settled < self._patience / self._slowness:
            return False
        self._try_more()
        return True

    def _try_more(self) -> None:
        """What holds now is what is gone back to if more is too much."""
        self._settled = 0
        self._is_trial = True
        self._before = _Pace(self.limit, self.pause, self._ceiling, self._floor)

    @property
    def _slowness(self) -> float:
        """Seconds of the pause, where that is more than one: of few answers in much time fewer are waited for."""
        return max(1.0, self.pause)
