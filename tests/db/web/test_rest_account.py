"""What ran, what did not and why, and filling in what did not: `timeline`, `why`, `backfill`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from scheduling import definitions
from scheduling.account.words import local
from scheduling.models import DefinitionVersion, JobRun, ScheduledJob
from tests.db.processes import make_process

from .making import make_job, make_run, make_user
from .problems import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
JOB = "/api/schedule/jobs/nightly"
RUNS = "/api/schedule/runs"
END = timezone.now().replace(second=0, microsecond=0)
LONG_AGO = END - timedelta(minutes=899)
# 02:00 in Shanghai, days ago
NIGHTS = [
    (timezone.now() - timedelta(days=days)).astimezone(UTC).replace(hour=18, minute=0, second=0, microsecond=0)
    for days in range(2, 12)
]


def make_old_job() -> ScheduledJob:
    """One that has existed for a year."""
    job = make_job()
    long_ago = timezone.now() - timedelta(days=365)
    ScheduledJob.objects.update(created_at=long_ago, anchor_at=long_ago)
    DefinitionVersion.objects.update(at=long_ago)
    return ScheduledJob.objects.get(pk=job.pk)


def make_missed(job: ScheduledJob, first: datetime, last: datetime, count: int, **fields: object) -> JobRun:
    """A row that stands for the moments of a gap."""
    values: dict[str, object] = {"reason": "late", "started_at": None, "execution_time": None}
    gap = {"scheduled_time": first, "available_at": first, "missed_until": last, "missed_count": count}
    ended = {"queued_at": last + timedelta(hours=9), "finished_at": last + timedelta(hours=9)}
    return make_run(job, state="missed", **values | gap | ended | fields)


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def client_of(*permissions: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user("viewer", *permissions))
    return client


# --- timeline ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", [f"{JOB}/timeline", f"{JOB}/timeline/"])
def test_a_time_line_tells_past_and_future(api: APIClient, path: str) -> None:
    job = make_old_job()
    make_missed(job, NIGHTS[5], NIGHTS[3], 3)
    make_run(job, scheduled_time=NIGHTS[2])
    body = api.get(path).json()
    assert [(row["run"]["state"], row["count"]) for row in body["past"]] == [("succeeded", 1), ("missed", 3)]
    missed = body["past"][1]
    assert (missed["first"], missed["last"]) == (text(NIGHTS[5]), text(NIGHTS[3]))
    assert missed["sentence"].startswith("It did not run")
    assert missed["run"]["reason"] == "late"
    assert not {"data", "error", "why"} & set(missed["run"])
    assert body["next_before"] is None
    assert body["future"][0]["moment"] > body["now"]
    assert {planned["note"] for planned in body["future"]} == {""}


def test_a_time_line_says_that_nothing_of_it_will_run(api: APIClient) -> None:
    make_old_job()
    definitions.pause_job("nightly", note="shop is closed")
    assert all("aused" in planned["note"] for planned in api.get(f"{JOB}/timeline").json()["future"])


def test_a_time_line_is_read_back_piece_by_piece(api: APIClient) -> None:
    job = make_old_job()
    runs = [make_run(job).pk for _number in range(5)]
    found, before = [], ""
    for _piece in range(3):
        body = api.get(f"{JOB}/timeline?limit=2{before}").json()
        found.append([row["run"]["id"] for row in body["past"]])
        before = f"&before={body['next_before']}"
    assert found == [[runs[4], runs[3]], [runs[2], runs[1]], [runs[0]]]
    assert before == "&before=None"


def test_a_removed_schedule_keeps_its_time_line(api: APIClient) -> None:
    run = make_run(make_old_job())
    definitions.delete_job("nightly")
    body = api.get(f"{JOB}/timeline").json()
    assert [row["run"]["id"] for row in body["past"]] == [run.pk]
    assert body["future"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=501", "limit"), ("before=-1", "before"), ("before=x", "before"), ("page=2", "page")],
)
def test_a_time_line_is_bounded(api: APIClient, query: str, field: str) -> None:
    make_job()
    assert_problem(api.get(f"{JOB}/timeline?{query}"), 400, field=field)


def test_a_time_line_costs_the_same_for_many(
    api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = make_old_job()
    for night in NIGHTS:
        make_missed(job, night - timedelta(days=20), night - timedelta(days=20), 1)
        make_run(job, scheduled_time=night)
        make_run(job, state="queued", cause="manual", claim=1)
    with django_assert_max_num_queries(11):
        assert len(api.get(f"{JOB}/timeline").json()["past"]) == 30


# --- why --------------------------------------------------------------------------------------------------------------
def test_why_names_the_reason_and_the_remedy(api: APIClient) -> None:
    job = make_old_job()
    run = make_missed(job, NIGHTS[5], NIGHTS[3], 3)
    body = api.get(f"{JOB}/why?moment={text(NIGHTS[4])}").json()
    assert (body["job_id"], body["moment"], body["run"]) == (
        "nightly",
        text(NIGHTS[4]),
        {"id": run.pk, "state": "missed"},
    )
    assert body["verdict"] == "missed_down"
    assert body["sentence"]
    assert body["remedy"]


def test_why_tells_what_is_no_moment_with_the_nearest(api: APIClient) -> None:
    make_old_job()
    body = api.get(f"{JOB}/why/?moment={text(NIGHTS[4] + timedelta(hours=1))}").json()
    assert (body["verdict"], body["nearest_before"], body["nearest_after"]) == (
        "never_due",
        text(NIGHTS[4]),
        text(NIGHTS[3]),
    )


def test_why_reads_a_time_without_an_offset_in_the_scheduler_s_zone(api: APIClient) -> None:
    run = make_run(make_old_job(), scheduled_time=NIGHTS[0])
    naive = (NIGHTS[0] + timedelta(hours=8)).replace(tzinfo=None).isoformat()
    assert api.get(f"{JOB}/why?moment={naive}").json()["run"]["id"] == run.pk


def test_why_without_a_moment_is_of_the_last_that_did_not_run(api: APIClient) -> None:
    job = make_old_job()
    make_missed(job, NIGHTS[5], NIGHTS[4], 2)
    skipped = make_run(job, state="skipped", scheduled_time=NIGHTS[3], reason="overlap", in_way=7, started_at=None)
    make_run(job, scheduled_time=NIGHTS[2])
    body = api.get(f"{JOB}/why").json()
    assert (body["verdict"], body["moment"], body["run"]["id"]) == ("skipped", text(NIGHTS[3]), skipped.pk)
    assert "#7" in body["sentence"]


def test_why_says_that_everything_ran(api: APIClient) -> None:
    make_run(make_old_job(), scheduled_time=NIGHTS[2])
    body = api.get(f"{JOB}/why").json()
    assert (body["job_id"], body["verdict"]) == ("nightly", None)
    assert body["sentence"].startswith("All that was planned")


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("moment=yesterday", "moment", "yesterday"),
        ("moment=", "moment", "2027-01-01T02:00:00+08:00"),
        ("moment=0001-01-01T00:00:00Z", "moment", ""),
        ("moment=9999-12-31T23:59:59Z", "moment", ""),
        ("at=2027-01-01T02:00:00Z", "at", "not known"),
    ],
)
def test_why_refuses_what_is_no_moment(api: APIClient, query: str, field: str, says: str) -> None:
    make_job()
    assert_problem(api.get(f"{JOB}/why?{query}"), 400, field=field, says=says)


# --- runs -------------------------------------------------------------------------------------------------------------
def test_runs_say_why(api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    job = make_old_job()
    make_missed(job, NIGHTS[5], NIGHTS[3], 3)
    for night in NIGHTS[:3]:
        make_run(job, state="skipped", scheduled_time=night, reason="overlap", in_way=7, started_at=None)
    with django_assert_max_num_queries(6):
        rows = api.get(f"{RUNS}?job_id=nightly").json()["results"]
    assert [(row["reason"], row["in_way"], "#7" in row["why"]) for row in rows] == [
        *[("overlap", 7, True)] * 3,
        ("late", None, False),
    ]
    assert rows[3]["why"].startswith("It did not run")


def test_runs_and_their_time_line_say_the_same(api: APIClient) -> None:
    """What nobody was there for is not told as a scheduler's lateness, whatever list it stands in."""
    run = make_missed(make_old_job(), NIGHTS[5], NIGHTS[3], 3)
    ended = NIGHTS[7]
    make_process(max_workers=4, state="stopped", started_at=NIGHTS[9], beat_at=ended)  # fmt: skip
    (told,) = api.get(f"{JOB}/timeline").json()["past"]
    since = local(ended + timedelta(seconds=3))
    assert f"no scheduler was alive from {since} to" in told["sentence"]
    assert api.get(f"{RUNS}?job_id=nightly").json()["results"][0]["why"] == told["sentence"]
    assert api.get(f"{RUNS}/{run.pk}").json()["why"] == told["sentence"]


