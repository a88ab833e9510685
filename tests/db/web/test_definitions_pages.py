"""Importing definitions by a plan that is carried out exactly or not at all; and exporting them."""

from __future__ import annotations

import html
import re

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from crawler import definitions, secrets
from crawler.models import Spider
from scheduling.models import DefinitionVersion, ScheduledJob

from .answers import Answer, messages_of
from .making import make_job, make_spider, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

IMPORT = "/admin/crawler/spider/import/"
EXPORT = "/admin/crawler/spider/export/"
FILE = """\
spiders:
  - name: books
    category: shelves
    start_urls: ["https://shop.example/"]
    items:
      - type: book
        fields: {title: {css: "h1"}}
  - name: music
    start_urls: ["https://music.example/"]
jobs:
  - job_id: music-nightly
    handler: crawl
    job_data: {type: spider, target: music}
    trigger: {type: cron, cron: "0 2 * * *", timezone: Asia/Shanghai}
"""


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_file_that_is_too_large_is_told_on_the_form(web: Client, settings: Settings, language: str) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    large = SimpleUploadedFile("large.yaml", b"#" * 2_000)
    answer = web.post(IMPORT, {"file": large}, headers={"Accept-Language": language})
    page = answer.content.decode()
    assert answer.status_code == 413
    assert 'type="file"' in page
    assert 'role="alert"' in page
    assert re.search(r"1000\sbytes|1000\s字节", page), "the limit"
    assert not Spider.objects.exists()
    assert web.post("/admin/crawler/spider/workshop/preview/", {"text": "#" * 2_000}).status_code == 413, "no form"


def agree(client: Client, plan: Answer) -> Answer:
    """What the button below a plan sends."""
    page = plan.content.decode()
    text = re.search(r'<textarea name="text"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    fingerprint = re.search(r'name="fingerprint" value="([0-9a-f]+)"', page)
    assert text is not None
    assert fingerprint is not None
    # A browser leaves the first line break out, and sends the others as two characters.
    sent = html.unescape(text[1]).removeprefix("\n").replace("\n", "\r\n")
    return client.post(IMPORT, {"text": sent, "fingerprint": fingerprint[1], "source": "x.yaml"})


def test_a_plan_says_what_would_happen_and_writes_nothing(web: Client) -> None:
    make_spider("books")
    plan = web.post(IMPORT, {"text": FILE})
    page = plan.content.decode()
    assert "2 added, 1 changed, 0 as they are" in page
    assert "+ music" in page
    assert "~ books" in page
    assert "books.category: &quot;shelves&quot;" in page
    assert list(Spider.objects.values_list("category", flat=True)) == ["shops"]
    assert not ScheduledJob.objects.exists()


def test_who_agrees_gets_exactly_that(web: Client, root: User) -> None:
    make_spider("books")
    done = agree(web, web.post(IMPORT, {"text": FILE}))
    assert done.status_code == 302
    assert messages_of(done) == ["Imported: 2 added, 1 changed, 0 as they were."]
    assert Spider.objects.get(name="books").category == "shelves"
    assert ScheduledJob.objects.get().job_id == "music-nightly"
    assert DefinitionVersion.objects.filter(key="music").latest("pk").user == root
    again = web.post(IMPORT, {"text": FILE}).content.decode()
    assert "Nothing would change" in again
    assert "Do exactly this" not in again


def test_what_was_changed_in_between_stops_it(web: Client) -> None:
    make_spider("books")
    plan = web.post(IMPORT, {"text": FILE})
    make_spider("books", category="elsewhere")
    answer = agree(web, plan)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Nothing was written" in page
    assert "elsewhere" in page
    assert Spider.objects.get().category == "elsewhere"
    assert agree(web, answer).status_code == 302
    assert Spider.objects.get(name="books").category == "shelves"


@pytest.mark.parametrize("change", ["music", "shelves"])
def test_another_text_than_was_shown_is_not_carried_out(web: Client, change: str) -> None:
    plan = web.post(IMPORT, {"text": FILE}).content.decode()
    fingerprint = re.search(r'name="fingerprint" value="([0-9a-f]+)"', plan)
    assert fingerprint is not None
    other = FILE.replace(change, "other")
    answer = web.post(IMPORT, {"text": other, "fingerprint": fingerprint[1]})
    # A new spider's document is no part of what a list of names says: it is compared all the same.
    assert "Nothing was written" in answer.content.decode()
    assert not Spider.objects.exists()


def test_every_problem_stands_at_its_line(web: Client) -> None:
    text = FILE.replace('css: "h1"', 'css: "h1["').replace("0 2 * * *", "0 99 * * *")
    page = web.post(IMPORT, {"text": text}).content.decode()
    assert "2 problems: nothing was written" in page
    found = re.findall(r'<span class="ll-k">Line</span>(\d+)', page)
    assert found == ["7", "14"]
    assert "h1[" in html.unescape(re.sub(r"<textarea.*?</textarea>", "", page, flags=re.DOTALL))
    assert not Spider.objects.exists()


def test_problems_are_told_in_the_readers_language(web: Client) -> None:
    web.cookies["django_language"] = "zh-hans"
    [(problem, _line)] = web.post(IMPORT, {"text": FILE.replace('css: "h1"', 'css: "h1::txt"')}).context["problems"]
    assert "不认识" in problem.message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"spiders: [\xff]", "not UTF-8"),
        (b"spiders: [", "not YAML"),
        (b"", "The submitted file is empty|the file is empty|Choose a file"),
        (b"- 1", "spiders"),
    ],
)
def test_a_file_that_is_none_is_told_so(web: Client, content: bytes, says: str) -> None:
    answer = web.post(IMPORT, {"file": SimpleUploadedFile("x.yaml", content), "text": ""})
    assert answer.status_code == 200
    assert re.search(says, answer.content.decode())


