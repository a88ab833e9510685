"""Sessions and posted start pages from end to end: secrets, what is stored and shown, what goes on after a death."""

from __future__ import annotations

import io
import ipaddress
import json
import logging
import ssl
from collections.abc import Iterator

import pytest
import trustme
from django.core.management import call_command
from django.db import transaction
from pytest_django import Settings

from crawler.account.explaining import explain
from crawler.definitions import load, parse_file, save_spider
from crawler.engine.documents.definition import parse
from crawler.engine.errors import DefinitionError
from crawler.engine.records import Batch, Ending
from crawler.models import CrawlTask, Item, Page, Secret, TaskFailure
from crawler.preview import preview
from crawler.secrets import SecretError, missing_secrets, resolve_session, set_secret
from crawler.storing import seeding
from crawler.storing.checkpoint import CrawlMemory, CrawlScope, Stored, store_batch
from scheduling.models import JobRun, RunLog
from scheduling.runner import run_in_foreground
from tests.servers.misbehaving import MisbehavingServer
from tests.servers.proxies import ProxyServer
from tests.servers.serving import serve_in_thread
from tests.unit.engine.site import Reply, Seen, Site, in_thread, page, redirect

from .making import attempt, make_task

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def site() -> Iterator[Site]:
    with in_thread(Site({"/": page("/next"), "/next": page()})) as site:
        yield site


def make_document(site: Site, **sections: object) -> dict[str, object]:
    return {"name": "s", "start_urls": [site.url + "/"], "follow": [{}], **sections}


def crawl() -> tuple[JobRun, CrawlTask]:
    run = run_in_foreground("crawl", {"type": "spider", "target": "s"})
    return run, CrawlTask.objects.get(run=run)


# --- secrets ----------------------------------------------------------------------------------------------------------


def make_secret_session(proxy_url: str) -> dict[str, object]:
    set_secret("pw", SECRET)
    set_secret("sid", f"{SECRET}-cookie")
    set_secret("proxy", proxy_url.replace("://", f"://me:{SECRET}@"))
    return {
        "cookies": True,
        "set_cookies": {"sid": {"secret": "sid"}},
        "auth": {"basic": {"username": "me", "password": {"secret": "pw"}}},
        "proxy": {"secret": "proxy"},
    }


