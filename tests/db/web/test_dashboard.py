"""The dashboard: whether all is well, what needs somebody, and figures that are a plain count's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from crawler.items import hours
from crawler.models import CrawlTask, Spider, TaskFailure
from crawlproject.dashboard import live
from crawlproject.dashboard.numbers import DAYS, numbers
from crawlproject.dashboard.pulse import pulse
from crawlproject.dashboard.verdict import VerdictShown
from scheduling import definitions
from scheduling.hours import HOUR, fill, hour_of
from scheduling.models import JobRun, Process, RunHour, ScheduledJob
from tests.db.processes import make_process

from .making import make_job, make_run, make_spider, make_task, make_user

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"
NOW_PATH, LAMP_PATH, FIGURES_PATH = (f"/admin/live/{part}/" for part in ("now", "lamp", "figures"))


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


@pytest.fixture
def scheduler(db: None) -> Process:
    gauges = {"places_used": 3, "rss_bytes": 214_000_000, "database_bytes": 1_400_000_000}
    return make_process(host="atlas/boot/ns", pid=4411, beat_at=Now(), max_workers=4, gauges=gauges)


def text_of(client: Client, path: str = "/admin/") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def verdict(client: Client) -> VerdictShown:
    found: VerdictShown = client.get("/admin/").context["verdict"]
    return found


def make_rounds(job: ScheduledJob, states: str, **fields: object) -> list[JobRun]:
    words = {"s": "succeeded", "f": "failed", "m": "missed", "k": "skipped", "c": "cancelled"}
    return [make_run(job, state=words[letter], **fields) for letter in states]


# --- the verdict ------------------------------------------------------------------------------------------------------


def test_without_a_scheduler_its_command_comes_first_of_all(web: Client) -> None:
    make_rounds(make_job(), "f")
    told = verdict(web)
    assert (told.title, told.command, told.tone) == ("No scheduler is alive", "manage.py runscheduler", "bad")
    assert [need.name for need in told.needs] == ["Every night"]
    assert "is-out" in web.get("/admin/").content.decode()


def test_a_scheduler_that_beats_no_more_is_dead(web: Client, scheduler: Process) -> None:
    Process.objects.update(beat_at=Now() - timedelta(seconds=16))
    assert verdict(web).title == "No scheduler is alive"


def test_first_run(web: Client, scheduler: Process, settings: Settings) -> None:
    page = text_of(web)
    assert "No spider yet" in page
    assert "New spider" in page
    assert "make demo" in page
    assert "Load the demo" not in page


def test_the_demo_is_loaded_where_it_can_be_crawled(web: Client, scheduler: Process, settings: Settings) -> None:
    assert web.post("/admin/demo/").status_code == 302
    assert not Spider.objects.exists()
    settings.CRAWLER_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    assert "Load the demo" in text_of(web)

    assert web.get("/admin/demo/").status_code == 405
    assert "The demo is loaded" in re.sub(r"<[^>]+>", "", web.post("/admin/demo/", follow=True).content.decode())

    assert Spider.objects.get().name == "demo-shop"
    assert ScheduledJob.objects.get().job_id == "demo-shop-rounds"


def test_who_may_not_write_spiders_loads_no_demo(client: Client, settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    client.force_login(make_user("ada", "scheduling.view_jobrun", "scheduling.view_scheduledjob"))
    assert client.post("/admin/demo/").status_code == 403
    assert "Load the demo" not in text_of(client)
    assert not Spider.objects.exists()


def test_all_well(web: Client, scheduler: Process) -> None:
    make_spider()
    make_rounds(make_job(), "fss", finished_at=timezone.now() - timedelta(hours=30))
    make_rounds(make_job("other"), "s", finished_at=timezone.now())
    told = verdict(web)
    assert (told.title, told.tone, told.needs) == ("All lamps are lit", "ok", ())
    assert told.text.startswith("2 schedules; runs in the last 24 hours: 1 succeeded, none failed")


def test_what_is_paused_is_told_whether_or_not_somebody_is_needed(web: Client, scheduler: Process) -> None:
    spider = make_spider()
    for job_id in ("nightly", "weekly"):
        make_job(job_id)
    definitions.pause_job("nightly", by="ada", note="until Monday")
    assert verdict(web).text.endswith("none missed. 1 schedule is paused.")
    make_task(spider, status="failed")
    definitions.pause_job("weekly")
    assert verdict(web).text.endswith("2 schedules are paused.")


def test_schedules_that_fail_are_told_with_since_when_and_why(web: Client, scheduler: Process) -> None:
    make_spider()
    well = make_job("well")
    job = make_job("board", name=HOSTILE)
    *_before, first, _second, last = make_rounds(job, "sfff", message="No answer\nTraceback")
    assert verdict(web).text == "", "the other one has not run yet"
    make_rounds(well, "s")
    told = verdict(web)
    assert told.title == "1 of 2 schedules needs you"
    assert told.text == "The other one made its rounds."
    [need] = told.needs
    assert need.what.startswith("failed 3 times in a row, since ")
    assert need.what.endswith(timezone.localtime(first.scheduled_time).strftime("%H:%M"))
    assert (need.why, need.url) == ("No answer", f"/admin/scheduling/jobrun/{last.pk}/change/")
    assert HOSTILE not in web.get("/admin/").content.decode()


@pytest.mark.parametrize("after", ["k", "mkc", ""])
def test_what_did_not_run_since_hides_no_failure(web: Client, scheduler: Process, after: str) -> None:
    """A run that always fails late is followed by firings that were skipped meanwhile."""
    make_spider()
    job = make_job("board")
    *_before, last = make_rounds(job, "sfkf", message="No answer")
    make_rounds(job, after, message="Another one is in the way")
    if not after:
        make_run(job, state="running", owner=scheduler, message="2 pages so far")
    [need] = verdict(web).needs
    assert need.what.startswith("failed 2 times in a row, since ")
    assert (need.why, need.url) == ("No answer", f"/admin/scheduling/jobrun/{last.pk}/change/")


@pytest.mark.parametrize("by", ["its schedule", "hand"])
def test_a_failed_crawl_is_told_until_one_of_its_spider_succeeds(web: Client, scheduler: Process, by: str) -> None:
    """Also while the spider is crawled again, and so long that all of the schedule's last firings were skipped."""
    spider = make_spider()
    job = make_job("board", handler="crawl", job_data={"type": "spider", "target": "books"})
    own = job if by == "its schedule" else None
    make_rounds(job, "s")
    make_task(spider, run=make_run(own, state="failed"), status="failed")
    assert [(need.state, need.is_schedule) for need in verdict(web).needs] == [("failed", True)]
    task = make_task(spider, run=make_run(own, state="running", owner=scheduler), status="running")
    make_rounds(job, 20 * "k")
    assert [(need.state, need.is_schedule) for need in verdict(web).needs] == [("failed", True)]
    CrawlTask.objects.filter(pk=task.pk).update(status="completed", items=10, pages=10)
    assert not verdict(web).needs


