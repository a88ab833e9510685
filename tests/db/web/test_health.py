from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from django_apscheduler.models import DjangoJob
from pytest_django import DjangoAssertNumQueries, Settings

from scheduling import definitions
from tests.db.processes import make_process


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


def make_alive(kind: str = "scheduler") -> None:
    make_process(kind=kind, host="secret-host/boot/ns", beat_at=Now())


def make_late(seconds: float) -> None:
    """A due row without a definition: nothing says when it was saved."""
    DjangoJob.objects.create(id="late", next_run_time=timezone.now() - timedelta(seconds=seconds), job_state=b"")


@pytest.mark.django_db
def test_readyz_is_content_with_a_live_scheduler(client: Client) -> None:
    make_alive()
    make_late(20)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["lateness_seconds"] == pytest.approx(20, abs=10)
    assert answer.json()["beat_seconds"] < 10


@pytest.mark.django_db
def test_readyz_says_that_a_live_scheduler_is_late_and_names_no_host(client: Client, settings: Settings) -> None:
    settings.SCHEDULER_LATE_SECONDS = 60
    make_alive()
    make_late(75)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["scheduler"].startswith("late: a job has been due for 7")
    assert "secret-host" not in answer.content.decode()


@pytest.mark.django_db
def test_readyz_takes_no_paused_scheduler_for_late(client: Client) -> None:
    make_alive()
    make_late(75)
    definitions.pause_all(by="ada")
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_readyz_takes_no_foreground_command_for_a_scheduler(client: Client) -> None:
    make_alive("command")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "no scheduler is alive" in answer.json()["checks"]["scheduler"]


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