def test_a_file_is_taken_before_the_text(web: Client) -> None:
    answer = web.post(IMPORT, {"file": SimpleUploadedFile("mine.yaml", FILE.encode()), "text": "nonsense: 1"})
    assert "3 added" in answer.content.decode()
    assert "mine.yaml" in answer.content.decode()


def test_nothing_at_all_is_asked_for_again(web: Client) -> None:
    assert "Choose a file, or paste its text." in web.post(IMPORT, {"text": "  "}).content.decode()


def test_a_file_of_too_many_is_sent_to_the_command(web: Client) -> None:
    text = "spiders:\n" + "".join(f'  - {{name: s{number}, start_urls: ["x"]}}\n' for number in range(2_001))
    page = html.unescape(web.post(IMPORT, {"text": text}).content.decode())
    assert "2001 are too many" in page
    assert "manage.py loaddefinitions FILE" in page
    assert "s2000" not in page


def test_importing_asks_for_all_four_rights(client: Client) -> None:
    rights = [f"{model}_{verb}" for model in ("spider", "job") for verb in ("add", "change")]
    assert len(rights) == 4
    client.force_login(make_user("ada", "crawler.add_spider", "crawler.change_spider", "crawler.view_spider"))
    assert client.get(IMPORT).status_code == 403
    assert client.post(IMPORT, {"text": FILE}).status_code == 403
    assert IMPORT not in client.get("/admin/crawler/spider/").content.decode()
    assert EXPORT in client.get("/admin/crawler/spider/").content.decode()


# --- export -----------------------------------------------------------------------------------------------------------
def test_everything_is_exported_without_what_is_secret(web: Client) -> None:
    secrets.set_secret("token", "s3cr3t-value")
    make_spider("books", manners={"headers": {"Authorization": {"secret": "token"}}})
    make_job("nightly")
    answer = web.post(EXPORT)
    assert answer["Content-Disposition"].startswith('attachment; filename="definitions-')
    assert b"s3cr3t-value" not in answer.content
    assert answer.content.decode() == definitions.to_yaml(definitions.dump())
    assert "Nothing would change" in web.post(IMPORT, {"text": answer.content.decode()}).content.decode()


def test_what_is_ticked_is_exported(web: Client) -> None:
    make_spider("books")
    make_spider("music")
    make_job("nightly")
    assert "nightly" in web.get(EXPORT).content.decode()
    answer = web.post(EXPORT, {"spiders": ["music", "nobody"]})
    document = yaml.safe_load(answer.content)
    assert list(document) == ["spiders"]
    assert [spider["name"] for spider in document["spiders"]] == ["music"]
    assert yaml.safe_load(web.post(EXPORT, {"jobs": ["nobody"]}).content) == {}, "none of these is not all of them"


def test_who_sees_spiders_alone_exports_spiders_alone(client: Client) -> None:
    make_spider("books")
    make_job("nightly")
    client.force_login(make_user("ada", "crawler.view_spider"))
    assert "nightly" not in client.get(EXPORT).content.decode()
    assert "jobs" not in yaml.safe_load(client.post(EXPORT).content)
    client.force_login(make_user("eve", "crawler.view_item"))
    assert client.get(EXPORT).status_code == 403