def test_a_crawl_by_hand_that_succeeds_mends_a_schedule_that_failed(web: Client, scheduler: Process) -> None:
    spider = make_spider()
    job = make_job("board", handler="crawl", job_data={"type": "spider", "target": "books"})
    [failed] = make_rounds(job, "f")
    make_task(spider, run=failed, status="failed")
    make_task(spider, run=make_run(None, state="succeeded"), pages=10, items=10)
    assert not verdict(web).needs


def test_a_run_without_a_message_failed_for_its_error(web: Client, scheduler: Process) -> None:
    make_rounds(make_job(), "sf", error_type="TimeoutError")
    assert verdict(web).needs[0].why == "TimeoutError"


def test_why_a_crawl_failed_is_its_cause_with_the_remedy(web: Client, scheduler: Process) -> None:
    spider = make_spider()
    job = make_job("board", handler="crawl", job_data={"type": "spider", "target": "books"})
    [run] = make_rounds(job, "f", message="Stopped")
    task = make_task(spider, status="failed", run=run, pages=0, reasons={"http_403": 12})
    [need] = verdict(web).needs
    assert (need.why, need.action) == ("The site blocks the crawler", "See the remedy")
    assert need.url == f"/admin/crawler/crawltask/{task.pk}/change/"


def test_a_crawl_that_found_far_less_is_incomplete_as_everywhere(web: Client, scheduler: Process) -> None:
    spider = make_spider()
    job = make_job("recipes", handler="crawl", job_data={"type": "spider", "target": "books"})
    make_rounds(job, "ss")
    make_task(spider, pages=100, items=1_204, spider_version=1)
    make_task(spider, pages=100, items=37, spider_version=1)
    [need] = verdict(web).needs
    assert (need.state, need.is_schedule) == ("lacking", True)
    assert need.what == "37 items, where the crawl before found 1,204."


