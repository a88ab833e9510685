"""Every page of the admin: it answers, with and without rows, and keeps the policy header."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_apscheduler.models import DjangoJob, DjangoJobExecution
from knox.models import AuthToken
from pytest_django import DjangoAssertNumQueries

import crawlproject.urls  # noqa: F401  # loads the apps' admin modules
from crawler import secrets
from crawler.models import CrawlTask, Item, Page, Secret, Spider, TaskFailure
from crawlproject.web.bounded import BoundedChangeList
from crawlproject.web.empty import EMPTY
from scheduling.models import DefinitionVersion, JobRun, Process, RunLog, ScheduledJob
from tests.db.processes import make_process

from .making import make_item, make_job, make_page, make_run, make_spider, make_task, make_user, make_version

pytestmark = pytest.mark.django_db
READ_ONLY = [JobRun, CrawlTask, Page, Item, Process, DefinitionVersion]
EDITED = [ScheduledJob, Spider, Secret, User, Group, AuthToken]
HOSTILE = "<script>alert(1)</script><b style='x'>&\"'"


class Markup(HTMLParser):
    """Collects what the policy forbids: inline script, inline style, handlers in attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.source = ""
        self.forbidden: list[str] = []
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        data_blocks = ("application/json", "text/html")
        if (tag == "script" and "src" not in values and values.get("type") not in data_blocks) or tag == "style":
            self.forbidden.append(f"<{tag}>")
        self.forbidden += [f"{name}={value}" for name, value in attrs if name == "style" or name.startswith("on")]
        if tag == "a" and (values.get("href") or "").startswith("javascript:"):
            self.forbidden.append(str(values["href"]))
        if tag == "a" and values.get("href"):
            self.links.add(str(values["href"]))


def check_page(client: Client, path: str) -> Markup:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    markup = Markup()
    markup.source = answer.content.decode()
    markup.feed(markup.source)
    assert markup.forbidden == [], path
    assert "<script>alert" not in markup.source, path
    return markup


