"""Spiders, tasks, items, secrets and tokens in the admin."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
import yaml
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from knox.models import AuthToken
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from crawler import secrets
from crawler.definitions import dump_spider
from crawler.models import CrawlTask, ItemStock, Secret, Spider, TaskFailure
from crawler.tasks import request_crawl
from crawler.workshop.draft import Draft
from crawlproject.models import TokenPurpose
from scheduling import claims
from scheduling.models import DefinitionVersion, JobRun, Process, ScheduledJob
from tests.db.scheduling.making import make_process

from .answers import Answer, messages_of
from .making import (
    make_item,
    make_job,
    make_page,
    make_run,
    make_spider,
    make_task,
    make_user,
    make_version,
    spider_document,
)

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
SPIDERS = "/admin/crawler/spider/"
TASKS = "/admin/crawler/crawltask/"
TOKENS = "/admin/knox/authtoken/"


def problems_of(answer: Answer) -> str:
    """What the workshop says of a draft that was not saved."""
    return "\n".join(str(problem) for problem in answer.context["problems"])


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


# --- spiders ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", [yaml.safe_dump(spider_document()), __import__("json").dumps(spider_document())])
def test_a_spider_is_made_by_its_document(web: Client, text: str) -> None:
    answer = web.post(f"{SPIDERS}add/", {"text": text})
    assert answer.status_code == 302, problems_of(answer)
    spider = Spider.objects.get()
    assert (spider.name, spider.category) == ("books", "shops")
    assert DefinitionVersion.objects.get().user == User.objects.get(username="root")


def test_what_a_new_form_begins_with_is_saved_once_somebody_has_said_what_it_is(web: Client) -> None:
    text = web.get(f"{SPIDERS}add/").context["draft"].text
    assert Draft.of_text(text).definition is not None
    untouched = web.post(f"{SPIDERS}add/", {"text": text})
    assert [problem.place for problem in untouched.context["problems"]] == ["name", "start_urls[0]"]
    assert "“my-spider” is the example" in problems_of(untouched)
    named = text.replace("my-spider", "lamps")
    assert "“https://example.com/” is the example" in problems_of(web.post(f"{SPIDERS}add/", {"text": named}))
    assert not Spider.objects.exists()
    said = named.replace("https://example.com/", "https://lamps.example/")
    assert web.post(f"{SPIDERS}add/", {"text": said}).status_code == 302
    assert Spider.objects.get().name == "lamps"


def test_the_form_shows_the_document_and_saving_it_changes_nothing(web: Client) -> None:
    spider = make_spider()
    path = f"{SPIDERS}{spider.pk}/change/"
    text = web.get(path).context["draft"].text
    assert yaml.safe_load(text)["items"] == spider_document()["items"]
    assert web.post(path, {"text": text}).status_code == 302
    spider.refresh_from_db()
    assert spider.version == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("name: [", "line"),
        ("- a\n- b", "one spider"),
        ("just text", "one spider"),
        ("name: a\nname: b\nstart_urls: ['https://x.example/']", "name"),
        ("name: a\nstart_url: ['https://x.example/']", "start_urls"),
        ("name: a\nstart_urls: ['https://x.example/']\nfollow: [{css: 'a['}]", "follow[0].css"),
        ("name: a\nstart_urls: ['https://x.example/']\nitems: [{type: t, fields: {x: {css: a, typ: text}}}]", "typ"),
        ("name: a\nstart_urls: ['https://x.example/']\nlimits: {max_seconds: 02:00}", "quotes"),
        ("name: \0", ""),
        ("name: ' '\nstart_urls: ['https://x.example/']", "name"),
        ("x: &a [1]\ny: *a", ""),
    ],
)
def test_an_error_names_its_place_and_keeps_the_text(web: Client, text: str, says: str) -> None:
    answer = web.post(f"{SPIDERS}add/", {"text": text})
    assert says in problems_of(answer)
    assert not Spider.objects.exists()
    assert answer.context["draft"].text == text


def test_a_name_that_is_taken_is_refused(web: Client) -> None:
    make_spider()
    text = yaml.safe_dump(spider_document(category="other"))
    assert "already" in problems_of(web.post(f"{SPIDERS}add/", {"text": text}))
    assert Spider.objects.get().category == "shops"


def test_what_is_probably_not_meant_is_said_when_a_spider_is_saved(web: Client) -> None:
    document = spider_document(session={"verify_tls": False, "auth": {"bearer": {"secret": "token"}}})
    answer = web.post(f"{SPIDERS}add/", {"text": yaml.safe_dump(document)}, follow=True)
    assert Spider.objects.get().name == "books"
    said = [str(message) for message in answer.context["messages"] if message.level_tag == "warning"]
    assert said == [
        "session.verify_tls: false: certificates are not checked, anybody on the way can read and change what is "
        "fetched",
        "session.auth.bearer: no secret is stored under “token” yet; set it in the admin",
    ]


def test_a_spider_keeps_its_name(web: Client) -> None:
    spider = make_spider()
    answer = web.post(f"{SPIDERS}{spider.pk}/change/", {"text": yaml.safe_dump(spider_document(name="other"))})
    assert "keeps its name" in problems_of(answer)
    assert list(Spider.objects.values_list("name", flat=True)) == ["books"]


def test_a_change_is_a_new_version(web: Client) -> None:
    spider = make_spider()
    answer = web.post(f"{SPIDERS}{spider.pk}/change/", {"text": yaml.safe_dump(spider_document(category="best"))})
    assert answer.status_code == 302, problems_of(answer)
    spider.refresh_from_db()
    assert (spider.category, spider.version) == ("best", 2)


def test_crawl_now_asks_for_a_crawl(web: Client) -> None:
    spider = make_spider()
    answer = web.post(SPIDERS, {"action": "crawl_now", "_selected_action": [spider.pk]})
    task = CrawlTask.objects.get()
    assert (task.spider, task.status) == (spider, "pending")
    run = JobRun.objects.get()
    assert (run.cause, run.requested_by, task.run) == ("manual", "root", run)
    [message] = messages_of(answer)
    assert f'<a href="/admin/crawler/crawltask/{task.pk}/change/">{task.task_id}</a>' in message
    assert f'<a href="/admin/scheduling/jobrun/{run.pk}/change/">#{run.pk}</a>' in message
    assert "no scheduler is alive" in message, "what it waits for"
    assert ScheduledJob.objects.get().one_time


def test_run_now_while_the_spider_is_crawled_says_what_it_waits_for(web: Client) -> None:
    spider = make_spider()
    page = f"{SPIDERS}{spider.pk}/change/"
    make_process(beat_at=timezone.now())
    for _time in range(2):
        web.post(page, {"_run": "1", "text": yaml.safe_dump(dump_spider(spider))})
    first, second = JobRun.objects.order_by("pk")
    said = f'It waits for run <a href="/admin/scheduling/jobrun/{first.pk}/change/">#{first.pk}</a> (Crawl of books)'
    head = web.get(page).content.decode()
    assert said in head
    state = web.get(f"{SPIDERS}{spider.pk}/state/")
    assert (said in state.content.decode(), "X-Poll" in state.headers) == (True, False)
    assert f'data-poll="{SPIDERS}{spider.pk}/state/" data-poll-stays' in head
    [_claimed] = claims.claim(Process.objects.get(), timezone.now(), 10)
    assert "only one of the two may run" in web.get(f"/admin/scheduling/jobrun/{second.pk}/change/").content.decode()
    CrawlTask.objects.update(status="completed")
    over = web.get(f"{SPIDERS}{spider.pk}/state/")
    assert (over.headers["X-Poll"], "Completed" in over.content.decode()) == ("over", True)
    assert "data-poll-stays" not in web.get(page).content.decode()


def test_the_list_of_spiders_tells_schedule_rounds_and_changes(web: Client) -> None:
    books, lamps = make_spider(), make_spider("lamps", category="light")
    make_spider("alone", category="")
    ItemStock.objects.create(spider=books, present=1_234)
    for status in ("completed", "failed"):
        make_task(books, status=status, items=0, items_new=2, items_returned=1, items_gone=1)
    make_job("a-all", handler="crawl", job_data={"type": "category", "target": "light"})
    make_job("books", name="B", handler="crawl", job_data={"type": "spider", "target": "books"})
    make_job("later", name="C", handler="crawl", job_data={"type": "spider", "target": "books"}, enabled=False)
    make_job("other", handler="crawl", job_data={"type": "category", "target": "shops"})
    rows = {row.name: row for row in web.get(SPIDERS).context["cl"].result_list}
    told = {name: row.planned and (row.planned.job.job_id, row.more) for name, row in rows.items()}
    assert told == {"alone": None, "books": ("books", 2), "lamps": ("a-all", 0)}, "the spider's own come first"
    assert (rows["books"].letters, rows["books"].latest.status, rows["lamps"].latest) == ("sf", "failed", None)
    page = web.get(SPIDERS).content.decode()
    for text in ("shops · shop.example", "Every day at 02:00 (Asia/Shanghai) and 2 more", "1,234", ">+3<", ">−1<"):
        assert text in page
    shown = web.get(f"{SPIDERS}{lamps.pk}/change/").content.decode()
    assert "/admin/scheduling/scheduledjob/" in shown
    assert "Every night</a> Every day at 02:00 (Asia/Shanghai)" in shown


def test_a_crawl_of_a_moment_to_come_stands_beside_how_its_spider_is(web: Client) -> None:
    spider = make_spider()
    moment = timezone.now() + timedelta(days=30_000)

    def told() -> tuple[str | None, str | None]:
        """The newest crawl in the list, and in the head of the spider's page."""
        [row] = web.get(SPIDERS).context["cl"].result_list
        page = web.get(f"{SPIDERS}{spider.pk}/change/")
        assert f"{moment:%Y}" in page.content.decode(), "the moment to come"
        assert row.planned.job.one_time
        latest = page.context["latest"]
        return row.latest and row.latest.status, latest and latest.task.status

    request_crawl("spider", "books", run_at=moment)
    assert told() == (None, None)
    failed = make_task(spider, status="failed")
    planned = request_crawl("spider", "books", run_at=moment)
    assert (planned.pk > failed.pk, told()) == (True, ("failed", "failed"))
    make_job("nightly", handler="crawl", job_data={"type": "spider", "target": "books"})
    [row] = web.get(SPIDERS).context["cl"].result_list
    assert (row.planned.job.job_id, row.more) == ("nightly", 2), "what recurs comes first"
    request_crawl("spider", "books")
    assert web.get(f"{SPIDERS}{spider.pk}/change/").context["latest"].task.status == "pending", "it waits now"


