"""What a test leaves that commits for itself is deleted after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.test import TransactionTestCase

KEPT = {"django_content_type", "auth_permission"}
"""What the migrations write, and no test changes."""


def _empty(_test: TransactionTestCase) -> None:
    connection = connections[DEFAULT_DB_ALIAS]
    tables = {name: connection.ops.quote_name(name) for name in connection.introspection.django_table_names()}
    filled = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quoted})" for name, quoted in tables.items() if name not in KEPT
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(filled)
        for (name,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {tables[name]}")


@pytest.fixture(scope="session", autouse=True)
def _delete_what_was_written() -> Iterator[None]:
    """Django truncates every table and writes content types and permissions anew: half of the time of such tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", _empty)
        yield
