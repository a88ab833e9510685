"""A preview shows what a crawl would do with one page, and leaves nothing behind."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from crawler import secrets
from crawler.definitions import save_spider
from crawler.engine.errors import DefinitionError
from crawler.models import CrawlTask, Item, Page
from crawler.preview import preview
from tests.servers.sites import SiteServer

from .documents import LIST, site_spider

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def run(*arguments: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("preview", *arguments, stdout=out)
    except SystemExit as error:
        return out.getvalue(), int(str(error.code))
    return out.getvalue(), 0


def test_every_field_of_an_item_is_shown(site: SiteServer) -> None:
    found = preview(site_spider(site.url), f"{site.url}/book/1")
    assert found["items"] == [
        {
            "type": "book",
            "key": ["One"],
            "reason": "",
            "fields": [
                {"name": "title", "type": "text", "value": "One", "matches": 1, "problems": []},
                {"name": "price", "type": "decimal", "value": "26.10", "matches": 1, "problems": []},
            ],
        }
    ]
    assert (found["status_code"], found["reason"], found["content_type"]) == (200, "", "text/html")


def test_each_link_has_the_rule_that_decided(site: SiteServer) -> None:
    found = preview(site_spider(site.url), site.url)
    assert found["url"] == f"{site.url}/"
    assert found["links"] == [
        {"url": f"{site.url}/book/1", "followed": True, "verdict": "followed by follow[0]"},
        {"url": f"{site.url}/book/2", "followed": True, "verdict": "followed by follow[0]"},
        {"url": "https://else.example/book/3", "followed": False, "verdict": "outside allowed_domains"},
        {"url": f"{site.url}/help", "followed": False, "verdict": "not in follow[0].allow"},
        {"url": f"{site.url}/book/old", "followed": False, "verdict": "denied by follow[0].deny[0]"},
    ]
    assert found["refused"] == {"scheme_refused": 1}
    assert found["unmatched"] == ["book"]


def test_a_value_that_cannot_be_read_is_told(site: SiteServer) -> None:
    found = preview(site_spider(site.url), f"{site.url}/book/2")
    price = found["items"][0]["fields"][1]  # type: ignore[index]
    assert price["value"] is None
    assert len(price["problems"]) == 1


@pytest.mark.parametrize(
    ("path", "reason", "status"),
    [("/private", "robots_disallowed", None), ("/nowhere", "http_404", 404)],
)
def test_what_a_crawl_would_not_read_is_not_read(site: SiteServer, path: str, reason: str, status: int | None) -> None:
    found = preview(site_spider(site.url), site.url + path)
    assert (found["reason"], found["status_code"], found["items"], found["links"]) == (reason, status, [], [])
    if status is None:
        assert site.targets() == ["/robots.txt"]


def test_robots_are_asked_only_by_a_spider_that_obeys(site: SiteServer) -> None:
    found = preview(site_spider(site.url, manners={"obey_robots": False}), f"{site.url}/private")
    assert (found["reason"], site.targets()) == ("", ["/private"])


def test_what_the_headers_of_an_answer_ask_is_heard_as_in_a_crawl(site: SiteServer) -> None:
    site.replace("/", LIST.encode(), robots="noindex, nofollow")
    found = preview(site_spider(site.url, manners={"obey_noindex": True}), site.url)
    assert {link["verdict"] for link in found["links"] if "book" in link["url"]} == {  # type: ignore[attr-defined]
        "the page says nofollow",
        "outside allowed_domains",
        "denied by follow[0].deny[0]",
    }
    assert not any(link["followed"] for link in found["links"])  # type: ignore[attr-defined]
    assert found["notice"] == "the page says noindex: its items are not kept"

    deaf = preview(site_spider(site.url, manners={"obey_nofollow": False}), site.url)
    assert deaf["notice"] == ""
    assert any(link["followed"] for link in deaf["links"])  # type: ignore[attr-defined]


def test_redirects_are_followed_and_told(site: SiteServer) -> None:
    found = preview(site_spider(site.url), f"{site.url}/moved")
    assert found["redirects"] == [f"{site.url}/moved"]
    assert found["final_url"] == f"{site.url}/book/1"
    assert len(found["items"]) == 1  # type: ignore[arg-type]


def test_the_guard_judges_a_preview_too(site: SiteServer, settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = []
    found = preview(site_spider(site.url), site.url)
    assert found["reason"] == "address_refused"
    assert site.connections == 0


def test_a_url_outside_the_spiders_domains_is_not_fetched(site: SiteServer) -> None:
    found = preview(site_spider(site.url), "https://else.example/")
    assert found["reason"] == "out_of_scope"


def test_secrets_are_sent_and_not_shown(site: SiteServer) -> None:
    document = site_spider(site.url, manners={"headers": {"X-Token": {"secret": "token"}}})
    with pytest.raises(DefinitionError, match=r'manners\.headers: no secret is stored under "token"'):
        preview(document, site.url)
    secrets.set_secret("token", "abc123")
    assert "abc123" not in json.dumps(preview(document, site.url))
    assert site.log[-1].headers["x-token"] == "abc123"


def test_a_string_that_is_no_url_is_refused_by_its_place(site: SiteServer) -> None:
    with pytest.raises(DefinitionError) as caught:
        preview(site_spider(site.url), "nope")
    assert [problem.place for problem in caught.value.problems] == ["url"]


def test_nothing_is_stored(site: SiteServer) -> None:
    save_spider(site_spider(site.url))
    assert run("books", f"{site.url}/book/1")[1] == 0
    assert [model.objects.count() for model in (Page, Item, CrawlTask)] == [0, 0, 0]


def test_the_command_prints_for_people_what_no_page_can_spoil(site: SiteServer) -> None:
    save_spider(site_spider(site.url))
    text, code = run("books", f"{site.url}/book/2")
    lines = text.splitlines()
    assert lines[0].startswith(f"{site.url}/book/2: 200 text/html, ")
    assert lines[1].startswith('book ["Two ')
    assert "price  null" in lines[3]
    assert lines[-2:] == ["Links: 0 followed, 1 not", f"  - {site.url}/   not in follow[0].allow"]
    assert code == 0
    assert all(line.isprintable() for line in lines)


def test_the_command_prints_one_object_for_programs(site: SiteServer) -> None:
    save_spider(site_spider(site.url))
    text, code = run("books", f"{site.url}/nowhere", "--json")
    assert (json.loads(text)["reason"], code) == ("http_404", 1)


def test_the_command_says_of_an_address_outside_what_the_workshop_says_of_it(site: SiteServer) -> None:
    save_spider(site_spider(site.url))
    text, code = run("books", "https://else.example/book/1")
    assert (
        "Not read: out_of_scope\n  Outside of the spider's domains: The spider's allowed_domains (127.0.0.1) do" in text
    )
    assert "What to do: Add “else.example” to allowed_domains" in text
    assert ("Links" in text, code) == (False, 1)


def test_a_proxy_inside_is_told_as_that_and_not_as_the_pages_host(site: SiteServer, settings: Settings) -> None:
    settings.CRAWLER_ALLOWED_NETWORKS = []
    save_spider(site_spider("http://1.1.1.1", session={"proxy": "http://127.0.0.1:3128"}))
    text, code = run("books", "http://1.1.1.1/")
    assert "The spider's proxy, “127.0.0.1”, is, or leads to, an address of a private network" in text
    assert "such as 127.0.0.1/32, into CRAWLER_ALLOWED_NETWORKS (in .env" in text
    assert ("“1.1.1.1”" in text, code) == (False, 1)


def test_a_file_stands_for_a_spider(site: SiteServer, tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps({"spiders": [site_spider(site.url)]}))
    two.write_text(json.dumps({"spiders": [site_spider(site.url), site_spider(site.url, name="tomes", items=[])]}))
    assert "One" in run(str(one), f"{site.url}/book/1")[0]
    assert "One" in run(f"{two}:books", f"{site.url}/book/1")[0]
    assert "One" not in run(f"{two}:tomes", f"{site.url}/book/1")[0]
    for name, message in ((str(two), "not one spider"), (f"{two}:x", 'no spider "x"')):
        with pytest.raises(CommandError, match=message):
            run(name, site.url)


@pytest.mark.parametrize(
    ("name", "message"),
    [("nobody", 'There is no spider "nobody".'), ("no/such.yaml", "no/such.yaml: No such file or directory")],
)
def test_a_spider_that_is_nowhere_is_named(name: str, message: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(name, "https://shop.example/")
    assert (str(caught.value), caught.value.returncode) == (message, 2)


def test_a_wrong_file_is_refused_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text('spiders:\n  - name: a\n    start_urls: ["https://a.example/"]\n    folow: []\n')
    with pytest.raises(CommandError, match=r"wrong\.yaml:4: spiders\[0\]\.folow: unknown key"):
        run(str(path), "https://a.example/")


def test_the_command_says_what_to_do_about_a_page_that_is_not_read(site: SiteServer, tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"spiders": [site_spider(site.url)]}))
    shown, code = run(str(file), f"{site.url}/nowhere")
    assert code == 1
    assert "Not read: http_404\n  Pages that are gone: " in shown
    assert "\n  What to do: " in shown