def test_a_spider_without_a_schedule_leads_to_the_form_of_one(web: Client, client: Client) -> None:
    spider = make_spider()
    make_job("books")
    page = web.get(f"{SPIDERS}{spider.pk}/change/").content.decode()
    [address] = re.findall(r'href="(/admin/scheduling/scheduledjob/add/[^"]+)"', page)
    form = web.get(html.unescape(address)).context["adminform"].form
    begun = [form[name].value() for name in ("job_id", "name", "handler", "work_way", "do_crawl_target")]
    assert begun == ["books-2", "books", "crawl", "fields", "books"]
    client.force_login(make_user("bob", "crawler.view_spider"))
    assert "It has no schedule" not in client.get(f"{SPIDERS}{spider.pk}/change/").content.decode()


def test_the_page_of_a_run_says_which_version_of_the_spider_ran(web: Client) -> None:
    spider = make_spider()
    make_spider(category="best")
    task = request_crawl("spider", "books", by="ada")
    page = web.get(f"/admin/scheduling/jobrun/{task.run_id}/change/").content.decode()
    assert f'<a href="{SPIDERS}{spider.pk}/history/#v2">books, version 2</a>' in page
    assert "run now, by ada" in page
    assert "<dt>Definition</dt>" not in page, "a one-off has no versions"


