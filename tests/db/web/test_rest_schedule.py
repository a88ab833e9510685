"""`/api/schedule/…`: schedules, runs, the scheduler as a whole."""

from __future__ import annotations

import pytest
from django.utils import timezone
from django_apscheduler.models import DjangoJob
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from scheduling.models import JobRun, RunLog, ScheduledJob, SchedulerState

from .making import job_document, make_job, make_run
from .problems import assert_problem

pytestmark = pytest.mark.django_db
JOBS = "/api/schedule/jobs"
RUNS = "/api/schedule/runs"


# --- schedules --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", [JOBS, f"{JOBS}/"])
def test_a_schedule_is_created_and_planned(api: APIClient, path: str) -> None:
    answer = api.post(path, job_document())
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["job_id"], body["version"], body["enabled"]) == ("nightly", 1, True)
    assert body["in_words"]
    assert DjangoJob.objects.get(pk="nightly").next_run_time.isoformat() == body["next_run_time"].replace("Z", "+00:00")


def test_a_second_schedule_of_an_id_is_a_conflict(api: APIClient) -> None:
    make_job()
    assert_problem(api.post(JOBS, job_document()), 409, says="nightly")


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"handlr": "crawl"}, "handlr", "handler"),
        ({"handler": "craw"}, "handler", "crawl"),
        ({"handler": 7}, "handler", ""),
        ({"job_id": "no good"}, "job_id", ""),
        ({"job_id": 5}, "job_id", ""),
        ({"enabled": "yes"}, "enabled", ""),
        ({"job_data": []}, "job_data", ""),
        ({"job_data": {"action": "chek"}}, "job_data.action", ""),
        ({"trigger": None}, "trigger", ""),
        ({"trigger": {"type": "cron", "cron": "60 * * * *"}}, "trigger.cron", ""),
        ({"trigger": {"type": "cron", "cron": "0 0 31 2 *"}}, "trigger.cron", "never"),
        ({"trigger": {"type": "interval", "seconds": 0}}, "trigger.seconds", ""),
        ({"trigger": {"type": "interval", "seconds": 10**18}}, "trigger.seconds", ""),
        ({"trigger": {"type": "date", "run_date": "9999-99-99"}}, "trigger.run_date", ""),
        ({"trigger": {"type": "cron", "cron": "@daily", "timezone": "Mars/Base"}}, "trigger.timezone", ""),
        ({"policies": {"max_instances": 0}}, "policies.max_instances", ""),
        ({"policies": {"colaesce": True}}, "policies.colaesce", "coalesce"),
        ({"version": 9}, "version", ""),
        ({"handler": "crawl", "job_data": {"type": "spider", "target": "nobody"}}, "job_data.target", "nobody"),
    ],
)
def test_a_bad_schedule_is_refused_by_the_place(
    api: APIClient, changes: dict[str, object], field: str, says: str
) -> None:
    assert_problem(api.post(JOBS, job_document(**changes)), 400, field=field, says=says)
    assert not ScheduledJob.objects.exists()
    assert not DjangoJob.objects.exists()


def test_every_problem_is_named_at_once(api: APIClient) -> None:
    answer = api.post(JOBS, job_document(enabled=1, policies={"jitter": -1}, trigger={"type": "cron", "cron": "x"}))
    assert {error["field"] for error in answer.json()["errors"]} == {"enabled", "policies.jitter", "trigger.cron"}


def test_put_takes_defaults_for_what_it_leaves_out(api: APIClient) -> None:
    make_job(policies={"max_retries": 9})
    answer = api.put(f"{JOBS}/nightly", job_document(name="Otherwise"))
    assert (answer.status_code, answer.json()["name"], answer.json()["policies"]["max_retries"]) == (
        200,
        "Otherwise",
        3,
    )


def test_patch_changes_single_policies(api: APIClient) -> None:
    make_job(policies={"max_retries": 9})
    body = api.patch(f"{JOBS}/nightly/", {"policies": {"coalesce": True}}).json()
    assert (body["policies"]["coalesce"], body["policies"]["max_retries"], body["version"]) == (True, 9, 2)


