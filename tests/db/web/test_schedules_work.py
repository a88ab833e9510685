"""The list of schedules says what each of them is about: the spider that it crawls, with the way there."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_apscheduler.models import DjangoJob
from pytest_django import DjangoAssertNumQueries

from crawler.models import Spider
from scheduling.models import ScheduledJob

from .making import make_job, make_spider, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
LIST = "/admin/scheduling/scheduledjob/"
SPIDERS = "/admin/crawler/spider/"
URLS = ["https://shop.example/1", "https://shop.example/2"]


@pytest.fixture
def spider() -> Spider:
    return make_spider("books", category="old shops")


def work(client: Client, path: str = LIST) -> dict[str, str]:
    """The cell of each schedule, by the schedule's id; without what marks the handler."""
    page = client.get(path).content.decode()
    rows = re.findall(r"<small>([\w-]+)</small></span></a></th>.*?<td [^>]*field-work[^>]*>(.*?)</td>", page, re.DOTALL)
    return {job_id: re.sub(r'</?span(?: class="ll-mono")?>', "", cell) for job_id, cell in rows}


def crawl(job_id: str, **job_data: object) -> ScheduledJob:
    return make_job(job_id, handler="crawl", job_data=job_data)


def test_each_schedule_names_what_it_crawls_and_leads_there(root: User, client: Client, spider: Spider) -> None:
    crawl("a", type="spider", target="books")
    crawl("b", type="urls", target=URLS, spider="books")
    crawl("c", type="category", target="old shops")
    crawl("d", type="all")
    make_job("e")
    page = f"{SPIDERS}{spider.pk}/change/"
    client.force_login(root)
    assert work(client) == {
        "a": f'crawl <a href="{page}">books</a>',
        "b": f'crawl <a href="{page}">books: 2 addresses</a>',
        "c": f'crawl <a href="{SPIDERS}?category=old+shops">Category “old shops”</a>',
        "d": f'crawl <a href="{SPIDERS}?enabled__exact=1">All spiders that are enabled</a>',
        "e": "maintenance",
    }
    for cell in ("c", "d"):
        [address] = re.findall(r'href="([^"]+)"', work(client)[cell])
        assert [row.name for row in client.get(address).context["cl"].result_list] == ["books"]


def test_who_may_not_see_spiders_reads_their_names_without_a_link(client: Client, spider: Spider) -> None:
    crawl("a", type="spider", target="books")
    crawl("c", type="category", target="old shops")
    client.force_login(make_user("ada", "scheduling.view_scheduledjob"))
    assert work(client) == {"a": "crawl books", "c": "crawl Category “old shops”"}


def test_a_schedule_of_a_spider_that_is_gone_or_that_a_hand_spoilt_leads_nowhere(
    root: User, client: Client, spider: Spider
) -> None:
    crawl("a", type="spider", target="books")
    spoilt = crawl("b", type="spider", target="books")
    ScheduledJob.objects.filter(pk=spoilt.pk).update(job_data=["<b>"])
    spider.delete()
    client.force_login(root)
    assert work(client) == {"a": "crawl books", "b": "crawl"}


def test_the_list_costs_the_same_for_many_schedules_and_for_who_is_no_superuser(
    client: Client, spider: Spider, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        make_spider(f"spider-{number}")
        crawl(f"job-{number}", type="spider", target=f"spider-{number}")
    client.force_login(
        make_user(
            "ada", "scheduling.view_scheduledjob", "scheduling.change_scheduledjob", "scheduling.operate_scheduledjob",
            "crawler.view_spider",
        )
    )  # fmt: skip
    client.get(LIST)
    DjangoJob.objects.filter(pk="job-7").update(next_run_time=timezone.now())
    assert next(iter(work(client, f"{LIST}?o=6"))) == "job-7", "the list can begin with what fires next"
    with django_assert_max_num_queries(10):
        assert len(work(client)) == 20


def test_the_head_of_a_schedule_leads_to_its_spider(root: User, client: Client, spider: Spider) -> None:
    job = crawl("a", type="spider", target="books")
    page = f"{SPIDERS}{spider.pk}/change/"
    client.force_login(root)
    for tab in ("change", "timeline", "backfill", "history"):
        assert f'<a href="{page}">books</a> · ' in client.get(f"{LIST}{job.pk}/{tab}/").content.decode(), tab
    client.force_login(make_user("ada", "scheduling.view_scheduledjob"))
    shown = client.get(f"{LIST}{job.pk}/timeline/").content.decode()
    assert page not in shown
    assert ">books · Every day at " in shown


def test_schedules_are_found_by_the_spider_that_they_crawl(root: User, client: Client, spider: Spider) -> None:
    make_spider("weather")
    crawl("a", type="spider", target="books")
    crawl("b", type="urls", target=URLS, spider="books")
    crawl("c", type="spider", target="weather")
    ScheduledJob.objects.filter(pk=make_job("d").pk).update(job_data=["books"])
    client.force_login(root)
    assert set(work(client, f"{LIST}?q=BOOK")) == {"a", "b"}
    assert set(work(client, f"{LIST}?q=shop.example/2")) == {"b"}
