"""A secret that was planted is readable nowhere: on no page, in no answer, file, log or traceback."""

from __future__ import annotations

import base64
import io
import ipaddress
import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from knox.models import AuthToken
from pytest_django import Settings
from rest_framework.test import APIClient

from crawler import secrets
from crawler.definitions import save_spider
from crawler.models import CrawlTask, Item
from scheduling.models import JobRun
from scheduling.runner import run_in_foreground
from tests.servers.proxies import ProxyServer
from tests.servers.serving import serve_in_thread
from tests.unit.engine.site import Site, in_thread, page

from .making import make_job
from .test_rest_access import ADDRESSES

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

PLANTED = "pl4nted-s3cret"
PAGES = 400
"""Of the admin, that are looked at."""


@pytest.fixture(autouse=True)
def _here(settings: Settings, tmp_path: Path) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    settings.DATA_DIR = tmp_path


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def crawled(log: pytest.LogCaptureFixture) -> None:
    """Crawls that carry the secret in every way there is: one that goes well, and two that fail of it."""
    items = [{"type": "page", "fields": {"text": {"css": "p"}}}]
    with (
        in_thread(Site({"/": page("/next"), "/next": page()})) as site,
        serve_in_thread(ProxyServer(credentials=f"me:{PLANTED}")) as proxy_url,
    ):
        secrets.set_secret("plain", PLANTED)
        secrets.set_secret("proxy", proxy_url.replace("://", f"://me:{PLANTED}@"))
        secrets.set_secret("wrong", proxy_url.replace("://", f"://me:{PLANTED}-not@"))
        document = {
            "name": "good",
            "start_urls": [site.url + "/", {"url": site.url + "/next", "form": {"pin": {"secret": "plain"}}}],
            "items": items,
            "manners": {"headers": {"X-Key": {"secret": "plain"}}},
            "session": {
                "cookies": True,
                "set_cookies": {"sid": {"secret": "plain"}},
                "auth": {"basic": {"username": "me", "password": {"secret": "plain"}}},
                "proxy": {"secret": "proxy"},
            },
        }
        save_spider(document)
        save_spider({**document, "name": "refused", "session": {"proxy": {"secret": "wrong"}}})
        save_spider({**document, "name": "unusable", "session": {"proxy": {"secret": "plain"}}})
        for name in ("good", "refused", "unusable"):
            run_in_foreground("crawl", {"type": "spider", "target": name})
        assert any(PLANTED in str(seen.headers) for seen in site.seen)
    make_job("nightly")


def planted() -> list[str]:
    """As it is, and as it travels."""
    pair = base64.b64encode(f"me:{PLANTED}".encode()).decode()
    return [PLANTED, quote(PLANTED, safe=""), base64.b64encode(PLANTED.encode()).decode().rstrip("="), pair[:24]]


def assert_hidden(text: str, where: str, *others: str) -> None:
    for hidden in (*planted(), *others):
        assert hidden not in text, where


def links(text: str) -> Iterator[str]:
    for address in re.findall(r'(?:href|data-poll|src)="(/admin/[^"#]*)', text):
        yield address.replace("&amp;", "&")


def walk(client: Client) -> Iterator[tuple[str, str]]:
    """Every page of the admin that links lead to; of a list only the first page."""
    waiting, seen = ["/admin/"], {"/admin/"}
    while waiting and len(seen) < PAGES:
        path = waiting.pop(0)
        answer = client.get(path)
        if answer.streaming or "html" not in answer.headers.get("Content-Type", ""):
            continue
        text = answer.content.decode()
        yield path, text
        new = {link.partition("?")[0] for link in links(text)} - seen
        seen |= new
        waiting += sorted(new)


def test_no_page_answer_file_or_log_shows_it(
    root: User, client: Client, api: APIClient, crawled: None, log: pytest.LogCaptureFixture
) -> None:
    token = AuthToken.objects.create(root)[1]
    assert CrawlTask.objects.filter(status="completed").exists()
    assert JobRun.objects.filter(state="failed").exists()
    client.force_login(root)
    looked_at = []
    for path, text in walk(client):
        looked_at.append(path)
        assert_hidden(text, path, token)
    assert len(looked_at) > 60
    for model in ("crawler/secret", "knox/authtoken", "crawler/crawltask", "scheduling/jobrun", "crawler/item"):
        assert any(re.fullmatch(rf"/admin/{model}/\d+/change/|/admin/{model}/\w+/change/", path) for path in looked_at)
    ids = {"/1": f"/{Item.objects.latest('pk').pk}", "task": CrawlTask.objects.latest("pk").task_id, "books": "good"}
    program = APIClient(HTTP_AUTHORIZATION=f"Token {token}")
    for verb, address, _right in ADDRESSES:
        path = address
        for name, value in ids.items():
            path = path.replace(name, value) if name == "/1" else path.replace(f"/{name}", f"/{value}")
        if verb == "get":
            assert_hidden(
                program.get(path.replace("/tasks/" + ids["task"] + "s", "/tasks")).content.decode(), path, token
            )
    for run in JobRun.objects.all():
        assert_hidden(program.get(f"/api/schedule/runs/{run.pk}/log").content.decode(), "log", token)
    answer = program.get("/api/crawl/items/export?spider=good&format=jsonl&with_meta=true")
    assert_hidden(b"".join(answer.streaming_content).decode(), "export", token)  # type: ignore[attr-defined]
    answer.close()
    assert_hidden(client.post("/admin/crawler/spider/export/", {"which": "all"}).content.decode(), "definitions")
    for command in ("dumpdefinitions", "schedulerstatus"):
        out = io.StringIO()
        with suppress(SystemExit):  # of a status that is not well
            call_command(command, stdout=out)
        assert_hidden(out.getvalue(), command, token)
    assert_hidden(program.get("/metrics").content.decode(), "metrics", token)
    assert log.text
    assert_hidden(log.text, "log", token)


@pytest.mark.parametrize("debug", [False, True])
def test_no_traceback_shows_it(
    root: User,
    client: Client,
    settings: Settings,
    log: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    debug: bool,
) -> None:
    """Where saving a secret, or reading one, fails for a reason of our own."""

    def fail(*_arguments: object) -> None:
        raise RuntimeError("something of ours")

    settings.DEBUG = debug
    client.raise_request_exception = False
    client.force_login(root)
    given = {"name": "plain", "value": PLANTED}
    with monkeypatch.context() as patch:
        patch.setattr("crawler.secrets._box", fail)
        saved = client.post("/admin/crawler/secret/add/", given)
    secrets.set_secret("plain", PLANTED)
    save_spider(
        {"name": "s", "start_urls": ["https://shop.example/"], "session": {"auth": {"bearer": {"secret": "plain"}}}}
    )
    with monkeypatch.context() as patch:
        patch.setattr("crawler.secrets.SessionValues", fail)
        read = client.post("/api/crawl/spiders/s/preview", {"url": "https://shop.example/"}, "application/json")
    for answer in (saved, read):
        assert answer.status_code == 500
        assert_hidden(answer.content.decode(), "the page of the error")
    assert "something of ours" in log.text
    assert_hidden(log.text, "the log of the error")
