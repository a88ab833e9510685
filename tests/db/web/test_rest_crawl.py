"""`POST /api/crawl/…`: asking for a crawl."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django_apscheduler.models import DjangoJob
from rest_framework.test import APIClient

from crawler.models import CrawlTask
from scheduling.models import JobRun, ScheduledJob

from .making import make_spider
from .problems import assert_problem

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/api/crawl/all", "/api/crawl/all/"])
def test_all_is_accepted_with_and_without_the_slash(api: APIClient, path: str) -> None:
    answer = api.post(path)
    assert answer.status_code == 202
    assert set(answer.json()) == {"task_id", "message"}
    task = CrawlTask.objects.get(task_id=answer.json()["task_id"])
    assert (task.task_type, task.status) == ("all", "pending")
    job = ScheduledJob.objects.get(job_id=task.task_id)
    assert (job.one_time, job.misfire_grace_time) == (True, None)
    run = JobRun.objects.get(job=job)
    assert (run.state, run.cause, run.requested_by) == ("queued", "manual", "root")
    assert run.available_at <= timezone.now()


@pytest.mark.parametrize(
    ("path", "body", "kind", "targets"),
    [
        ("/api/crawl/categories/shops/start", {}, "category", ["shops"]),
        ("/api/crawl/categories/shops/start/", None, "category", ["shops"]),
        ("/api/crawl/spiders/books/start", {}, "spider", ["books"]),
        ("/api/crawl/spiders/books/start/", None, "spider", ["books"]),
        (
            "/api/crawl/urls",
            {"urls": ["https://shop.example/a"], "spider": "books"},
            "urls",
            ["https://shop.example/a"],
        ),
        (
            "/api/crawl/urls/",
            {"urls": ["https://shop.example/b"], "spider": "books"},
            "urls",
            ["https://shop.example/b"],
        ),
    ],
)
def test_each_way_to_ask_makes_its_task(
    api: APIClient, path: str, body: dict[str, object] | None, kind: str, targets: list[str]
) -> None:
    make_spider()
    answer = api.post(path, body)
    assert answer.status_code == 202, answer.content
    task = CrawlTask.objects.get(task_id=answer.json()["task_id"])
    assert (task.task_type, task.targets) == (kind, targets)


def test_run_at_plans_the_crawl_for_later(api: APIClient) -> None:
    when = (timezone.now() + timedelta(hours=3)).replace(microsecond=0)
    answer = api.post("/api/crawl/all", {"run_at": when.isoformat()})
    assert answer.status_code == 202
    task_id = answer.json()["task_id"]
    assert DjangoJob.objects.get(pk=task_id).next_run_time == when
    assert api.get(f"/api/crawl/tasks/{task_id}").json()["scheduler_status"] == "scheduled"


def test_run_at_of_a_moment_ago_is_now(api: APIClient) -> None:
    answer = api.post("/api/crawl/all", {"run_at": (timezone.now() - timedelta(seconds=20)).isoformat()}).json()
    assert "as soon as" in answer["message"]
    assert api.get(f"/api/crawl/tasks/{answer['task_id']}").json()["scheduler_status"] == "pending"


def test_run_at_without_an_offset_is_in_the_schedulers_zone(api: APIClient) -> None:
    task_id = api.post("/api/crawl/all", {"run_at": "2030-01-01T02:00:00"}).json()["task_id"]
    assert DjangoJob.objects.get(pk=task_id).next_run_time.isoformat() == "2029-12-31T18:00:00+00:00"


@pytest.mark.parametrize(
    ("path", "body", "field", "says"),
    [
        ("/api/crawl/all", {"run_att": "2030-01-01T00:00:00Z"}, "run_att", "run_at"),
        ("/api/crawl/all", {"run_at": "tomorrow"}, "run_at", "tomorrow"),
        ("/api/crawl/all", {"run_at": 5}, "run_at", "5"),
        ("/api/crawl/all", {"run_at": "2030-02-31T00:00:00Z"}, "run_at", "2030-02-31"),
        ("/api/crawl/all", {"run_at": "2020-01-01T00:00"}, "run_at", "“2020-01-01T00:00:00+08:00” lies in the past"),
        ("/api/crawl/all", {"run_at": "0001-01-01T00:00:00"}, "run_at", "year 1 is out of range"),
        ("/api/crawl/spiders/books/start", {"url": "https://x.example"}, "url", "not known"),
        ("/api/crawl/urls", {}, "urls", "list"),
        ("/api/crawl/urls", {"urls": "https://shop.example/", "spider": "books"}, "urls", "list"),
        ("/api/crawl/urls", {"urls": [1], "spider": "books"}, "urls", "list"),
        ("/api/crawl/urls", {"urls": ["https://shop.example/"]}, "spider", "name"),
        ("/api/crawl/urls", {"urls": ["https://shop.example/"], "spider": "bookz"}, "spider", "books"),
        ("/api/crawl/urls", {"urls": ["ftp://shop.example/"], "spider": "books"}, "urls[0]", "ftp"),
        ("/api/crawl/urls", {"urls": ["https://other.example/"], "spider": "books"}, "urls[0]", "outside"),
    ],
)
def test_a_bad_body_is_refused_by_the_fields_name(
    api: APIClient, path: str, body: dict[str, object], field: str, says: str
) -> None:
    make_spider()
    assert_problem(api.post(path, body), 400, field=field, says=says)
    assert not CrawlTask.objects.exists()
    assert not ScheduledJob.objects.exists()


@pytest.mark.parametrize("path", ["/api/crawl/spiders/nobody/start", "/api/crawl/categories/none/start"])
def test_an_unknown_spider_or_category_is_not_found(api: APIClient, path: str) -> None:
    assert_problem(api.post(path), 404)


def test_one_off_schedules_are_cancelled_with_their_task_when_they_are_deleted(api: APIClient) -> None:
    task_id = api.post("/api/crawl/all").json()["task_id"]
    assert api.delete(f"/api/schedule/jobs/{task_id}").status_code == 204
    assert api.get(f"/api/crawl/tasks/{task_id}").json()["status"] == "cancelled"
    assert not ScheduledJob.objects.exists()
