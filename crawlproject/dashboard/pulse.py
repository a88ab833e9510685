"""Who is alive, what runs and waits, whether all is paused: on every page, so in one statement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from django.db import connection

from scheduling.liveness import LOST_SECONDS

STEADY_SECONDS = 5
"""A process beats every 3 s: until then a beat is new."""
MOST_QUEUED = 10_000
"""A longer queue is told as so long."""

# The conditions on states stand word for word as in the indexes that they are answered by.
_SQL = """
SELECT
    (SELECT count(*) FROM scheduling_jobrun WHERE state = 'running'),
    (SELECT count(*) FROM (SELECT 1 FROM scheduling_jobrun WHERE state = 'queued' LIMIT %s) q),
    s.paused_at, s.paused_by, s.note, p.id, p.kind, p.host, p.pid, p.max_workers, p.gauges, {age}
FROM (SELECT 1 AS one) here
LEFT JOIN scheduling_schedulerstate s ON s.paused_at IS NOT NULL
LEFT JOIN scheduling_process p ON p.state = 'alive' AND {age} <= %s
ORDER BY p.id
"""
_AGE = {
    "postgresql": "EXTRACT(EPOCH FROM statement_timestamp() - p.beat_at)",
    "sqlite": "(julianday('now') - julianday(p.beat_at)) * 86400",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """A process that beats, as of its last beat."""

    pk: int
    kind: str
    host: str
    """Without boot and name space."""
    pid: int
    places: int
    used: int
    memory: int
    """Bytes; 0 where it does not say."""
    database: int | None
    """Bytes; of the few processes that ask."""
    age: float
    """Seconds since the beat, by the database's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    running: int
    queued: int
    """At most `MOST_QUEUED`."""
    paused_at: datetime | None
    paused_by: str
    note: str
    """Why everything is paused, as far as somebody said."""
    processes: tuple[Alive, ...]

    @property
    def alive(self) -> int:
        """Processes that schedule or work; a command in the foreground is none."""
        return sum(process.kind != "command" for process in self.processes)

    @property
    def age(self) -> float | None:
        """Seconds since the newest beat."""
        return min((process.age for process in self.processes if process.kind != "command"), default=None)


def pulse() -> Pulse:
    """One statement."""
    age = _AGE[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(_SQL.format(age=age), [MOST_QUEUED, LOST_SECONDS])
        rows = cursor.fetchall()
    running, queued, paused_at, paused_by, note, *_process = rows[0]
    return Pulse(
        running=running,
        queued=queued,
        paused_at=_moment(paused_at),
        paused_by=paused_by or "",
        note=note or "",
        processes=tuple(_alive(row[5:]) for row in rows if row[5] is not None),
    )


def _alive(row: tuple[object, ...]) -> Alive:
    pk, kind, host, pid, places, gauges, age = cast("tuple[int, str, str, int, int, object, float]", row)
    said = cast("Mapping[str, object]", json.loads(gauges) if isinstance(gauges, str) else gauges or {})
    database = said.get("database_bytes")
    return Alive(
        pk=pk,
        kind=kind,
        host=host.split("/", 1)[0],
        pid=pid,
        places=places,
        used=_number(said.get("places_used")),
        memory=_number(said.get("rss_bytes")),
        database=database if isinstance(database, int) else None,
        age=max(0.0, float(age)),
    )


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _moment(value: object) -> datetime | None:
    """SQLite's driver knows of no zone: what is stored is UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return None