def test_a_spider_that_a_schedule_crawls_stays(web: Client) -> None:
    spider = make_spider()
    job = make_job(handler="crawl", job_data={"type": "spider", "target": "books"})
    run = request_crawl("spider", "books", by="ada").run
    assert run is not None
    for answer in (
        web.get(f"{SPIDERS}{spider.pk}/delete/"),
        web.post(f"{SPIDERS}{spider.pk}/delete/", {"post": "yes"}),
    ):
        page = answer.content.decode()
        assert "It cannot be deleted" in page
        assert "What will be gone for good" not in page
        told = "The schedule “Every night” crawls it: change or delete that first."
        assert f'<a href="/admin/scheduling/scheduledjob/{job.pk}/change/">{told}</a>' in page
        told = f"Run #{run.pk} crawls it: cancel that, or wait for its end."
        assert f'<a href="/admin/scheduling/jobrun/{run.pk}/change/">{told}</a>' in page
    assert Spider.objects.exists()


def test_a_spider_is_deleted_with_what_it_found(web: Client) -> None:
    spider = make_spider()
    make_item(spider)
    make_task(spider)
    page = web.get(f"{SPIDERS}{spider.pk}/delete/").content.decode()
    assert re.findall(r"<li>([a-z ]+: \d+)", page) == ["crawl tasks: 1", "pages: 1", "items: 1", "pinned pages: 0"]
    assert web.post(f"{SPIDERS}{spider.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Spider.objects.exists()


# --- tasks, items, pages ----------------------------------------------------------------------------------------------
def test_the_list_of_users_says_in_which_groups_they_are(web: Client) -> None:
    make_user("vera").groups.add(Group.objects.get(name="Viewer"), Group.objects.get(name="Operator"))
    assert 'class="field-in_groups">Operator, Viewer</td>' in web.get("/admin/auth/user/").content.decode()


def test_a_crawl_that_waits_is_called_the_same_everywhere(web: Client) -> None:
    task = make_task(make_spider(), status="pending", started_at=None)
    for address in (TASKS, f"{TASKS}{task.pk}/change/", SPIDERS):
        page = web.get(address).content.decode()
        assert "<span>Pending</span>" in page, address
        assert "<span>Waiting</span>" not in page, address


def test_cancel_ends_a_waiting_crawl(web: Client) -> None:
    spider = make_spider()
    web.post(SPIDERS, {"action": "crawl_now", "_selected_action": [spider.pk]})
    task = CrawlTask.objects.get()
    web.post(TASKS, {"action": "cancel", "_selected_action": [task.pk]})
    task.refresh_from_db()
    assert task.status == "cancelled"
    messages = messages_of(web.post(TASKS, {"action": "cancel", "_selected_action": [task.pk]}))
    assert "has ended" in messages[-1]


def test_an_item_shows_what_changed_and_when(web: Client) -> None:
    item = make_item(make_spider(), version=2, data={"title": "A", "price": "2.00"})
    make_version(item, 1, timezone.now() - timedelta(hours=1), title="A", price="1.00")
    page = web.get(f"/admin/crawler/item/{item.pk}/change/").content.decode()
    assert "<del>1.00</del>" in page
    assert "<ins>2.00</ins>" in page
    assert "<del>A</del>" not in page


def test_items_are_filtered_by_type(web: Client) -> None:
    spider = make_spider()
    make_item(spider)
    make_item(spider, type="cd")
    assert web.get("/admin/crawler/item/?type=book").context["cl"].result_count == 1
    assert web.get("/admin/crawler/item/").context["cl"].result_count == 2


def test_a_page_is_found_by_its_whole_address(web: Client) -> None:
    spider = make_spider()
    page = make_page(spider, "a/b?c=d")
    make_page(spider)
    for term in ("https://shop.example/a/b?c=d", " HTTPS://shop.example/a/b?c=d#part "):
        found = web.get("/admin/crawler/page/", {"q": term}).context["cl"].result_list
        assert [row.pk for row in found] == [page.pk]
    assert web.get("/admin/crawler/page/", {"q": "no address"}).context["cl"].result_count == 0


def test_a_long_address_of_a_page_may_be_broken_anywhere(web: Client) -> None:
    url = f"https://shop.example/{'a' * 8_000}"
    page = make_page(make_spider(), url=url, redirected_to=url, etag="e" * 500)
    shown = web.get(f"/admin/crawler/page/{page.pk}/change/").content.decode()
    assert shown.count(f'<a class="w" rel="noreferrer noopener" href="{url}">{url}</a>') == 2
    assert f'<span class="w">{page.etag}</span>' in shown


# --- secrets ----------------------------------------------------------------------------------------------------------
def test_a_secret_is_written_and_never_shown(web: Client) -> None:
    value = "s3cr3t-value"
    answer = web.post("/admin/crawler/secret/add/", {"name": "shop-token", "value": value}, follow=True)
    assert answer.status_code == 200
    secret = Secret.objects.get()
    assert secrets.reveal("shop-token") == value
    assert value.encode() not in bytes(secret.ciphertext)
    pages = [
        answer,
        web.get("/admin/crawler/secret/"),
        web.get(f"/admin/crawler/secret/{secret.pk}/change/"),
        web.get(f"/admin/crawler/secret/{secret.pk}/history/"),
        web.get(f"/admin/crawler/secret/{secret.pk}/delete/"),
        web.get("/admin/"),
    ]
    for page in pages:
        assert value not in page.content.decode()


def test_a_secret_that_is_refused_is_not_shown_again(web: Client) -> None:
    answer = web.post("/admin/crawler/secret/add/", {"name": "no good", "value": "s3cr3t-value"})
    assert answer.status_code == 200
    assert "s3cr3t-value" not in answer.content.decode()
    answer = web.post("/admin/crawler/secret/add/", {"name": "good", "value": "a\nb"})
    assert not Secret.objects.exists()


def test_saving_a_secret_replaces_its_value_and_keeps_its_name(web: Client) -> None:
    secret = secrets.set_secret("shop-token", "before")
    web.post(f"/admin/crawler/secret/{secret.pk}/change/", {"name": "other", "value": "after"})
    assert secrets.reveal("shop-token") == "after"
    assert Secret.objects.count() == 1


# --- tokens -----------------------------------------------------------------------------------------------------------
def token_of(answer: Answer) -> str:
    [message] = messages_of(answer)
    return message.partition('<code class="ll-mono">')[2].partition("</code>")[0]


def test_a_token_is_shown_once_and_only_its_hash_is_stored(web: Client, root: User) -> None:
    answer = web.post(f"{TOKENS}add/", {"user": root.pk, "days": "30"})
    assert answer.status_code == 302
    token = token_of(answer)
    assert APIClient(HTTP_AUTHORIZATION=f"Token {token}").get("/api/schedule/status").status_code == 200
    row = AuthToken.objects.get()
    assert token not in (row.digest, row.token_key)
    assert timedelta(days=29) < row.expiry - timezone.now() < timedelta(days=31)
    assert token in web.get(TOKENS).content.decode()
    for path in (TOKENS, f"{TOKENS}{row.pk}/change/", "/admin/"):
        assert token not in web.get(path).content.decode()


def test_a_token_may_last(web: Client, root: User) -> None:
    web.post(f"{TOKENS}add/", {"user": root.pk, "days": ""})
    assert AuthToken.objects.get().expiry is None


def test_a_deleted_token_opens_nothing(web: Client, root: User) -> None:
    token = token_of(web.post(f"{TOKENS}add/", {"user": root.pk, "days": ""}))
    web.post(f"{TOKENS}{AuthToken.objects.get().pk}/delete/", {"post": "yes"})
    assert APIClient(HTTP_AUTHORIZATION=f"Token {token}").get("/api/schedule/status").status_code == 401


def test_a_token_is_called_by_its_owner_and_its_beginning_and_never_by_its_hash(web: Client, root: User) -> None:
    row = AuthToken.objects.create(root)[0]
    name = f"root: {row.token_key[:8]}…"
    page = web.get(TOKENS).content.decode()
    assert f'aria-label="Select this object for an action - {name}"' in page
    # The hash is the row's key: it stands in its address, and in the box that chooses it.
    assert page.count(row.digest) == page.count(f"{TOKENS}{row.digest}/") + page.count(f'value="{row.digest}"')
    answer = web.post(f"{TOKENS}{row.digest}/delete/", {"post": "yes"})
    assert [name in message and row.digest not in message for message in messages_of(answer)] == [True]
    assert LogEntry.objects.get().object_repr == name


def test_what_a_token_is_for_stands_wherever_it_is_named(
    web: Client, root: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    hostile = "backups of <b>mei"
    for purpose in (hostile, "", "a dashboard"):
        web.post(f"{TOKENS}add/", {"user": root.pk, "purpose": purpose, "days": ""})
    assert web.post(f"{TOKENS}add/", {"user": root.pk, "purpose": "x" * 101, "days": ""}).status_code == 200
    assert (AuthToken.objects.count(), TokenPurpose.objects.count()) == (3, 2)
    row = AuthToken.objects.get(described__text=hostile)
    with django_assert_max_num_queries(7):
        assert "a dashboard" in web.get(TOKENS).content.decode()
    for path in (TOKENS, f"{TOKENS}{row.pk}/change/", f"{TOKENS}{row.pk}/delete/", f"{TOKENS}?q=backups"):
        page = web.get(path).content.decode()
        assert "backups of &lt;b&gt;mei" in page, path
        assert hostile not in page, path
    assert "a dashboard" not in web.get(f"{TOKENS}?q=backups").content.decode()
    web.post(f"{TOKENS}{row.pk}/delete/", {"post": "yes"})
    assert TokenPurpose.objects.count() == 1


def test_nobody_makes_a_token_for_somebody_mightier(client: Client, root: User) -> None:
    AuthToken.objects.create(root)
    ada = make_user("ada", "knox.add_authtoken", "knox.view_authtoken")
    client.force_login(ada)
    client.post(f"{TOKENS}add/", {"user": root.pk, "days": "1"})
    assert [token.user for token in AuthToken.objects.exclude(user=root)] == [ada]
    assert AuthToken.objects.filter(user=root).count() == 1
    assert [row.user for row in client.get(TOKENS).context["cl"].result_list] == [ada]


# --- the page of a crawl ----------------------------------------------------------------------------------------------
def test_the_page_of_a_crawl_tells_causes_manners_and_counts(web: Client) -> None:
    task = make_task(
        make_spider(), pages=340, items=28, items_rejected=312, reasons={"missing_required": 312, "out_of_scope": 7},
        rules={"book": {"pages": 340, "bare": 0, "missing": {"price": 312}}},
        hosts={"shop.example": {"requests": 340, "peak_rate": 9, "peak_concurrency": 5}},
    )  # fmt: skip
    TaskFailure.objects.create(
        task=task, url="https://shop.example/<b>", reason="missing_required", detail="book.price", at=timezone.now()
    )
    page = web.get(f"{TASKS}{task.pk}/change/").content.decode()
    for text in (
        "340 pages and 28 readings of items, but something is missing: Items without a required field (92%).",
        "“price” of “book” had no value on 312 of 340 pages.",
        "312 items (92%)",
        "7 links",
        "https://shop.example/&lt;b&gt;",
        "340 requests, at most 9 in a second and 5 at once.",
        "shop.<wbr>example",
    ):
        assert text in page
    assert "/&lt;b&gt;" in page
    assert "/<b>" not in page


def test_a_message_keeps_the_name_that_it_begins_with(web: Client) -> None:
    spider = make_spider("books")
    asked = {"action": "crawl_now", "_selected_action": [spider.pk]}
    page = web.post("/admin/crawler/spider/", asked, follow=True).content.decode()
    [message] = re.findall(r'<li class="success">(.*?)</li>', page)
    assert message.startswith("books: <a href=")


def test_a_crawl_leads_to_the_items_of_its_spider(web: Client, client: Client) -> None:
    task = make_task(make_spider("books"))
    link = 'href="/admin/crawler/item/?spider=books"'
    assert link in web.get(f"{TASKS}{task.pk}/change/").content.decode()
    client.force_login(make_user("ada", "crawler.view_crawltask"))
    assert link not in client.get(f"{TASKS}{task.pk}/change/").content.decode()


def test_what_ten_items_of_a_page_lack_is_one_example(web: Client) -> None:
    task = make_task(make_spider(), pages=2, items_rejected=20, reasons={"missing_key": 20})
    for url in ("https://shop.example/1", "https://shop.example/2"):
        for _ in range(10):
            TaskFailure.objects.create(task=task, url=url, reason="missing_key", detail="book.upc", at=timezone.now())
    shown = web.get(f"{TASKS}{task.pk}/change/").context["failures"]
    assert [failure.url for failure in shown] == ["https://shop.example/1", "https://shop.example/2"]


@pytest.mark.parametrize("status", ["running", "completed"])
def test_the_page_of_a_crawl_tells_why_unchanged_pages_gave_no_items(web: Client, status: str) -> None:
    task = make_task(make_spider(), status=status, pages=214, pages_unchanged=213)
    page = web.get(f"{TASKS}{task.pk}/change/").content.decode()
    assert "Unchanged: 213 pages. Their items are still there, and are not counted here." in page


def test_the_page_of_a_crawl_of_several_spiders_links_to_theirs(web: Client) -> None:
    parent = make_task(task_id="all", message="1 of 1 spiders completed.")
    child = make_task(make_spider(), task_id="child", parent=parent)
    page = web.get(f"{TASKS}{parent.pk}/change/").content.decode()
    assert f"{TASKS}{child.pk}/change/" in page
    assert f"{TASKS}{parent.pk}/change/" in web.get(f"{TASKS}{child.pk}/change/").content.decode()


@pytest.mark.parametrize("status", ["pending", "running", "completed", "failed", "cancelled"])
def test_the_page_of_a_crawl_in_any_state(web: Client, status: str) -> None:
    task = make_task(make_spider(), status=status, message="Something <i>.")
    answer = web.get(f"{TASKS}{task.pk}/change/")
    assert answer.status_code == 200
    assert "Something <i>" not in answer.content.decode()


def test_the_page_of_a_run_tells_how_its_crawl_went(web: Client) -> None:
    run = make_run(state="succeeded")
    task = make_task(make_spider(), run=run, pages=10, items=5, reasons={"http_500": 4})
    page = web.get(f"/admin/scheduling/jobrun/{run.pk}/change/").content.decode()
    assert "10 pages and 5 readings of items, but something is missing: The site&#x27;s server failed (40%)." in page
    assert f'href="{TASKS}{task.pk}/change/"' in page
    other = web.get(f"/admin/scheduling/jobrun/{make_run(state='succeeded').pk}/change/").content.decode()
    assert "What is missing" not in other


def test_a_list_of_crawls_reads_no_report_of_theirs(web: Client) -> None:
    make_task(make_spider(), hosts={"https://shop.example": {"requests": 7}})
    with CaptureQueriesContext(connection) as queries:
        assert web.get(TASKS).status_code == 200
    assert not [query["sql"] for query in queries if '"crawler_crawltask"."hosts"' in query["sql"]]