def test_patch_of_the_trigger_moves_the_next_firing(api: APIClient) -> None:
    make_job()
    before = DjangoJob.objects.get(pk="nightly").next_run_time
    answer = api.patch(f"{JOBS}/nightly", {"trigger": {"type": "interval", "seconds": 5}})
    assert answer.status_code == 200
    assert DjangoJob.objects.get(pk="nightly").next_run_time < before


def test_a_date_in_the_past_is_refused_but_one_that_has_run_may_be_renamed(api: APIClient) -> None:
    past = {"type": "date", "run_date": "2020-01-01T00:00:00"}
    once = job_document(trigger=past)
    assert_problem(api.post(JOBS, once), 400, field="trigger.run_date", says="2020-01-01T00:00:00” lies in the past")
    assert api.post(JOBS, once | {"policies": {"misfire_grace_time": None}}).status_code == 201
    ScheduledJob.objects.update(misfire_grace_time=30)
    assert api.patch(f"{JOBS}/{once['job_id']}", {"name": "Once"}).status_code == 200
    other = {"trigger": past | {"run_date": "2020-01-02T00:00:00"}}
    assert_problem(api.patch(f"{JOBS}/{once['job_id']}", other), 400, field="trigger.run_date", says="2020-01-02")


def test_a_schedule_keeps_its_id(api: APIClient) -> None:
    make_job()
    assert_problem(api.put(f"{JOBS}/nightly", job_document(job_id="other")), 400, field="job_id")
    assert_problem(api.patch(f"{JOBS}/nightly", {"job_id": "other"}), 400, field="job_id")


def test_a_deleted_schedule_leaves_its_runs(api: APIClient) -> None:
    run = make_run(make_job())
    assert api.delete(f"{JOBS}/nightly").status_code == 204
    assert api.get(f"{JOBS}/nightly").status_code == 404
    assert not DjangoJob.objects.exists()
    assert api.get(f"{RUNS}/{run.pk}").json()["job_id"] == "nightly"


def test_pause_keeps_who_and_why_and_resume_plans_anew(api: APIClient) -> None:
    make_job()
    body = api.post(f"{JOBS}/nightly/pause", {"note": "the shop moves"}).json()
    assert (body["paused_by"], body["next_run_time"]) == ("root", None)
    assert ScheduledJob.objects.get().note == "the shop moves"
    assert api.post(f"{JOBS}/nightly/pause/").status_code == 200
    body = api.post(f"{JOBS}/nightly/resume").json()
    assert (body["paused_at"], body["paused_by"]) == (None, "")
    assert body["next_run_time"]


def test_a_pause_with_a_bad_note_is_refused(api: APIClient) -> None:
    make_job()
    assert_problem(api.post(f"{JOBS}/nightly/pause", {"note": 5}), 400, field="note")
    assert_problem(api.post(f"{JOBS}/nightly/pause", {"note": "x" * 2_001}), 400, field="note", says="at most 2000")
    assert_problem(api.post(f"{JOBS}/nightly/pause", {"reason": "x"}), 400, field="reason")
    assert ScheduledJob.objects.get().paused_at is None


def test_run_queues_one_run_and_not_a_second(api: APIClient) -> None:
    make_job()
    answer = api.post(f"{JOBS}/nightly/run")
    assert (answer.status_code, answer.json()["state"], answer.json()["cause"]) == (202, "queued", "manual")
    assert_problem(api.post(f"{JOBS}/nightly/run/"), 409, says=f"#{answer.json()['id']}")
    assert JobRun.objects.count() == 1


def test_upcoming_tells_the_next_firings(api: APIClient) -> None:
    make_job()
    body = api.get(f"{JOBS}/nightly/upcoming?count=3").json()
    assert len(body["firings"]) == 3
    assert {firing["local"][11:] for firing in body["firings"]} == {"02:00:00+08:00"}
    assert len(api.get(f"{JOBS}/nightly/upcoming/").json()["firings"]) == 10


