"""Each reason that the engine can give has its cause and its remedy wherever a crawl is explained, and one count."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone, translation
from rest_framework.test import APIClient

from crawler.account.explaining import explain
from crawler.account.reporting import crawls_of
from crawler.causes import BY_KEY, cause_of
from crawler.engine.errors import Reason, http_reason
from crawler.models import CrawlTask
from crawler.workshop.form_labels import by_label, cause_by_label

from .making import make_spider, make_task

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

REASONS = {
    str(reason): 1_000 + place
    for place, reason in enumerate([*Reason, *map(http_reason, (401, 403, 404, 410, 418, 429, 451, 500, 504, 600))])
}
"""Each with a count of its own."""
KEYS = {cause_of(reason).key for reason in REASONS}


KEY = re.compile(
    r"(?:manners|limits|session)\.\w+"
    r"|(?:start_urls|allowed_domains|adaptive_throttle|each_json|decimal_mark|may_be_empty)\b"
    r"|(?:in|correct|narrow|请在|修正) (?:follow|each|match)\b|(?:take|去掉) required|\bto key\b|给 key"
)


def counted(key: str) -> int:
    return sum(count for reason, count in REASONS.items() if cause_of(reason).key == key)


def times_said(count: int, text: str) -> int:
    return len(re.findall(rf"(?<![\d,]){count:,}(?![\d,])", text))


@pytest.fixture
def task(db: None) -> CrawlTask:
    return make_task(
        make_spider(), pages=9_000_000, items=9_000_000, reasons=REASONS, finished_at=timezone.now(), spider_version=1
    )


def test_no_reason_is_without_a_cause_and_none_is_counted_twice(task: CrawlTask) -> None:
    found = explain(task).causes
    assert [each.cause.key for each in found if each.reasons] == list(
        dict.fromkeys(each.cause.key for each in found if each.reasons)
    )
    assert {each.cause.key: each.count for each in found if each.reasons} == {key: counted(key) for key in KEYS}
    assert sorted(reason for each in found for reason in each.reasons) == sorted(REASONS)


def test_rest_tells_each_with_its_remedy(task: CrawlTask, api: APIClient) -> None:
    causes = api.get(f"/api/crawl/tasks/{task.task_id}/causes").json()["causes"]
    told = {cause["key"]: (cause["count"], cause["remedy"]) for cause in causes}
    assert len(told) == len(causes)
    assert told.items() >= {key: (counted(key), str(BY_KEY[key].remedy)) for key in KEYS}.items()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_admin_tells_each_with_its_remedy(task: CrawlTask, root: User, client: Client, language: str) -> None:
    client.force_login(root)
    page = client.get(f"/admin/crawler/crawltask/{task.pk}/change/", headers={"accept-language": language})
    text = unescape(page.content.decode())
    with translation.override(language):
        for key in KEYS:
            assert str(BY_KEY[key].title) in text
            assert text.count(cause_by_label(BY_KEY[key].remedy)) == 1, key
            assert times_said(counted(key), text) == 1, key
    assert KEY.findall(text) == [], "pages have the labels of the form, where programs read keys"


def test_the_command_tells_each_with_its_remedy_and_each_count_once(task: CrawlTask) -> None:
    out = StringIO()
    with translation.override("en"):
        call_command("explaincrawl", task.task_id, stdout=out)
        lines = out.getvalue().splitlines()
        assert not [key for key in KEYS if times_said(counted(key), out.getvalue()) != 1]
        for key in KEYS:
            assert lines.count(f"  What to do: {BY_KEY[key].remedy}") == 1, key
            [told] = [line for line in lines if line.startswith(f"{BY_KEY[key].title}: {counted(key):,} ")]
            assert lines[lines.index(told) + 1] == f"  {BY_KEY[key].what}"


def test_the_report_adds_up_each_and_tells_the_remedies_of_trouble(task: CrawlTask) -> None:
    now = timezone.now()
    report = crawls_of(now - timedelta(hours=1), now)
    assert dict(report.causes) == {key: counted(key) for key in KEYS}
    [trouble] = report.troubles
    told = trouble.to_json()["causes"]
    assert isinstance(told, list)
    assert {str(cause["remedy"]) for cause in told if isinstance(cause, dict)} == {
        str(found.cause.remedy) for found in explain(task).troubles
    }


def test_in_chinese_no_blank_stands_beside_a_label() -> None:
    with translation.override("zh-hans"):
        for told in (by_label("停在 limits.max_pages = 4"), cause_by_label("请在 follow 中排除")):
            assert "“" in told
            assert not re.search("[\u3400-\u9fff] “|” [\u3400-\u9fff]", told), told
    assert by_label("he wrote 中文 “x” here") == "he wrote 中文 “x” here"