def test_far_less_than_before_is_told_though_a_crawl_failed_in_between(web: Client, scheduler: Process) -> None:
    spider = make_spider()
    make_task(spider, pages=100, items=1_204)
    for _failure in range(3):
        make_task(spider, status="failed")
    assert verdict(web).needs[0].state == "failed"
    make_task(spider, pages=100, items=37)
    [need] = verdict(web).needs
    assert (need.state, need.what) == ("lacking", "37 items, where the crawl before found 1,204.")


def test_a_spider_without_a_schedule_counts_as_a_matter(web: Client, scheduler: Process) -> None:
    make_task(make_spider(), status="failed", message="Nothing answers")
    make_task(make_spider("off", enabled=False), status="failed")
    told = verdict(web)
    assert told.title == "1 matter needs you"
    assert [need.name for need in told.needs] == ["books"]


def test_few_broken_pages_need_nobody(web: Client, scheduler: Process) -> None:
    make_task(make_spider(), pages=52, pages_failed=1, items=48, reasons={"http_500": 1})
    assert verdict(web).title == "All lamps are lit"


def test_a_quarantined_schedule_is_told_with_its_problem(web: Client, scheduler: Process) -> None:
    make_spider()
    job = make_job()
    ScheduledJob.objects.filter(pk=job.pk).update(problem="No zone Mars", problem_at=timezone.now())
    [need] = verdict(web).needs
    assert (need.state, need.why) == ("problem", "No zone Mars")
    assert need.what.startswith("cannot be read since ")


def test_a_pause_of_everything_is_told_with_who_and_the_way_back(web: Client, scheduler: Process) -> None:
    make_spider()
    make_job()
    definitions.pause_all("mei", note="the disk is <b>changed")
    page = text_of(web)
    assert "Everything is paused: no schedule fires" in page
    assert "· mei" in page
    assert "the disk is &lt;b&gt;changed" in page
    assert "/resume-all/" in web.get("/admin/").content.decode()


# --- figures ----------------------------------------------------------------------------------------------------------


def test_sums_and_the_rest_are_a_plain_count_of_each_day(db: None) -> None:
    now = timezone.now()
    states: Sequence[str] = ("succeeded", "failed", "missed", "skipped", "cancelled")
    for number in range(120):
        state = states[number % 5]
        make_run(
            state=state,
            finished_at=now - timedelta(hours=3 * number),
            missed_count=number if state == "missed" else None,
        )
    make_run(state="running", owner=make_process(), slot=0)  # fmt: skip
    make_run(state="queued")

    bare = numbers(now)
    fill(now - timedelta(hours=30), seconds=60)
    partly = numbers(now)
    fill(now, seconds=60)
    wholly = numbers(now)

    zone = timezone.get_default_timezone()
    assert len(bare.runs) == DAYS
    for found in (bare, partly, wholly):
        for day in found.runs:
            ended = JobRun.objects.filter(finished_at__isnull=False)
            of_day = [run for run in ended if timezone.localtime(run.finished_at, zone).date() == day.day]
            assert {state: day.counts[state] for state in states} == {
                state: sum(run.state == state for run in of_day) for state in states
            }
        assert found.last_day.total() == JobRun.objects.filter(finished_at__gte=now - timedelta(days=1)).count()
        # One stands for two moments, the other for seven.
        assert (found.last_day["missed"], found.missed_in_day) == (2, 9)


