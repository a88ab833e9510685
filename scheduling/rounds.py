"""The last firings of jobs, as rows of lamps show them."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

COUNT = 16
LETTERS = {"succeeded": "s", "failed": "f", "missed": "m", "skipped": "k", "running": "r", "cancelled": "c"}

# Between a number and itself, and ordered by the job too: PostgreSQL would else walk down all runs to find those of one
# job, whole millions where it has none.
_LATEST = """(
    SELECT {columns} FROM scheduling_jobrun r WHERE r.job_id BETWEEN {job} AND {job} AND r.state <> 'queued'
    ORDER BY r.job_id, r.id DESC LIMIT {count}
)"""
_SQL = """
SELECT j.id, (SELECT {aggregate} FROM {latest} AS latest)
FROM scheduling_scheduledjob j WHERE j.id IN ({marks})
"""


def latest_runs(columns: str, *, job: str = "scheduling_scheduledjob.id", count: int = COUNT) -> str:
    """SQL: these columns of the last runs of a schedule, the newest first; one look at the index (job, -id), whatever
    its history is. All arguments are constants of ours: `job` is the column of the schedule's key, the runs are `r`.
    """
    return _LATEST.format(columns=columns, job=job, count=count)


def last_rounds(job_pks: Sequence[int]) -> dict[int, str]:
    """For each job the letters (`LETTERS`) of its last 16 runs, the oldest first; one query."""
    if not job_pks:
        return {}
    aggregate = "string_agg(state, ',')" if connection.vendor == "postgresql" else "group_concat(state, ',')"
    marks = ", ".join(["%s"] * len(job_pks))
    with connection.cursor() as cursor:
        latest = latest_runs("r.state", job="j.id")
        cursor.execute(_SQL.format(aggregate=aggregate, latest=latest, marks=marks), list(job_pks))
        rows = cursor.fetchall()
    return {
        pk: "".join(LETTERS[state] for state in reversed((states or "").split(",")) if state in LETTERS)
        for pk, states in rows
    }