@pytest.mark.parametrize(
    ("query", "field"), [("count=0", "count"), ("count=1e9", "count"), ("count=1001", "count"), ("number=3", "number")]
)
def test_upcoming_is_bounded(api: APIClient, query: str, field: str) -> None:
    make_job()
    assert_problem(api.get(f"{JOBS}/nightly/upcoming?{query}"), 400, field=field)


def test_a_spoilt_trigger_is_shown_and_breaks_no_list(api: APIClient) -> None:
    make_job()
    ScheduledJob.objects.update(trigger={"type": "cron", "cron": "gone", "timezone": "Mars/Base"})
    assert api.get(JOBS).json()["results"][0]["in_words"] == ""
    assert_problem(api.get(f"{JOBS}/nightly/upcoming"), 409)


@pytest.mark.parametrize("action", ["pause", "resume", "run"])
def test_actions_on_an_unknown_schedule_are_not_found(api: APIClient, action: str) -> None:
    assert_problem(api.post(f"{JOBS}/nobody/{action}"), 404)


def test_schedules_are_filtered(api: APIClient) -> None:
    make_job("a")
    make_job("b", enabled=False)
    assert [job["job_id"] for job in api.get(f"{JOBS}?enabled=false").json()["results"]] == ["b"]
    assert [job["job_id"] for job in api.get(f"{JOBS}?handler=maintenance").json()["results"]] == ["a", "b"]
    assert_problem(api.get(f"{JOBS}?enabled=0"), 400, field="enabled")
    assert_problem(api.get(f"{JOBS}?handlr=x"), 400, field="handlr", says="handler")
    assert_problem(api.get(f"{JOBS}?handler=maintenence"), 400, field="handler", says="Did you mean “maintenance”?")


def test_a_list_of_schedules_costs_the_same_for_many(
    api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(15):
        make_job(f"job-{number}")
    with django_assert_max_num_queries(3):
        assert len(api.get(JOBS).json()["results"]) == 15


# --- runs -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"failed", "succeeded", "missed"}),
        ("state=failed", {"failed"}),
        ("cause=manual", {"failed"}),
        ("job_id=nightly", {"failed", "succeeded"}),
        ("since=2100-01-01T00:00:00Z", set()),
        ("until=2100-01-01T00:00:00Z&job_id=gone", {"missed"}),
    ],
)
def test_runs_are_filtered(api: APIClient, query: str, expected: set[str]) -> None:
    job = make_job()
    make_run(job)
    make_run(job, state="failed", cause="manual", error_type="ValueError")
    make_run(state="missed", missed_count=7)
    assert {run["state"] for run in api.get(f"{RUNS}?{query}").json()["results"]} == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [("state=dead", "state"), ("cause=x", "cause"), ("since=now", "since"), ("job=a", "job"), ("job_id=a", "job_id")],
)
def test_runs_refuse_what_is_not_offered(api: APIClient, query: str, field: str) -> None:
    assert_problem(api.get(f"{RUNS}?{query}"), 400, field=field)


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("state=zzz", "state", "Give one of queued, running, "),
        ("state=zzz", "state", "not “zzz”."),
        ("since=x", "since", "Give a moment such as 2027-01-01T02:00:00+08:00"),
        ("since=x", "since", "not “x”."),
        ("until=0001-01-01", "until", "1970"),
        ("since=2027-01-02T00:00:00Z&until=2027-01-01T00:00:00Z", "since", "before “until”"),
    ],
)
def test_a_filter_says_what_it_takes(api: APIClient, query: str, field: str, says: str) -> None:
    assert_problem(api.get(f"{RUNS}?{query}"), 400, field=field, says=says)


def test_the_plus_of_an_offset_may_be_a_blank(api: APIClient) -> None:
    assert api.get(f"{RUNS}?since=2027-01-01T02:00:00+08:00").status_code == 200


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (f"{JOBS}/nope", "There is no schedule “nope” (any more)."),
        (f"{RUNS}/999999", "There is no run “999999” (any more)."),
        ("/api/crawl/spiders/nope", "There is no spider “nope” (any more)."),
        ("/api/crawl/tasks/nope", "There is no crawl task “nope” (any more)."),
    ],
)
def test_what_is_not_there_is_named(api: APIClient, path: str, says: str) -> None:
    assert_problem(api.get(path), 404, says=says)