def test_items_are_told_by_the_sums(web: Client, scheduler: Process) -> None:
    now = timezone.now()
    for name, changed in (("books", 5), ("films", 2), ("still", 0)):
        hours.add(make_spider(name).pk, now, added=10, changed=changed, gone=1)
    hours.add(Spider.objects.get(name="still").pk, now - timedelta(days=3), added=100, changed=7)
    figures = web.get("/admin/").context["figures"]
    assert (figures.items, figures.more, figures.fewer) == (127, 30, 3)
    assert (figures.changed, figures.changed_spiders) == (7, 2)
    page = text_of(web)
    assert "127 +30 −3 today" in page
    assert "7 in 2 spiders" in page


def test_the_rate_is_never_whole_while_a_run_has_failed(web: Client, scheduler: Process) -> None:
    now = timezone.now()
    RunHour.objects.create(
        start_at=hour_of(now) - 2 * HOUR, end_at=hour_of(now) - HOUR, counted_at=now, succeeded=29_999, failed=1
    )
    assert web.get("/admin/").context["figures"].rate == "99.9 %"
    assert "3 of 4 places busy" in text_of(web)


def test_processes_are_shown_with_memory_and_places(web: Client, scheduler: Process) -> None:
    page = text_of(web)
    assert "atlas scheduler · 4411" in page
    assert "3/4 busy" in page
    assert "1.3 GB" in page


def test_columns_lead_to_the_runs_of_their_day(web: Client, scheduler: Process) -> None:
    today = timezone.localdate(timezone=timezone.get_default_timezone())
    make_run(state="failed", job_name="of-today", finished_at=timezone.now())
    make_run(job_name="of-before", finished_at=timezone.now() - timedelta(days=4))
    page = web.get("/admin/").content.decode()
    for day, inside, outside in (
        (today, "of-today", "of-before"),
        (today - timedelta(days=4), "of-before", "of-today"),
    ):
        address = f"/admin/scheduling/jobrun/?ended={day.isoformat()}"
        assert f'href="{address}"' in page
        found = text_of(web, address)
        assert inside in found
        assert outside not in found


@pytest.mark.parametrize("value", ["x", "9999-12-31", "0001-01-01", "2026-02-30", "2026-11-24T00:00"])
def test_a_day_that_is_none_filters_nothing(web: Client, value: str) -> None:
    make_run(job_name="there")
    assert "there" in text_of(web, f"/admin/scheduling/jobrun/?ended={value}")


def test_columns_lead_to_the_changes_of_their_day(web: Client, scheduler: Process) -> None:
    today = timezone.localdate(timezone=timezone.get_default_timezone())
    address = f"/admin/crawler/item/changes/?day={today.isoformat()}"
    assert f'href="{address}"' in web.get("/admin/").content.decode()
    assert web.get(address).status_code == 200


def test_causes_of_the_day_are_added_up_with_an_example(web: Client, scheduler: Process) -> None:
    now = timezone.now()
    books, films = make_spider(), make_spider("films")
    make_task(books, finished_at=now, reasons={"http_403": 3, "robots_disallowed": 9})
    last = make_task(films, finished_at=now, reasons={"http_403": 5, "http_500": 1})
    make_task(films, finished_at=now - timedelta(hours=25), reasons={"http_500": 70})
    TaskFailure.objects.create(task=last, url=f"https://x.example/{HOSTILE}", reason="http_403", at=now)
    found = web.get("/admin/").context["causes"]
    assert [(cause.count, cause.spider) for cause in found] == [("8 pages", "films"), ("1 page", "films")]
    assert found[0].url == f"/admin/crawler/crawltask/{last.pk}/change/"
    assert found[0].example == f"https://x.example/{HOSTILE}"
    assert HOSTILE not in web.get("/admin/").content.decode()


# --- running now ------------------------------------------------------------------------------------------------------


