"""Pure decisions about a due job: which moments run, which are missed, coalesced or skipped.

Nothing here reads a clock or a database: the trigger, the moment that is due, now and the runs in the way come in,
values go out. All moments are in UTC: two aware times of one zone compare by the wall clock, which is wrong in the
hour that comes twice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple, Protocol

CATCH_UP = 1000
"""Moments of one job that are caught up at most; older ones are missed."""
WAITING = 1000
"""Runs of one job that may wait in the queue (overlap `wait`)."""
RETRY_FIRST = timedelta(minutes=5)
RETRY_LAST = timedelta(hours=1)
"""How soon a job whose trigger cannot be built is tried again: doubling from the first to the last."""

_TICK = timedelta(microseconds=1)
_DENSEST = timedelta(seconds=1)
"""Two moments are never nearer."""
_REMEMBERED = 16


class Reason(StrEnum):
    """Why moments did not run; but for `COALESCED` these are also `JobRun.Reason`'s."""

    LATE = "late"
    BEYOND_CATCH_UP = "beyond_catch_up"
    COALESCED = "coalesced"
    OVERLAP = "overlap"
    QUEUE_FULL = "queue_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Planned moments, from the first to the last of them, that get no run of their own."""

    first: datetime
    last: datetime
    count: int
    reason: Reason


class Plan(NamedTuple):
    """What a job's due moments come to, before the runs in the way are looked at."""

    moments: tuple[datetime, ...]
    """To run, the oldest first."""
    newest: datetime
    """The newest due moment, to run or not: the next one is planned from it."""
    missed: Gap | None = None
    coalesced: Gap | None = None
    """Moments that the run of `moments[-1]` stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """Runs of a job that are queued or running before this tick."""

    queued: int = 0
    running: int = 0
    run_id: int | None = None
    """One of them, to be named; a running one if there is any."""
    state: str = ""


NONE_ACTIVE = Active()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Which moments become queued runs, and which are skipped for what reason."""

    queued: tuple[datetime, ...]
    skipped: tuple[datetime, ...] = ()
    reason: Reason | None = None


class Moments(Protocol):
    """What is asked of a trigger: the next moment, as APScheduler asks it, and how many lie in a stretch of time."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime, /) -> datetime | None: ...

    def count_between(self, after: datetime, until: datetime, /) -> int: ...


class Timeline:
    """A trigger's moments, in UTC, each proven to come after the one before."""

    def __init__(self, trigger: Moments) -> None:
        self._trigger = trigger
        self._steps: dict[datetime, datetime | None] = {}
        self._plans: dict[tuple[datetime, datetime, timedelta | None, bool], Plan] = {}

    def after(self, moment: datetime) -> datetime | None:
        """Return the first moment after `moment`; None when there is none.

        Raises:
            ValueError: the trigger does not move forward.
        """
        if moment in self._steps:
            return self._steps[moment]
        following = self._trigger.get_next_fire_time(moment, moment)
        if following is not None:
            following = following.astimezone(UTC)
            if following <= moment:
                raise ValueError(f"The trigger {self._trigger} gives {following} after {moment}.")
        if len(self._steps) > _REMEMBERED:
            self._steps.clear()
        self._steps[moment] = following
        return following

    def at_or_after(self, moment: datetime) -> datetime | None:
        """Return the first moment that is not before `moment`; None when there is none."""
        found = self._trigger.get_next_fire_time(None, moment)
        # a date trigger gives its date, however long ago
        return None if found is None or found < moment else found.astimezone(UTC)

    def newest(self, start: datetime, until: datetime) -> datetime:
        """Return the newest moment up to `until`, given one (`start`) that is; in few steps, however many lie between.

        A guess from the distance of the first two moments is right for whatever is regular; else it is narrowed down.
        """
        second = self.after(start)
        if second is None or second > until:
            return start
        low, high = second, until
        guess = self.at_or_after(max(second, until - (second - start)))
        if guess is not None and guess <= until:
            low = guess
        while True:
            following = self.after(low)
            if following is None or following > until:
                return low
            low = following
            middle = low + (high - low) / 2
            candidate = self.at_or_after(middle)
            if candidate is not None and candidate <= until:
                low = max(low, candidate)
            else:
                high = middle

    def forward(self, first: datetime, until: datetime, limit: int) -> list[datetime]:
        """Return `first` and the moments after it up to `until`, at most `limit` of them."""
        moments = [first]
        following = self.after(first)
        while following is not None and following <= until and len(moments) < limit:
            moments.append(following)
            following = self.after(following)
        return moments

    def backward(self, start: datetime, last: datetime, limit: int) -> list[datetime]:
        """Return the newest `limit` moments from `start` to `last`, both being moments; the oldest first.

        Where to begin is found by counting: what lies before may be dense or sparse, and says nothing about the end.
        """
        begin = self._begin(start, last, limit)
        newest: deque[datetime] = deque(maxlen=limit)
        moment = start if begin == start else self.at_or_after(begin)
        while moment is not None and moment <= last:
            newest.append(moment)
            moment = self.after(moment)
        return list(newest)

    def _begin(self, start: datetime, last: datetime, limit: int) -> datetime:
        """Return an instant from which to `last` there are `limit` moments, or few more; `start` if there are fewer."""
        width, most = limit * _DENSEST, last - start
        while width < most and self._trigger.count_between(last - width, last) < limit:
            width *= 2
        if width >= most and self._trigger.count_between(start, last) < limit:
            return start
        enough, less = min(width, most), timedelta()
        while enough - less > _DENSEST:
            middle = less + (enough - less) / 2
            found = self._trigger.count_between(last - middle, last)
            if limit <= found <= 2 * limit:
                return last - middle
            enough, less = (middle, less) if found >= limit else (enough, middle)
        return last - enough

    def planned(self, *, due: datetime, now: datetime, grace: timedelta | None, coalesce: bool) -> Plan:
        """Return `plan` of these values; asked once for all jobs of the trigger that are due since the same moment."""
        key = (due, now, grace, coalesce)
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = plan(self, due=due, now=now, grace=grace, coalesce=coalesce)
        return found

    def count(self, first: datetime, last: datetime) -> int:
        """How many moments lie from `first` to `last`, both being moments: quick, however many (3 ms for ten years)."""
        return 1 if first == last else 1 + self._trigger.count_between(first, last)