def test_a_queued_run_is_cancelled_at_once(api: APIClient) -> None:
    run = make_run(make_job(), state="queued", cause="manual")
    answer = api.post(f"{RUNS}/{run.pk}/cancel")
    assert (answer.status_code, answer.json()["state"], answer.json()["cancel_requested_by"]) == (
        202,
        "cancelled",
        "root",
    )
    assert_problem(api.post(f"{RUNS}/{run.pk}/cancel/"), 409)


def test_the_log_is_read_in_order_and_from_a_number(api: APIClient) -> None:
    run = make_run()
    for number in (1, 2, 3):
        RunLog.objects.create(run=run, seq=number, text=f"line {number}")
    texts = [piece["text"] for piece in api.get(f"{RUNS}/{run.pk}/log").json()["pieces"]]
    assert texts == ["line 1", "line 2", "line 3"]
    assert [piece["seq"] for piece in api.get(f"{RUNS}/{run.pk}/log/?after=2").json()["pieces"]] == [3]
    assert_problem(api.get(f"{RUNS}/{run.pk}/log?after=x"), 400, field="after")


def test_runs_are_not_written_over_rest(api: APIClient) -> None:
    run = make_run()
    assert_problem(api.post(RUNS, {"state": "succeeded"}), 405)
    for method in (api.put, api.patch, api.delete):
        assert_problem(method(f"{RUNS}/{run.pk}", {"state": "failed"}), 405)
    assert JobRun.objects.get().state == "succeeded"


@pytest.mark.parametrize("path", ["1", "1/log", "999999999999999999"])
def test_an_unknown_run_is_not_found(api: APIClient, path: str) -> None:
    assert_problem(api.get(f"{RUNS}/{path}"), 404)


def test_a_list_of_runs_costs_the_same_for_many(
    api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = make_job()
    for _number in range(15):
        make_run(job)
    with django_assert_max_num_queries(2):
        assert len(api.get(RUNS).json()["results"]) == 15


# --- the whole --------------------------------------------------------------------------------------------------------
def test_status_tells_that_nothing_runs(api: APIClient) -> None:
    make_job()
    body = api.get("/api/schedule/status").json()
    assert (body["status"], body["job_count"], body["running_jobs"]) == ("stopped", 1, 0)


def test_everything_is_paused_and_resumed(api: APIClient) -> None:
    make_job()
    assert api.post("/api/schedule/pause").status_code == 200
    assert SchedulerState.objects.get().paused_by == "root"
    assert api.post("/api/schedule/resume/").status_code == 200
    assert SchedulerState.objects.get().paused_at is None
    assert_problem(api.get("/api/schedule/pause"), 405)


def test_the_status_tells_who_paused_everything_since_when_and_why(api: APIClient) -> None:
    body = api.post("/api/schedule/pause", {"note": "the disk is changed"}).json()
    assert (body["paused_by"], body["note"], body["paused_at"][-1]) == ("root", "the disk is changed", "Z")
    assert api.get("/api/schedule/status").json()["note"] == "the disk is changed"
    body = api.post("/api/schedule/resume").json()
    assert (body["paused_at"], body["paused_by"], body["note"]) == (None, "", "")
    for wrong, field in (({"note": 5}, "note"), ({"note": "x" * 201}, "note"), ({"reason": "x"}, "reason")):
        assert_problem(api.post("/api/schedule/pause", wrong), 400, field=field)
    assert SchedulerState.objects.get().paused_at is None


def test_a_failing_view_gives_programs_a_document(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise RuntimeError(f"at {timezone.now()}")

    monkeypatch.setattr("scheduling.scheduler.get_status", fails)
    api.raise_request_exception = False
    assert_problem(api.get("/api/schedule/status"), 500)
