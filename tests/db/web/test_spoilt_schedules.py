"""Schedules whose document a hand spoilt: every page still opens, and what cannot be done says so."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from scheduling.models import ScheduledJob
from tests.db.scheduling.ticking import make_job

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

PATHS = (
    "/api/schedule/jobs",
    "/api/schedule/jobs/job",
    "/api/schedule/jobs/job/timeline",
    "/api/schedule/jobs/job/versions",
    "/api/schedule/status",
    "/admin/",
    "/admin/scheduling/scheduledjob/",
)


@pytest.mark.parametrize("value", [[1], "text", 7], ids=["list", "text", "number"])
@pytest.mark.parametrize("field", ["job_data", "trigger"])
def test_pages_open_and_orders_are_carried_out_or_refused(field: str, value: object) -> None:
    pk = make_job(handler="maintenance", job_data={"action": "check"}).pk
    ScheduledJob.objects.update(**{field: value})
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))

    for path in (*PATHS, f"/admin/scheduling/scheduledjob/{pk}/change/"):
        assert client.get(path).status_code == 200, path
    for order, status in {"pause": 200, "resume": 200, "run": 400 if field == "job_data" else 202}.items():
        answer = client.post(f"/api/schedule/jobs/job/{order}", {}, content_type="application/json")
        assert answer.status_code == status, (order, answer.content)
    assert client.delete("/api/schedule/jobs/job").status_code == 204
