"""The last firings of jobs, as rows of lamps show them."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

COUNT = 16
LETTERS = {"succeeded": "s", "failed": "f", "missed": "m", "skipped": "k", "running": "r", "cancelled": "c"}

# One look at the index (job, -id) for each job, whatever its history is. Between a number and itself, and ordered by
# the job too: PostgreSQL would else walk down all runs to find those of one job, whole millions where it has none.
_SQL = """
SELECT j.id, (SELECT {aggregate} FROM (
    SELECT r.state FROM scheduling_jobrun r WHERE r.job_id BETWEEN j.id AND j.id AND r.state <> 'queued'
    ORDER BY r.job_id, r.id DESC LIMIT %s
) AS latest)
FROM scheduling_scheduledjob j WHERE j.id IN ({marks})
"""


def last_rounds(job_pks: Sequence[int]) -> dict[int, str]:
    """For each job the letters (`LETTERS`) of its last 16 runs, the oldest first; one query."""
    if not job_pks:
        return {}
    aggregate = "string_agg(state, ',')" if connection.vendor == "postgresql" else "group_concat(state, ',')"
    marks = ", ".join(["%s"] * len(job_pks))
    with connection.cursor() as cursor:
        cursor.execute(_SQL.format(aggregate=aggregate, marks=marks), [COUNT, *job_pks])
        rows = cursor.fetchall()
    return {
        pk: "".join(LETTERS[state] for state in reversed((states or "").split(",")) if state in LETTERS)
        for pk, states in rows
    }