def make_crawl(process: Process, spider: Spider, **fields: object) -> CrawlTask:
    run = make_run(state="running", owner=process, cause="command", job_name=f"Crawl of {spider.name}")
    begun = timezone.now() - timedelta(seconds=100)
    return make_task(spider, status="running", run=run, started_at=begun, **fields)


def test_a_first_crawl_has_no_size_yet(web: Client, scheduler: Process) -> None:
    make_crawl(scheduler, make_spider(), pages=412, items=398)
    [told] = web.get("/admin/").context["running"]
    assert (told.done, told.expected, told.rate) == (412, None, "4.1")
    assert told.words == "412 pages · size not known yet"
    page = web.get("/admin/").content.decode()
    assert re.search(r"<progress aria-label=", page)
    assert re.search(r'id="live-count"[^>]*>1<', page)


def test_a_later_crawl_is_as_big_as_the_one_before_or_bigger(web: Client, scheduler: Process) -> None:
    spider = make_spider()
    make_task(spider, pages=2_000, pages_redirected=96)
    task = make_crawl(scheduler, spider, pages=1_284, items=1_102)
    [told] = web.get("/admin/").context["running"]
    assert (told.done, told.expected) == (1_284, 2_096)
    assert told.words == "1,284 of 2,096 pages · about 1 min"
    headway = {"at": timezone.now().isoformat(), "waiting": 900, "rate": 14.2}
    CrawlTask.objects.filter(pk=task.pk).update(pages=3_000, headway=headway)
    [told] = web.get("/admin/").context["running"]
    assert (told.expected, told.rate) == (3_900, "14.2")
    quiet = {**headway, "at": (timezone.now() - timedelta(minutes=5)).isoformat()}
    CrawlTask.objects.filter(pk=task.pk).update(headway=quiet)
    [told] = web.get("/admin/").context["running"]
    assert (told.rate, told.words) == ("0.7", "3,000 of 3,900 pages · about 21 min"), "nothing has come for minutes"
    CrawlTask.objects.exclude(pk=task.pk).delete()
    [told] = web.get("/admin/").context["running"]
    assert told.words == "3,000 pages, 900 wait · size not known yet"


def test_another_handlers_run_shows_its_message(web: Client, scheduler: Process) -> None:
    make_run(state="running", owner=scheduler, cause="command", message="40 old rows removed")
    [told] = web.get("/admin/").context["running"]
    assert (told.words, told.is_crawl, told.rate) == ("40 old rows removed", False, "")


# --- the street -------------------------------------------------------------------------------------------------------


def test_the_street_has_a_lamp_for_each_firing_and_one_for_a_crowd(web: Client, scheduler: Process) -> None:
    make_spider()
    for name in ("one", "two"):
        make_job(name, name=f"Job {name}", trigger={"type": "cron", "cron": "0 2 * * *"})
    make_job("three", name="Job three", trigger={"type": "cron", "cron": "30 5 * * *"})
    make_job("often", name="Job often", trigger={"type": "interval", "seconds": 15})
    paused = make_job("paused", name="Job paused", trigger={"type": "cron", "cron": "0 7 * * *"})
    definitions.pause_job(paused.job_id)
    told = web.get("/admin/").context["street"]
    assert sorted(len(stop.firings) for stop in told.stops) == [1, 2]
    assert [(one.name, one.count) for one in told.often] == [("Job often", 5_760)]
    page = web.get("/admin/").content.decode()
    assert "02:00: 2 at once: Job one, Job two" in page
    assert "Job paused" not in str(told.drawing)


# --- price, permissions, live parts -----------------------------------------------------------------------------------


