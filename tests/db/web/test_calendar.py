"""The calendar: what it shows, to whom, and that it is bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from crawler.models import Spider
from scheduling import definitions
from scheduling.models import ScheduledJob

from .forms import FORM
from .making import make_job, make_run, make_spider, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
CALENDAR = "/admin/scheduling/scheduledjob/calendar/"
PREVIEW = "/admin/scheduling/scheduledjob/preview/"
HOSTILE = "<script>alert(1)</script>"
MOST_QUERIES = 10


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


def crawl(job_id: str, spider: str, cron: str = "0 2 * * *", **changes: object) -> ScheduledJob:
    trigger = {"type": "cron", "cron": cron, "timezone": "Asia/Shanghai"}
    data = {"type": "spider", "target": spider}
    return make_job(job_id, name=job_id, handler="crawl", job_data=data, trigger=trigger, **changes)


def text_of(web: Client, query: str = "", status: int = 200) -> str:
    answer = web.get(CALENDAR + query)
    assert answer.status_code == status
    return answer.content.decode()


def next_week() -> str:
    year, week, _day = (timezone.localtime() + timedelta(days=7)).isocalendar()
    return f"?week={year}-W{week:02}"


def test_a_week_shows_blocks_a_crowd_what_it_means_and_a_free_moment(web: Client) -> None:
    for name in ("books", "recipes"):
        make_spider(name, start_urls=[f"https://shop.example/{name}"])
        crawl(name, name)
    crawl("often", "books", "*/5 * * * *")

    text = text_of(web, next_week())

    assert text.count('class="ev is-bad"') == 7
    assert "2 at 02:00" in text
    assert "2 crawls share the 5 connections to this host for about 15 min: each gets about 2.5 of them." in text
    assert "shop.example" in text
    assert "is free for “books”." in text
    assert "2,016×" in text


@pytest.mark.parametrize(
    ("cron", "seconds", "overlap", "says"),
    [
        ("* * * * *", 136, "skip", "a run takes about 2 min. What is due meanwhile is skipped."),
        ("* * * * *", 136, "wait", "a run takes about 2 min. Ever more of its runs wait."),
        ("0 2 * * *", 90_000, "skip", "a run takes about 1 day 1 h. What is due meanwhile is skipped."),
        ("* * * * *", 20, "skip", ""),
    ],
    ids=["often", "often, and waits", "once a day", "in time"],
)
def test_a_schedule_that_is_due_before_its_run_is_over_is_in_its_own_way(
    web: Client, cron: str, seconds: float, overlap: str, says: str
) -> None:
    trigger = {"type": "cron", "cron": cron}
    job = make_job("slow", trigger=trigger, policies={"overlap": overlap})
    make_run(job, execution_time=seconds)
    text = text_of(web, next_week())
    assert ("It is still running when it is due again" in text) is bool(says)
    assert says in text
    assert ("Nobody gets into anybody’s way." in text) is not bool(says)


@pytest.mark.parametrize("query", ["", "?month=2026-12", "?week=2026-W01", "?month=2026-01&by=minutes"])
def test_each_page_takes_ten_queries_at_most(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries, query: str
) -> None:
    user = make_user("vi", "scheduling.view_scheduledjob", "scheduling.view_jobrun", "crawler.view_spider")
    for number in range(20):
        make_spider(f"s{number}")
        make_run(crawl(f"job-{number}", f"s{number}", f"{number} * * * *"))
    client.force_login(user)
    with django_assert_max_num_queries(MOST_QUERIES):
        assert client.get(CALENDAR + query).status_code == 200


def test_who_may_not_see_schedules_sees_no_calendar_and_no_link_to_it(client: Client) -> None:
    client.force_login(make_user("ru", "scheduling.view_jobrun"))
    assert client.get(CALENDAR).status_code == 403
    assert CALENDAR not in client.get("/admin/").content.decode()
    client.logout()
    assert client.get(CALENDAR).status_code == 302


def test_hosts_and_runs_are_told_to_those_alone_who_may_see_them(client: Client) -> None:
    for name in ("books", "recipes"):
        make_spider(name)
        job = crawl(name, name)
    run = make_run(job, state="failed", scheduled_time=timezone.now() - timedelta(minutes=1))
    client.force_login(make_user("vi", "scheduling.view_scheduledjob"))
    text = text_of(client)
    assert "shop.example" not in text
    assert f"/jobrun/{run.pk}/" not in text
    client.force_login(make_user("vo", "scheduling.view_scheduledjob", "scheduling.view_jobrun", "crawler.view_spider"))
    text = text_of(client)
    assert "shop.example" in text
    assert f"/jobrun/{run.pk}/" in text


def test_a_document_that_a_hand_spoilt_hides_no_other(web: Client) -> None:
    for name in ("books", "recipes", "films"):
        make_spider(name)
        crawl(name, name)
    for broken in (["http://[x/", "https://shop.example/"], "http://[x/", [None, {"url": 5}]):
        Spider.objects.filter(name="films").update(definition={"start_urls": broken, "manners": []})
        assert "shop.example" in text_of(web, next_week())


def test_the_past_is_what_ran_with_its_state_in_words(web: Client) -> None:
    job = make_job("nightly")
    at = datetime(2026, 1, 7, 3, tzinfo=UTC)
    for number, state in enumerate(("succeeded", "failed", "missed")):
        due = at + timedelta(hours=4 * number)
        make_run(job, state=state, scheduled_time=due, started_at=due, finished_at=due + timedelta(minutes=90))

    text = text_of(web, "?week=2026-W02")

    assert text.count('class="ev is-') == 3
    assert "11:00 · Succeeded · 1 h 30 min" in text
    assert "Failed · 1 h 30 min" in text
    assert "Missed" in text
    assert "These days are over" in text


@pytest.mark.parametrize("query", ["?month=2026-01", "?week=2026-W05"])
def test_a_run_that_waited_beyond_the_days_that_are_shown_stands_where_it_was_due(web: Client, query: str) -> None:
    due = datetime(2026, 1, 31, 15, 30, tzinfo=UTC)  # half an hour before the end of the month in Asia/Shanghai
    due += timedelta(days=1) if "week" in query else timedelta()
    began = due + timedelta(hours=1)
    make_run(make_job("late"), state="succeeded", scheduled_time=due, started_at=began, finished_at=began)

    assert "23:30" in text_of(web, query)


def test_what_is_paused_is_dashed_and_what_is_off_is_named(web: Client) -> None:
    make_job("held", name="Held one")
    make_job("off", name="Off one", enabled=False)
    definitions.pause_job("held", by="ada", note="")

    text = text_of(web, next_week())

    assert text.count("is-mute dashed") == 7
    assert "Off one" in text
    assert "Nobody gets into anybody’s way." in text


@pytest.mark.parametrize(
    ("zone", "query", "says"),
    [
        (
            "Europe/Berlin",
            "?week=2027-W12",
            "the clock of Europe/Berlin goes forward from 02:00 to 03:00, so that the day has 23 hours",
        ),
        (
            "Europe/Berlin",
            "?week=2027-W43",
            "the clock of Europe/Berlin goes back from 03:00 to 02:00, so that the day has 25 hours",
        ),
        ("Australia/Lord_Howe", "?month=2027-04", "goes back from 02:00 to 01:30, so that the day has 24.5 hours"),
    ],
    ids=["forward", "back", "half an hour"],
)
def test_a_change_of_the_clock_is_told_with_what_it_does(
    web: Client, settings: Settings, zone: str, query: str, says: str
) -> None:
    settings.SCHEDULER_TIMEZONE = settings.TIME_ZONE = zone
    line = "15 1 * * *" if "Lord" in zone else "30 2 * * *"
    make_job("nightly", name="Nightly", trigger={"type": "cron", "cron": line, "timezone": zone})
    make_job("hourly", name="Daily walk", trigger={"type": "interval", "hours": 24})

    text = text_of(web, query)

    assert says in text
    if "W12" in query:
        assert "02:30 runs at 03:00" in text
        assert "The clock leaves out 02:00 to 03:00." in text
    if "W43" in query:
        assert "02:30 runs once, the first time" in text
        assert "02:30 +02:00" in text


def test_a_month_names_the_first_of_each_day_and_leads_to_its_week(web: Client) -> None:
    for number in range(6):
        make_job(f"job-{number}", name=f"Job {number}", trigger={"type": "cron", "cron": f"{number} {number} * * *"})

    text = text_of(web, "?month=2037-02")

    assert text.count('class="ll-day"') == 28
    assert text.count("+ 3 more") == 28
    assert f"{CALENDAR}?week=2037-W05" in text
    assert "Firings by day and hour" in text
    assert "Worker minutes by day and hour" in text_of(web, "?month=2037-02&amp;by=minutes".replace("&amp;", "&"))


def test_a_day_of_very_many_is_drawn_hour_by_hour_and_leads_to_its_list(web: Client) -> None:
    for number in range(12):
        make_job(f"job-{number}", name=f"Job {number}", trigger={"type": "cron", "cron": f"{5 * number} 8-13 * * 1"})

    text = text_of(web, next_week())

    assert text.count('class="ev is-') == 6
    assert "08:00 · 12×" in text
    assert text.count('href="#day-1"') == 6
    assert '<h3 id="day-1">' in text


@pytest.mark.parametrize("query", ["?week=2026-W60", "?week=<script>", "?month=2026-13", "?month=%0A", "?week="])
def test_what_is_no_week_or_month_is_named_with_a_remedy(web: Client, query: str) -> None:
    text = text_of(web, query, status=400)
    assert "write one like" in text
    assert "<script>" not in text.replace("<script src", "")


def test_names_stay_text(web: Client) -> None:
    make_job("hostile", name=HOSTILE)
    make_job("hostile-2", name=HOSTILE, trigger={"type": "cron", "cron": "*/2 * * * *"})
    for query in (next_week(), "?month=2037-02"):
        text = text_of(web, query)
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text


def test_a_spoilt_rule_is_named_and_breaks_nothing(web: Client) -> None:
    job = make_job("spoilt", name="Spoilt")
    ScheduledJob.objects.filter(pk=job.pk).update(trigger={"type": "crom"}, job_data=[])
    assert "its rule cannot be read" in text_of(web)


def test_a_calendar_is_only_looked_at(web: Client) -> None:
    assert web.post(CALENDAR).status_code == 405


# --- beside the form --------------------------------------------------------------------------------------------------
def test_the_form_says_who_starts_then_and_takes_a_free_moment(web: Client) -> None:
    make_job("first", name="First")
    make_job("second", name="Second")
    fields = FORM | {"job_id": "third", "kind": "daily", "at": "02:00"}

    text = web.post(PREVIEW, fields).content.decode()

    assert "2 others start at 02:00: First, Second." in text
    assert 'name="_take" value="02:10" data-line="10 2 * * *"' in text
    taken = web.post("/admin/scheduling/scheduledjob/add/", fields | {"_take": "02:10"})
    assert taken.context["adminform"].form["at"].value() == "02:10"
    assert not ScheduledJob.objects.filter(job_id="third").exists()


def test_the_form_says_that_nobody_is_in_the_way(web: Client) -> None:
    job = make_job("first", name="First")
    text = web.post(f"/admin/scheduling/scheduledjob/{job.pk}/preview/", FORM | {"kind": "daily", "at": "02:00"})
    assert "Nobody is in the way in the next seven days." in text.content.decode()


@pytest.mark.parametrize("query", ["", "?month=2037-02", "?week=nothing"])
def test_it_is_told_in_both_languages_with_every_placeholder_filled(web: Client, query: str) -> None:
    for name in ("books", "recipes"):
        make_spider(name)
        crawl(name, name)
    for language in ("en", "zh-hans"):
        text = web.get(CALENDAR + query, headers={"Accept-Language": language}).content.decode()
        assert f'lang="{language}"' in text
        assert "%(" not in text


# --- the day that is looked at ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "other", "after"),
    [
        ("?week=2036-W40", "?month=2036-10", "?week=2036-W41&day=2036-10-09"),
        ("?week=2036-W40&day=2036-09-29", "?month=2036-09", "?week=2036-W41&day=2036-10-06"),
        ("?week=2036-W40&day=2036-10-05", "?month=2036-10", "?week=2036-W41&day=2036-10-12"),
        ("?week=2036-W40&day=2031-01-01", "?month=2036-10", "?week=2036-W41&day=2036-10-09"),
        ("?week=2036-W40&day=soon", "?month=2036-10", "?week=2036-W41&day=2036-10-09"),
        ("?month=2036-09", "?week=2036-W36&day=2036-09-01", "?month=2036-10"),
    ],
    ids=["Thursday", "Monday of the month before", "Sunday", "elsewhere", "no day", "month"],
)
def test_from_a_week_to_its_month_and_back_goes_by_the_day_that_is_looked_at(
    web: Client, query: str, other: str, after: str
) -> None:
    context = web.get(CALENDAR + query).context
    assert (context["other_url"], context["after_url"]) == (CALENDAR + other, CALENDAR + after)


def test_this_week_leads_to_the_month_of_today(web: Client) -> None:
    today = timezone.localtime().date()
    assert web.get(CALENDAR).context["other_url"] == f"{CALENDAR}?month={today:%Y-%m}"


def test_busiest_is_the_fullest_hour_of_the_map_and_what_is_not_known_is_no_fact(web: Client) -> None:
    make_spider()
    long = crawl("long", "books", "0 1 * * *")
    at = timezone.now() - timedelta(days=2)
    make_run(long, scheduled_time=at, started_at=at, finished_at=at + timedelta(minutes=55), execution_time=3_300.0)
    for name in ("a", "b", "c"):
        crawl(name, "books", "30 5 * * *")
    week = web.get(CALENDAR + next_week()).context
    assert "05:00: 3 firings, about 45 worker minutes, probably at most 3 at once." in week["told"]
    assert "3 schedules have not succeeded yet: 15 min are taken for each of their runs." in week["told"]
    by_firings = web.get(f"{CALENDAR}?month=2037-02&by=firings").context["told"]
    by_minutes = web.get(f"{CALENDAR}?month=2037-02&by=minutes").context["told"]
    assert "05:00: 3 firings" in by_firings
    assert "01:00: 1 firing, about 55 worker minutes" in by_minutes
