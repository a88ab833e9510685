"""Groups of robots.txt: rules for several crawlers at once, and what many of both cost."""

from __future__ import annotations

import pytest

from crawler.engine.manners import robotstxt
from crawler.engine.manners.robots import RobotsRules


def test_many_names_above_many_rules_cost_no_more_than_their_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a megabyte has room for 20,000 of each: one rule for each pair would hold the loop for minutes."""
    added: list[str] = []
    add = robotstxt.Group.add

    def counted(group: robotstxt.Group, pattern: str, *, allows: bool) -> None:
        added.append(pattern)
        add(group, pattern, allows=allows)

    monkeypatch.setattr(robotstxt.Group, "add", counted)
    names = "".join(f"User-agent: bot{number}\n" for number in range(300))
    rules = "".join(f"Disallow: /{number}\n" for number in range(300))
    text = robotstxt.read(f"{names}{rules}User-agent: bot7\nAllow: /7\nCrawl-delay: 2\n".encode())
    assert len(added) == 301
    verdicts = {name: RobotsRules(text).allows("http://a.example/7", name) for name in ("bot6", "BOT7", "else")}
    assert verdicts == {"bot6": False, "BOT7": True, "else": True}
    assert (RobotsRules(text).crawl_delay("bot6"), RobotsRules(text).crawl_delay("bot7")) == (None, 2.0)


@pytest.mark.parametrize(
    ("lines", "delay"),
    [
        (("User-agent: a", "Request-rate: 1/5", "User-agent: a", "User-agent: b", "Crawl-delay: 2"), 2.0),
        (("User-agent: a", "User-agent: b", "Crawl-delay: 2", "User-agent: a", "Request-rate: 1/5"), 2.0),
        (("User-agent: a", "Request-rate: 1/5", "User-agent: a", "User-agent: b", "Request-rate: 1/7"), 5.0),
    ],
)
def test_crawl_delay_comes_before_request_rate_in_whatever_group(lines: tuple[str, ...], delay: float) -> None:
    assert RobotsRules.parse("\n".join(lines).encode()).crawl_delay("a") == delay


@pytest.mark.parametrize("pattern", ["/*{}z", "*{}$$", "/s********{}z", "/p*o*{}z"])
def test_of_half_a_megabyte_of_patterns_no_more_are_tried_than_a_page_may_cost(pattern: str) -> None:
    lines = [f"{('Allow', 'Disallow')[n % 2]}: {pattern.format(n)}" for n in range(40_000)]
    group = robotstxt.read("\n".join(["User-agent: *", *lines]).encode()[:512_000].rpartition(b"\n")[0]).group("test")
    assert group is not None
    assert 0 < sum(len(rule[2]) for rule in group._wild) <= robotstxt.MAX_PIECES
    assert group.allows("/shop/product-1.html?x=1")


def test_of_too_many_patterns_those_that_forbid_most_are_kept() -> None:
    surplus = [f"{verb}: /*{n}z" for n in range(5_000) for verb in ("Allow", "Disallow")]
    text = "\n".join(["User-agent: *", *surplus[:5_000], "Disallow: /*?", "Disallow: /a*b", *surplus[5_000:]])
    rules = RobotsRules.parse(text.encode())
    assert rules.allows("http://a.example/page", "test")
    assert not rules.allows("http://a.example/page?x", "test")
    assert not rules.allows("http://a.example/axb", "test")


def test_any_number_of_whole_addresses_is_kept() -> None:
    lines = [f"Disallow: /{n}$\nAllow: /{n}$" if n % 2 else f"Disallow: /{n}$\nAllow: /{n}" for n in range(10_000)]
    rules = RobotsRules.parse("\n".join(["User-agent: *", *lines]).encode())
    assert rules.allows("http://a.example/9999", "test")
    assert not rules.allows("http://a.example/9998", "test")
    assert rules.allows("http://a.example/9998/", "test")