def test_the_page_costs_ten_queries_for_anybody_whatever_there_is(
    client: Client, scheduler: Process, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(
        make_user(
            "mei", "scheduling.view_jobrun", "scheduling.view_scheduledjob", "scheduling.view_process",
            "crawler.view_crawltask", "crawler.view_item",
        )
    )  # fmt: skip
    for number in range(12):
        spider = make_spider(f"spider-{number}")
        job = make_job(f"job-{number}", handler="crawl", job_data={"type": "spider", "target": spider.name})
        run, *_more = make_rounds(job, "fsm"[number % 3 :])
        make_task(spider, run=run, status="failed", reasons={"http_403": 3}, finished_at=timezone.now())
        make_crawl(scheduler, spider)
    with django_assert_max_num_queries(10):
        assert client.get("/admin/").status_code == 200
    with django_assert_max_num_queries(6):
        assert client.get(NOW_PATH).status_code == 200
    with django_assert_max_num_queries(5):
        assert client.get(LAMP_PATH).status_code == 200


@pytest.mark.parametrize(
    ("permission", "shown", "hidden"),
    [
        ("crawler.view_item", ("Items now", "Items per day"), ("Queue", "Running now", "Processes", "Why pages")),
        ("scheduling.view_process", ("Processes",), ("Items now", "Running now", "Why pages failed")),
        ("scheduling.view_jobrun", ("Running now", "Runs per day", "Queue"), ("Items now", "All processes")),
        ("crawler.view_crawltask", ("Why pages failed",), ("Items now", "Running now", "All processes")),
        ("auth.view_group", ("What you may see",), ("Items now", "Running now", "Why pages failed")),
    ],
)
def test_everyone_sees_what_the_permissions_allow(
    client: Client, scheduler: Process, permission: str, shown: tuple[str, ...], hidden: tuple[str, ...]
) -> None:
    make_crawl(scheduler, make_spider())
    client.force_login(make_user("mei", permission))
    pages = text_of(client)
    assert all(word in pages for word in shown)
    assert not [word for word in hidden if word in pages]
    parts = client.get(NOW_PATH).content.decode()
    assert ("live-running" in parts) == (permission == "scheduling.view_jobrun")
    assert ("live-processes" in parts) == (permission == "scheduling.view_process")
    assert re.search(r'data-part="live-count">(\d*)<', parts)[1] == ("1" if "jobrun" in permission else "")  # type: ignore[index]


def test_an_answer_that_is_known_is_not_sent_again(web: Client, scheduler: Process) -> None:
    task = make_crawl(scheduler, make_spider(), pages=10)
    for path in (LAMP_PATH, FIGURES_PATH):
        first = web.get(path)
        assert first.status_code == 200
        again = web.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
    first = web.get(NOW_PATH)
    CrawlTask.objects.filter(pk=task.pk).update(pages=11)
    later = web.get(NOW_PATH, headers={"If-None-Match": first.headers["ETag"]})
    assert b"11 pages" in later.content


def test_the_lamp_goes_out_and_the_figures_stay(web: Client, scheduler: Process) -> None:
    assert 'data-out="0"' in web.get(LAMP_PATH).content.decode()
    Process.objects.update(state="lost")
    parts = web.get(LAMP_PATH).content.decode()
    assert 'data-out="1"' in parts
    assert "No scheduler is alive" in parts
    assert "no places" in text_of(web, FIGURES_PATH)


@pytest.mark.parametrize("view", [live.now, live.lamp, live.figures])
def test_who_is_logged_out_is_sent_to_the_log_in(client: Client, view: object) -> None:
    path = f"/admin/live/{view.__name__}/"  # type: ignore[attr-defined]
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/login/?next={path}")


def test_parts_are_read_and_nothing_else(web: Client) -> None:
    for path in (NOW_PATH, LAMP_PATH, FIGURES_PATH):
        assert web.post(path).status_code == 405


def test_the_pulse_leaves_a_command_in_the_foreground_aside(scheduler: Process) -> None:
    make_process(kind="command", host="atlas", beat_at=Now())
    make_run(state="queued")
    found = pulse()
    assert (found.alive, len(found.processes), found.queued, found.running) == (1, 2, 1, 0)
    assert found.age is not None
    assert 0 <= found.age < 5


def test_in_chinese_no_blank_stands_between_the_sentences_of_the_verdict(web: Client, scheduler: Process) -> None:
    make_spider()
    make_job("nightly")
    definitions.pause_job("nightly", by="ada")
    web.cookies["django_language"] = "zh-hans"
    text = verdict(web).text
    assert text.endswith("。1 个计划已暂停。")
    assert "。 " not in text
