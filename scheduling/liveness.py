"""Which processes live: a beat that others see, a reaper that sees others' beats. No wall clock decides.

A process raises its `Process.beat` every few seconds. Who sees a counter unchanged for 15 s *of its own monotonic
clock* marks that process lost and queues its runs again. A process whose row was marked lost finds that out with its
next beat and registers a new row before it claims anything more.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

from django.db import InterfaceError, OperationalError, connection
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.utils import timezone

from . import endings, machine, schema
from .codeversion import code_version
from .lanes import Lane
from .models import Process
from .storable import utc_text
from .watchdog import Block, Watchdog

BEAT_SECONDS = 3.0
LOST_SECONDS = 15.0
"""A counter that stands still for so long, on the watcher's monotonic clock, belongs to a lost process."""
LATE_SECONDS = 6.0
"""A watcher whose own beat came later than this forgets what it has seen: it may have slept, and not the others."""
STOP_SECONDS = 10.0
"""How long an ending process waits for a database that does not answer, to say that it ended."""
_SIZE_EVERY_BEATS = 20
_SCHEMA_EVERY_BEATS = 10

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Observations:
    """What one watcher has seen of others' beats: pure, the clock is given."""

    lost_seconds: float = LOST_SECONDS
    _seen: dict[int, tuple[int, float]] = field(default_factory=dict)

    def judge(self, beats: Mapping[int, int], now: float) -> list[tuple[int, int]]:
        """Take the beats (by process) seen at `now`; return (process, beat) of those that stood still too long."""
        self._seen = {
            pk: seen if (seen := self._seen.get(pk)) and seen[0] == beat else (beat, now) for pk, beat in beats.items()
        }
        return [(pk, beat) for pk, (beat, since) in self._seen.items() if now - since >= self.lost_seconds]

    def forget(self) -> None:
        """Begin anew: what was seen before cannot be trusted."""
        self._seen.clear()


class Liveness:
    """This process's row, its beat, and its eye on the others. All database work goes through the control lane."""

    def __init__(
        self,
        *,
        kind: str,
        control: Lane,
        max_workers: int,
        watchdog: Watchdog | None = None,
        beat_seconds: float = BEAT_SECONDS,
        lost_seconds: float = LOST_SECONDS,
        on_recovery: Callable[[], None] | None = None,
    ) -> None:
        self._kind = kind
        self._control = control
        self._max_workers = max_workers
        self._beat_seconds = beat_seconds
        self._observations = Observations(lost_seconds)
        self._last_beat: float | None = None
        self._beats = 0
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self.watchdog = watchdog or Watchdog()
        self.on_recovery = on_recovery
        """Called (on the loop) when runs went back to the queue."""
        self.gauge_sources: list[Callable[[], Mapping[str, object]]] = []
        """Asked in the control lane for what goes into the row with each beat."""
        self._gauges = _Gauges()
        self.watchdog.listeners.append(self._note_block)
        self._outdated = False
        self.others = 0
        """How many other schedulers live, as they were seen with the last beat."""

    @property
    def process(self) -> Process | None:
        """This process's row; None while it has none that is alive, in which nothing may be claimed."""
        return self._process

    @property
    def may_claim(self) -> bool:
        """Whether new runs may be taken: with a row that is alive, and code that is no older than the database."""
        return self._process is not None and not self._outdated

    async def start(self) -> None:
        """Register a row, take back at once the runs of processes that are gone, begin to beat."""
        self._process = await self._control.run_patiently(register, self._kind, self._max_workers)
        self._last_beat = monotonic()
        await self._pass(self._reap)
        self.watchdog.start()
        self._task = asyncio.create_task(self._beat_for_ever(), name="liveness")

    async def stop(self) -> None:
        """End the beat and mark the row stopped. Runs that it still holds are anybody's to recover."""
        self._stopping.set()
        if self._task is not None:
            await self._task
        self.watchdog.stop()
        if self._process is None:
            return
        try:
            await asyncio.wait_for(self._control.run_patiently(mark_stopped, self._process), STOP_SECONDS)
        except TimeoutError:
            logger.warning(
                "The database does not answer: this process's row stays alive, until others see that it beats no more",
                extra={"action": "process_not_stopped", "process_id": self._process.pk},
            )
        self._process = None

    async def _beat_for_ever(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._beat_seconds)
            if not self._stopping.is_set():
                await self._pass(self.beat_and_reap)

    async def _pass(self, function: Callable[[], bool]) -> None:
        """One pass in the lane: a database that is away is no reason to end."""
        try:
            recovered = await self._control.run(function)
        except (OperationalError, InterfaceError) as error:
            self._observations.forget()
            logger.warning("Beat failed", extra={"action": "beat_failed", "error": str(error)})
            return
        except Exception:  # the outermost loop: a process that beats no more would lose its runs
            self._observations.forget()
            logger.exception("Beat failed", extra={"action": "beat_failed"})
            return
        if recovered and self.on_recovery is not None:
            self.on_recovery()

    def beat_and_reap(self) -> bool:
        """Raise the beat, then look at the others: what the lane does every 3 s. Returns whether runs came back."""
        self._beat()
        now = monotonic()
        late = self._last_beat is None or now - self._last_beat > self._beat_seconds + LATE_SECONDS
        self._last_beat = now
        if late:
            self._observations.forget()
        return self._reap()

    def _beat(self) -> None:
        gauges = self._gauges.read(self.watchdog, with_size=self._beats % _SIZE_EVERY_BEATS == 0)
        for source in self.gauge_sources:
            gauges.update(source())
        if self._beats % _SCHEMA_EVERY_BEATS == 0:
            self._look_at_schema()
        self._beats += 1
        if self._process is not None and beat(self._process, gauges):
            return
        if self._process is not None:
            logger.warning(
                "This process was taken for lost; it registers anew",
                extra={"action": "process_was_lost", "process_id": self._process.pk},
            )
        self._process = None
        self._observations.forget()
        self._process = register(self._kind, self._max_workers)

    def _note_block(self, block: Block) -> None:
        """Write into this process's row who blocks its loop; from the watchdog's thread: the loop has no turn."""
        self._gauges.note(block)
        with suppress(RuntimeError):  # the lane is closed
            self._control.submit(self._show_block)

    def _show_block(self) -> None:
        if self._process is None:
            return
        try:
            alive = Process.objects.filter(pk=self._process.pk, state=Process.State.ALIVE)
            alive.update(gauges=self._gauges.last)
        except (OperationalError, InterfaceError) as error:  # the next beat writes it
            logger.warning("Block not shown", extra={"action": "block_not_shown", "error": str(error)})

    def _look_at_schema(self) -> None:
        unknown = schema.unknown_migrations()
        if unknown and not self._outdated:
            logger.error(
                "The database is newer than this code (%s): nothing more is claimed; restart with the new release",
                ", ".join(unknown),
                extra={"action": "code_outdated", "migrations": unknown},
            )
        self._outdated = bool(unknown)

    def _reap(self) -> bool:
        others = live_rows(excluding=self._process)
        still = self._observations.judge({row.pk: row.beat for row in others}, monotonic())
        lost = {*still, *gone_here(others)}
        left = {row.pk for row in others if row.kind == Process.Kind.SCHEDULER} - {pk for pk, _beat in lost}
        self.others = len(left)
        return bool(reap(lost))