def test_a_run_tells_who_asked_for_it(api: APIClient) -> None:
    make_job()
    body = api.post(f"{JOB}/run").json()
    assert body["requested_by"] == "root"
    assert "root" in body["why"]


# --- back-fill --------------------------------------------------------------------------------------------------------
def test_missed_moments_are_offered(api: APIClient) -> None:
    job = make_old_job()
    run = make_missed(job, NIGHTS[5], NIGHTS[3], 3)
    done = make_run(job, scheduled_time=NIGHTS[2])
    body = api.get(f"{JOB}/backfill?since={text(NIGHTS[5])}&until={text(NIGHTS[2])}").json()
    assert [(offer["moment"], offer["state"], offer["suggested"], offer["run"]) for offer in body["offers"]] == [
        (text(NIGHTS[5]), "missed", True, run.pk),
        (text(NIGHTS[4]), "missed", True, run.pk),
        (text(NIGHTS[3]), "missed", True, run.pk),
        (text(NIGHTS[2]), "succeeded", False, done.pk),
    ]
    assert (body["suggested"], body["since"], body["until"]) == (3, text(NIGHTS[5]), text(NIGHTS[2]))
    assert all(offer["sentence"] for offer in body["offers"])
    assert body["more"] is False
    limited = api.get(f"{JOB}/backfill?since={text(NIGHTS[5])}&until={text(NIGHTS[2])}&limit=1").json()
    assert limited["more"] is True
    newest = limited["offers"]
    assert [offer["moment"] for offer in newest] == [text(NIGHTS[2])]


