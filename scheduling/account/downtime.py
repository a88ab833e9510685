"""When a scheduler was alive, from the rows that each leaves: it began, it beat last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property

from django.db.models import DurationField, ExpressionWrapper, F, Min, Q, Subquery
from django.db.models.functions import Now

from scheduling.liveness import BEAT_SECONDS, LOST_SECONDS, beat_age
from scheduling.models import Process

_SCHEDULERS = Process.objects.filter(kind=Process.Kind.SCHEDULER)
_BEAT = timedelta(seconds=BEAT_SECONDS)
_LOST = timedelta(seconds=LOST_SECONDS)
_FIRST_LOOK = timedelta(minutes=5)
"""After its start a scheduler has looked at all that is due by then, however much it is."""

Span = tuple[datetime, datetime]


class Schedulers:
    """Which schedulers lived in a while, and which are alive: one question for both, asked when either is needed.

    `since … until`: the while; without it only the present is looked at. `clock`: the moment as of which they count as
    alive; None: by the database's clock. A process is taken to have lived until one beat (3 s) after the last that it
    wrote; of processes older than the retention nothing is known, so that they count as not alive.
    """

    def __init__(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        now: datetime | None = None,
        clock: datetime | None = None,
    ) -> None:
        self._now = now or datetime.now(UTC)
        self._since = since
        self._until = min(until or self._now, self._now)
        self._clock = clock

    @cached_property
    def alive(self) -> list[Process]:
        """Those that beat lately."""
        return [process for process in self._rows if process.state == Process.State.ALIVE and self._beats(process)]

    @property
    def downtimes(self) -> list[Span]:
        """The stretches of the while, up to now, in which none was alive, in order."""
        if self._since is None:
            raise ValueError("downtimes are those of a while: say since when")
        found: list[Span] = []
        reached = self._since
        for started, ended in sorted(map(self._span, self._rows)):
            if started > self._until or ended < self._since:
                continue
            if started > reached:
                found.append((reached, started))
            reached = max(reached, ended)
        if reached < self._until:
            found.append((reached, self._until))
        return found

    @property
    def last_before(self) -> datetime | None:
        """Until when one lived before the while; None: there was none before."""
        since = self._since
        beats = [process.beat_at for process in self._rows if since is not None and process.beat_at <= since]
        return min(since, max(beats) + _BEAT) if beats and since is not None else None

    @cached_property
    def _rows(self) -> list[Process]:
        asked = Q(state=Process.State.ALIVE)
        if self._since is not None:
            before = _SCHEDULERS.filter(beat_at__lte=self._since).order_by("-beat_at").values("pk")
            asked |= Q(started_at__lte=self._until, beat_at__gte=self._since - _LOST) | Q(pk=Subquery(before[:1]))
        age = ExpressionWrapper(Now() - F("beat_at"), output_field=DurationField())
        rows = _SCHEDULERS.filter(asked).annotate(age=age)
        return list(rows.only("state", "started_at", "beat_at", "max_workers"))

    def _beats(self, process: Process) -> bool:
        if self._clock is None:
            return beat_age(process) <= LOST_SECONDS
        return process.started_at <= self._clock and process.beat_at >= self._clock - _LOST

    def _span(self, process: Process) -> Span:
        lives = process.state == Process.State.ALIVE and self._now - process.beat_at <= _LOST
        return process.started_at, max(self._now, process.beat_at) if lives else process.beat_at + _BEAT


def may_have_made_late(end: datetime | None, seen: datetime) -> bool:
    """Whether an outage up to `end` (None: up to now) tells why a tick saw a moment only at `seen`.

    Long after it, the moment came from elsewhere: it had passed already when it was planned.
    """
    return end is None or seen <= end + _FIRST_LOOK


def outage_at(
    moment: datetime, grace: timedelta | None, *, seen: datetime, now: datetime
) -> tuple[datetime, datetime | None] | None:
    """The whole time without a scheduler that made a moment late, which a tick saw at `seen`: at the moment itself or
    within its grace.

    None: one was alive all along, or long before `seen`. The end is None where none is alive up to now. Without any
    scheduler before, it begins with the moment. At most two queries.
    """
    schedulers = Schedulers(since=moment, until=moment + (grace or timedelta(0)) + _BEAT, now=now)
    within = [(start, end) for start, end in schedulers.downtimes if end - start >= _BEAT]
    if not within:
        return None
    start = within[0][0]
    if start == moment:
        start = schedulers.last_before or moment
    following = _SCHEDULERS.filter(started_at__gt=start).aggregate(first=Min("started_at"))["first"]
    return (start, following) if may_have_made_late(following, seen) else None
