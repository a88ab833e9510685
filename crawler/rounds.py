"""The last crawls of spiders, as rows of lamps show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import connection

from scheduling.rounds import COUNT

LETTERS: Mapping[str, str] = {"completed": "s", "failed": "f", "running": "r", "cancelled": "c"}
"""As `scheduling.rounds` has them for runs."""

# Between a number and itself, for the reason that stands in `scheduling.rounds`.
_SQL = """
SELECT s.id, (SELECT {aggregate} FROM (
    SELECT t.status FROM crawler_crawltask t WHERE t.spider_id BETWEEN s.id AND s.id AND t.status <> 'pending'
    ORDER BY t.spider_id, t.id DESC LIMIT {count}
) AS latest)
FROM crawler_spider s WHERE s.id IN ({marks})
"""


def last_rounds(spiders: Sequence[int]) -> dict[int, str]:
    """For each spider's key the letters of its last crawls, the oldest first; one query."""
    if not spiders:
        return {}
    aggregate = "string_agg(status, ',')" if connection.vendor == "postgresql" else "group_concat(status, ',')"
    marks = ", ".join(["%s"] * len(spiders))
    with connection.cursor() as cursor:
        cursor.execute(_SQL.format(aggregate=aggregate, count=COUNT, marks=marks), list(spiders))
        rows = cursor.fetchall()
    return {
        pk: "".join(LETTERS.get(status, "") for status in reversed((statuses or "").split(",")))
        for pk, statuses in rows
    }
