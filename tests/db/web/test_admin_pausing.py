"""Run now, pause with a note and resume: on the pages of a schedule, and of everything."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_apscheduler.models import DjangoJob

from crawler.tasks import request_crawl
from scheduling import definitions
from scheduling.models import JobRun, ScheduledJob, SchedulerState
from scheduling.planned import rule_in_words
from tests.db.processes import make_process

from .answers import messages_of
from .making import make_job, make_run, make_spider, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
LIST = "/admin/scheduling/scheduledjob/"
TABS = ("change", "timeline", "backfill", "history")
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


def of(job: ScheduledJob, page: str) -> str:
    return f"{LIST}{job.pk}/{page}/"


def text_of(web: Client, path: str) -> str:
    return web.get(path).content.decode()


# --- one schedule -----------------------------------------------------------------------------------------------------
def test_run_now_queues_a_run_and_links_it(web: Client) -> None:
    job = make_job()
    answer = web.post(of(job, "run"))
    run = JobRun.objects.get()
    assert (run.cause, run.requested_by) == ("manual", "root")
    assert f"/admin/scheduling/jobrun/{run.pk}/change/" in messages_of(answer)[0]
    assert answer.headers["Location"] == of(job, "timeline")
    assert "waits already" in messages_of(web.post(of(job, "run")))[-1]
    assert JobRun.objects.count() == 1


def test_pausing_asks_for_a_note_first(web: Client) -> None:
    job = make_job()
    page = text_of(web, of(job, "pause"))
    assert "<textarea" in page
    assert "It would fire next" in page
    job.refresh_from_db()
    assert job.paused_at is None


def test_who_paused_it_since_when_and_why_stands_on_every_tab(web: Client) -> None:
    job = make_job()
    answer = web.post(of(job, "pause"), {"note": f" The shop is closed {HOSTILE} "})
    assert answer.headers["Location"] == of(job, "change")
    job.refresh_from_db()
    assert (job.paused_by, job.note) == ("root", f"The shop is closed {HOSTILE}")
    for tab in TABS:
        page = text_of(web, of(job, tab))
        assert "Paused by root" in page, tab
        assert "The shop is closed &lt;script&gt;" in page, tab
        assert HOSTILE not in page, tab
        assert page.count(f'action="{of(job, "resume")}"') == 2, tab


def test_resuming_comes_back_to_the_tab_that_one_was_on(web: Client) -> None:
    job = make_job()
    definitions.pause_job(job.job_id, by="ada", note="why")
    answer = web.post(of(job, "resume"), {"next": of(job, "timeline")})
    assert answer.headers["Location"] == of(job, "timeline")
    job.refresh_from_db()
    assert (job.paused_at, job.note) == (None, "")
    assert DjangoJob.objects.get().next_run_time > timezone.now()
    assert "Paused by" not in text_of(web, of(job, "change"))


def test_an_address_elsewhere_is_not_gone_to(web: Client) -> None:
    job = make_job()
    answer = web.post(of(job, "resume"), {"next": "https://evil.example/"})
    assert answer.headers["Location"] == of(job, "change")


def test_a_note_is_cut_and_cleaned_before_it_is_stored(web: Client) -> None:
    job = make_job()
    web.post(of(job, "pause"), {"note": "a\0b" + "x" * 5000})
    job.refresh_from_db()
    assert (job.note[:2], len(job.note)) == ("ab", 2000)


@pytest.mark.parametrize("action", ["run", "resume"])
def test_an_action_is_no_link(web: Client, action: str) -> None:
    assert web.get(of(make_job(), action)).status_code == 405


@pytest.mark.parametrize("page", ["run", "pause", "resume", "timeline", "backfill", "history", "preview"])
def test_a_schedule_that_is_gone_has_no_page(web: Client, page: str) -> None:
    assert web.get(f"{LIST}4711/{page}/").status_code in (404, 405)
    assert web.get(f"{LIST}no-number/{page}/").status_code in (404, 405)


def test_who_may_look_sees_every_tab_and_can_do_nothing(client: Client) -> None:
    job = make_job()
    definitions.pause_job(job.job_id, by="root", note="why")
    make_run(job, state="missed", reason="paused", missed_count=1, missed_until=timezone.now())
    client.force_login(make_user("ada", "scheduling.view_scheduledjob"))
    for tab in TABS:
        page = text_of(client, of(job, tab))
        assert "Paused by root" in page, tab
        for action in ("run", "pause", "resume", "restore"):
            assert f"/{action}/" not in page, (tab, action)
        assert 'type="checkbox" name="moments"' not in page
        assert "jobrun" not in page, tab  # it may not see runs
    for action in ("run", "pause", "resume", "backfill"):
        assert client.post(of(job, action)).status_code == 403, action
    assert client.get(of(job, "pause")).status_code == 403
    job.refresh_from_db()
    assert job.paused_at is not None


def test_who_may_look_sees_the_rule_in_words(client: Client) -> None:
    job = make_job()
    client.force_login(make_user("ada", "scheduling.view_scheduledjob"))
    page = text_of(client, of(job, "change"))
    assert rule_in_words(job) in page
    assert "&quot;cron&quot;" not in page
    assert "max_retries" in page
    assert 'name="kind"' not in page
    assert "data-preview" not in page


def test_who_may_see_nothing_sees_no_tab(client: Client) -> None:
    job = make_job()
    client.force_login(make_user("ada", "scheduling.view_jobrun"))
    for page in (*TABS, "pause", "run", "resume"):
        assert client.get(of(job, page)).status_code == 403, page


def test_a_one_off_has_no_versions_and_nothing_to_fill_in(web: Client) -> None:
    task = request_crawl("all", run_at=timezone.now() + timedelta(days=1))
    job = ScheduledJob.objects.get(job_id=task.task_id)
    page = text_of(web, of(job, "change"))
    assert of(job, "timeline") in page
    assert of(job, "backfill") not in page
    for action in ("run", "pause", "resume"):
        assert web.post(of(job, action)).status_code == 403, action
    assert web.get(of(job, "timeline")).status_code == 200


def test_a_schedule_that_is_off_or_quarantined_says_what_to_do(web: Client) -> None:
    off = make_job("off", enabled=False)
    spoilt = make_job("spoilt")
    ScheduledJob.objects.filter(pk=spoilt.pk).update(
        problem=HOSTILE, problem_at=timezone.now(), trigger={"type": "cron", "cron": HOSTILE}
    )
    for tab in TABS:
        assert "Off: it does not fire by its rule" in text_of(web, of(off, tab)), tab
        page = text_of(web, of(spoilt, tab))
        assert "Quarantined" in page, tab
        assert HOSTILE not in page, tab


# --- everything -------------------------------------------------------------------------------------------------------
def test_how_many_moments_a_pause_let_go_by_is_told_wherever_it_stands(web: Client) -> None:
    job = make_job(trigger={"type": "interval", "minutes": 1})
    begun = timezone.now() - timedelta(minutes=5, seconds=30)
    ScheduledJob.objects.filter(pk=job.pk).update(paused_at=begun, paused_by="mei", anchor_at=begun)
    definitions.resume_job(job.job_id)
    run = JobRun.objects.get()
    assert run.missed_count == 5
    for path in ("/admin/scheduling/jobrun/", of(job, "timeline")):
        assert "<small>5 moments</small>" in text_of(web, path), path
    assert "<dt>Missed firings</dt><dd>5</dd>" in text_of(web, f"/admin/scheduling/jobrun/{run.pk}/change/")
    make_spider()
    make_process(kind="scheduler")
    assert "Firings missed or skipped: 5" in text_of(web, "/admin/")


def test_pausing_everything_says_in_numbers_what_will_stop(web: Client) -> None:
    make_job("a")
    make_job("b", trigger={"type": "interval", "days": 40})
    make_run(make_job("c", enabled=False), state="queued", cause="manual")
    page = text_of(web, f"{LIST}pause-all/")
    assert "2 schedules will not fire." in page
    assert "1 of them would fire within 24 hours." in page
    assert "1 run that is queued already still runs." in page
    assert not SchedulerState.objects.filter(paused_at__isnull=False).exists()


def test_why_everything_is_paused_stands_beside_who_paused_it(web: Client) -> None:
    assert 'maxlength="200"' in text_of(web, f"{LIST}pause-all/")
    web.post(f"{LIST}pause-all/", {"note": f" The disk is changed {HOSTILE}\0" + "x" * 300})
    page = text_of(web, LIST)
    assert "The disk is changed &lt;script&gt;" in page
    assert HOSTILE not in page
    assert len(SchedulerState.objects.get().note) == 200
    # Nothing is asked where nothing would be kept.
    assert web.get(f"{LIST}pause-all/").headers["Location"] == LIST
    web.post(f"{LIST}pause-all/", {"note": "another"})
    assert SchedulerState.objects.get().note.startswith("The disk")
    web.post(f"{LIST}resume-all/")
    assert SchedulerState.objects.get().note == ""


def test_the_pause_of_everything_is_told_wherever_it_matters(web: Client) -> None:
    job, spider = make_job(), make_spider()
    run = make_run(job)
    web.post(f"{LIST}pause-all/")
    pages = [
        "/admin/", LIST, f"{LIST}add/", of(job, "change"), of(job, "timeline"), "/admin/scheduling/jobrun/",
        f"/admin/scheduling/jobrun/{run.pk}/change/", "/admin/scheduling/process/", "/admin/crawler/spider/",
        f"/admin/crawler/spider/{spider.pk}/change/", "/admin/crawler/crawltask/",
    ]  # fmt: skip
    for path in pages:
        page = text_of(web, path)
        assert "Everything is paused: no schedule fires" in page, path
        assert f'<input type="hidden" name="next" value="{path}">' in page, path
        assert page.count("resume-all/") == 1, path
        assert " · root" in page, path
    assert "no schedule fires" not in text_of(web, "/admin/auth/user/")
    answer = web.post(f"{LIST}resume-all/", {"next": "/admin/crawler/spider/"})
    assert answer.headers["Location"] == "/admin/crawler/spider/"
    assert "no schedule fires" not in text_of(web, "/admin/")


def test_no_schedule_is_called_active_while_everything_is_paused(web: Client) -> None:
    job = make_job()
    off = make_job("off", enabled=False)
    assert "is-ok" in web.get(LIST).content.decode().partition("result_list")[2]
    definitions.pause_all(by="ada")
    page = text_of(web, LIST).partition("result_list")[2]
    assert (page.count("Everything is paused"), page.count("<s><time"), page.count("Active")) == (1, 1, 0)
    assert "<span>Active</span>" not in text_of(web, of(job, "change"))
    assert "<span>Off</span>" in text_of(web, of(off, "change"))
    definitions.resume_all(by="ada")
    assert "<span>Active</span>" in text_of(web, of(job, "change"))


def test_who_may_not_resume_everything_is_told_without_a_button(client: Client) -> None:
    definitions.pause_all("root")
    client.force_login(make_user("ada", "scheduling.view_scheduledjob"))
    page = text_of(client, LIST)
    assert "no schedule fires" in page
    assert "resume-all" not in page
    assert client.get(f"{LIST}pause-all/").status_code == 403
    assert client.post(f"{LIST}resume-all/").status_code == 403


def test_that_no_scheduler_is_alive_is_told_on_schedules_and_runs(web: Client) -> None:
    job = make_job()
    paths = (LIST, of(job, "timeline"), "/admin/scheduling/jobrun/")
    for path in paths:
        assert "No scheduler is alive: nothing fires" in text_of(web, path), path
    assert "nothing fires and nothing runs" not in text_of(web, "/admin/crawler/item/")
    make_process()
    for path in paths:
        assert "nothing fires and nothing runs" not in text_of(web, path), path
