"""Every list of the admin asks the database ten times at most, whatever is asked of it, and whoever asks."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crawler.models import CrawlTask, Item, Page, Spider
from crawlproject.web.bounded import BoundedChangeList
from scheduling.models import DefinitionVersion, JobRun, Process, RunLog, ScheduledJob
from tests.db.processes import make_process

from .making import make_item, make_job, make_page, make_run, make_spider, make_task, make_user

pytestmark = pytest.mark.django_db
MOST = 10
LISTS = [JobRun, ScheduledJob, Process, DefinitionVersion, Spider, CrawlTask, Page, Item]


@pytest.fixture
def reader(db: None, client: Client) -> Client:
    """Somebody with all rights, some of them a group's: no superuser, of whom nobody asks for any."""
    account = make_user("reader")
    group = Group.objects.create(name="readers")
    rights = list(Permission.objects.exclude(codename__startswith="delete"))
    group.permissions.set(rights[::2])
    account.groups.add(group)
    account.user_permissions.set(rights[1::2])
    client.force_login(User.objects.get(pk=account.pk))
    return client


@pytest.fixture
def of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that each need something more to be told, and more of them than a list looks through."""
    monkeypatch.setattr(BoundedChangeList, "looked_at", 30)
    now = timezone.now()
    make_process(started_at=now - timedelta(days=3), beat_at=now - timedelta(days=2), state="lost")
    process = make_process(max_workers=1)
    for number in range(3):
        spider = make_spider(f"spider-{number}", category=f"shops-{number}")
        job = make_job(
            f"job-{number}",
            handler="crawl",
            job_data={"type": "spider", "target": spider.name},
            policies={"max_instances": number + 1, "coalesce": False},
        )
        for _number in range(2):
            make_run(job, state="failed", reason="broken", error="It cannot be read.")
            make_run(job, state="queued", exclusive_key=f"spider:{number}")
            run = make_run(job, state="queued", claim=2, started_at=now)
            make_run(job, state="missed", reason="late", data={"moments": []}, claim=2, started_at=now)
            make_run(job, state="missed", reason="paused", data={"by": "ada"}, missed_count=7)
            make_run(job, state="skipped", reason="max_instances")
            RunLog.objects.create(run=run, seq=1, text="2026-01-01T00:00:00.000000Z Begun\n")
            task = make_task(spider, status="failed", run=run, reasons={"http_500": 2})
            make_task(None, status="completed", run=make_run(job))
            page = make_page(spider, task=task, state="failed", reason="http_500")
            make_item(spider, page=page, gone_at=now, complete=False)
    for number in range(3):
        job = ScheduledJob.objects.get(job_id=f"job-{number}")
        make_run(job, state="running", owner=process, slot=number, exclusive_key=f"spider:{number}" if number else "")


def questions_of(client: Client, path: str) -> list[str]:
    """The statements of a page, asked for the second time."""
    assert client.get(path).status_code == 200, path
    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    return [str(query["sql"]) for query in captured.captured_queries]


@pytest.mark.any_database
@pytest.mark.parametrize("model", LISTS)
def test_a_list_asks_ten_times_at_most(reader: Client, of_every_kind: None, model: type[Model]) -> None:
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    page = reader.get(path).content.decode().replace("&amp;", "&")
    filters = {query for query in re.findall(r'href="(\?[^"]*)"', page) if "=" in query and "?o=" not in query}
    asked = {path, f"{path}?q=1", *(path + query for query in filters)} | {f"{path}{query}&q=1" for query in filters}
    found = {address: len(questions_of(reader, address)) for address in sorted(asked)}
    assert {address: count for address, count in found.items() if count > MOST} == {}


@pytest.mark.any_database
def test_rights_are_the_account_s_own_and_those_of_its_groups(client: Client) -> None:
    account = make_user("ada", "crawler.view_item")
    group = Group.objects.create(name="readers")
    group.permissions.set(Permission.objects.filter(codename__in=["view_item", "view_page"]))
    account.groups.add(group)
    account = User.objects.get(pk=account.pk)
    with CaptureQueriesContext(connection) as captured:
        assert account.get_all_permissions() == {"crawler.view_item", "crawler.view_page"}
        assert account.has_perm("crawler.view_page")
        assert not account.has_perm("crawler.view_spider")
    assert len(captured) == 1
    assert not account.has_perm("crawler.view_page", make_spider())
    account.is_active = False
    assert not account.has_perm("crawler.view_page")
