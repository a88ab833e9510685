"""Who may read the metrics, in both forms; and what of them the dashboard says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from django_apscheduler.models import DjangoJob
from pytest_django import Settings
from rest_framework.test import APIClient

from scheduling.models import JobRun, Process

from .making import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

BOTH = pytest.mark.parametrize("address", ["/metrics", "/api/schedule/metrics"])


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@BOTH
def test_a_stranger_is_asked_for_a_token(address: str) -> None:
    answer = APIClient().get(address)

    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"


@BOTH
def test_who_may_not_view_processes_is_refused(address: str) -> None:
    assert client_of(make_user("ada")).get(address).status_code == 403


@BOTH
def test_one_permission_suffices(address: str) -> None:
    ada = make_user("ada")
    ada.user_permissions.add(Permission.objects.get(codename="view_process"))

    assert client_of(ada).get(address).status_code == 200


@pytest.mark.parametrize(
    "accept",
    ["*/*", "text/plain", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
)
def test_a_scraper_gets_the_text_whatever_it_prefers(api: APIClient, accept: str) -> None:
    answer = api.get("/metrics", HTTP_ACCEPT=accept)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert b"lamplighter_schedulers_alive 0.0" in answer.content


def test_a_setting_opens_it_to_everybody(settings: Settings) -> None:
    settings.METRICS_PUBLIC = True

    assert APIClient().get("/metrics").status_code == 200
    assert APIClient().get("/api/schedule/metrics").status_code == 401


def test_json_has_rates_and_processes(api: APIClient) -> None:
    found = api.get("/api/schedule/metrics").json()

    assert found["windows"]["1h"]["success_rate"] is None
    assert found["windows"]["24h"]["seconds"] == 86_400
    assert found["processes"] == []
    assert {"queued", "queue_head_age_seconds", "lateness_seconds", "database_bytes", "running"} <= found.keys()


def test_nothing_else_can_be_done_there(api: APIClient) -> None:
    assert api.post("/metrics").status_code == 405


def test_the_dashboard_says_that_many_runs_fail_and_that_the_scheduler_is_late(client: Client, root: User) -> None:
    now = timezone.now()
    Process.objects.create(kind="scheduler", host="h", pid=1, pid_created=1.0, started_at=now, beat_at=Now())
    DjangoJob.objects.create(id="late", next_run_time=now - timedelta(seconds=75), job_state=b"")
    for second in range(10):
        at = now - timedelta(seconds=second)
        JobRun.objects.create(
            job_key="j", job_name="j", cause="command", scheduled_time=at, available_at=at, queued_at=at,
            finished_at=at, state="failed",
        )  # fmt: skip
    client.force_login(root)

    needs = {need.name: need.what for need in client.get("/admin/").context["verdict"].needs}

    assert needs["Many runs fail"] == "10 of the last hour's 10 runs"
    assert needs["The scheduler is late"].startswith("a job has been due for 1 min 1")


def test_the_process_page_says_what_blocks_the_loop_and_what_was_abandoned(client: Client, root: User) -> None:
    now = timezone.now()
    process = Process.objects.create(
        kind="scheduler", host="h", pid=1, pid_created=1.0, started_at=now, beat_at=now, max_workers=4,
        gauges={
            "places_used": 3,
            "tick_lateness_seconds": 0.25,
            "abandoned_handlers": 1,
            "abandoned": [{"run": 7, "handler": "<deaf>", "since": now.isoformat()}],
            "blocked_by": {
                "run": 8, "handler": "busy", "task": "run-8", "seconds": 3.2, "at": now.isoformat(), "ended": True
            },
        },
    )  # fmt: skip
    client.force_login(root)

    for address in ("/admin/scheduling/process/", f"/admin/scheduling/process/{process.pk}/change/"):
        page = client.get(address).content.decode()
        assert "abandoned handlers: <b>1: #7 &lt;deaf&gt;</b>" in page
        assert "by run #8 (handler busy) for 3.2 s" in page
    assert "3 / 4" in client.get("/admin/scheduling/process/").content.decode()
