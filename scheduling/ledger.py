"""The statements of a tick: few, constant, each over a whole set, whatever number of jobs is due.

Raw SQL, because the ORM's way costs statements or large objects for each firing. The two databases differ in how a set
comes in (see `rowsets`), in how a time is written, and in row locks; the rest reads the same.
Every function but `look` belongs inside the tick's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, cast

from django.db import connection

from .firing import Active
from .rowsets import Columns, Param, moment, read_moment, written_for

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
ROWS_A_STATEMENT = 5000
_LOOK = """
SELECT (SELECT MIN(next_run_time) FROM django_apscheduler_djangojob WHERE next_run_time > %s),
       (SELECT paused_at FROM scheduling_schedulerstate WHERE id = 1)
"""
# Times are read as text: the drivers' own way is slower than all the rest of a row.
_LOCK_DUE = """
SELECT id, CAST(next_run_time AS text) FROM django_apscheduler_djangojob
WHERE next_run_time <= %s
  AND NOT EXISTS (SELECT 1 FROM scheduling_schedulerstate WHERE id = 1 AND paused_at IS NOT NULL)
ORDER BY next_run_time LIMIT %s
"""
# What `scheduling.plain` needs to know a plain job by, `s` being its definition; no active run is in its way.
# Each half has a partial index of its own; SQLite, left alone, would read a job's whole history instead.
_PLAINLY = """
s.id, s.handler, CAST(s."trigger" AS text), CAST(s.anchor_at AS text), s.misfire_grace_time,
s.enabled AND s.paused_at IS NULL AND s.problem = '' AND COALESCE(s.jitter, 0) = 0
    AND NOT EXISTS (SELECT 1 FROM scheduling_jobrun r {by run_waiting} WHERE r.job_id = s.id AND r.state = 'queued')
    AND NOT EXISTS (SELECT 1 FROM scheduling_jobrun r {by run_slot} WHERE r.job_id = s.id AND r.state = 'running')
"""
# On SQLite nobody writes beside a tick: one statement reads all.
_DUE = f"""
SELECT d.id, CAST(d.next_run_time AS text), {_PLAINLY}
FROM django_apscheduler_djangojob d LEFT JOIN scheduling_scheduledjob s ON s.job_id = d.id
WHERE next_run_time <= %s
  AND NOT EXISTS (SELECT 1 FROM scheduling_schedulerstate WHERE id = 1 AND paused_at IS NOT NULL)
ORDER BY next_run_time LIMIT %s
"""  # noqa: S608 - made of constants
_DUE_LOCKED = f"""
SELECT s.job_id, {_PLAINLY} FROM {{set}} JOIN scheduling_scheduledjob s ON s.job_id = v.job_id
"""  # noqa: S608 - made of constants
_DEFINITIONS = """
SELECT s.job_id, s.id, s.name, s.handler, CAST(s.job_data AS text), CAST(s."trigger" AS text),
       CAST(s.anchor_at AS text), s.coalesce, s.max_instances, s.misfire_grace_time, s.jitter, s.overlap,
       s.one_time, s.version, s.problem, CAST(s.problem_at AS text), s.enabled AND s.paused_at IS NULL
FROM {set} JOIN scheduling_scheduledjob s ON s.job_id = v.job_id
"""
_ACTIVE = """
SELECT r.job_id, 'queued', COUNT(*), MIN(r.id) FROM {set} CROSS JOIN scheduling_jobrun r {by run_waiting}
WHERE r.job_id = v.pk AND r.state = 'queued' GROUP BY r.job_id
UNION ALL
SELECT r.job_id, 'running', COUNT(*), MIN(r.id) FROM {set} CROSS JOIN scheduling_jobrun r {by run_slot}
WHERE r.job_id = v.pk AND r.state = 'running' GROUP BY r.job_id
"""
# A firing exists once: one that is there already is passed over, by this constraint's name. What breaks another one is
# an error (INSERT OR IGNORE drops such rows in silence).
_ONCE = "ON CONFLICT (job_id, scheduled_time, cause) WHERE cause IN ('schedule', 'backfill') DO NOTHING"
# Most runs are queued and nothing else is to be said of them: the rest of their row stands in the definition.
_OF_DEFINITION = """
INSERT INTO scheduling_jobrun (
    job_id, job_key, job_name, definition_version, scheduled_time, available_at, exclusive_key,
    state, cause, queued_at, message, error_type, error, coalesced_count, code_version, claim, retry_count, recoveries,
    cancel_requested_by)
SELECT s.id, s.job_id, CASE WHEN s.name = '' THEN s.job_id ELSE s.name END, s.version, v.scheduled_time, {values},
       'queued', 'schedule', {{now}}, '', '', '', 0, '', 0, 0, 0, ''
FROM {{set}} CROSS JOIN scheduling_scheduledjob s WHERE s.id = v.pk {{order}}
{once}
"""
_QUEUE = (
    _OF_DEFINITION.format(values="COALESCE(v.available_at, v.scheduled_time), v.exclusive_key", once=_ONCE)
    + "RETURNING id"
)
_QUEUE_PLAIN = _OF_DEFINITION.format(values="v.scheduled_time, ''", once=_ONCE)
_INSERT = (
    """