def test_the_last_day_is_offered_where_nobody_says_since_when(api: APIClient) -> None:
    make_old_job()
    body = api.get(f"{JOB}/backfill").json()
    assert datetime.fromisoformat(body["until"]) - datetime.fromisoformat(body["since"]) == timedelta(days=1)
    assert len(body["offers"]) in (1, 2)


def test_chosen_moments_are_filled_in_once(api: APIClient) -> None:
    make_missed(make_old_job(), NIGHTS[5], NIGHTS[3], 3)
    moments = [text(NIGHTS[4]), NIGHTS[5].astimezone().isoformat()]
    answer = api.post(f"{JOB}/backfill", {"moments": moments})
    assert answer.status_code == 202, answer.content
    body = answer.json()
    assert (body["job_id"], body["queued"]) == ("nightly", 2)
    assert [(run["state"], run["cause"], run["requested_by"], run["scheduled_time"]) for run in body["runs"]] == [
        ("queued", "backfill", "root", text(night)) for night in (NIGHTS[5], NIGHTS[4])
    ]
    assert all(JobRun.objects.filter(pk=run["id"]).exists() for run in body["runs"])
    assert api.post(f"{JOB}/backfill/", {"moments": moments}).json()["runs"] == []
    assert JobRun.objects.filter(cause="backfill").count() == 2


