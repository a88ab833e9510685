"""When a scheduler was alive, from the rows that each leaves: it began, it beat last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db.models import Max, Min, Q

from scheduling.liveness import BEAT_SECONDS, LOST_SECONDS
from scheduling.models import Process

_SCHEDULERS = Process.objects.filter(kind=Process.Kind.SCHEDULER)
_BEAT = timedelta(seconds=BEAT_SECONDS)
_LOST = timedelta(seconds=LOST_SECONDS)
_FIRST_LOOK = timedelta(minutes=5)
"""After its start a scheduler has looked at all that is due by then, however much it is."""

Span = tuple[datetime, datetime]


def downtimes(since: datetime, until: datetime, *, now: datetime | None = None) -> list[Span]:
    """The stretches of ``since … until``, up to now, in which no scheduler was alive, in order. One query.

    A process is taken to have lived until one beat (3 s) after the last that it wrote; of processes older than the
    retention nothing is known, so that they count as not alive.
    """
    now = now or datetime.now(UTC)
    until = min(until, now)
    lives = _SCHEDULERS.filter(started_at__lte=until, beat_at__gte=since - _LOST)
    rows = lives.order_by("started_at").values_list("started_at", "beat_at", "state")
    found: list[Span] = []
    reached = since
    for started, ended in _spans(rows, now):
        if started > reached:
            found.append((reached, min(started, until)))
        reached = max(reached, ended)
    if reached < until:
        found.append((reached, until))
    return found


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
    scheduler before, it begins with the moment. At most three queries.
    """
    within = [
        (start, end)
        for start, end in downtimes(moment, min(now, moment + (grace or timedelta(0)) + _BEAT), now=now)
        if end - start >= _BEAT
    ]
    if not within:
        return None
    start = within[0][0]
    if start == moment:
        start = last_alive(moment) or moment
    following = _SCHEDULERS.filter(started_at__gt=start).aggregate(first=Min("started_at"))["first"]
    return (start, following) if may_have_made_late(following, seen) else None


def last_alive(moment: datetime) -> datetime | None:
    """Until when a scheduler lived before a moment at which none is alive; None: there was none before."""
    last: datetime | None = _SCHEDULERS.filter(beat_at__lte=moment).aggregate(last=Max("beat_at"))["last"]
    return None if last is None else min(moment, last + _BEAT)


def alive(kind: str, *, now: datetime | None) -> list[Process]:
    """The processes of a kind that beat lately: by the database's clock, or as seen at `now`."""
    from scheduling.liveness import live_processes

    if now is None:
        return [process for process in live_processes() if process.kind == kind]
    rows = Process.objects.filter(kind=kind, state=Process.State.ALIVE, started_at__lte=now)
    return list(rows.filter(Q(beat_at__gte=now - _LOST)))


def _spans(rows: Iterable[tuple[datetime, datetime, str]], now: datetime) -> Iterable[Span]:
    for started, beat, state in rows:
        lives = state == Process.State.ALIVE and now - beat <= _LOST
        yield started, max(now, beat) if lives else beat + _BEAT