INSERT INTO scheduling_jobrun (
    job_id, job_key, job_name, scheduled_time, available_at, definition_version, exclusive_key, state, message,
    error_type, error, missed_count, missed_until, coalesced_count, coalesced_from, reason, in_way,
    cause, queued_at, finished_at, code_version, claim, retry_count, recoveries, cancel_requested_by)
SELECT v.pk, v.job_key, v.job_name, v.scheduled_time, v.available_at, v.definition_version, v.exclusive_key,
       v.state, v.message, v.error_type, v.error, v.missed_count, v.missed_until, v.coalesced_count, v.coalesced_from,
       v.reason, v.in_way,
       'schedule', {now}, CASE WHEN v.state = 'queued' THEN NULL ELSE {now} END, '', 0, 0, 0, ''
FROM {set} WHERE TRUE
"""
    + _ONCE
    + " RETURNING id, job_id, scheduled_time"
)
_MOVE = """
UPDATE django_apscheduler_djangojob AS d SET next_run_time = v.next_run_time FROM {set} WHERE d.id = v.job_id
"""
_MARK = """
UPDATE scheduling_scheduledjob AS s SET problem = v.problem, problem_at = v.problem_at FROM {set} WHERE s.id = v.pk
"""


class Due(NamedTuple):
    """A due job as a tick looks at it first, as read: `trigger` is a JSON text, times are texts.

    All but the first two are None where it has no definition.
    """

    job_id: str
    due_at: str
    pk: int
    handler: str
    trigger: str
    anchor_at: str | None
    misfire_grace_time: int | None
    is_plain: bool
    """Neither paused nor off, no problem, no jitter, no active run."""


class Definition(NamedTuple):
    """What a tick needs of a `ScheduledJob`, as read: `trigger` and `job_data` are JSON texts, times are texts."""

    job_id: str
    pk: int
    name: str
    handler: str
    job_data: str
    trigger: str
    anchor_at: str | None
    coalesce: bool
    max_instances: int
    misfire_grace_time: int | None
    jitter: int | None
    overlap: str
    one_time: bool
    version: int
    problem: str
    problem_since: str | None
    is_planned: bool
    """Neither paused nor off."""

    @property
    def problem_at(self) -> datetime | None:
        return None if self.problem_since is None else read_moment(self.problem_since)


class NewRun(NamedTuple):
    """A row to insert."""

    pk: int
    job_key: str
    job_name: str
    scheduled_time: datetime
    available_at: datetime
    definition_version: int
    exclusive_key: str = ""
    state: str = "queued"
    message: str = ""
    error_type: str = ""
    error: str = ""
    missed_count: int | None = None
    missed_until: datetime | None = None
    coalesced_count: int = 0
    coalesced_from: datetime | None = None
    reason: str = ""
    in_way: int | None = None


class Move(NamedTuple):
    job_id: str
    next_run_time: datetime | None


class Mark(NamedTuple):
    """A problem of a definition, or ("", None) for none any more."""

    pk: int
    problem: str
    problem_at: datetime | None


_JOB_IDS = Columns(("job_id",), ("text",))
_PKS = Columns(("pk",), ("bigint",))
_MOVES = Columns(Move._fields, ("text", "timestamptz"), is_map=True)
_MOMENTS = Columns(("pk", "scheduled_time"), ("bigint", "timestamptz"), is_map=True)
_MARKS = Columns(Mark._fields, ("bigint", "text", "timestamptz"))
_QUEUED = Columns(
    ("pk", "scheduled_time", "available_at", "exclusive_key"), ("bigint", "timestamptz", "timestamptz", "text")
)
_RUNS = Columns(
    NewRun._fields,
    (
        *("bigint", "text", "text", "timestamptz", "timestamptz", "bigint", "text", "text", "text", "text", "text"),
        *("bigint", "timestamptz", "bigint", "timestamptz", "text", "bigint"),
    ),
)


def look(after: datetime = BEGINNING) -> tuple[datetime | None, bool]:
    """Return the earliest planned moment after `after`, and whether everything is paused: two index look-ups."""
    [(earliest, paused_at)] = _fetch(_LOOK, [moment(after)])
    return _read(earliest), paused_at is not None


def lock_due(now: datetime, limit: int) -> list[tuple[str, datetime]]:
    """Lock jobs that are due, the most overdue first, passing over those that someone else holds."""
    lock = " FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    rows = _fetch(_LOCK_DUE + lock, [moment(now), limit])
    return [(str(job_id), read_moment(due)) for job_id, due in rows]


def due_jobs(now: datetime, limit: int) -> list[Due]:
    """Lock jobs that are due, as `lock_due` does, and return what is to be seen of them at first."""
    if connection.vendor == "sqlite":
        statement = written_for("sqlite", _DUE)
        return cast("list[Due]", _fetch(statement, [moment(now), limit]))
    locked = _fetch(_LOCK_DUE + " FOR UPDATE SKIP LOCKED", [moment(now), limit])
    # A statement of its own after the lock: only so it sees what an edit committed while the lock was waited for.
    found = {row[0]: row[1:] for row in _rows(_DUE_LOCKED, _JOB_IDS, [(job_id,) for job_id, _due in locked])}
    unknown = (None,) * (len(Due._fields) - 2)
    return cast("list[Due]", [(job_id, due_at, *found.get(job_id, unknown)) for job_id, due_at in locked])


def definitions(job_ids: Iterable[str]) -> dict[str, Definition]:
    """Return what is defined for these jobs now; those that have no definition are left out.

    A statement of its own after `lock_due`: only so it sees what an edit committed while the lock was waited for.
    """
    found = {}
    for row in _rows(_DEFINITIONS, _JOB_IDS, [(job_id,) for job_id in job_ids]):
        definition = Definition._make(row)
        found[definition.job_id] = definition
    return found


def active_runs(pks: Iterable[int]) -> dict[int, Active]:
    """Return the queued and running runs of these jobs; jobs without any are left out."""
    found: dict[int, Active] = {}
    for chunk in _chunks([(pk,) for pk in pks]):
        for pk, state, count, run_id in _fetch(_PKS.into(_ACTIVE), _PKS.params(chunk) * 2):
            pk, count, run_id = cast("int", pk), cast("int", count), cast("int", run_id)
            if state == "queued":
                found[pk] = Active(queued=count, run_id=run_id, state="queued")
            else:
                queued = found[pk].queued if pk in found else 0
                found[pk] = Active(queued=queued, running=count, run_id=run_id, state="running")
    return found


def queue(runs: Sequence[NewRun], now: datetime) -> list[int]:
    """Insert queued runs that say nothing beyond `exclusive_key`, but for those that exist; returns the new ones' ids.

    Plainly: a row that breaks a constraint is an error, and none is left out for any other reason.
    """
    ids: list[int] = []
    rows = [
        (
            run.pk,
            run.scheduled_time,
            None if run.available_at is run.scheduled_time else run.available_at,
            run.exclusive_key,
        )
        for run in runs
    ]
    for chunk in _chunks(rows):
        params: list[Param] = [moment(now), *_QUEUED.params(chunk)]
        ids += [cast("int", run_id) for (run_id,) in _fetch(_QUEUED.into(_QUEUE), params)]
    return ids


def queue_plain(moments: Sequence[tuple[int, str]], now: datetime) -> list[int]:
    """Insert queued runs for (job's pk, moment), a job once, available then and without a key; else as `queue`.

    The moments are texts as they are stored: to write them anew would take as long as half of the INSERT.
    """
    ids: list[int] = []
    for chunk in _chunks(moments):
        params = [moment(now), *_MOMENTS.params(chunk)]
        if connection.vendor == "postgresql":
            ids += [cast("int", run_id) for (run_id,) in _fetch(_MOMENTS.into(_QUEUE_PLAIN + " RETURNING id"), params)]
            continue
        # The only writer there is, in one statement: the ids follow each other.
        with connection.cursor() as cursor:
            cursor.execute(_MOMENTS.into(_QUEUE_PLAIN), params)
            ids += range(cursor.lastrowid - cursor.rowcount + 1, cursor.lastrowid + 1) if cursor.rowcount else ()
    return ids


def insert(runs: Sequence[NewRun], now: datetime) -> dict[tuple[int, datetime], int]:
    """Insert runs as `queue` does; returns the ids of the new ones by (job, moment)."""
    ids: dict[tuple[int, datetime], int] = {}
    for chunk in _chunks(runs):
        at = moment(now)
        params: list[Param] = [at, at, *_RUNS.params(chunk)]
        for run_id, pk, scheduled_time in _fetch(_RUNS.into(_INSERT), params):
            ids[cast("int", pk), read_moment(scheduled_time)] = cast("int", run_id)
    return ids


def move(moves: Sequence[tuple[str, datetime | None]]) -> None:
    """Write when the jobs are due next: (job id, next run time), a job once."""
    for chunk in _chunks(moves):
        _execute(_MOVES.into(_MOVE), _MOVES.params(chunk))


def mark(marks: Sequence[Mark]) -> None:
    """Write the problems of definitions, or that they have none any more."""
    for chunk in _chunks(marks):
        _execute(_MARKS.into(_MARK), _MARKS.params(chunk))


def _read(value: object) -> datetime | None:
    return None if value is None else read_moment(value)


def _chunks(rows: Sequence[tuple[object, ...]]) -> Iterator[Sequence[tuple[object, ...]]]:
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        yield rows[start : start + ROWS_A_STATEMENT]


def _rows(statement: str, columns: Columns, rows: Sequence[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    for chunk in _chunks(rows):
        yield from _fetch(columns.into(statement), columns.params(chunk))


def _fetch(statement: str, params: Sequence[Param]) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows: list[tuple[object, ...]] = cursor.fetchall()
        return rows


def _execute(statement: str, params: Sequence[Param]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
