"""Which planned moments a job's rows account for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from .product import Product, Row


def moment(value: object) -> datetime:
    """An aware moment from what either database gives."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(found, datetime)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def covered(product: Product, job_id: str, *, interval: timedelta) -> list[datetime]:
    """Every planned moment of an interval job that a row accounts for, as often as it does."""
    rows = product.sql(
        "SELECT scheduled_time, missed_count, coalesced_count, coalesced_from FROM scheduling_jobrun "
        "WHERE job_key = ? AND cause = 'schedule'",
        [job_id],
    )
    return sorted(itertools.chain.from_iterable(_of_row(row, interval) for row in rows))


def _of_row(row: Row, interval: timedelta) -> list[datetime]:
    scheduled, missed_count, coalesced_count, coalesced_from = row
    moments = [moment(scheduled) + n * interval for n in range(int(str(missed_count or 1)))]
    if coalesced_count and coalesced_from is not None:
        moments += [moment(coalesced_from) + n * interval for n in range(int(str(coalesced_count)))]
    return moments


def covered_by_job(product: Product, *, interval: timedelta) -> dict[str, list[datetime]]:
    """The same for all jobs, by one query."""
    rows = product.sql(
        "SELECT job_key, scheduled_time, missed_count, coalesced_count, coalesced_from FROM scheduling_jobrun "
        "WHERE cause = 'schedule'"
    )
    moments: dict[str, list[datetime]] = {}
    for job_id, *row in rows:
        moments.setdefault(str(job_id), []).extend(_of_row(tuple(row), interval))
    return {job_id: sorted(found) for job_id, found in moments.items()}


def assert_all_gapless(product: Product, jobs: Iterable[str], *, interval: timedelta, at_least: int) -> int:
    """Each job's moments from its first to its last have exactly one row; returns how many moments there are."""
    found = covered_by_job(product, interval=interval)
    for job_id in jobs:
        _assert_steps(job_id, found.get(job_id, []), interval, at_least)
    return sum(map(len, found.values()))


def set_due(product: Product, due: datetime, like: str = "%") -> None:
    """Plan jobs for a moment, as if nobody had ticked since."""
    product.sql(
        "UPDATE django_apscheduler_djangojob SET next_run_time = ? WHERE id LIKE ?", [stored(product, due), like]
    )


def stored(product: Product, value: datetime) -> object:
    """A moment as the database wants it."""
    if product.database_url.startswith("sqlite"):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    return value


def assert_gapless(product: Product, job_id: str, *, interval: timedelta, at_least: int) -> list[datetime]:
    """Each moment from the first to the last has exactly one row: none lost, none doubled."""
    moments = covered(product, job_id, interval=interval)
    _assert_steps(job_id, moments, interval, at_least)
    return moments


def _assert_steps(job_id: str, moments: list[datetime], interval: timedelta, at_least: int) -> None:
    steps = {later - earlier for earlier, later in itertools.pairwise(moments)}
    assert steps == {interval}, f"{job_id}: steps {steps} among {len(moments)} moments"
    assert len(moments) >= at_least, f"{job_id}: only {len(moments)} moments"