def address(model: type[Model], page: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


@pytest.fixture
def rows(root: User) -> dict[type[Model], Model]:
    """Several rows of every model, with texts as strangers would write them; one of each kind."""
    spider = make_spider(category=HOSTILE.replace("/", ""))
    make_spider("off", enabled=False)
    job = make_job(name=HOSTILE)
    ScheduledJob.objects.filter(pk=job.pk).update(note=HOSTILE)
    paused = make_job("paused")
    ScheduledJob.objects.filter(pk=paused.pk).update(paused_at=timezone.now(), paused_by=HOSTILE)
    spoilt = make_job("spoilt")
    ScheduledJob.objects.filter(pk=spoilt.pk).update(trigger={"type": "cron", "cron": HOSTILE}, problem=HOSTILE)
    unseen = make_job("unseen")
    ScheduledJob.objects.filter(pk=unseen.pk).update(trigger={"type": "gone"}, handler="gone")
    process = make_process()
    for state in ("succeeded", "missed", "skipped", "queued", "cancelled"):
        make_run(job, state=state)
    make_run(job, state="running", owner=process, slot=0)
    run = make_run(job, state="failed", message=HOSTILE, error=HOSTILE, error_type="E", data={HOSTILE: HOSTILE})
    RunLog.objects.create(run=run, seq=1, text=HOSTILE)
    task = make_task(spider, status="failed", message=HOSTILE, reasons={"http_500": 2}, run=make_run(cause="manual"))
    make_task(None, status="running", parent=None)
    TaskFailure.objects.create(task=task, url=f"https://x.example/{HOSTILE}", reason="http_500", at=timezone.now())
    page = make_page(spider, HOSTILE, task=task, state="failed", reason="http_500")
    item = make_item(spider, HOSTILE, data={HOSTILE: HOSTILE, "none": None}, problems=[{"field": HOSTILE}], version=2)
    make_version(item, 1, None, gone=HOSTILE)
    make_item(spider, gone_at=timezone.now(), complete=False, page=None)
    Group.objects.create(name=HOSTILE)
    return {
        Spider: spider,
        Secret: secrets.set_secret("shop-token", "s3cr3t-value"),
        ScheduledJob: job,
        JobRun: run,
        CrawlTask: task,
        Page: page,
        Item: item,
        Process: process,
        DefinitionVersion: DefinitionVersion.objects.latest("pk"),
        User: root,
        Group: Group.objects.get(name=HOSTILE),
        AuthToken: AuthToken.objects.create(root)[0],
    }


@pytest.mark.any_database
def test_making_a_token_is_called_the_same_everywhere(web: Client) -> None:
    AuthToken.objects.create(User.objects.get(username="root"))
    for page in ("changelist", "add"):
        assert "Add API token" in web.get(address(AuthToken, page)).content.decode()


@pytest.mark.any_database
@pytest.mark.parametrize("model", READ_ONLY + EDITED)
def test_an_empty_list_answers(web: Client, model: type[Model]) -> None:
    page = check_page(web, address(model, "changelist")).source
    [heading] = re.findall(r"<h1>(.*?)</h1>", page)
    assert f"<title>{heading} · Lamplighter</title>" in page


@pytest.mark.any_database
@pytest.mark.parametrize("model", [model for model in READ_ONLY + EDITED if model not in (User, Item)])
def test_an_empty_list_says_what_to_do(web: Client, model: type[Model]) -> None:
    model._default_manager.all().delete()
    markup = check_page(web, address(model, "changelist"))
    page = web.get(address(model, "changelist")).content.decode()
    assert "Nothing here yet" in page
    assert str(EMPTY[model._meta.label_lower].text) in html.unescape(page)
    next_step = EMPTY[model._meta.label_lower].address
    if next_step or model in EDITED:
        assert (reverse(next_step) if next_step else address(model, "add")) in markup.links


@pytest.mark.parametrize("model", READ_ONLY + EDITED)
def test_a_list_answers_to_its_search_and_to_every_filter(
    web: Client, rows: dict[type[Model], Model], model: type[Model]
) -> None:
    path = address(model, "changelist")
    filters = {link for link in check_page(web, path).links if link.startswith("?")}
    expected = len(admin.site.get_model_admin(model).list_filter)
    assert len({re.split("[=&]", link[1:])[0].split("__")[0] for link in filters if len(link) > 1}) >= expected
    for link in sorted(filters):
        check_page(web, path + link)
    for term in ("a", HOSTILE, "https://shop.example/1", "%", "\\", "é" * 300):
        check_page(web, f"{path}?{_query(q=term)}")


@pytest.mark.any_database
@pytest.mark.parametrize("model", READ_ONLY + EDITED)
def test_every_row_has_its_page(web: Client, rows: dict[type[Model], Model], model: type[Model]) -> None:
    for row in model._default_manager.all():
        check_page(web, address(model, "change", row.pk))
        if model is not AuthToken:  # made and deleted, never changed
            check_page(web, address(model, "history", row.pk))


def test_nothing_is_shown_by_one_sign_alone(web: Client, rows: dict[type[Model], Model]) -> None:
    for model in READ_ONLY + EDITED:
        for page in (address(model, "changelist"), address(model, "change", rows[model].pk)):
            assert not re.search(r">\s*-\s*<", web.get(page).content.decode()), page


@pytest.mark.any_database
@pytest.mark.parametrize("model", EDITED)
def test_the_page_to_add_answers(web: Client, model: type[Model]) -> None:
    check_page(web, address(model, "add"))


@pytest.mark.any_database
@pytest.mark.parametrize("model", EDITED)
def test_the_page_to_delete_answers(web: Client, rows: dict[type[Model], Model], model: type[Model]) -> None:
    check_page(web, address(model, "delete", rows[model].pk))


@pytest.mark.any_database
@pytest.mark.parametrize("model", READ_ONLY)
def test_what_the_product_writes_is_read_only(web: Client, rows: dict[type[Model], Model], model: type[Model]) -> None:
    pk = rows[model].pk
    assert web.get(address(model, "add")).status_code == 403
    assert web.post(address(model, "add"), {}).status_code == 403
    assert web.post(address(model, "change", pk), {"state": "succeeded"}).status_code == 403
    assert web.post(address(model, "delete", pk), {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=pk).exists()


@pytest.mark.parametrize("model", READ_ONLY + EDITED)
def test_a_column_orders_the_list(web: Client, rows: dict[type[Model], Model], model: type[Model]) -> None:
    for column in range(1, len(admin.site.get_model_admin(model).list_display) + 1):
        check_page(web, f"{address(model, 'changelist')}?o=-{column}")


@pytest.mark.any_database
@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/password_change/", "/admin/jsi18n/?x", "/admin/scheduling/", "/admin/crawler/"]
)
def test_the_other_pages_answer(web: Client, path: str) -> None:
    if "jsi18n" in path:
        assert web.get(path).status_code == 200
    else:
        check_page(web, path)


@pytest.mark.any_database
def test_the_page_to_log_in_answers(client: Client, db: None) -> None:
    check_page(client, "/admin/login/")


@pytest.mark.any_database
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_pages_speak_the_readers_language(web: Client, language: str) -> None:
    answer = web.get("/admin/", headers={"Accept-Language": language})
    assert f'lang="{language}"' in answer.content.decode().lower()


@pytest.mark.any_database
@pytest.mark.parametrize(("language", "words"), [("en", "Add API token"), ("zh-hans", "添加API 令牌")])
def test_an_empty_list_of_tokens_calls_them_as_the_menu_does(web: Client, language: str, words: str) -> None:
    page = web.get("/admin/knox/authtoken/", headers={"Accept-Language": language}).content.decode()
    assert words in page
    assert "auth token" not in page


@pytest.mark.any_database
def test_the_derived_rows_have_no_page(web: Client) -> None:
    for model in (DjangoJob, DjangoJobExecution):
        assert not admin.site.is_registered(model)


@pytest.mark.any_database
@pytest.mark.parametrize("model", [*READ_ONLY, ScheduledJob, Spider])
def test_a_list_costs_the_same_for_many_rows(
    web: Client,
    rows: dict[type[Model], Model],
    model: type[Model],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    spider = Spider.objects.first()
    assert spider is not None
    for number in range(20):
        job = make_job(f"job-{number}")
        make_run(job)
        make_spider(f"spider-{number}")
        make_task(spider)
        make_item(spider)
    path = address(model, "changelist")
    web.get(path)
    with django_assert_max_num_queries(10):
        assert web.get(path).status_code == 200


@pytest.mark.any_database
def test_pages_of_a_spider_are_found_however_old(web: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list looks among the newest; of one spider among its own."""
    monkeypatch.setattr(BoundedChangeList, "looked_at", 3)
    old, new = make_spider("old"), make_spider("new")
    make_page(old, "of-old", state="failed")
    for number in range(5):
        make_page(new, f"of-new-{number}", state="failed")
    path = address(Page, "changelist")
    assert "of-old" not in web.get(f"{path}?state__exact=failed").content.decode()
    assert "Among the newest 3 rows" in web.get(f"{path}?state__exact=failed").content.decode()
    for query in (f"spider__id__exact={old.pk}", f"spider__id__exact={old.pk}&state__exact=failed"):
        found = web.get(f"{path}?{query}").content.decode()
        assert "of-old" in found
        assert "of-new" not in found
    for query in ("spider__id__exact=x", f"spider__id__exact={'9' * 30}", "q=https://shop.example/of-old"):
        assert web.get(f"{path}?{query}", follow=True).status_code == 200


@pytest.mark.any_database
def test_who_may_view_nothing_sees_nothing(client: Client, rows: dict[type[Model], Model]) -> None:
    client.force_login(make_user("ada"))
    page = client.get("/admin/").content.decode()
    for model in READ_ONLY + EDITED:
        assert address(model, "changelist") not in page
        assert client.get(address(model, "changelist")).status_code == 403
        assert client.get(address(model, "change", rows[model].pk)).status_code in (302, 403)


@pytest.mark.any_database
def test_who_may_view_runs_sees_runs_alone(client: Client, rows: dict[type[Model], Model]) -> None:
    client.force_login(make_user("ada", "scheduling.view_jobrun"))
    page = client.get("/admin/").content.decode()
    assert address(JobRun, "changelist") in page
    assert address(Spider, "changelist") not in page
    check_page(client, address(JobRun, "changelist"))
    assert client.get(address(ScheduledJob, "changelist")).status_code == 403


@pytest.mark.any_database
def test_who_is_no_staff_is_asked_to_log_in(client: Client) -> None:
    client.force_login(make_user("ada", staff=False))
    answer = client.get("/admin/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login/?next=/admin/")


@pytest.mark.any_database
@pytest.mark.parametrize(("password", "is_told"), [("pass", True), ("guess", False)])
def test_who_may_not_enter_is_told_so_once_the_password_was_right(client: Client, password: str, is_told: bool) -> None:
    make_user("ada", staff=False)
    page = client.post("/admin/login/", {"username": "ada", "password": password}).content.decode()
    assert ("the account “ada” has no access to the admin" in page) is is_told
    assert ("Please enter the correct username and password" in page) is not is_told
    assert ("“Staff status”" in page) is is_told, "what gives it, by its name on the account's page"


def _query(**values: str) -> str:
    return urlencode(values)


@pytest.mark.any_database
def test_a_cell_of_a_list_knows_what_it_is_called_where_no_heading_stands_above_it(web: Client) -> None:
    """On a phone a row is a card."""
    make_task(make_spider("tidy"), status="completed", pages=1_240, message="")
    page = web.get(address(CrawlTask, "changelist")).content.decode()
    assert re.search(r'<td data-label="Pages" class="field-n_pages">1,240</td>', page)
    assert re.search(r'<td data-none class="field-message_">', page)


@pytest.mark.any_database
def test_a_page_offers_nothing_that_leads_nowhere(web: Client, rows: dict[type[Model], Model]) -> None:
    """No history of what people never change, one way to save a token that is shown once, a list for a part."""
    process = check_page(web, address(Process, "change", rows[Process].pk))
    assert not [link for link in process.links if link.endswith("/history/")]
    assert "_addanother" not in web.get(address(AuthToken, "add")).content.decode()
    crawls = check_page(web, reverse("admin:app_list", args=["crawler"]))
    assert {address(model, "changelist") for model in (Spider, Item, Page, CrawlTask, Secret)} <= crawls.links
    assert "<h1>Crawls</h1>" in crawls.source


@pytest.mark.any_database
def test_labels_end_without_a_colon(web: Client, rows: dict[type[Model], Model]) -> None:
    """On forms, on pages that only show, and before anybody has logged in; in Chinese they had the English one."""
    pages = [address(model, "change", row.pk) for model, row in rows.items() if model is not AuthToken]
    pages += [address(model, "add") for model in EDITED]
    for path in pages:
        shown = re.findall(r"<label[^>]*>(.*?)</label>", web.get(path).content.decode(), re.DOTALL)
        assert [label for label in shown if label.rstrip().endswith((":", "："))] == [], path
    web.logout()
    assert not re.search(r"[:：]\s*</label>", web.get("/admin/login/").content.decode())
