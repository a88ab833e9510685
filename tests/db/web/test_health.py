from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries


@pytest.mark.django_db
def test_healthz_asks_the_database_nothing(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_names_what_is_missing(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert (checks["database"], checks["migrations"]) == ("ok", "ok")
    assert "run manage.py runscheduler" in checks["scheduler"]


@pytest.mark.django_db
def test_readyz_sees_a_migration_that_is_not_applied(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'crawler'")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "not applied" in answer.json()["checks"]["migrations"]


@pytest.mark.django_db
def test_a_body_above_the_limit_is_refused_before_it_is_read(client: Client) -> None:
    answer = client.generic(
        "POST", "/api/crawl/all", b"{}", content_type="application/json", CONTENT_LENGTH=str(100 * 1024 * 1024)
    )
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
