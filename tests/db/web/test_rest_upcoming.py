"""`…/upcoming`: what a schedule, or a trigger that is not saved yet, is about to do."""

from __future__ import annotations

import pytest
from django_apscheduler.models import DjangoJob
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from scheduling import definitions
from scheduling.models import ScheduledJob

from .making import make_job, make_user
from .problems import assert_problem

pytestmark = pytest.mark.django_db
UNSAVED = "/api/schedule/upcoming"
SAVED = "/api/schedule/jobs/nightly/upcoming"
NIGHTLY = {"type": "cron", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}


@pytest.mark.parametrize("path", [UNSAVED, f"{UNSAVED}/"])
def test_a_trigger_that_is_not_saved_tells_what_it_would_do(api: APIClient, path: str) -> None:
    answer = api.post(path, {"trigger": NIGHTLY, "count": 3, "after": "2027-03-26T12:00:00Z"})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert [firing["local"] for firing in body["firings"]] == [
        "2027-03-27T02:30:00+01:00",
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
    ]
    assert body["firings"][0]["utc"] == "2027-03-27T01:30:00Z"
    assert [change["at"] for change in body["clock_changes"]] == ["2027-03-28T01:00:00Z", "2027-10-31T01:00:00Z"]
    assert all(change["effect"] for change in body["clock_changes"])
    assert len(body["clock"]) == 2
    assert body["in_words"]
    assert body["timezone"] == "Europe/Berlin"
    assert not ScheduledJob.objects.exists()
    assert not DjangoJob.objects.exists()


def test_ten_firings_from_now_are_told_unless_otherwise_asked(api: APIClient) -> None:
    body = api.post(UNSAVED, {"trigger": {"type": "interval", "hours": 1}}).json()
    assert len(body["firings"]) == 10
    assert body["firings"][0]["utc"] > body["after"]


def test_what_is_right_but_may_be_meant_otherwise_is_warned_of(api: APIClient) -> None:
    trigger = {"type": "cron", "hour": 2, "day_of_week": "1-5"}
    warning = api.post(UNSAVED, {"trigger": trigger, "count": 1}).json()["warnings"][0]
    assert warning.startswith("trigger.day_of_week: ")


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({}, "trigger", "cron"),
        ({"trigger": "0 2 * * *"}, "trigger", "cron"),
        ({"trigger": {"type": "cron", "cron": "60 * * * *"}}, "trigger.cron", ""),
        ({"trigger": {"type": "cron", "cron": "0 0 31 2 *"}}, "trigger.cron", "never"),
        ({"trigger": {"type": "cron", "cron": "0 0 L-1W * *"}}, "trigger.cron", ""),
        ({"trigger": {"type": "interval", "seconds": 0}}, "trigger.seconds", ""),
        ({"trigger": {"type": "hourly"}}, "trigger.type", "interval"),
        ({"trigger": NIGHTLY | {"timezone": "Mars/Base"}}, "trigger.timezone", "Mars"),
        ({"trigger": NIGHTLY, "count": 0}, "count", "0"),
        ({"trigger": NIGHTLY, "count": 1001}, "count", "1000"),
        ({"trigger": NIGHTLY, "count": True}, "count", ""),
        ({"trigger": NIGHTLY, "count": "5"}, "count", ""),
        ({"trigger": NIGHTLY, "after": "tomorrow"}, "after", "tomorrow"),
        ({"trigger": NIGHTLY, "afer": "2027-01-01T00:00:00Z"}, "afer", "after"),
    ],
)
def test_a_wrong_question_is_refused_by_the_field(
    api: APIClient, body: dict[str, object], field: str, says: str
) -> None:
    assert_problem(api.post(UNSAVED, body), 400, field=field, says=says)


def test_a_saved_schedule_tells_the_same_of_itself(
    api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_job(trigger=NIGHTLY)
    with django_assert_max_num_queries(2):
        body = api.get(f"{SAVED}?count=1&after=2027-03-26T12:00:00Z").json()
    assert (body["job_id"], body["hold"], body["held"], body["paused"]) == ("nightly", None, "", False)
    assert body["firings"] == [{"local": "2027-03-27T02:30:00+01:00", "utc": "2027-03-27T01:30:00Z"}]
    assert body["clock_changes"][0]["at"] == "2027-03-28T01:00:00Z"


def test_a_schedule_that_does_not_run_says_why(api: APIClient) -> None:
    make_job()
    definitions.pause_all(by="ada")
    body = api.get(SAVED).json()
    assert (body["hold"], body["paused"]) == ("paused_all", False)
    assert "ada" in body["held"]
    definitions.pause_job("nightly", by="bob", note="shop is closed")
    body = api.get(SAVED).json()
    assert (body["hold"], body["paused"]) == ("paused", True)
    assert "bob" in body["held"]
    assert "shop is closed" in body["held"]
    assert len(body["firings"]) == 10


def test_the_plus_of_an_offset_may_be_lost_in_an_address(api: APIClient) -> None:
    make_job()
    texts = ("2027-01-01T10:00:00+08:00", "2027-01-01T10:00:00%2B08:00", "2027-01-01T02:00:00Z", "2027-01-01T10:00:00")
    told = [api.get(f"{SAVED}?after={text}&count=2").json()["firings"] for text in texts]
    assert told[0][0]["utc"] == "2027-01-01T18:00:00Z"
    assert told[1:] == told[:-1]


def test_a_viewer_may_ask(api: APIClient) -> None:
    viewer = APIClient()
    viewer.force_authenticate(make_user("viewer", "scheduling.view_scheduledjob"))
    assert viewer.post(UNSAVED, {"trigger": NIGHTLY}).status_code == 200
    assert_problem(APIClient().post(UNSAVED, {"trigger": NIGHTLY}), 401)
    assert_problem(api.get(UNSAVED), 405)
