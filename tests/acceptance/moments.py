"""Which planned moments a job's rows account for."""

from __future__ import annotations

import itertools
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


def assert_gapless(product: Product, job_id: str, *, interval: timedelta, at_least: int) -> list[datetime]:
    """Each moment from the first to the last has exactly one row: none lost, none doubled."""
    moments = covered(product, job_id, interval=interval)
    steps = {later - earlier for earlier, later in itertools.pairwise(moments)}
    assert steps == {interval}, f"{job_id}: steps {steps} among {len(moments)} moments"
    assert len(moments) >= at_least
    return moments
