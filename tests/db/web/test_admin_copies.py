"""A copy of a spider or a schedule: a form that says the same under a free name, and stores nothing by itself."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from turbohtml import parse

from crawler import definitions as spiders
from crawler.models import Spider
from scheduling import definitions
from scheduling.definitions import dump_job
from scheduling.models import DefinitionVersion, ScheduledJob

from .making import make_job, make_spider, make_user
from .workshop import plain

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
SPIDERS, SCHEDULES = "/admin/crawler/spider/", "/admin/scheduling/scheduledjob/"
WEEKLY = {"type": "cron", "cron": "15 4 * * 1,3", "timezone": "Europe/Berlin", "end": "2031-01-01T00:00"}
POLICIES = {
    "coalesce": True, "max_instances": 2, "misfire_grace_time": None, "max_retries": 0, "timeout": 2.5, "jitter": 7,
    "overlap": "wait",
}  # fmt: skip


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


def counts() -> tuple[int, int, int]:
    return Spider.objects.count(), ScheduledJob.objects.count(), DefinitionVersion.objects.count()


def sent(page: str, form: str) -> dict[str, list[str]]:
    """What a browser sends of a form as it stands."""
    found = parse(page).select_one(f"#{form}")
    assert found is not None
    values: dict[str, list[str]] = {}
    for name, value in found.form_data():
        values.setdefault(name, []).append(value)
    return values


# --- names ------------------------------------------------------------------------------------------------------------
def test_a_copy_has_a_name_that_nothing_has_or_had() -> None:
    kind = DefinitionVersion.Kind.SPIDER

    def name_of(name: str) -> str:
        return definitions.name_of_copy(kind, name, most=100)

    make_job("books-copy")
    assert name_of("books") == "books-copy"
    for name in ("books-copy", "books-copy-2", "books-copy-9"):
        make_spider(name)
    assert [name_of(name) for name in ("books", "books-copy", "books-copy-9")] == ["books-copy-3"] * 3
    spiders.delete_spider("books-copy")
    assert name_of("books") == "books-copy-3"
    assert name_of("copy") == "copy-copy"
    longest = name_of("x" * 100)
    assert longest.endswith("x-copy")
    make_spider(longest)
    assert len(longest) < len(name_of("x" * 100)) <= 100


# --- spiders ----------------------------------------------------------------------------------------------------------
def test_a_copy_of_a_spider_says_the_same_under_a_free_name_and_is_stored_when_saved(web: Client) -> None:
    source = make_spider("books", enabled=False, manners={"delay": 2})
    before = counts()
    assert f'href="{SPIDERS}add/?copy={source.pk}"' in web.get(f"{SPIDERS}{source.pk}/change/").content.decode()
    page = web.get(f"{SPIDERS}add/?copy={source.pk}")
    draft = page.context["draft"]
    assert draft.document == spiders.dump_spider(source) | {"name": "books-copy"}
    assert "A copy of “books”, stored when you save it." in plain(page.content.decode())
    assert counts() == before
    answer = web.post(f"{SPIDERS}add/", {"_view": "yaml", "text": draft.text, "_save": "1"})
    copy = Spider.objects.get(name="books-copy")
    assert answer.headers["Location"] == f"{SPIDERS}{copy.pk}/change/?tab=yaml"
    assert (copy.version, copy.definition) == (1, source.definition | {"name": "books-copy"})


def test_the_form_of_a_copy_sends_what_it_shows(web: Client) -> None:
    source = make_spider("books")
    page = web.get(f"{SPIDERS}add/?copy={source.pk}").content.decode()
    assert web.post(f"{SPIDERS}add/", sent(page, "spider_form") | {"_save": ["1"]}).status_code == 302
    assert Spider.objects.get(name="books-copy").definition == source.definition | {"name": "books-copy"}


# --- schedules --------------------------------------------------------------------------------------------------------
def test_a_copy_of_a_schedule_says_the_same_under_a_free_id_and_is_stored_when_saved(web: Client) -> None:
    source = make_job(trigger=WEEKLY, policies=POLICIES, enabled=False)
    definitions.pause_job(source.job_id, note="why")
    before = counts()
    assert f'href="{SCHEDULES}add/?copy={source.pk}"' in web.get(f"{SCHEDULES}{source.pk}/change/").content.decode()
    address = f"{SCHEDULES}add/?copy={source.pk}"
    page = web.get(address)
    assert "A copy of “Every night”, stored when you save it." in plain(page.content.decode())
    assert counts() == before
    assert web.post(address, sent(page.content.decode(), "scheduledjob_form")).status_code == 302
    copy = ScheduledJob.objects.get(job_id="nightly-copy")
    assert dump_job(copy) == dump_job(source) | {"job_id": "nightly-copy", "name": "Every night (copy)"}
    assert (copy.version, copy.paused_at, copy.note) == (1, None, "")


def test_a_schedule_that_is_called_as_its_id_is_copied_as_one(web: Client) -> None:
    source = make_job("plain", name="plain")
    form = web.get(f"{SCHEDULES}add/?copy={source.pk}").context["adminform"].form
    assert (form["job_id"].value(), form["name"].value()) == ("plain-copy", "plain-copy")


# --- rights -----------------------------------------------------------------------------------------------------------
def test_who_may_add_and_see_may_copy(client: Client) -> None:
    spider, job = make_spider(), make_job()
    pages = {
        f"{SPIDERS}add/?copy={spider.pk}": "crawler.{}_spider",
        f"{SCHEDULES}add/?copy={job.pk}": "scheduling.{}_scheduledjob",
    }
    for number, (page, right) in enumerate(pages.items()):
        place = page.replace("add/?copy=", "") + "/change/"
        client.force_login(make_user(f"both-{number}", right.format("add"), right.format("view")))
        assert client.get(page).status_code == 200, page
        button = re.search(rf'<a class="([^"]*)" href="{re.escape(page)}"', client.get(place).content.decode())
        assert button is not None, page
        assert "ll-wide" not in button[1], "a phone has it as well"
        assert (
            client.get(page.replace(f"copy={spider.pk}", "copy=4711").replace(f"copy={job.pk}", "copy=x")).status_code
            == 404
        )
        client.force_login(make_user(f"see-{number}", right.format("view")))
        assert client.get(page).status_code == 403, page
        assert page not in client.get(place).content.decode(), page
        client.force_login(make_user(f"add-{number}", right.format("add")))
        assert client.get(page).status_code == 403, page
