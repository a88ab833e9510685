"""A schedule's time line, “why did it not run?”, and filling in what did not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from scheduling import definitions
from scheduling.account.words import local
from scheduling.models import DefinitionVersion, JobRun, ScheduledJob
from tests.db.processes import make_process

from .answers import messages_of
from .making import make_job, make_run

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
LIST = "/admin/scheduling/scheduledjob/"
HOSTILE = "<script>alert(1)</script>"
DAY = timedelta(days=1)


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


@pytest.fixture
def job() -> ScheduledJob:
    """Every day at noon, for 30 days."""
    job = make_job(trigger={"type": "cron", "cron": "0 12 * * *", "timezone": "UTC"})
    long_ago = timezone.now() - 30 * DAY
    ScheduledJob.objects.filter(pk=job.pk).update(created_at=long_ago, anchor_at=long_ago)
    DefinitionVersion.objects.update(at=long_ago)
    return ScheduledJob.objects.get(pk=job.pk)


def noon(days_ago: int) -> datetime:
    day = timezone.now().astimezone(UTC) - days_ago * DAY
    return day.replace(hour=12, minute=0, second=0, microsecond=0)


def make_gap(job: ScheduledJob, *, first: int = 6, last: int = 4) -> JobRun:
    return make_run(
        job, state="missed", reason="late", scheduled_time=noon(first), missed_until=noon(last),
        missed_count=first - last + 1, started_at=None, finished_at=noon(last) + timedelta(minutes=5),
        execution_time=None, definition_version=1,
    )  # fmt: skip


def of(job: ScheduledJob, page: str, query: str = "") -> str:
    return f"{LIST}{job.pk}/{page}/{query}"


def text_of(web: Client, path: str) -> str:
    answer = web.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def ticked(page: str) -> list[str]:
    """The moments of the check boxes that are ticked."""
    boxes = re.findall(r'<input type="checkbox" name="moments" value="([^"]+)" id="m\d+"([^>]*)>', page)
    return [value for value, rest in boxes if "checked" in rest]


# --- the time line ----------------------------------------------------------------------------------------------------
def test_the_past_is_told_with_its_reasons(web: Client, job: ScheduledJob) -> None:
    make_gap(job)
    way = make_run(job, scheduled_time=noon(3), definition_version=1)
    make_run(job, state="skipped", reason="overlap", in_way=way.pk, scheduled_time=noon(2), execution_time=None)
    make_run(job, state="failed", scheduled_time=noon(1), error_type="Boom", message=HOSTILE)
    make_run(job, cause="manual", requested_by=HOSTILE)
    page = text_of(web, of(job, "timeline"))
    assert "3 moments" in page
    assert f"#{way.pk} was in the way" in page
    assert f"/admin/scheduling/jobrun/{way.pk}/change/" in page
    assert "run now" in page
    assert "version 1" in page
    assert HOSTILE not in page


def test_what_comes_next_names_what_holds_it(web: Client, job: ScheduledJob) -> None:
    assert text_of(web, of(job, "timeline")).count('<li class="now">') == 1
    definitions.pause_all("ada")
    page = text_of(web, of(job, "timeline"))
    assert '<li class="now">' not in page


def test_the_past_is_paged(
    web: Client, job: ScheduledJob, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    first = make_run(job, scheduled_time=noon(20) - 100 * DAY)
    for number in range(60):
        make_run(job, scheduled_time=noon(20) - timedelta(hours=number))
    with django_assert_max_num_queries(16):
        page = text_of(web, of(job, "timeline"))
    assert page.count("<tr>") == 51
    [older] = re.findall(r'href="(\?before=\d+)"', page)
    page = text_of(web, of(job, "timeline", older))
    assert page.count("<tr>") == 12
    assert f"/jobrun/{first.pk}/change/" in page
    assert 'href="?before' not in page
    assert web.get(of(job, "timeline", "?before=x")).status_code == 200
    for digits in (30, 5_000):
        assert web.get(of(job, "timeline", "?before=" + "9" * digits)).status_code == 200


def test_lists_of_runs_say_what_the_time_line_says(web: Client, job: ScheduledJob) -> None:
    """Of what nobody was there for: not that a scheduler came late."""
    make_gap(job)
    ended = noon(9)
    make_process(max_workers=4, state="stopped", started_at=noon(20), beat_at=ended)  # fmt: skip
    said = f"no scheduler was alive from {local(ended + timedelta(seconds=3))} to"
    for path in (of(job, "timeline"), "/admin/scheduling/jobrun/"):
        assert said in text_of(web, path), path


def test_lists_of_runs_tell_who_paused_and_why(web: Client, job: ScheduledJob) -> None:
    definitions.pause_job(job.job_id, by="ann", note=HOSTILE)
    ScheduledJob.objects.update(paused_at=noon(3))
    definitions.resume_job(job.job_id)
    page = text_of(web, "/admin/scheduling/jobrun/")
    assert f"paused from {local(noon(3))} to" in page
    assert "by ann" in page
    assert HOSTILE not in page


def test_lists_of_runs_say_what_is_wrong_with_a_definition(web: Client, job: ScheduledJob) -> None:
    make_run(job, state="failed", reason="broken", error_type="InvalidTrigger", error=f"No hour 99 {HOSTILE}")
    for path in (of(job, "timeline"), "/admin/scheduling/jobrun/"):
        page = text_of(web, path)
        assert "could not be carried out (InvalidTrigger: No hour 99" in page, path
        assert HOSTILE not in page, path


def test_the_next_moment_is_told_to_the_second(web: Client) -> None:
    job = make_job(trigger={"type": "interval", "seconds": 40})
    assert re.search(r"in (3\d|40) s\b", text_of(web, of(job, "timeline")))


# --- why did it not run? ----------------------------------------------------------------------------------------------
def test_a_missed_moment_is_explained_and_offered_to_be_filled_in(web: Client, job: ScheduledJob) -> None:
    run = make_gap(job)
    page = text_of(web, of(job, "timeline", "?at=" + quote(noon(5).isoformat())))
    assert "Back-fill this moment" in page
    assert f"/jobrun/{run.pk}/change/" in page
    [moment] = re.findall(r'name="moments" value="([^"]+)"', page)
    data = dict(re.findall(r'<input type="hidden" name="(which|from|until|moments)" value="([^"]+)"', page))
    answer = web.post(of(job, "backfill"), data)
    assert answer.headers["Location"] == of(job, "timeline")
    filled = JobRun.objects.get(cause="backfill")
    assert (filled.scheduled_time, filled.requested_by, filled.state) == (noon(5), "root", "queued")
    assert datetime.fromisoformat(moment) == noon(5)


def test_a_moment_to_come_is_not_offered_to_be_filled_in(web: Client, job: ScheduledJob) -> None:
    definitions.pause_job(job.job_id, by="ada")
    page = text_of(web, of(job, "timeline", "?at=" + quote(noon(-2).isoformat())))
    assert "The schedule is paused since" in page
    assert "Back-fill this moment" not in page


def test_a_moment_that_was_none_leads_to_the_nearest_ones(web: Client, job: ScheduledJob) -> None:
    page = text_of(web, of(job, "timeline", "?at=" + quote((noon(5) + timedelta(hours=1)).isoformat())))
    assert quote(noon(5).isoformat(), safe="") in page
    assert quote(noon(4).isoformat(), safe="") in page
    assert "Back-fill this moment" not in page


def test_a_time_without_offset_is_the_schedulers(web: Client, job: ScheduledJob) -> None:
    run = make_run(job, scheduled_time=noon(5))
    local = timezone.localtime(noon(5)).replace(tzinfo=None).isoformat("T", "minutes")
    page = text_of(web, of(job, "timeline", f"?at={local}"))
    assert f"Run #{run.pk}" in page
    assert "Back-fill this moment" not in page


@pytest.mark.parametrize("asked", ["soon", HOSTILE, "9999-99-99", "0001-01-01T00:00"])
def test_what_is_no_time_is_said_at_the_field(web: Client, job: ScheduledJob, asked: str) -> None:
    page = text_of(web, of(job, "timeline", f"?at={quote(asked)}"))
    assert 'aria-invalid="true"' in page
    assert HOSTILE not in page


def test_the_page_of_a_run_says_why_first_and_what_to_do(web: Client, job: ScheduledJob) -> None:
    gap = make_gap(job)
    waiting = make_run(job, state="queued", cause="manual")
    page = text_of(web, f"/admin/scheduling/jobrun/{gap.pk}/change/")
    assert "It did not run: no scheduler" in page
    assert "Raise “Late by more than (seconds)” (now" in page
    page = text_of(web, f"/admin/scheduling/jobrun/{waiting.pk}/change/")
    assert page.index("no scheduler is alive.") < page.index("Start a scheduler")


# --- back-fill --------------------------------------------------------------------------------------------------------
def test_the_last_gap_is_offered_and_ticked(web: Client, job: ScheduledJob) -> None:
    make_gap(job)
    page = text_of(web, of(job, "backfill"))
    assert "Moments in this range: 3. Of these did not run: 3." in page
    assert "None: leave them as they are" in page
    assert 'value="latest"' in page
    assert [datetime.fromisoformat(moment) for moment in ticked(page)] == [noon(4), noon(5), noon(6)]


def test_a_range_shows_what_stands_at_its_moments(web: Client, job: ScheduledJob) -> None:
    make_gap(job)
    make_run(job, scheduled_time=noon(3))
    definitions.backfill(job.job_id, [noon(6)], by="ada")
    query = f"?from={quote(noon(6).isoformat())}&until={quote(noon(3).isoformat())}"
    page = text_of(web, of(job, "backfill", query))
    assert [datetime.fromisoformat(moment) for moment in ticked(page)] == [noon(4), noon(5)]
    assert "Back-filled" in page
    assert "Succeeded" in page
    assert page.count(" disabled>") == 1


def test_where_nothing_is_lacking_no_choice_speaks_of_what_did_not_run(web: Client, job: ScheduledJob) -> None:
    make_run(job, scheduled_time=noon(3))
    query = f"?from={quote((noon(3) - timedelta(hours=1)).isoformat())}&until={quote(noon(3).isoformat())}"
    page = text_of(web, of(job, "backfill", query))
    assert 'value="selected"' in page
    assert 'value="latest"' not in page


@pytest.mark.parametrize(
    ("which", "expected"),
    [("none", []), ("latest", [4]), ("all", [6, 5, 4]), ("selected", [5])],
)
def test_the_chosen_moments_are_queued(web: Client, job: ScheduledJob, which: str, expected: list[int]) -> None:
    make_gap(job)
    data = {"from": noon(6).isoformat(), "until": noon(4).isoformat(), "which": which, "moments": noon(5).isoformat()}
    answer = web.post(of(job, "backfill"), data)
    runs = JobRun.objects.filter(cause="backfill").order_by("scheduled_time")
    assert [run.scheduled_time for run in runs] == [noon(days) for days in expected]
    [message] = messages_of(answer)
    assert ("is queued" in message or "are queued" in message) == bool(expected)
    if expected:
        link = f"/admin/scheduling/jobrun/?job={job.job_id}&amp;cause__exact=backfill"
        assert link in message
        assert len(web.get(link.replace("&amp;", "&")).context["cl"].result_list) == len(expected)


@pytest.mark.parametrize(
    "data",
    [
        {"which": "selected", "moments": "soon"},
        {"which": "selected", "moments": "2037-01-01T00:00:00Z"},
        {"which": "selected", "moments": "2026-01-01T00:00:01Z"},
        {"which": "everything"},
        {"which": "all", "from": "x"},
        {},
    ],
)
def test_what_cannot_be_filled_in_is_refused_with_a_sentence(
    web: Client, job: ScheduledJob, data: dict[str, str]
) -> None:
    answer = web.post(of(job, "backfill"), {"from": noon(2).isoformat(), "until": noon(1).isoformat()} | data)
    assert answer.status_code == 302
    assert "/backfill/" in answer.headers["Location"]
    assert len(messages_of(answer)) == 1
    assert not JobRun.objects.exists()


def test_many_moments_are_bounded_and_the_page_says_so(
    web: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = make_job(trigger={"type": "interval", "seconds": 10})
    long_ago = timezone.now() - DAY
    ScheduledJob.objects.filter(pk=job.pk).update(created_at=long_ago, anchor_at=long_ago)
    DefinitionVersion.objects.update(at=long_ago)
    with django_assert_max_num_queries(20):
        page = text_of(web, of(job, "backfill"))
    assert page.count('name="moments"') == 1_000
    assert "More than 1000 moments lie in this range" in page
    span = {"from": long_ago.isoformat(), "until": timezone.now().isoformat(), "which": "all"}
    assert "at most 1000" in messages_of(web.post(of(job, "backfill"), span))[0]
    assert not JobRun.objects.exists()
    answer = web.post(of(job, "backfill"), span | {"which": "selected", "moments": ticked(page)})
    assert f"{len(ticked(page))} runs are queued" in messages_of(answer)[-1]
    assert JobRun.objects.filter(cause="backfill").count() >= 990


@pytest.mark.parametrize(
    "query",
    [
        "?from=soon",
        "?from=2026-02-01T00:00&until=2026-01-01T00:00",
        f"?from={quote(HOSTILE)}",
        "?until=2026-01-01T00:00",
    ],
)
def test_a_range_that_is_none_is_told(web: Client, job: ScheduledJob, query: str) -> None:
    page = text_of(web, of(job, "backfill", query))
    assert HOSTILE not in page
    assert 'name="moments"' not in page
