"""A transaction of SQLite looks for the one write lock often, and as long as it is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection, transaction

from crawlproject.sqlite import base

pytestmark = [
    pytest.mark.any_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL locks rows"),
]


@pytest.fixture
def other() -> Iterator[sqlite3.Connection]:
    """A connection of somebody else, which holds the lock."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield holder


def busy_timeout() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        milliseconds: int = cursor.fetchone()[0]
        return milliseconds


def test_who_waits_looks_every_millisecond(other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 5:
            other.execute("ROLLBACK")

    monkeypatch.setattr("crawlproject.sqlite.base.time.sleep", sleep)
    before = busy_timeout()
    with transaction.atomic():
        Group.objects.create(name="lamplighters")

    assert waited == [base.PAUSE] * 5
    assert busy_timeout() == before  # what is no transaction of its own waits as before
    assert Group.objects.filter(name="lamplighters").exists()


def test_who_has_waited_for_long_looks_less_often_and_gives_up_in_the_end(
    other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        waited.append(seconds)

    monkeypatch.setattr("crawlproject.sqlite.base.time.sleep", sleep)
    monkeypatch.setattr("crawlproject.sqlite.base.time.monotonic", lambda: now)
    before = busy_timeout()
    with pytest.raises(OperationalError, match="database is locked"), transaction.atomic():
        Group.objects.create(name="lamplighters")

    assert sum(waited) == pytest.approx(before / 1000, abs=0.02)
    assert waited[0] == base.PAUSE
    assert waited[-1] == base.LONG_PAUSE
    assert busy_timeout() == before
    other.execute("ROLLBACK")
    with transaction.atomic():
        assert not Group.objects.filter(name="lamplighters").exists()


def test_an_error_that_is_no_lock_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawlproject.sqlite.base.time.sleep", lambda seconds: pytest.fail("waited"))
    with transaction.atomic(), pytest.raises(OperationalError, match="within a transaction"):
        connection._start_transaction_under_autocommit()  # type: ignore[attr-defined]  # which the stubs lack