@pytest.mark.parametrize(
    ("which", "filled"), [("all", NIGHTS[5:2:-1]), ("latest", [NIGHTS[3]]), ("none", []), ("selected", [NIGHTS[4]])]
)
def test_a_range_is_filled_in_by_which(api: APIClient, which: str, filled: list[datetime]) -> None:
    job = make_old_job()
    make_missed(job, NIGHTS[5], NIGHTS[3], 3)
    make_run(job, scheduled_time=NIGHTS[2])
    body: dict[str, object] = {"since": text(NIGHTS[5]), "until": text(NIGHTS[2]), "which": which}
    if which == "selected":
        body["moments"] = [text(NIGHTS[4])]
    answer = api.post(f"{JOB}/backfill", body)
    assert answer.status_code == 202, answer.content
    assert [run["scheduled_time"] for run in answer.json()["runs"]] == [text(night) for night in filled]


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({}, "moments", "since, until and which"),
        ({"moments": []}, "moments", "list"),
        ({"moments": "2027-01-01T00:00:00Z"}, "moments", "list"),
        ({"moments": ["2020-01-01T02:00:00+08:00", "soon"]}, "moments[1]", "soon"),
        ({"moments": [5]}, "moments[0]", "5"),
        ({"moments": ["2100-01-01T02:00:00+08:00"]}, "moments[0]", "future"),
        ({"moments": ["2020-01-01T02:00:00Z"] * 1001}, "moments", "1001"),
        ({"moments": [text(NIGHTS[0] + timedelta(hours=1))]}, "moments", "no moment of this schedule"),
        ({"moment": "2020-01-01T02:00:00Z"}, "moment", "moments"),
        ({"since": text(NIGHTS[5])}, "which", "latest"),
        ({"since": text(NIGHTS[5]), "which": "some"}, "which", "some"),
        ({"since": text(NIGHTS[5]), "which": ["all"]}, "which", "latest"),
        ({"which": "all"}, "since", "2027-01-01T02:00:00+08:00"),
        ({"since": "then", "which": "all"}, "since", "then"),
        ({"since": text(NIGHTS[5]), "until": "now", "which": "all"}, "until", "now"),
        ({"since": text(NIGHTS[3]), "until": text(NIGHTS[5]), "which": "all"}, "since", "before"),
        ({"since": text(NIGHTS[3]), "until": text(NIGHTS[3]), "which": "all"}, "since", "before"),
        ({"since": text(NIGHTS[5]), "which": "selected"}, "moments", "list"),
        ({"since": text(NIGHTS[5]), "which": "all", "moments": [text(NIGHTS[4])]}, "moments", "selected"),
        ({"since": text(NIGHTS[3]), "which": "selected", "moments": [text(NIGHTS[5])]}, "moments[0]", "since"),
    ],
)
def test_a_wrong_back_fill_is_refused_by_the_field(
    api: APIClient, body: dict[str, object], field: str, says: str
) -> None:
    make_old_job()
    assert_problem(api.post(f"{JOB}/backfill", body), 400, field=field, says=says)
    assert not JobRun.objects.exists()


def test_of_many_wrong_moments_some_are_named(api: APIClient) -> None:
    make_old_job()
    answer = api.post(f"{JOB}/backfill", {"moments": ["x"] * 1000})
    assert_problem(answer, 400, field="moments[19]")
    assert len(answer.json()["errors"]) == 20


def test_a_range_of_too_many_moments_is_refused(api: APIClient) -> None:
    job = make_job(trigger={"type": "cron", "cron": "* * * * *"})
    first = END - timedelta(minutes=1500)
    make_missed(job, first, END, 1501)
    body = {"since": text(first), "until": text(END), "which": "all"}
    assert_problem(api.post(f"{JOB}/backfill", body), 400, field="since", says="1501")
    assert api.post(f"{JOB}/backfill", body | {"which": "latest"}).json()["queued"] == 1
    assert not JobRun.objects.filter(cause="backfill", scheduled_time__lt=END).exists()


