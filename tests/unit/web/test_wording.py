"""Stored English in the reader's language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.utils.translation import override

from scheduling import wording
from scheduling.account.words import reason_in_words
from scheduling.models import JobRun
from scheduling.wording import Template, shown, told

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def chinese() -> Iterator[None]:
    with override("zh-hans"):
        yield


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("Cancelled by ada.", "由 ada 取消。"),
        (
            "4 pages, 3 unchanged; 1 item read, 0 new, 1 changed.",
            "4 个页面，3 个未变化；读取 1 个条目，新增 0，变更 1。",
        ),
        ("12 of 14 spiders completed. 2 failed.", "14 个爬虫中完成了 12 个。2 个失败。"),
        ("191 pages, 191 items", "191 个页面，191 个条目"),
        (
            "Cancelled. Its handler SlowJobHandler ignores its cancel and was abandoned.",
            "已取消。它的处理程序 SlowJobHandler 不理会取消，已被放弃。",
        ),
        ("somebody's own words, with a comma", "somebody's own words, with a comma"),
        ("", ""),
        ("ValueError: what somebody wrote", "ValueError: what somebody wrote"),
    ],
)
def test_a_stored_sentence_is_told_in_chinese(stored: str, shown: str) -> None:
    assert told(stored) == shown


ENDINGS = {
    "Stopped at max_pages = 4": "Stopped at “Pages of a crawl” = 4",
    "Stopped at max_seconds = 1e+06; pages were left in the frontier": (
        "Stopped at “Seconds of a crawl” = 1e+06; pages were left in the frontier"
    ),
    "Links beyond max_depth = 2 were left out": "Links beyond “Links from a start page” = 2 were left out",
    "Pages beyond max_pages_per_host = 9 were left out": "Pages beyond “Pages of one host” = 9 were left out",
    "Stopped at quiet_hours until 2027-01-01 20:00 (Asia/Shanghai); pages were left in the frontier": (
        "Stopped at “Quiet hours” until 2027-01-01 20:00 (Asia/Shanghai); pages were left in the frontier"
    ),
    "pages_per_day = 9 is used up until 2027-01-01 00:00 (UTC) for https://shop.example; "
    "https://news.example asked to be left alone until 2027-01-01 00:00 (UTC); and 3 more hosts; "
    "pages were left in the frontier": (
        "“Pages a day” = 9 is used up until 2027-01-01 00:00 (UTC) for https://shop.example; "
        "https://news.example asked to be left alone until 2027-01-01 00:00 (UTC); and 3 more hosts; "
        "pages were left in the frontier"
    ),
    "TLS certificates were not checked: the spider says session.verify_tls = false.": (
        "TLS certificates were not checked: the spider says “Check certificates”: off."
    ),
    "No start page answered: https://shop.example/limits.max_pages: http_404": (
        "No start page answered: https://shop.example/limits.max_pages: Pages that are gone (http_404)"
    ),
}


@pytest.mark.parametrize(("stored", "on_a_page"), ENDINGS.items())
def test_pages_call_a_limit_as_the_form_does(stored: str, on_a_page: str) -> None:
    assert told(stored) == stored
    assert shown(stored) == on_a_page


def test_a_page_tells_why_no_start_page_answered_by_title_and_words() -> None:
    stored = "No start page answered: https://a.example/: read_timeout (silent for 10 s)"
    titled = "No start page answered: https://a.example/: The host was too slow (read_timeout) (silent for 10 s)"
    assert shown(stored) == titled
    with override("zh-hans"):
        assert shown(stored.partition(" (")[0]) == "没有起始页应答：https://a.example/：主机太慢（read_timeout）"


@pytest.mark.parametrize("stored", ENDINGS)
def test_nothing_of_an_ending_is_left_in_english(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a language in which each sentence is but its values."""
    monkeypatch.setattr(wording, "gettext", lambda text: "".join(re.findall(r"%\(\w+\)[sd]|%s;?", text)) or "…")
    monkeypatch.setattr(wording, "_told", wording._told.__wrapped__)
    with override("zh-hans"):
        left = re.sub(r"https?://\S+|max_\w+|http_404|\(\S+\)|e\+06", "", told(stored))
    assert re.findall("[A-Za-z]+", left) == []


@pytest.mark.usefixtures("chinese")
def test_what_follows_a_known_sentence_is_kept() -> None:
    text = told("4 pages, 3 unchanged; 1 item read, 0 new, 1 changed. Somebody's own words (1).")
    assert text.endswith("Somebody's own words (1).")
    assert "4 pages" not in text


def test_english_is_not_touched() -> None:
    with override("en"):
        assert told("Cancelled by ada.") == "Cancelled by ada."


@pytest.mark.usefixtures("chinese")
def test_no_value_is_a_format() -> None:
    assert "100%s" in told("Cancelled by 100%s.")
    assert "%(who)s" in told("Cancelled by %(who)s.")


def test_a_long_sentence_of_nobody_costs_little() -> None:
    with override("zh-hans"):
        text = "Stopped at " * 100_000
        assert told(text).endswith(text[-1_000:])


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("one", ["line 1: ", "not JSON: "])
def test_a_text_of_others_may_look_like_hundreds_of_sentences_within_each_other(one: str) -> None:
    text = one * 200
    assert told(text).endswith(text[-1_000:])


def test_a_template_takes_numbers_and_percents() -> None:
    template = Template("%(rate).1f %% of %(name)s, %(count)d left")
    [pattern] = template.patterns()
    found = pattern.match("98.5 % of the lot, 1,200 left")
    assert found is not None
    assert found.groupdict() == {"rate": "98.5", "name": "the lot", "count": "1,200"}


@pytest.mark.parametrize("app", ["scheduling", "crawler"])
def test_each_template_is_one_that_is_stored(app: str) -> None:
    """Those before the engine's, which fills its own in: each stands somewhere else, to the letter."""
    source, mark, _engine = (ROOT / app / "wording.py").read_text(encoding="utf-8").partition("# Of the engine")
    if mark:
        source += ")"
    templates = [
        str(node.args[0].value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"
        and isinstance(node.args[0], ast.Constant)
    ]  # fmt: skip
    others = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / app).rglob("*.py") if path.name != "wording.py"
    )
    joined = re.sub(r'"\s*\n\s*"', "", others)
    assert len(templates) > 10
    # The line of a run's progress is put together of amounts.
    assert [one for one in templates if f'"{one}"' not in joined and one != "%(pages)s, %(items)s"] == []


@pytest.mark.usefixtures("chinese")
def test_the_account_of_a_failed_run_holds_no_english_of_ours() -> None:
    run = JobRun(
        state=JobRun.State.FAILED,
        started_at=datetime(2027, 1, 1, tzinfo=UTC),
        message="No start page answered: https://jobs.example/: http_403",
    )
    assert "没有起始页应答" in reason_in_words(run)
    assert "No start page" not in reason_in_words(run)