def register(kind: str, max_workers: int) -> Process:
    """Write a row for this process."""
    return Process.objects.create(
        kind=kind,
        host=machine.host_identity(),
        pid=os.getpid(),
        pid_created=machine.process_start(os.getpid()) or 0.0,
        started_at=timezone.now(),
        beat_at=Now(),
        code_version=code_version(),
        max_workers=max_workers,
    )


def beat(process: Process, gauges: Mapping[str, object]) -> bool:
    """Raise the beat; False when the row was marked lost (or is gone): then nothing may be claimed under it."""
    alive = Process.objects.filter(pk=process.pk, state=Process.State.ALIVE)
    return alive.update(beat=F("beat") + 1, beat_at=Now(), gauges=dict(gauges)) == 1


def mark_stopped(process: Process) -> None:
    """Say that the process ended in order."""
    Process.objects.filter(pk=process.pk, state=Process.State.ALIVE).update(state=Process.State.STOPPED)


def live_rows(*, excluding: Process | None) -> list[Process]:
    """Return the rows of the other processes that are not known to be gone."""
    alive = Process.objects.filter(state=Process.State.ALIVE)
    return list(alive.exclude(pk=excluding.pk) if excluding else alive)


def gone_here(rows: Iterable[Process]) -> list[tuple[int, int]]:
    """Return (process, beat) of those of this host, boot and pid name space whose process is gone.

    A row with this very process's pid and start belongs to this process under an earlier registration.
    """
    here = machine.host_identity()
    return [(row.pk, row.beat) for row in rows if row.host == here and machine.is_gone(row.pid, row.pid_created)]


def reap(lost: Iterable[tuple[int, int]]) -> int:
    """Mark processes lost whose beat is still as seen, take back the runs of all that are gone; returns how many."""
    for process_id, seen_beat in sorted(lost):
        if endings.mark_lost(process_id, seen_beat):
            logger.warning(
                "Process lost", extra={"action": "process_lost", "process_id": process_id, "beat": seen_beat}
            )
    return len(endings.recover(timezone.now()))


def live_processes(*, within_seconds: float = LOST_SECONDS) -> list[Process]:
    """Return the processes that beat lately by the database's clock, each with `age` (timedelta): for showing alone."""
    age = ExpressionWrapper(Now() - F("beat_at"), output_field=DurationField())
    rows = Process.objects.filter(state=Process.State.ALIVE).annotate(age=age)
    return [row for row in rows if row.age.total_seconds() <= within_seconds]


def beat_age(process: Process) -> float:
    """Return the seconds since the last beat of one of `live_processes`, by the database's clock."""
    age: timedelta | None = getattr(process, "age", None)
    return 0.0 if age is None else round(max(0.0, age.total_seconds()), 1)


class _Gauges:
    """What this process uses, read with each beat."""

    def __init__(self) -> None:
        self._uses = machine.Uses()
        self._size: int | None = None
        self._blocked_by: dict[str, object] | None = None
        self.last: dict[str, object] = {}
        """As they were read last, and who blocked the loop since."""

    def note(self, block: Block) -> None:
        """Keep who blocks the loop, or blocked it last."""
        self._blocked_by = {
            "run": block.work.run_id if block.work else None,
            "handler": block.work.handler if block.work else "",
            "task": block.task,
            "seconds": round(block.seconds, 1),
            "at": utc_text(timezone.now()),
            "ended": block.ended,
        }
        self.last = {**self.last, "blocked_by": self._blocked_by}

    def read(self, watchdog: Watchdog, *, with_size: bool) -> dict[str, object]:
        if with_size:
            self._size = database_size()
        self.last = {
            **self._uses.read(),
            "loop_lag_seconds": round(watchdog.take_worst_lag(), 3),
            "database_bytes": self._size,
            **({"blocked_by": self._blocked_by} if self._blocked_by is not None else {}),
        }
        return self.last


def database_size() -> int | None:
    """Return the database's size in bytes; None where it cannot be asked."""
    question = {
        "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        "postgresql": "SELECT pg_database_size(current_database())",
    }.get(connection.vendor)
    if question is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(question)
        row = cursor.fetchone()
    return int(row[0]) if row else None
