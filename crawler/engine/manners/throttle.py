"""An adaptive limit for one host: how many requests at once it takes well, found by asking. Pure: no clock, no waiting.

The limit begins at one request at a time and grows while the host answers as quickly as before. It is taken back when

* the host says so (429, 503): to a half at once, and where it is one already, to pauses between requests that double;
* answers get slow: two windows of answers in a row whose median is longer than `TOLERANCE` times the host's time
  without load (and `SLACK` longer: less is our own loop). The limit then goes to what the latency says that the host
  works on at once (Little's law: the part of the limit that is not queue). Where they are no quicker with less load,
  the load was not the cause: the limit is given back, and the time without load is what it takes now.

What was too much is remembered as a ceiling, so that the limit settles just below it, and is tried again only after a
while, and after twice that while when it was still too much. The time without load is measured at one request at a
time, and anew every so often at half the limit, else a queue of our own making would pass for the host's nature.
A growing limit that is not used proves nothing and does not grow further.

Sources: additive increase, multiplicative decrease: Chiu and Jain (1989). A limit from latency against a baseline: TCP
Vegas (Brakmo and Peterson, 1994), and Netflix's concurrency-limits (its VegasLimit and Gradient2Limit, with the
tolerance and the rule on unused limits). That an answer which is an error never speeds up: Scrapy's AutoThrottle.
"""

from __future__ import annotations

from math import inf

WINDOWS = ((1.4, 8), (2.0, 16), (inf, 32))
"""Answers by which a limit is judged, by how far they differ (upper quartile over lower): where a host's pages take
more and less time by their nature, few of them say nothing. As many as the limit where that is more."""
TOLERANCE = 1.5
SLACK = 0.02
"""Seconds."""
REMEASURE = 20
"""Windows between two measurements of the time without load."""
FIRST_PATIENCE = 100
"""Good answers at a settled limit before more is tried; doubled each time that this was too much."""
MAX_PATIENCE = 6_400
FIRST_PAUSE = 0.1
"""Seconds between the starts of two requests, where one at a time was too much."""
MAX_PAUSE = 60.0
CLOSE = 1.2
"""A pause is not shortened any more when it is less than so many times what was too short."""


class Throttle:
    """`limit` and `pause` are what holds now; `answered` and `refused` say whether they changed."""

    __slots__ = (
        "_active",
        "_baseline",
        "_ceiling",
        "_doubt",
        "_floor",
        "_is_cut",
        "_is_slow",
        "_is_trial",
        "_patience",
        "_samples",
        "_settled",
        "_size",
        "_skip",
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

    def answered(self, seconds: float, active: int, cap: int) -> bool:
        """A good answer came after `seconds`, when `active` requests (it too) were under way and `cap` were allowed."""
        if self._skip:
            self._skip -= 1
            return False
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

    def refused(self, active: int) -> bool:
        """The host answered that it has too much (429, 503) while `active` requests (that one too) were under way."""
        if self._skip and self._is_cut:  # the rest of a burst, begun before the last cut
            self._skip -= 1
            return False
        # A limit that was not used was not too much: what the host had was.
        limit = min(self._usual or self.limit, max(active, self._active))
        if limit > 1:
            # A trial beyond what was known to be well goes back to that.
            self._cut(limit, limit - 1 if self._is_trial else limit // 2)
        else:
            self._floor = self.pause
            self.pause = min(max(2 * self.pause, FIRST_PAUSE), MAX_PAUSE)
            self._cut(None, 1)
        self._skip = active - 1
        self._is_cut = True
        return True

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
        self._settled = 0
        self._is_slow = False
        self._usual = self._doubt = None
        self._samples.clear()
        self._active = 0

    def _grow(self, count: int, cap: int) -> None:
        if self._ceiling is None:
            self.limit = max(self.limit, min(2 * self.limit, cap))
            return
        top = min(self._ceiling - 1, cap)
        if self.limit < top:
            self.limit += max(1, (top - self.limit) // 2)
        elif self.limit < cap and self._is_patience_over(count):
            self._ceiling += 1
            self.limit += 1

    def _shorten(self, count: int) -> None:
        floor = max(self._floor, FIRST_PAUSE / 2)
        if self.pause > CLOSE * floor:
            self.pause = float((self.pause * floor) ** 0.5)
        elif self._is_patience_over(count):
            self._floor /= 2
            if self._floor < FIRST_PAUSE / 2:
                self.pause = self._floor = 0.0
            else:
                self.pause = self._floor * CLOSE

    def _is_patience_over(self, count: int) -> bool:
        """Whether what is settled has held for long enough to try more."""
        if self._is_trial:  # more was tried and is well
            self._is_trial = False
            self._patience = FIRST_PATIENCE
        self._settled += count
        if self._settled < self._patience:
            return False
        self._settled = 0
        self._is_trial = True
        return True
