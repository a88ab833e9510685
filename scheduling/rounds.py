"""The last rounds of whatever makes them, as rows of lamps show them; those of schedules are their firings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

COUNT = 16
LETTERS = {
    "succeeded": "s",
    "lacking": "i",
    "failed": "f",
    "missed": "m",
    "skipped": "k",
    "running": "r",
    "cancelled": "c",
}
"""`lacking`: one that succeeded, and brought less than it should have."""

# Between a number and itself, and ordered by the owner too: PostgreSQL would else walk down all rounds to find those of
# one owner, whole millions where it has none.
_LATEST = """(
    SELECT {columns} FROM {table} r WHERE r.{owner} BETWEEN {key} AND {key} AND r.{state} <> '{waiting}'
    ORDER BY r.{owner}, r.id DESC LIMIT {count}
)"""
_LAST = """
SELECT o.id, (SELECT {aggregate}(state, ',') FROM {latest} AS latest) FROM {owners} o WHERE o.id IN ({marks})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """Where the rounds of one kind are stored. All of it are constants of ours: SQL is made of them."""

    owners: str
    """The table of what makes the rounds, with their key `id`."""
    table: str
    """That of the rounds, with an index (owner, -id)."""
    owner: str
    state: str
    """Columns of a round; one more, `falls_short`, all have."""
    good: str
    """The state of one that succeeded."""
    waiting: str
    """The state of one that has not begun, and is none yet."""
    letters: Mapping[str, str]
    """By state; one without a letter has no lamp."""

    def latest(self, columns: str, *, key: str, count: int = COUNT) -> str:
        """SQL: these columns of an owner's last rounds `r`, the newest first; one look at the index, whatever its
        history is. `key` is the column of the owner's key.
        """
        return _LATEST.format(
            columns=columns,
            table=self.table,
            owner=self.owner,
            state=self.state,
            waiting=self.waiting,
            key=key,
            count=count,
        )

    def last(self, keys: Sequence[int]) -> dict[int, str]:
        """For each owner's key the letters of its last rounds, the oldest first; one query."""
        if not keys:
            return {}
        is_good = f"r.{self.state} = '{self.good}'"
        outcome = f"CASE WHEN {is_good} AND r.falls_short THEN 'lacking' ELSE r.{self.state} END"
        sql = _LAST.format(
            aggregate="string_agg" if connection.vendor == "postgresql" else "group_concat",
            latest=self.latest(f"{outcome} AS state", key="o.id"),
            owners=self.owners,
            marks=", ".join(["%s"] * len(keys)),
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, list(keys))
            rows = cursor.fetchall()
        return {
            key: "".join(self.letters.get(state, "") for state in reversed((states or "").split(",")))
            for key, states in rows
        }


FIRINGS = Rounds(
    owners="scheduling_scheduledjob",
    table="scheduling_jobrun",
    owner="job_id",
    state="state",
    good="succeeded",
    waiting="queued",
    letters=LETTERS,
)


def latest_runs(columns: str, *, count: int = COUNT) -> str:
    """SQL: these columns of the last runs `r`, the newest first, of each schedule that a query lists."""
    return FIRINGS.latest(columns, key="scheduling_scheduledjob.id", count=count)