def plan(
    timeline: Timeline,
    *,
    due: datetime,
    now: datetime,
    grace: timedelta | None,
    coalesce: bool,
    catch_up: int = CATCH_UP,
) -> Plan:
    """Sort a job's moments from `due` (not after `now`) to `now` into those to run and those missed or coalesced."""
    following = timeline.after(due)
    if (following is None or following > now) and (grace is None or now - due <= grace):
        return Plan(moments=(due,), newest=due)
    cutoff = due if grace is None else max(due, now - grace)
    first = due if cutoff == due else timeline.at_or_after(cutoff)
    if first is None or first > now:
        last = timeline.newest(due, now)
        return Plan(moments=(), newest=last, missed=_gap(timeline, due, last, Reason.LATE))

    moments = timeline.forward(first, now, catch_up + 1)
    coalesced: Gap | None = None
    if len(moments) > catch_up:
        last = timeline.newest(first, now)
        moments = [last] if coalesce else timeline.backward(first, last, catch_up)
        if coalesce:
            coalesced = _gap_before(timeline, first, last, Reason.COALESCED)
    elif coalesce and len(moments) > 1:
        coalesced = Gap(first=first, last=moments[-2], count=len(moments) - 1, reason=Reason.COALESCED)
        moments = moments[-1:]

    kept = coalesced.first if coalesced else moments[0]
    missed: Gap | None = None
    if kept > due:
        reason = Reason.LATE if kept == first else Reason.BEYOND_CATCH_UP
        missed = _gap_before(timeline, due, kept, reason)
    return Plan(moments=tuple(moments), newest=moments[-1], missed=missed, coalesced=coalesced)


def admit(
    moments: tuple[datetime, ...], *, active: Active, max_instances: int, wait: bool, waiting: int = WAITING
) -> Admission:
    """Say which moments are queued in view of the job's active runs.

    Without `wait` a job with `max_instances` active runs skips; what one tick brings is one batch, which does not
    stand in its own way. With `wait` everything is queued up to `waiting` runs.
    """
    if wait:
        room = max(0, waiting - active.queued)
        skipped = moments[room:]
        return Admission(queued=moments[:room], skipped=skipped, reason=Reason.QUEUE_FULL if skipped else None)
    if active.queued + active.running >= max_instances:
        return Admission(queued=(), skipped=moments, reason=Reason.OVERLAP)
    return Admission(queued=moments)


def available_at(job_id: str, moment: datetime, jitter: int | None) -> datetime:
    """Return when a run may start: its moment, later by up to `jitter` seconds.

    The delay follows from job and moment alone, so that it is the same wherever and however often it is asked, and
    never drifts.
    """
    if not jitter:
        return moment
    digest = blake2b(f"{job_id} {moment.timestamp()}".encode(), digest_size=8).digest()
    return moment + timedelta(milliseconds=int.from_bytes(digest, "big") % (jitter * 1000))


def retry_at(now: datetime, broken_since: datetime | None) -> datetime:
    """Return when to try a job again whose trigger cannot be built: 5, 10, 20, 40, then every 60 minutes later."""
    elapsed = max(timedelta(0), now - broken_since) if broken_since else timedelta(0)
    return now + min(RETRY_LAST, elapsed + RETRY_FIRST)


def _gap(timeline: Timeline, first: datetime, last: datetime, reason: Reason) -> Gap:
    return Gap(first=first, last=last, count=timeline.count(first, last), reason=reason)


def _gap_before(timeline: Timeline, first: datetime, bound: datetime, reason: Reason) -> Gap:
    return _gap(timeline, first, timeline.newest(first, bound - _TICK), reason)
