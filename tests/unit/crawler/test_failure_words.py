"""What the engine says of pages that failed, in the reader's language: no sentence of it is left in English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import gettext, override

from crawler.engine.errors import AddressRefused
from crawler.engine.fetching.guard import Guard
from crawler.engine.pages.jsonpages import JsonUnreadable, parse_json
from crawler.wording import told_reason
from scheduling import wording

ENGINE = Path(__file__).resolve().parents[3] / "crawler" / "engine"
SAYING = frozenset(
    {
        *("DnsError", "ConnectFailed", "TlsFailed", "ProxyFailed", "ConnectionLost", "ProtocolViolation", "TimedOut"),
        *("BodyTooLarge", "BodyTruncated", "BodyUndecodable", "ReadingEnded", "Finding", "SitemapFailed", "_Died"),
        *("JsonUnreadable", "_RedirectFailed", "_NoSitemap", "XmlRefused", "_give_up", "_fail", "lost"),
    }
)
"""Whose calls hold a sentence that is stored beside a page or a sitemap."""
ADDRESS = "https://shop.example/a"
SAMPLES = {"url": ADDRESS, "target": ADDRESS, "parent": ADDRESS, "extraction.refresh": ADDRESS}
PROXY = "http://10.0.0.9:3128"
COMPOSED = (
    *("reset by the server in the headers", "closed by the server in the headers"),
    *("reset by the server before an answer", "closed by the server before an answer"),
    "reset by the server after 7 bytes of the body: 7",
    "closed by the server after 7 bytes of the body, which goes on",
    f"the proxy {PROXY} closed the connection before it answered",
    f"the proxy {PROXY} sent more than 16384 bytes before it answered",
)
"""What is put together of halves: who ended a connection, what a proxy did."""
HALVES = frozenset(
    {
        *("7 in the headers", "7 before an answer", "7 after 7 bytes of the body: 7"),
        *("7 after 7 bytes of the body, which goes on", f"the proxy {PROXY} 7"),
    }
)
"""The same, as the source has it."""


def sentences() -> Iterator[str]:
    """Each, with values put in."""
    yield from COMPOSED
    for path in sorted(ENGINE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in SAYING:
                for text in node.args:
                    if isinstance(text, ast.JoinedStr | ast.Constant) and " " in literal(text).strip():
                        yield filled(text)


def literal(node: ast.expr) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))


def filled(node: ast.expr) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else sample(part) for part in parts)


def sample(node: ast.expr) -> str:
    assert isinstance(node, ast.FormattedValue)
    name = ast.unparse(node.value)
    return PROXY if name.endswith("proxy.url") else SAMPLES.get(name, "7")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A language in which a sentence is nothing but its values."""
    monkeypatch.setattr(wording, "gettext", lambda text: " ".join(re.findall(r"%\(\w+\)[sd]|%s;?", text)) or "…")
    monkeypatch.setattr(wording, "_told", wording._told.__wrapped__)
    with override("zh-hans"):
        yield


def left(told: str) -> list[str]:
    return re.findall(r"[A-Za-z]{2,}", re.sub(r"https?://\S+", "", told))


@pytest.mark.usefixtures("bare")
def test_each_sentence_of_the_engine_is_known() -> None:
    found = list(sentences())
    assert len(found) > 50
    assert [text for text in found if left(wording.told(text)) and text not in HALVES] == []


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("10.0.0.1", "10.0.0.1 private"),
        ("fe80::1", "fe80::1 link-local"),
        ("2002:7f00:1::", "2002:7f00:1:: 127.0.0.1 loopback"),
    ],
    ids=["private", "link-local", "one that hides another"],
)
def test_an_address_that_is_refused_is_told_with_its_kind(address: str, told: str) -> None:
    *addresses, kind = told.split()
    told = " ".join([*addresses, gettext(kind)])
    with pytest.raises(AddressRefused) as refused:
        Guard().check(address)
    assert wording.told(str(refused.value)) == told
    assert wording.told(f"https://a.example/robots.txt: redirected to https://b.example/: {refused.value}").split() == [
        "https://a.example/robots.txt", "https://b.example/", *told.split(),
    ]  # fmt: skip


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("body", "told"),
    [(b"[1,", "Expecting value 1 4"), (b"[" * 100_000, "…")],
    ids=["cut off", "nested"],
)
def test_an_answer_that_is_no_json_is_told_with_its_place(body: bytes, told: str) -> None:
    with pytest.raises(JsonUnreadable) as unreadable:
        parse_json(body, "", float)
    assert wording.told(str(unreadable.value)) == told


@pytest.mark.usefixtures("bare")
def test_why_no_start_page_answered_is_told_with_its_reason() -> None:
    stored = "No start page answered: https://a.example/: connect_error (https://a.example/ has no address)"
    assert wording.told(stored) == f"https://a.example/ {told_reason('connect_error')} https://a.example/"


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("name", ["nightly (copy)", "https://a.example/: the news", "shop: nested"])
def test_a_name_of_somebody_is_no_sentence(name: str) -> None:
    assert wording.told(name) == name
