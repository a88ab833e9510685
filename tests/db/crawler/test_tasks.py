"""Tasks and their runs: asked for, begun, given back, ended, fanned out, rolled up, cancelled."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_apscheduler.models import DjangoJob
from pytest_django import Settings

from crawler import tasks
from crawler.crawl_data import read_request
from crawler.fan_out import fan_out
from crawler.models import CrawlTask, Page, Spider
from crawler.tasks import (
    CrawlTaskService,
    TaskEnded,
    TaskNotFound,
    cancel_task,
    describe_task,
    new_task_id,
    request_crawl,
    scheduler_status,
    take_task,
)
from scheduling import claims, endings, registry
from scheduling.endings import Outcome
from scheduling.exceptions import InvalidJobData, RunStopped
from scheduling.models import JobRun, ScheduledJob
from scheduling.signals import run_ended
from tests.db.scheduling.making import make_job, make_process, make_run

from .making import make_spider, make_task, url_of

pytestmark = pytest.mark.django_db


def fire(task: CrawlTask) -> JobRun:
    """The run of a crawl that was asked for now, for whoever claims it first."""
    run = JobRun.objects.get(job_key=task.task_id)
    JobRun.objects.filter(pk=run.pk).update(exclusive_key="")
    return run


def claim_all() -> list[claims.Claimed]:
    return claims.claim(make_process(), timezone.now(), 100)


def finish(claimed: claims.Claimed, state: str = "succeeded", message: str = "fine") -> None:
    endings.finish(claimed, Outcome(state=state, message=message), timezone.now())


def statuses(*found: CrawlTask) -> list[str]:
    return [CrawlTask.objects.get(pk=task.pk).status for task in found]


class TestAsking:
    def test_a_crawl_that_is_asked_for_is_a_pending_task_and_a_one_off_of_the_same_id(self) -> None:
        spider = make_spider()
        task = request_crawl("spider", "books", by="ada")
        assert (task.status, task.task_type, task.spider, task.targets) == ("pending", "spider", spider, ["books"])
        job = ScheduledJob.objects.get()
        assert (job.job_id, job.handler, job.one_time) == (task.task_id, "crawl", True)
        assert (job.job_data, job.misfire_grace_time) == ({"type": "spider", "target": "books"}, None)
        planned = DjangoJob.objects.get()
        assert (planned.id, planned.next_run_time) == (task.task_id, None), "its run is there: nothing more is planned"
        assert scheduler_status(task) == "pending"

    def test_its_run_says_who_asked_for_it(self) -> None:
        spider = make_spider()
        Spider.objects.filter(pk=spider.pk).update(version=2)
        task = request_crawl("spider", "books", by="ada")
        run = JobRun.objects.get()
        assert (task.run, task.spider_version) == (run, 2)
        assert (run.cause, run.requested_by, run.job_key) == ("manual", "ada", task.task_id)
        assert (run.exclusive_key, run.definition_version) == ("spider:books", None)
        [claimed] = claim_all()
        run.refresh_from_db()
        assert run.definition_version is None, "a one-off has no versions"
        finish(claimed)
        run.refresh_from_db()
        assert run.job is None
        assert run.work is not None
        assert run.work["job_data"] == {"type": "spider", "target": "books"}

    def test_a_crawl_that_is_planned_for_later_has_no_run_yet(self) -> None:
        make_spider()
        task = request_crawl("spider", "books", run_at=timezone.now() + timedelta(hours=1), by="ada")
        assert (task.run, scheduler_status(task)) == (None, "scheduled")
        assert not JobRun.objects.exists()

    def test_a_crawl_may_be_asked_for_later(self) -> None:
        make_spider()
        at = timezone.now() + timedelta(hours=1)
        request_crawl("all", run_at=at)
        assert DjangoJob.objects.get().next_run_time == at

    def test_task_ids_tell_the_moment_in_the_schedulers_zone(self, settings: Settings) -> None:
        settings.SCHEDULER_TIMEZONE = "Asia/Shanghai"
        task_id = new_task_id("all", datetime(2026, 12, 31, 18, 0, tzinfo=UTC))
        assert re.fullmatch(r"crawl_all_20270101_020000_[a-z0-9]{4}", task_id)

    def test_a_task_id_that_is_taken_is_drawn_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ids = iter(["taken", "taken", "free"])
        monkeypatch.setattr(tasks, "new_task_id", lambda task_type: next(ids))
        make_task(None, "taken")
        assert request_crawl("all").task_id == "free"

    @pytest.mark.parametrize(
        ("job_data", "place", "part"),
        [
            ({}, "type", "one of"),
            ({"type": "spyder"}, "type", "did you mean “spider”"),
            ({"type": "spider"}, "target", "missing"),
            ({"type": "spider", "target": "bookz"}, "target", "Did you mean “books”?"),
            ({"type": "spider", "target": "books", "spider": "books"}, "spider", "“urls” only"),
            ({"type": "all", "target": "books"}, "target", "not given"),
            ({"type": "category", "target": "shopz"}, "target", "Did you mean “shops”?"),
            ({"type": "urls", "target": [], "spider": "books"}, "target", "list of URLs"),
            ({"type": "urls", "target": "https://shop.example/", "spider": "books"}, "target", "list of URLs"),
            ({"type": "urls", "target": ["ftp://shop.example/"], "spider": "books"}, "target[0]", "ftp"),
            ({"type": "urls", "target": [1], "spider": "books"}, "target[0]", "URL"),
            ({"type": "urls", "target": ["https://shop.example/"]}, "spider", "missing"),
            ({"type": "urls", "target": ["https://shop.example/"], "spider": "bookz"}, "spider", "“books”"),
            (
                {"type": "urls", "target": ["https://shop.example/", "https://else.example/"], "spider": "books"},
                "target[1]",
                "outside the domains",
            ),
            ({"type": "all", "targets": []}, "targets", "did you mean “target”"),
        ],
    )
    def test_what_cannot_be_crawled_is_refused_with_its_place(
        self, job_data: dict[str, object], place: str, part: str
    ) -> None:
        make_spider(category="shops")
        with pytest.raises(InvalidJobData) as caught:
            registry.get("crawl").validate(job_data)
        assert caught.value.place == place
        assert part in caught.value.message

    def test_what_is_refused_leaves_nothing_behind(self) -> None:
        with pytest.raises(InvalidJobData):
            request_crawl("spider", "nobody")
        assert not CrawlTask.objects.exists()
        assert not ScheduledJob.objects.exists()

    @pytest.mark.parametrize(
        ("job_data", "key"),
        [
            ({"type": "spider", "target": "books"}, "spider:books"),
            ({"type": "urls", "target": ["https://shop.example/"], "spider": "books"}, "spider:books"),
            ({"type": "all"}, ""),
            ({"type": "category", "target": "shops"}, ""),
        ],
    )
    def test_a_spider_is_crawled_once_at_a_time(self, job_data: dict[str, object], key: str) -> None:
        assert registry.get("crawl").exclusive_key(job_data) == key


class TestInStep:
    def test_a_one_offs_task_follows_its_run_to_the_end(self) -> None:
        make_spider()
        task = request_crawl("spider", "books")
        run = fire(task)
        assert statuses(task) == ["pending"]
        [claimed] = claim_all()
        task.refresh_from_db()
        assert (task.status, task.run, scheduler_status(task)) == ("running", run, "running")
        assert task.started_at is not None
        endings.hand_back(claimed, timezone.now(), message="draining")
        task = CrawlTask.objects.get()
        assert (task.status, task.message, scheduler_status(task)) == ("pending", "draining", "pending")
        [claimed] = claim_all()
        finish(claimed, message="10 pages")
        task = CrawlTask.objects.get()
        assert (task.status, task.message, scheduler_status(task)) == ("completed", "10 pages", "completed")
        assert task.finished_at is not None
        assert not ScheduledJob.objects.exists()
        assert not DjangoJob.objects.exists()

    @pytest.mark.parametrize(("state", "status"), [("failed", "failed"), ("cancelled", "cancelled")])
    def test_other_ends(self, state: str, status: str) -> None:
        make_spider()
        task = request_crawl("spider", "books")
        fire(task)
        [claimed] = claim_all()
        finish(claimed, state, "why")
        task = CrawlTask.objects.get()
        assert (task.status, task.message) == (status, "why")

    @pytest.mark.parametrize("state", ["missed", "skipped", "failed"])
    def test_a_run_that_is_born_ended_ends_its_task(self, state: str) -> None:
        make_spider()
        task = request_crawl("spider", "books", run_at=timezone.now() + timedelta(hours=1))
        job = ScheduledJob.objects.get()
        run = make_run(job, state=state, finished_at=timezone.now())
        run_ended.send(sender=JobRun, run=run)
        task.refresh_from_db()
        assert (task.status, task.run) == ("failed", run)
        assert scheduler_status(task) == state

    def test_runs_of_recurring_schedules_that_never_began_cost_no_query(self) -> None:
        job = make_job(handler="crawl", job_data={"type": "all"})
        run = make_run(job, state="missed", finished_at=timezone.now())
        with CaptureQueriesContext(connection) as captured:
            run_ended.send(sender=JobRun, run=run)
        assert len(captured) == 0

    def test_other_handlers_runs_are_left_alone(self) -> None:
        make_spider()
        job = make_job("tidy", handler="maintenance", one_time=True)
        task = make_task(None, "tidy")
        make_run(job)
        claim_all()
        assert statuses(task) == ["pending"]

    def test_a_schedules_firing_makes_its_own_task_once(self) -> None:
        spider = make_spider()
        job = make_job(handler="crawl", job_data={"type": "spider", "target": "books"})
        run = make_run(job)
        claim_all()
        request = read_request(job.job_data)
        task = take_task(run.pk, job.job_id, request)
        assert (task.status, task.spider, task.run) == ("running", spider, run)
        assert task.task_id.startswith("crawl_spider_")
        assert take_task(run.pk, job.job_id, request) == task

    def test_a_recovered_run_of_a_schedule_takes_its_task_along(self) -> None:
        make_spider()
        job = make_job(handler="crawl", job_data={"type": "spider", "target": "books"})
        run = make_run(job)
        [claimed] = claim_all()
        task = take_task(run.pk, job.job_id, read_request(job.job_data))
        endings.hand_back(claimed, timezone.now(), message="")
        assert statuses(task) == ["pending"]
        [claimed] = claim_all()
        assert statuses(task) == ["running"]
        finish(claimed)
        assert statuses(task) == ["completed"]


def begin_all(*names: str, **fields: object) -> tuple[CrawlTask, list[claims.Claimed]]:
    """A crawl of all spiders whose children are claimed."""
    for name in names:
        make_spider(name, **fields)
    parent = request_crawl("all", by="ada")
    run = fire(parent)
    [claimed] = claim_all()
    fan_out(parent.pk, run.pk)
    finish(claimed, message=f"{len(names)} crawls begun.")
    parent.refresh_from_db()
    return parent, sorted(claim_all(), key=lambda child: child.job_key)


class TestFanOut:
    def test_each_enabled_spider_gets_a_child_and_a_run(self) -> None:
        make_spider("off")
        Spider.objects.update(enabled=False)
        parent, claimed = begin_all("a", "b")
        assert (parent.status, parent.children_left) == ("running", 2)
        assert [child.job_data for child in claimed] == [
            {"type": "spider", "target": "a"},
            {"type": "spider", "target": "b"},
        ]
        children = list(CrawlTask.objects.filter(parent=parent).order_by("id"))
        assert [child.task_id for child in children] == [f"{parent.task_id}-a", f"{parent.task_id}-b"]
        assert statuses(*children) == ["running", "running"]
        run = children[0].run
        assert run is not None
        assert (run.cause, run.job, run.exclusive_key, run.requested_by) == ("fanout", None, "spider:a", "ada")
        assert scheduler_status(parent) == "completed"

    def test_a_category_begins_its_own_spiders_only(self) -> None:
        make_spider("a", category="shops")
        make_spider("b", category="news")
        parent = request_crawl("category", "shops")
        run = fire(parent)
        claim_all()
        assert fan_out(parent.pk, run.pk) == 1
        assert [child.targets for child in CrawlTask.objects.filter(parent=parent)] == [["a"]]

    def test_a_second_attempt_finds_the_children(self) -> None:
        make_spider("a")
        parent = request_crawl("all")
        run = fire(parent)
        claim_all()
        assert fan_out(parent.pk, run.pk) == fan_out(parent.pk, run.pk) == 1
        assert JobRun.objects.filter(cause="fanout").count() == 1

    def test_a_run_whose_cancel_was_asked_begins_no_children(self) -> None:
        make_spider("a")
        parent = request_crawl("all")
        run = fire(parent)
        claim_all()
        cancel_task(parent.task_id)
        with pytest.raises(RunStopped):
            fan_out(parent.pk, run.pk)

    def test_counts_and_reasons_roll_up_and_the_last_child_ends_the_parent(self) -> None:
        parent, (first, second) = begin_all("a", "b")
        for name, reasons in (("a", {"http_404": 2}), ("b", {"http_404": 1, "dns_error": 1})):
            CrawlTask.objects.filter(spider__name=name).update(pages=10, items_new=3, reasons=reasons)
        finish(first)
        parent.refresh_from_db()
        assert (parent.status, parent.children_left, parent.pages) == ("running", 1, 10)
        finish(second)
        parent.refresh_from_db()
        assert (parent.status, parent.children_left, parent.pages, parent.items_new) == ("completed", 0, 20, 6)
        assert parent.reasons == {"http_404": 3, "dns_error": 1}
        assert parent.message == "2 of 2 spiders completed."
        assert parent.finished_at is not None

    @pytest.mark.parametrize(
        ("ends", "shown", "message"),
        [
            (("failed", "failed"), "failed", "0 of 2 spiders completed. 2 failed."),
            (("failed", "succeeded"), "lacking", "1 of 2 spiders completed. 1 failed."),
            (("cancelled", "succeeded"), "lacking", "1 of 2 spiders completed. 1 cancelled."),
            (("cancelled", "cancelled"), "cancelled", "0 of 2 spiders completed. 2 cancelled."),
            (("cancelled", "failed"), "failed", "0 of 2 spiders completed. 1 failed. 1 cancelled."),
        ],
    )
    def test_what_the_parent_ends_as(self, ends: tuple[str, str], shown: str, message: str) -> None:
        parent, children = begin_all("a", "b")
        for child, state in zip(children, ends, strict=True):
            finish(child, state)
        parent.refresh_from_db()
        assert (parent.shown_status, parent.message) == (shown, message)
        assert parent.status == ("completed" if shown == "lacking" else shown)

    def test_with_no_spider_the_parent_completes_at_once(self) -> None:
        parent, children = begin_all()
        assert (children, parent.status, parent.message) == ([], "completed", "0 crawls begun.")


class TestCancelling:
    def test_before_its_run_exists(self) -> None:
        make_spider()
        task = request_crawl("spider", "books", run_at=timezone.now() + timedelta(days=1))
        task = cancel_task(task.task_id, by="ada")
        assert (task.status, task.message, scheduler_status(task)) == ("cancelled", "Cancelled by ada.", "cancelled")
        assert not ScheduledJob.objects.exists()

    def test_while_its_run_is_queued(self) -> None:
        make_spider()
        task = request_crawl("spider", "books")
        fire(task)
        assert cancel_task(task.task_id).status == "cancelled"
        assert not ScheduledJob.objects.exists()
        assert claim_all() == []

    def test_while_it_runs_it_is_asked_to_stop(self) -> None:
        make_spider()
        task = request_crawl("spider", "books")
        run = fire(task)
        [claimed] = claim_all()
        assert cancel_task(task.task_id, by="ada").status == "running"
        run.refresh_from_db()
        assert run.cancel_requested_by == "ada"
        finish(claimed, "cancelled", "Cancelled.")
        assert statuses(task) == ["cancelled"]

    def test_a_parents_children_are_cancelled_with_it(self) -> None:
        parent, (first, second, third) = begin_all("a", "b", "c")
        finish(first)
        endings.hand_back(second, timezone.now(), message="")
        assert cancel_task(parent.task_id, by="ada").status == "cancelled"
        children = list(CrawlTask.objects.filter(parent=parent).order_by("id"))
        # The one that waited is cancelled at once, the one that works as soon as it can stop.
        assert statuses(*children) == ["completed", "cancelled", "running"]
        CrawlTask.objects.filter(pk=children[2].pk).update(pages=5)
        finish(third, "cancelled")
        parent.refresh_from_db()
        assert (parent.status, parent.message, parent.children_left) == ("cancelled", "Cancelled by ada.", 0)
        assert parent.pages == 5

    def test_a_task_without_run_and_one_off_can_still_be_ended(self) -> None:
        task = make_task(None, "stray")
        assert cancel_task(task.task_id).status == "cancelled"

    def test_an_ended_or_unknown_task_is_refused(self) -> None:
        with pytest.raises(TaskNotFound, match="nothing"):
            cancel_task("nothing")
        task = make_task(None, "done", status="completed")
        with pytest.raises(TaskEnded, match="completed"):
            cancel_task(task.task_id)


class TestService:
    def test_the_specifications_methods(self) -> None:
        service = CrawlTaskService()
        task = service.create_task("spider", ["books"], spider=make_spider())
        assert service.get_task_by_id(task.task_id) == task
        assert service.update_task_status(task.task_id, "running").status == "running"
        assert service.update_task_status(task.task_id, "failed", "why").message == "why"
        with pytest.raises(TaskEnded):
            service.update_task_status(task.task_id, "running")
        with pytest.raises(TaskNotFound):
            service.get_task_by_id("nothing")

    def test_progress_and_counts_are_told(self) -> None:
        spider = make_spider()
        task = make_task(spider, "t", status="running", pages=3, items=2)
        Page.objects.create(spider=spider, url=url_of("/"), url_hash=1, state="pending", task=task)
        told = describe_task(task)
        assert told["progress"] == {"pages_done": 3, "pages_waiting": 1, "fraction": 0.75}
        counts = told["counts"]
        assert isinstance(counts, dict)
        assert (counts["pages"], counts["items"]) == (3, 2)
        assert (told["spider"], told["status"], told["scheduler_status"]) == ("books", "running", "scheduled")

    def test_a_parents_progress_is_its_children(self) -> None:
        parent, (first, _second) = begin_all("a", "b")
        finish(first)
        parent.refresh_from_db()
        assert describe_task(parent)["progress"] == {"spiders": 2, "spiders_done": 1, "fraction": 0.5}

    def test_an_ended_task_whose_run_was_cleared_away_keeps_its_status(self) -> None:
        assert scheduler_status(make_task(None, "t", status="completed")) == "completed"
