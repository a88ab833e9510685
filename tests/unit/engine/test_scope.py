"""What a spider may fetch."""

from __future__ import annotations

import pytest

from crawler.engine.documents.definition import parse
from crawler.engine.errors import Reason
from crawler.engine.scope import Scope, covers


@pytest.mark.parametrize(
    ("domain", "host", "is_covered"),
    [
        ("shop.example", "shop.example", True),
        ("shop.example", "www.shop.example", True),
        ("shop.example", "a.b.shop.example", True),
        ("shop.example", "myshop.example", False),
        ("shop.example", "example", False),
        ("shop.example", "shop.example.evil.example", False),
        ("shop.example", "shop.example.", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.1", "127.0.0.1", False),
        ("1", "127.0.0.1", False),
        ("::1", "::1", True),
        ("::1", "fe80::1", False),
    ],
)
def test_a_host_covers_itself_and_its_subdomains_an_address_only_itself(
    domain: str, host: str, is_covered: bool
) -> None:
    assert covers([domain], host) is is_covered


def make_scope(**changes: object) -> Scope:
    document: dict[str, object] = {"name": "a", "start_urls": ["http://shop.example:8080/"]}
    return Scope(parse(document | changes))


@pytest.mark.parametrize(
    ("url", "depth", "reason"),
    [
        ("http://shop.example:8080/a", 0, None),
        ("https://www.shop.example/a", 2, None),
        ("http://shop.example:9999/", 0, None),
        ("http://other.example/", 0, Reason.OUT_OF_SCOPE),
        ("http://shop.example/", 3, Reason.DEPTH_LIMIT),
        ("http://other.example/", 3, Reason.OUT_OF_SCOPE),
        ("ftp://shop.example/", 0, Reason.SCHEME_REFUSED),
    ],
)
def test_scope_is_domain_scheme_and_depth_and_never_the_port(url: str, depth: int, reason: Reason | None) -> None:
    assert make_scope(limits={"max_depth": 2}).judge(url, depth) is reason


def test_depth_has_no_limit_by_default() -> None:
    assert make_scope().judge("http://shop.example/", 10**6) is None


def test_allowed_domains_replace_the_hosts_of_the_start_urls() -> None:
    scope = make_scope(allowed_domains=["cdn.example"])
    assert scope.judge("http://cdn.example/", 0) is None
    assert scope.judge("http://shop.example:8080/", 0) is Reason.OUT_OF_SCOPE


def test_verdicts_about_more_hosts_than_are_remembered_stay_right() -> None:
    scope = make_scope()
    for number in range(10_050):
        assert scope.covers_host(f"h{number}.other.example") is False
    assert scope.covers_host("late.shop.example") is True