def test_offers_and_back_fills_cost_the_same_for_many(api: APIClient) -> None:
    make_missed(make_job(trigger={"type": "cron", "cron": "* * * * *"}), LONG_AGO, END, 900)
    costs: dict[str, list[int]] = {"offers": [], "back-fill": []}
    for since, offered in ((END - timedelta(minutes=1), 2), (LONG_AGO, 900)):
        with CaptureQueriesContext(connection) as queries:
            assert len(api.get(f"{JOB}/backfill?since={text(since)}&until={text(END)}").json()["offers"]) == offered
        costs["offers"].append(len(queries))
    for since, filled in ((END - timedelta(minutes=1), 2), (LONG_AGO, 898)):
        with CaptureQueriesContext(connection) as queries:
            answer = api.post(f"{JOB}/backfill", {"since": text(since), "until": text(END), "which": "all"})
        assert answer.json()["queued"] == filled
        # SQLite takes few parameters at once: its inserts go in batches.
        inserts = [query for query in queries if query["sql"].startswith("INSERT")]
        assert len(inserts) <= 1 + filled // 20
        costs["back-fill"].append(len(queries) - len(inserts))
    for few, many in costs.values():
        assert few == many <= 24


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=now", "since"),
        ("until=x", "until"),
        ("limit=1001", "limit"),
        ("limit=0", "limit"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
        ("which=all", "which"),
    ],
)
def test_wrong_questions_for_offers_are_refused(api: APIClient, query: str, field: str) -> None:
    make_job()
    assert_problem(api.get(f"{JOB}/backfill?{query}"), 400, field=field)


def test_a_one_off_has_nothing_to_fill_in(api: APIClient) -> None:
    definitions.create_one_off(job_id="nightly", handler="maintenance", job_data={"action": "check"})
    assert_problem(api.get(f"{JOB}/backfill"), 409, says="one-off")
    assert_problem(api.post(f"{JOB}/backfill", {"moments": [text(NIGHTS[0])]}), 409, says="one-off")


def test_a_schedule_whose_handler_is_gone_is_not_filled_in(api: APIClient) -> None:
    make_missed(make_old_job(), NIGHTS[5], NIGHTS[3], 3)
    ScheduledJob.objects.update(handler="gone")
    assert_problem(api.post(f"{JOB}/backfill", {"moments": [text(NIGHTS[4])]}), 409, says="gone")
    assert_problem(api.post(f"{JOB}/run"), 409, says="gone")
    assert not JobRun.objects.filter(cause="backfill").exists()


# --- all of them ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["timeline", "why", "why?moment=2020-01-01T00:00:00Z", "backfill"])
def test_what_never_was_is_not_found(api: APIClient, path: str) -> None:
    assert_problem(api.get(f"{JOB}/{path}"), 404, says="nightly")
    if path == "backfill":
        assert_problem(api.post(f"{JOB}/{path}", {"moments": [text(NIGHTS[0])]}), 404, says="nightly")


def test_a_viewer_reads_and_fills_in_nothing() -> None:
    make_missed(make_old_job(), NIGHTS[5], NIGHTS[3], 3)
    viewer = client_of("scheduling.view_jobrun", "scheduling.view_scheduledjob")
    for path in ("timeline", "why", "backfill"):
        assert viewer.get(f"{JOB}/{path}").status_code == 200
        assert_problem(APIClient().get(f"{JOB}/{path}"), 401)
    body = {"moments": [text(NIGHTS[4])]}
    assert_problem(viewer.post(f"{JOB}/backfill", body), 403)
    assert_problem(APIClient().post(f"{JOB}/backfill", body), 401)
    assert not JobRun.objects.filter(cause="backfill").exists()


def test_a_spoilt_schedule_still_tells_its_account(api: APIClient) -> None:
    make_missed(make_old_job(), NIGHTS[5], NIGHTS[3], 3)
    broken = {"type": "cron", "cron": "gone", "timezone": "Mars/Base"}
    ScheduledJob.objects.update(trigger=broken, problem="trigger.timezone: no such zone", problem_at=timezone.now())
    DefinitionVersion.objects.update(document={"trigger": broken})
    assert api.get(f"{JOB}/timeline").json()["past"][0]["count"] == 3
    assert api.get(f"{JOB}/why?moment={text(NIGHTS[1])}").json()["verdict"] == "quarantined"
    assert api.get(f"{JOB}/why").status_code == 200
    assert api.get(f"{JOB}/backfill?since={text(NIGHTS[6])}").status_code == 200