def test_secrets_are_sent_and_nowhere_shown(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    site.pages["/next"] = Reply(status=500)
    with serve_in_thread(ProxyServer(credentials=f"me:{SECRET}")) as proxy_url:
        save_spider(make_document(site, session=make_secret_session(proxy_url)))
        run, task = crawl()
        previewed = preview(parse(make_document(site, session=make_secret_session(proxy_url))), site.url + "/next")
        set_secret("proxy", proxy_url.replace("://", f"://me:{SECRET}-wrong@"))
        refused_run, refused = crawl()
    assert (task.status, task.pages, task.pages_failed) == ("completed", 2, 1)
    (first, *_) = [seen for seen in site.seen if seen.path == "/"]
    assert first.headers["cookie"] == f"sid={SECRET}-cookie"
    assert first.headers["authorization"] == "Basic bWU6aHVudGVyMg=="
    assert previewed["status_code"] == 500
    assert refused.reasons == {"proxy_error": 1}
    dumped = io.StringIO()
    call_command("dumpdefinitions", stdout=dumped)
    shown = [repr(list(model.objects.values())) for model in (JobRun, RunLog, CrawlTask, Page, TaskFailure)]
    shown += [
        caplog.text,
        json.dumps(previewed),
        dumped.getvalue(),
        run.message,
        refused_run.message,
        refused_run.error,
    ]
    for text in shown:
        for hidden in (SECRET, "bWU6aHVudGVyMg", "aHVudGVyMg"):
            assert hidden not in text
    assert "secret: pw" in dumped.getvalue()


def test_a_missing_secret_is_warned_of_at_loading_and_fails_the_crawl_by_name(site: Site) -> None:
    session = {
        "auth": {"bearer": {"secret": "token"}},
        "proxy": {"secret": "office"},
        "set_cookies": {"a": {"secret": "c"}},
    }
    text = json.dumps({"spiders": [make_document(site, session=session)]})
    places = {warning.place for warning in load(parse_file(text, source="s.json")).warnings}
    assert {f"spiders[0].session.{place}" for place in ("auth.bearer", "proxy", "set_cookies.a")} <= places
    assert set(missing_secrets(parse(make_document(site, session=session))).values()) == {"token", "office", "c"}
    run, task = crawl()
    assert (run.state, task.status) == ("failed", "failed")
    assert run.message == 'no secret is stored under "c", "office", "token"; set it in the admin' == task.message
    assert explain(task).sentence == f"The crawl failed: {task.message}"
    with pytest.raises(DefinitionError, match=r'session: no secret is stored under "c", "office", "token"'):
        preview(make_document(site, session=session), site.url)
    assert site.seen == []


@pytest.mark.parametrize(
    ("session", "secret", "said"),
    [
        ({"proxy": {"secret": "x"}}, SECRET, 'the secret "x" is not a proxy'),
        ({"proxy": {"secret": "x"}}, f"ftp://{SECRET}:1", 'the secret "x" has a scheme'),
        ({"set_cookies": {"a": {"secret": "x"}}}, f"a;{SECRET}", 'the secret "x" cannot be sent in a cookie'),
        (
            {"auth": {"basic": {"username": {"secret": "x"}, "password": {"secret": "x"}}}},
            f"a:{SECRET}",
            "holds a colon",
        ),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_and_not_shown(
    site: Site, session: dict[str, object], secret: str, said: str
) -> None:
    set_secret("x", secret)
    with pytest.raises(SecretError, match=said) as caught:
        resolve_session(parse(make_document(site, session=session)))
    assert SECRET not in str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)


# --- cookies, proxy, TLS ----------------------------------------------------------------------------------------------


def test_a_login_kept_by_cookies_opens_the_pages_behind_it(site: Site) -> None:
    def login(seen: Seen) -> Reply:
        answer = redirect("/members", 303)
        answer.headers = {**answer.headers, "Set-Cookie": ["sid=1; Path=/; HttpOnly", "theme=dark; Path=/"]}
        return answer if seen.body == f"user=me&pin={SECRET}".encode() else Reply(status=403)

    def members(seen: Seen) -> Reply:
        return page("/next") if seen.headers.get("cookie") == "sid=1; theme=dark" else Reply(status=403)

    site.pages = {"/login": login, "/members": members, "/next": members}
    set_secret("pin", SECRET)
    start = [{"url": site.url + "/login", "form": {"user": "me", "pin": {"secret": "pin"}}}]
    save_spider(make_document(site, start_urls=start, session={"cookies": True}))
    _run, task = crawl()
    assert (task.status, task.pages, task.pages_failed) == ("completed", 2, 0)
    assert SECRET not in repr(list(Page.objects.values())) + repr(list(CrawlTask.objects.values()))
    save_spider(make_document(site, start_urls=start))
    _run, task = crawl()
    assert task.reasons == {"http_403": 1}
    set_secret("pin", "another")
    assert crawl()[1].reasons == {"http_403": 1}
    Secret.objects.all().delete()
    assert set(missing_secrets(parse(make_document(site, start_urls=start)))) == {"start_urls[0].form.pin"}


def test_a_preview_keeps_cookies_over_its_redirects_and_forgets_them(site: Site) -> None:
    def check(seen: Seen) -> Reply:
        if "checked=1" in seen.headers.get("cookie", ""):
            return redirect("/next")
        answer = redirect("/")
        answer.headers = {**answer.headers, "Set-Cookie": "checked=1; Path=/"}
        return answer

    site.pages["/"] = check
    for _ in range(2):
        found = preview(make_document(site, session={"cookies": True}), site.url)
        assert (found["status_code"], found["final_url"], found["reason"]) == (200, site.url + "/next", "")
    assert site.asked == {"/": 4, "/next": 2}
    assert preview(make_document(site), site.url)["reason"] == "redirect_loop"


def test_a_detour_for_a_cookie_is_taken_once_a_crawl_and_loses_no_item(site: Site) -> None:
    def guarded(seen: Seen) -> Reply:
        return page("/next", text="in") if "ok=1" in seen.headers.get("cookie", "") else redirect("/check")

    back = redirect("/")
    back.headers = {**back.headers, "Set-Cookie": "ok=1; Path=/"}
    site.pages |= {"/": guarded, "/check": back}
    rule = {"type": "page", "match": "/$", "key": ["text"], "fields": {"text": {"css": "p"}}}
    document = make_document(site, session={"cookies": True}, items=[rule])
    save_spider(document)
    for expected in (1, 0):
        _run, task = crawl()
        assert (task.status, task.pages, task.items_new, task.items_gone) == ("completed", 2, expected, 0)
        assert task.reasons == {}
        assert Page.objects.get(url=site.url + "/").state == "done"
    item = Item.objects.get()
    assert (item.data["text"], item.version, item.gone_at) == ("in", 1, None)
    found = preview(document, site.url)
    assert (found["reason"], found["redirects"]) == ("", [site.url + "/", site.url + "/check"])


def test_a_preview_of_a_posted_page_posts(site: Site) -> None:
    site.pages = {"/search": redirect("/there", 307), "/there": lambda seen: page(text=seen.method + str(seen.body))}
    start = [{"url": site.url + "/search", "json": {"q": 1}}]
    rule = {"type": "t", "fields": {"t": {"css": "p"}}}
    found = preview(make_document(site, start_urls=start, items=[rule]), site.url + "/search")
    assert found["items"][0]["fields"][0]["value"] == "POSTb'{\"q\":1}'"  # type: ignore[index]
    assert preview(make_document(site), site.url + "/search")["items"] == []


def test_a_crawl_through_a_proxy_that_is_away_has_its_own_reason(site: Site) -> None:
    with serve_in_thread(ProxyServer()) as away:
        pass
    for obeys in (True, False):
        save_spider(make_document(site, session={"proxy": away}, manners={"obey_robots": obeys}))
        _run, task = crawl()
        assert (task.status, task.reasons) == ("failed", {"proxy_error": 1})
        assert "cannot be connected to: Connection refused" in task.message
    assert site.seen == []


def test_a_private_proxy_wants_leave(site: Site, settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = []
    with serve_in_thread(ProxyServer()) as proxy_url:
        save_spider(make_document(site, start_urls=["http://1.1.1.1/"], session={"proxy": proxy_url}))
        _run, task = crawl()
    assert task.reasons == {"address_refused": 1}
    assert "CRAWLER_ALLOWED_NETWORKS" in task.message


def test_unchecked_certificates_are_said_in_log_and_message() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("other.example").configure_cert(context)
    with serve_in_thread(MisbehavingServer(tls=context)) as url:
        document = {"name": "s", "start_urls": [url + "/ok"], "session": {"verify_tls": False}}
        text = json.dumps({"spiders": [document]})
        assert "certificates are not checked" in " ".join(map(str, load(parse_file(text)).warnings))
        run, task = crawl()
        assert (task.status, task.pages) == ("completed", 1)
        assert "TLS certificates were not checked" in task.message
        assert "TLS certificates were not checked" in "".join(
            RunLog.objects.filter(run=run).values_list("text", flat=True)
        )
        save_spider({**document, "session": {}, "manners": {"obey_robots": False}})
        run, task = crawl()
        assert task.reasons == {"tls_error": 1}
        assert "not checked" not in task.message


# --- posted start pages -----------------------------------------------------------------------------------------------


SEARCH = {"items": [{"type": "hit", "match": "/search", "key": ["q"], "fields": {"q": {"css": "p"}}}]}


def make_search(site: Site) -> dict[str, object]:
    site.pages["/search"] = lambda seen: page("/next", text=seen.body.decode())
    bodies = [{"url": site.url + "/search", "form": {"q": q}} for q in ("lamp", "torch")]
    return make_document(site, start_urls=bodies, **SEARCH)


def test_two_bodies_are_two_rows_and_unchanged_the_second_time(site: Site) -> None:
    save_spider(make_search(site))
    _run, task = crawl()
    assert (task.status, task.pages, task.items_new) == ("completed", 3, 2)
    assert [page.url for page in Page.objects.order_by("url")] == [site.url + "/next", *[site.url + "/search"] * 2]
    assert {item.data["q"] for item in Item.objects.all()} == {"q=lamp", "q=torch"}
    _run, task = crawl()
    assert (task.pages, task.pages_unchanged, task.items_gone) == (3, 3, 0)
    assert [seen.method for seen in site.seen if seen.path == "/search"] == ["POST"] * 4
    site.pages["/search"] = lambda seen: Reply(status=404)
    assert crawl()[1].reasons == {"http_404": 2}


def test_a_posted_query_gives_the_items_of_its_json_answer(site: Site) -> None:
    def answer(seen: Seen) -> Reply:
        found = [{"id": n, "q": json.loads(seen.body)["query"]} for n in range(3)]
        return Reply(json.dumps({"hits": found}), headers={"Content-Type": "application/json"})

    site.pages = {"/api": answer}
    rule = {"type": "hit", "each_json": "hits[]", "key": ["id"], "fields": {"id": {"json": "id"}, "q": {"json": "q"}}}
    save_spider(make_document(site, start_urls=[{"url": site.url + "/api", "json": {"query": "lamp"}}], items=[rule]))
    _run, task = crawl()
    assert (task.status, task.items_new) == ("completed", 3)
    assert {item.data["q"] for item in Item.objects.all()} == {"lamp"}


class Crash(Exception):
    """Stands for what ends a process in the middle of a transaction."""


@pytest.mark.parametrize("path", ["/search", "/moved"], ids=["start-page", "redirected"])
def test_a_crawl_that_dies_finds_its_bodies_again(site: Site, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    document = make_search(site) | {"manners": {"concurrency_per_host": 1}}
    site.pages["/moved"] = redirect("/search", 308)
    document["start_urls"] = [{"url": site.url + path, "form": {"q": q}} for q in ("lamp", "torch")]
    task = make_task(save_spider(document), "crawl_spider_1")
    count = iter(range(100))

    def store_and_die(scope: CrawlScope, batch: Batch, memory: CrawlMemory) -> Stored:
        with transaction.atomic():
            if next(count) == 1:
                raise Crash
            return store_batch(scope, batch, memory)

    monkeypatch.setattr(seeding, "store_batch", store_and_die)
    with pytest.raises(Crash):
        attempt(task)
    monkeypatch.undo()
    asked = len(site.seen)
    assert attempt(task).ending is Ending.COMPLETED
    assert {item.data["q"] for item in Item.objects.all()} == {"q=lamp", "q=torch"}
    again = [(seen.method, seen.path) for seen in site.seen[asked:] if seen.path != "/robots.txt"]
    assert again
    assert {method for method, asked_for in again if asked_for != "/next"} == {"POST"}


def make_gated(site: Site) -> dict[str, object]:
    """A page that is shown only to whom went round for a cookie."""

    def gated(seen: Seen) -> Reply:
        return page(text="in") if "ok=1" in seen.headers.get("cookie", "") else redirect("/check")

    site.pages = {"/": page("/in"), "/in": gated, "/check": redirect("/set")}
    site.pages["/set"] = Reply(status=302, headers={"Location": "/in", "Set-Cookie": "ok=1; Path=/"})
    rule = {"type": "hit", "match": "/in$", "fields": {"text": {"css": "p"}}}
    manners = {"concurrency_per_host": 1}
    return make_document(site, session={"cookies": True}, items=[rule], manners=manners)


@pytest.mark.parametrize("lives", range(1, 5))
def test_a_crawl_that_dies_on_its_way_round_for_a_cookie_calls_nothing_gone(
    site: Site, monkeypatch: pytest.MonkeyPatch, lives: int
) -> None:
    spider = save_spider(make_gated(site))
    assert attempt(make_task(spider, "crawl_spider_1")).ending is Ending.COMPLETED
    assert Item.objects.get().gone_at is None
    task = make_task(spider, "crawl_spider_2")
    count = iter(range(100))

    def store_and_die(scope: CrawlScope, batch: Batch, memory: CrawlMemory) -> Stored:
        with transaction.atomic():
            if next(count) == lives:
                raise Crash
            return store_batch(scope, batch, memory)

    monkeypatch.setattr(seeding, "store_batch", store_and_die)
    with pytest.raises(Crash):
        attempt(task)
    monkeypatch.undo()
    assert attempt(task).ending is Ending.COMPLETED
    assert (Page.objects.get(url__endswith="/in").state, Item.objects.get().gone_at) == ("done", None)


def test_a_host_that_rests_when_we_come_back_with_its_cookie_is_asked_at_the_next_crawl(site: Site) -> None:
    spider = save_spider(make_gated(site))
    attempt(make_task(spider, "crawl_spider_1"))
    gated = site.pages["/in"]
    assert callable(gated)
    tired = Reply(status=503, headers={"Retry-After": "3600"})
    site.pages["/in"] = lambda seen: tired if "ok=1" in seen.headers.get("cookie", "") else gated(seen)
    assert attempt(make_task(spider, "crawl_spider_2")).ending is Ending.LIMITED
    assert Page.objects.get(url__endswith="/in").state == "pending"
