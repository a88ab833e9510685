"""The pages of runs and crawls: progress, log, cancel, run again; the list and its filters."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.timezone import localtime

from crawler.models import CrawlTask, TaskFailure
from crawlproject.web.bounded import BoundedChangeList
from scheduling import wording
from scheduling.models import JobRun, RunLog, ScheduledJob
from tests.db.processes import make_process

from .answers import messages_of
from .making import make_job, make_page, make_run, make_spider, make_task, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
RUNS = "/admin/scheduling/jobrun/"
TASKS = "/admin/crawler/crawltask/"
STAMP = "2026-11-24T22:39:28.104000Z"
FRAME = 5
"""Queries of any page of the admin: session, user, and who is alive (3)."""


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


def running(job: ScheduledJob | None = None, **fields: object) -> JobRun:
    return make_run(
        job, state="running", owner=make_process(host="atlas/b/p", pid=4411), started_at=timezone.now(), **fields
    )


def page_of(web: Client, path: str) -> str:
    answer = web.get(path)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_run_is_called_as_people_call_what_ran(web: Client) -> None:
    asked = make_run(job_key="crawl_spider_20261130_234643_9zx9", job_name="Crawl of books")
    run = make_run(make_job("nightly", name="The night's books"))
    shown = text_of(page_of(web, RUNS))
    assert "The night's books #" in shown
    assert "Crawl of books #" in shown
    assert "crawl_spider_20261130" not in shown
    assert f"The night's books #{run.pk}" in text_of(page_of(web, f"{RUNS}{run.pk}/change/"))
    chinese = web.get(f"{RUNS}{asked.pk}/change/", headers={"accept-language": "zh-hans"}).content.decode()
    assert "爬取 books" in chinese


def test_what_a_lost_attempt_took_is_not_told_of_a_run_that_goes_on(web: Client) -> None:
    run = running(make_job(), execution_time=54.0, recoveries=1)
    assert "54 s" not in text_of(page_of(web, RUNS))
    assert "Took" not in text_of(page_of(web, f"{RUNS}{run.pk}/change/"))


# --- the page of a run ------------------------------------------------------------------------------------------------
def test_a_failed_run_says_first_why_and_what_to_do(web: Client) -> None:
    run = make_run(make_job(), state="failed", error_type="RunTimeout", message="It took longer than 5 s.")
    page = page_of(web, f"{RUNS}{run.pk}/change/")
    note = page[page.index('<div class="ll-note is-bad"') : page.index('<div class="ll-grid')]
    assert "It took longer than 5 s." in note
    assert "Raise the schedule's time-out" in note


def test_a_missed_moment_leads_those_who_may_to_its_back_fill(web: Client, client: Client) -> None:
    due, until = datetime(2026, 11, 24, 22, tzinfo=UTC), datetime(2026, 11, 25, 2, tzinfo=UTC)
    run = make_run(make_job(), state="missed", reason="late", scheduled_time=due, missed_until=until)
    [link] = re.findall(r'href="([^"]+/backfill/[^"]+)"', page_of(web, f"{RUNS}{run.pk}/change/"))
    assert web.get(link).context["since"] == localtime(due).strftime("%Y-%m-%dT%H:%M:%S")
    client.force_login(make_user("viewer", "scheduling.view_jobrun"))
    assert "/backfill/" not in page_of(client, f"{RUNS}{run.pk}/change/")


def test_a_failed_crawl_says_its_cause_with_the_workshop_at_a_page_that_shows_it(web: Client) -> None:
    spider = make_spider()
    run = make_run(make_job(), state="failed")
    task = make_task(spider, run=run, status="failed", pages=214, pages_failed=214, reasons={"http_403": 214})
    url = "https://shop.example/offer?id=1&x=2"
    TaskFailure.objects.create(task=task, url=url, reason="http_403", status_code=403, at=timezone.now())
    page = page_of(web, f"{RUNS}{run.pk}/change/")
    note = page[page.index('<div class="ll-note is-bad"') : page.index('<div class="ll-grid')]
    assert "The crawl failed: The site blocks the crawler." in note
    assert "Slow down, name yourself" in note
    workshop = f"/admin/crawler/spider/{spider.pk}/change/?url=https%3A%2F%2Fshop.example%2Foffer%3Fid%3D1%26x%3D2"
    assert note.count(f'href="{workshop}"') == 1
    assert page.count(f'href="{workshop}"') == 2, "beside the example too"


def test_an_address_that_may_not_be_opened_is_no_link(web: Client) -> None:
    run = make_run(state="failed")
    task = make_task(make_spider(), run=run, status="failed", pages=1, reasons={"http_500": 1})
    TaskFailure.objects.create(task=task, url="javascript:alert(1)", reason="http_500", at=timezone.now())
    assert "?url=javascript" not in page_of(web, f"{RUNS}{run.pk}/change/")


def test_what_is_usual_is_the_median_of_the_runs_before(web: Client) -> None:
    job = make_job()
    for seconds in (10.0, 200.0, 140.0):
        make_run(job, execution_time=seconds)
    make_run(job, state="failed", execution_time=1.0)
    run = make_run(job, execution_time=500.0)
    page = page_of(web, f"{RUNS}{run.pk}/change/")
    assert "Usually 2 min 20 s." in page
    assert "Last 5 firings: 4 Succeeded, 1 Failed" in page


def test_in_chinese_no_blank_stands_between_sentences(web: Client) -> None:
    spider, job = make_spider(), make_job()
    for _round in range(3):
        make_task(spider, run=make_run(job, execution_time=10.0), pages=4)
    run = make_run(job, execution_time=10.0, requested_by="mei")
    make_task(spider, run=run, pages=4)
    web.cookies["django_language"] = "zh-hans"
    page = text_of(page_of(web, f"{RUNS}{run.pk}/change/"))
    assert "通常 10 秒。通常 4 个页面" in page
    assert "。由 mei 请求。" in page


def test_a_crawl_says_how_many_pages_are_usual(web: Client) -> None:
    spider = make_spider()
    for pages in (2_000, 2_090, 3_000):
        make_task(spider, pages=pages, items=pages * 2)
    run = make_run(make_job())
    make_task(spider, run=run, pages=5)
    assert "Usually 2,090 pages and 4,180 readings of items." in page_of(web, f"{RUNS}{run.pk}/change/")


@pytest.mark.parametrize("state", JobRun.State.values)
def test_a_run_in_any_state_has_its_page(web: Client, state: str) -> None:
    job = make_job()
    run = running(job) if state == "running" else make_run(job, state=state)
    page = page_of(web, f"{RUNS}{run.pk}/change/")
    is_live = state in ("queued", "running")
    assert (f"{RUNS}{run.pk}/live/" in page) is is_live
    assert (f"{RUNS}{run.pk}/cancel/" in page) is is_live
    assert (f'action="{RUNS}{run.pk}/again/"' in page) is not is_live


def test_a_run_that_is_not_there_is_not_found(web: Client) -> None:
    for number in ("0", "999", "x", "9" * 30, "٣"):
        for where in ("change/", "live/log/", "log.txt", "cancel/", "again/"):
            assert web.get(f"{RUNS}{number}/{where}").status_code == 404
            assert web.get(f"{TASKS}{number}/change/").status_code == 404


# --- live -------------------------------------------------------------------------------------------------------------
def test_progress_is_polled_until_the_run_has_ended(web: Client) -> None:
    now = timezone.now()
    spider = make_spider(limits={"max_pages": 2_000})
    run = running(make_job())
    headway = {"at": now.isoformat(), "waiting": 812, "rate": 14.2}
    task = make_task(
        spider, run=run, status="running", pages=1_284, items=1_102, items_new=12, items_changed=48, pages_failed=3,
        items_returned=5, headway=headway, hosts={"https://shop.example": {"requests": 9, "in_use": 3, "at_once": 5,
        "answers": 2, "answer_seconds": 0.168}},
    )  # fmt: skip
    progress = web.get(f"{RUNS}{run.pk}/live/progress/")
    text = text_of(progress.content.decode())
    for said in (
        "1,284 / 2,000",
        "14.2 pages/s",
        "812 waiting",
        "about 50 s left",
        "+12",
        "~48",
        "Came back +5",
        "1,042",
        "Pages failed 3",
    ):
        assert said in text
    assert "X-Poll" not in progress.headers
    assert "3 / 5" in text_of(web.get(f"{RUNS}{run.pk}/live/manners/").content.decode())
    assert "84 ms" in text_of(web.get(f"{TASKS}{task.pk}/live/manners/").content.decode())
    assert web.get(f"{RUNS}{run.pk}/live/nothing/").status_code == 404
    JobRun.objects.filter(pk=run.pk).update(state="succeeded", finished_at=now)
    CrawlTask.objects.filter(pk=task.pk).update(status="completed")
    for path in (f"{RUNS}{run.pk}/live/progress/", f"{RUNS}{run.pk}/live/log/", f"{TASKS}{task.pk}/live/progress/"):
        assert web.get(path).headers["X-Poll"] == "over"


def test_a_crawl_that_has_written_nothing_for_a_while_says_so(web: Client) -> None:
    at = (timezone.now() - timedelta(seconds=90)).isoformat()
    task = make_task(make_spider(), status="running", pages=3, headway={"at": at, "waiting": 5, "rate": 9.0})
    text = text_of(web.get(f"{TASKS}{task.pk}/live/progress/").content.decode())
    assert "no page for 1 min 30 s" in text
    assert "pages/s" not in text


def test_of_a_crawl_of_an_older_release_the_frontier_is_counted(web: Client) -> None:
    spider = make_spider()
    task = make_task(spider, status="running")
    for _number in range(3):
        make_page(spider, task=task, state="pending")
    assert "3 waiting" in text_of(web.get(f"{TASKS}{task.pk}/live/progress/").content.decode())


def test_a_run_that_is_no_crawl_shows_what_it_says_of_itself(web: Client) -> None:
    run = running(make_job(), message="40% sweeping <b>")
    progress = web.get(f"{RUNS}{run.pk}/live/progress/").content.decode()
    assert "40% sweeping &lt;b&gt;" in progress
    assert "<progress" in progress


def test_a_look_at_what_goes_on_costs_few_queries(web: Client) -> None:
    run = running(make_job())
    task = make_task(make_spider(), run=run, status="running", headway={"at": timezone.now().isoformat(), "waiting": 1})
    for path in (f"{RUNS}{run.pk}/live/progress/", f"{RUNS}{run.pk}/live/log/", f"{TASKS}{task.pk}/live/manners/"):
        web.get(path)
        with CaptureQueriesContext(connection) as queries:
            web.get(path)
        assert len(queries) <= 4, [query["sql"] for query in queries]


# --- the log ----------------------------------------------------------------------------------------------------------
def make_log(run: JobRun, *texts: str) -> None:
    start = RunLog.objects.filter(run=run).count()
    RunLog.objects.bulk_create(RunLog(run=run, seq=start + number, text=text) for number, text in enumerate(texts, 1))


def log_lines(web: Client, run: JobRun, query: str = "") -> list[str]:
    page = unescape(web.get(f"{RUNS}{run.pk}/live/log/{query}").content.decode())
    return re.findall(r"<i>\d\d:\d\d:\d\d\.\d\d\d</i> ([^<\n]*)", page)


def test_a_log_is_filtered_by_level_and_searched(web: Client) -> None:
    run = make_run()
    make_log(run, f"{STAMP} one Ärger\n{STAMP} WARNING: two", f"{STAMP} ERROR: three\n{STAMP} WARNING: four 100%")
    assert log_lines(web, run) == ["one Ärger", "WARNING: two", "ERROR: three", "WARNING: four 100%"]
    assert log_lines(web, run, "?level=warnings") == ["WARNING: two", "ERROR: three", "WARNING: four 100%"]
    assert log_lines(web, run, "?level=errors") == ["ERROR: three"]
    assert log_lines(web, run, "?level=nonsense&q=TWO") == ["WARNING: two"]
    assert log_lines(web, run, "?q=100%25") == ["WARNING: four 100%"]
    assert log_lines(web, run, "?q=ÄRGER") == ["one Ärger"]
    assert "No line is of this kind." in page_of(web, f"{RUNS}{run.pk}/change/?q=seventeen")


def test_what_our_own_code_wrote_is_told_in_the_language_of_the_reader_and_found_in_both(web: Client) -> None:
    run = make_run()
    own, theirs = "12 crawls begun.", "12 crawls begun. said the handler"
    make_log(run, f"{STAMP} {own}\n{STAMP} {theirs}")
    web.cookies["django_language"] = "zh-hans"
    told = "已开始 12 个爬取。"
    assert log_lines(web, run) == [told, theirs]
    assert log_lines(web, run, "?q=个爬取") == [told]
    assert log_lines(web, run, "?q=begun") == [told, theirs]
    assert own in b"".join(web.get(f"{RUNS}{run.pk}/log.txt")).decode()


def test_a_page_says_in_its_own_language_how_grave_a_line_is_and_the_file_as_it_is_stored(
    web: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = "limited: Stopped at max_pages = 4: 4 pages answered, 0 failed, 1 reading of an item in 1.0 s"
    stored = [f"{STAMP} WARNING: max_pages = 4, says a handler", f"{STAMP} ERROR: {ours}"]
    run = make_run(make_job(), state="failed")
    make_log(run, "\n".join(stored))
    assert log_lines(web, run)[1] == f"ERROR: {ours.replace('max_pages', '“Pages of a crawl”')}"
    words = {"WARNING: %(line)s": "Grave: %(line)s", "ERROR: %(line)s": "Worse: %(line)s"}
    monkeypatch.setattr(wording, "gettext", lambda text: words.get(text, text))
    wording._told_line.cache_clear()
    assert [line[:16] for line in log_lines(web, run)] == ["Grave: max_pages", "Worse: limited: "]
    wording._told_line.cache_clear()
    assert b"".join(web.get(f"{RUNS}{run.pk}/log.txt")).decode().splitlines() == stored


def test_of_a_long_log_the_end_is_shown_and_the_file_has_all(web: Client) -> None:
    run = make_run()
    lines = [f"{STAMP} line {number}" for number in range(10_000)]
    make_log(run, *("\n".join(lines[start : start + 100]) for start in range(0, 10_000, 100)))
    shown = log_lines(web, run)
    assert (len(shown), shown[-1]) == (500, "line 9999")
    assert "Older lines are in the file." in page_of(web, f"{RUNS}{run.pk}/change/")
    assert log_lines(web, run, "?q=line 17") == [f"line {n}" for n in range(10_000) if str(n).startswith("17")][-500:]
    answer = web.get(f"{RUNS}{run.pk}/log.txt")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert b"".join(answer).decode().splitlines() == lines


def test_what_a_log_says_stays_text(web: Client) -> None:
    run = make_run()
    make_log(run, f"{STAMP} <script>alert(1)</script>")
    page = web.get(f"{RUNS}{run.pk}/change/?q=<script>").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


# --- many ------------------------------------------------------------------------------------------------------------
def test_the_pages_of_a_great_crawl_cost_what_those_of_a_small_one_do(web: Client) -> None:
    """10,000 lines of log, 1,000 failures, 500 hosts (no more are kept)."""
    spider = make_spider()
    hosts = {f"https://h{number}.example": {"requests": number, "peak_rate": 3, "answers": 1} for number in range(500)}
    small: list[int] = []
    great: list[int] = []
    for size, found in ((1, small), (1_000, great)):
        run = make_run(make_job(f"job-{size}"))
        task = make_task(
            spider, run=run, pages=size, reasons={"http_500": size}, hosts=dict(list(hosts.items())[:size])
        )
        TaskFailure.objects.bulk_create(
            TaskFailure(task=task, url=f"https://shop.example/{n}", reason="http_500", at=timezone.now())
            for n in range(size)
        )
        make_log(run, *("\n".join([f"{STAMP} x"] * 100) for _piece in range(max(1, size // 10))))
        for path in (f"{RUNS}{run.pk}/change/", f"{TASKS}{task.pk}/change/"):
            web.get(path)
            with CaptureQueriesContext(connection) as queries:
                page = web.get(path)
            found.append(len(queries))
            assert len(page.content) < 250_000
    assert great == [pytest.approx(count, abs=2) for count in small]
    assert max(great) <= FRAME + 14


# --- cancel and again -------------------------------------------------------------------------------------------------
def test_cancel_says_first_what_will_happen(web: Client) -> None:
    run = make_run(make_job(), state="queued")
    page = page_of(web, f"{RUNS}{run.pk}/cancel/")
    assert "It is taken out of the queue at once" in page
    assert "Its schedule stays as it is" in page
    run.refresh_from_db()
    assert run.state == "queued", "nothing happens by looking"
    answer = web.post(f"{RUNS}{run.pk}/cancel/")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{RUNS}{run.pk}/change/")
    run.refresh_from_db()
    assert (run.state, run.cancel_requested_by) == ("cancelled", "root")
    assert "has ended" in messages_of(web.post(f"{RUNS}{run.pk}/cancel/"))[-1]


def test_cancel_of_a_crawl_says_what_stays(web: Client) -> None:
    run = running(make_job())
    task = make_task(make_spider(), run=run, status="running", pages=1_284, items=1_102)
    for path in (f"{RUNS}{run.pk}/cancel/", f"{TASKS}{task.pk}/cancel/"):
        assert "(1,284 pages, 1,102 readings of items) is stored and stays" in page_of(web, path)
    web.post(f"{TASKS}{task.pk}/cancel/")
    run.refresh_from_db()
    assert (run.state, run.cancel_requested_by) == ("running", "root")


def test_a_run_of_a_schedule_is_run_again_by_it(web: Client) -> None:
    job = make_job()
    run = make_run(job, state="failed")
    assert web.get(f"{RUNS}{run.pk}/again/").status_code == 405
    answer = web.post(f"{RUNS}{run.pk}/again/")
    again = JobRun.objects.exclude(pk=run.pk).get()
    assert answer.headers["Location"] == f"{RUNS}{again.pk}/change/"
    assert (again.job, again.cause, again.state, again.requested_by) == (job, "manual", "queued", "root")
    said = messages_of(web.post(f"{RUNS}{run.pk}/again/"))[-1]
    assert f'<a href="{RUNS}{again.pk}/change/">#{again.pk}</a> of “{job.job_id}” waits already' in said


def test_a_run_without_a_schedule_is_run_again_with_its_own_work(web: Client) -> None:
    work = {"handler": "maintenance", "job_data": {"action": "check"}, "max_retries": 0, "timeout": None}
    run = make_run(state="failed", work=work)
    web.post(f"{RUNS}{run.pk}/again/")
    job, again = ScheduledJob.objects.get(), JobRun.objects.exclude(pk=run.pk).get()
    assert (job.handler, job.job_data, job.one_time) == ("maintenance", {"action": "check"}, True)
    assert (again.job, again.cause, again.requested_by) == (job, "manual", "root")


def test_what_nothing_is_known_of_cannot_be_run_again(web: Client) -> None:
    run = make_run(state="failed")
    assert "again/" not in page_of(web, f"{RUNS}{run.pk}/change/")
    assert "nothing tells any more" in messages_of(web.post(f"{RUNS}{run.pk}/again/"))[-1]
    active = make_run(make_job(), state="queued")
    assert "has not ended" in messages_of(web.post(f"{RUNS}{active.pk}/again/"))[-1]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"task_type": "spider", "targets": ["books"]}, {"type": "spider", "target": "books"}),
        ({"task_type": "spider"}, {"type": "spider", "target": "books"}),
        (
            {"task_type": "urls", "targets": ["https://shop.example/a"]},
            {"type": "urls", "target": ["https://shop.example/a"], "spider": "books"},
        ),
    ],
    ids=["spider", "spider of a fan-out", "addresses"],
)
def test_a_crawl_is_asked_for_again(web: Client, fields: dict[str, Any], expected: dict[str, object]) -> None:
    task = make_task(make_spider(), **fields)
    answer = web.post(f"{TASKS}{task.pk}/again/")
    again = CrawlTask.objects.exclude(pk=task.pk).get()
    assert answer.headers["Location"] == f"{TASKS}{again.pk}/change/"
    assert ScheduledJob.objects.get().job_data == expected


@pytest.mark.parametrize(("kind", "targets"), [("all", []), ("category", ["shops"])])
def test_a_crawl_of_several_spiders_is_asked_for_again(web: Client, kind: str, targets: list[str]) -> None:
    make_spider()
    task = make_task(None, task_type=kind, targets=targets)
    web.post(f"{TASKS}{task.pk}/again/")
    assert ScheduledJob.objects.get().job_data == {"type": kind} | ({"target": targets[0]} if targets else {})


def test_a_spider_that_is_no_more_in_its_category_is_told(web: Client) -> None:
    task = make_task(None, task_type="category", targets=["gone"])
    assert "There is no category" in messages_of(web.post(f"{TASKS}{task.pk}/again/"))[-1]


# --- who may ----------------------------------------------------------------------------------------------------------
def test_who_may_see_runs_alone_sees_nothing_of_crawls_and_does_nothing(client: Client) -> None:
    run = running(make_job())
    make_task(make_spider(), run=run, status="running", pages=17, task_id="crawl_secretly")
    client.force_login(make_user("ada", "scheduling.view_jobrun"))
    page = client.get(f"{RUNS}{run.pk}/change/").content.decode()
    assert "crawl_secretly" not in page
    assert "cancel/" not in page
    assert client.get(f"{RUNS}{run.pk}/live/manners/").status_code == 404
    for path in (f"{RUNS}{run.pk}/cancel/", f"{RUNS}{run.pk}/again/"):
        assert client.post(path).status_code == 403
    client.force_login(make_user("eve"))
    for where in ("change/", "live/log/", "log.txt"):
        assert client.get(f"{RUNS}{run.pk}/{where}").status_code == 403


def test_who_may_see_crawls_alone_does_nothing(client: Client) -> None:
    task = make_task(make_spider(), status="running")
    client.force_login(make_user("ada", "crawler.view_crawltask"))
    page = client.get(f"{TASKS}{task.pk}/change/").content.decode()
    assert "cancel/" not in page
    assert "/admin/crawler/spider/" not in page
    for path in ("cancel/", "again/"):
        assert client.post(f"{TASKS}{task.pk}/{path}").status_code == 403
    assert client.post(f"{TASKS}{task.pk}/change/").status_code == 403


# --- the list ---------------------------------------------------------------------------------------------------------
def shown(web: Client, query: str) -> set[int]:
    return {run.pk for run in web.get(f"{RUNS}?{query}").context["cl"].result_list}


def test_runs_are_filtered_by_state_cause_and_when_they_were_due(web: Client) -> None:
    now = timezone.now()

    def run(days: float, **fields: object) -> JobRun:
        at = now - timedelta(days=days)
        moments = {"scheduled_time": at, "queued_at": at, "started_at": at, "finished_at": at + timedelta(seconds=5)}
        return make_run(**moments | fields)  # type: ignore[arg-type]

    old = run(30, state="failed")
    week = run(3, state="missed", cause="backfill")
    new = run(0.001, state="failed", cause="manual")
    good = run(0.0005)
    assert shown(web, "state=failed") == {old.pk, new.pk}
    assert shown(web, "state=missed") == {week.pk}
    assert shown(web, "state=succeeded") == {good.pk}
    assert shown(web, "due=day") == {new.pk, good.pk}
    assert shown(web, "due=week") == {week.pk, new.pk, good.pk}
    assert shown(web, "due=week&state=failed") == {new.pk}
    assert shown(web, "cause__exact=backfill") == {week.pk}
    assert shown(web, "due=nonsense&state=nonsense") == {old.pk, week.pk, new.pk, good.pk}


def test_no_list_of_runs_counts_or_reads_all_of_them(web: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawlproject.web.paginator.MOST", 3)
    monkeypatch.setattr(BoundedChangeList, "looked_at", 4)
    runs = [make_run(cause="manual", state="failed" if number % 2 else "succeeded") for number in range(8)]
    assert "more than 3 runs: filter for the older ones" in page_of(web, RUNS)
    newest = {run.pk for run in runs[4:]}
    assert shown(web, "q=gone") <= newest
    page = page_of(web, f"{RUNS}?cause__exact=manual")
    assert "Among the newest 4 rows" in page
    assert "Among the newest" not in page_of(web, f"{RUNS}?state=failed")
    assert "Among the newest" not in page_of(web, f"{RUNS}?due=day")


@pytest.mark.parametrize("state", [state for state in JobRun.State.values if state != "succeeded"])
def test_each_state_but_the_usual_one_is_found_by_an_index(web: Client, state: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        web.get(f"{RUNS}?state={state}")
    [asked] = [
        query["sql"]
        for query in queries
        if "ORDER BY" in query["sql"] and '"scheduling_jobrun"."cause"' in query["sql"]
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {asked}")
        plan = " ".join(str(row[-1]) for row in cursor.fetchall())
    assert re.search(r"USING (COVERING )?INDEX run_", plan), plan


def test_the_list_costs_few_queries_whatever_it_tells(client: Client) -> None:
    """Of somebody who may see everything and is no superuser; those that were missed, or wait, say why."""
    reader = make_user("ada")
    reader.user_permissions.set(Permission.objects.all())
    client.force_login(reader)
    job = make_job()
    since = timezone.now() - timedelta(days=2)
    told = {"by": "mei", "since": since.isoformat(), "note": "stock-taking"}
    make_run(job, state="missed", reason="paused", data=told)
    make_run(job, state="missed", reason="late")
    make_run(job, state="failed", reason="broken", error_type="E", error="no such zone")
    for state in ("succeeded", "skipped", "queued"):
        make_run(job, state=state)
    client.get(RUNS)
    with CaptureQueriesContext(connection) as queries:
        page = page_of(client, RUNS)
    assert len(queries) <= 12
    for said in ("by mei", "stock-taking", "no such zone", "It has waited since"):
        assert said in page


def test_the_workshop_opens_with_the_page_that_a_crawl_met(web: Client) -> None:
    """A page that no crawl has met is not asked for because somebody follows a link."""
    spider = make_spider()
    known = make_page(spider, "slow_44").url
    for url, is_asked in ((known, True), ("https://shop.example/never-met", False), ("javascript:alert(1)", False)):
        answer = web.get(f"/admin/crawler/spider/{spider.pk}/change/", {"url": url})
        assert answer.status_code == 200
        assert answer.context["preview"].url == url
        assert answer.context["preview_at_once"] is is_asked
