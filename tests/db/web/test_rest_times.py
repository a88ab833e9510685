"""Programs get every moment in one form: UTC with a Z."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from datetime import timezone as offset

import pytest
from rest_framework.test import APIClient

from crawlproject.web.renderers import UtcJSONRenderer
from tests.db.processes import make_process

from .making import make_item, make_job, make_page, make_run, make_spider, make_task, make_version
from .problems import assert_problem

LOCAL = ("local", "from", "to")
A_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")


def moments(value: object) -> Iterator[str]:
    """Every text that is a moment, but those that are said to be local."""
    if isinstance(value, dict):
        yield from (found for key, inner in value.items() if key not in LOCAL for found in moments(inner))
    elif isinstance(value, list):
        yield from (found for inner in value for found in moments(inner))
    elif isinstance(value, str) and A_MOMENT.match(value):
        yield value


@pytest.mark.django_db
def test_every_moment_is_given_in_utc_with_a_z(api: APIClient) -> None:
    spider, job = make_spider(), make_job()
    run, task, item = make_run(job), make_task(spider, task_id="task"), make_item(spider)
    make_page(spider, task=task, checked_at=run.queued_at)
    make_version(item, 1)
    make_process()
    paths = [
        *("crawl/spiders", "crawl/spiders/books", "crawl/tasks/task", "crawl/tasks/task/pages", "crawl/tasks"),
        *("crawl/items", f"crawl/items/{item.pk}", f"crawl/items/{item.pk}/versions", "schedule/jobs"),
        *("schedule/jobs/nightly", "schedule/jobs/nightly/upcoming", "schedule/runs", f"schedule/runs/{run.pk}"),
        *("schedule/status", "schedule/jobs/nightly/timeline", "schedule/jobs/nightly/backfill"),
        *("schedule/jobs/nightly/versions", "schedule/jobs/nightly/versions/1", "crawl/spiders/books/versions/1"),
        f"schedule/jobs/nightly/why?moment={run.scheduled_time:%Y-%m-%dT%H:%M:%SZ}",
    ]
    for path in paths:
        answer = api.get(f"/api/{path}")
        assert answer.status_code == 200, answer.content
        found = list(moments(answer.json()))
        assert found, path
        assert [moment for moment in found if not moment.endswith("Z")] == [], path


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    there = datetime(2027, 1, 1, 2, tzinfo=offset(timedelta(hours=8)))
    assert UtcJSONRenderer().render({"at": there, "day": there.date()}) == (
        b'{"at":"2026-12-31T18:00:00Z","day":"2027-01-01"}'
    )


@pytest.mark.django_db
@pytest.mark.parametrize("moment", ["1900-01-01T00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_year_out_of_range_is_named(api: APIClient, moment: str) -> None:
    make_job()
    answer = api.get("/api/schedule/jobs/nightly/why", {"moment": moment})
    assert_problem(answer, 400, field="moment", says=f"The year {int(moment[:4])} is out of range; use 1970 to 2999.")
