"""Crawls the same sites with Lamplighter, with Scrapy (tuned, and as its documents show it) and with crawlee.

    python -m benchmarks.crawl_vs_scrapy [--site shop] [--side "scrapy, tuned"] [--rounds 5] [--slow-rounds 2]

Every side stores pages and items in SQLite, is pinned to one core and asks for 32 pages at once; our loopback server
has the other core. Rounds are interleaved, medians are shown; sides beside Lamplighter and tuned Scrapy take part in
the first `--slow-rounds`. Pages and items of all sides are compared: a difference ends the benchmark. robots.txt is
asked for and obeyed by all. The sites are read from `$CORPORA` (default ../shared/corpora).

Two views of each crawl: the *whole* process from its start to its end, and the crawl *alone*, from the first request to
the last commit. Lamplighter is one long process in which a crawl pays no start; Scrapy pays one for each crawl.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .crawl_sides import SIDES, SUBJECT, TUNED, Crawled, served
from .measuring import Usage, closing_line, median, peer_python
from .sites import SITES


def compare(site: str, side: str, mine: Crawled, theirs: Crawled) -> None:
    """Ends the benchmark where two sides did not do the same work."""
    if mine.pages == theirs.pages and mine.items == theirs.items:
        return
    pages = sorted(mine.pages ^ theirs.pages)
    items = [key for key in {*mine.items, *theirs.items} if mine.items.get(key) != theirs.items.get(key)]
    shown = [[key[1], *(str(one.items.get(key))[:300] for one in (mine, theirs))] for key in items[:3]]
    raise SystemExit(f"{site}: {side} differs in {len(pages)} pages {pages[:5]} or {len(items)} items {shown}")


def measure(site: str, sides: Sequence[str], rounds: int, slow_rounds: int) -> dict[str, object]:
    """Interleaved rounds over one site."""
    taken: dict[str, list[tuple[Usage, Usage]]] = {side: [] for side in sides}
    pages = items = 0
    with served(site) as base_url:
        for number in range(rounds):
            mine: Crawled | None = None
            for side in sides:
                if side not in (SUBJECT, TUNED) and number >= slow_rounds:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    crawled = SIDES[side](site, base_url, Path(folder))
                mine = mine or crawled
                compare(site, side, mine, crawled)
                pages, items = len(crawled.pages), len(crawled.items)
                taken[side].append((crawled.whole, crawled.alone))
                print(_sentence(site, side, number, crawled), file=sys.stderr)
    figures = {side: _figures(pages, usages) for side, usages in taken.items() if usages}
    return {
        "site": site,
        "pages": pages,
        "items": items,
        "ratios": {side: _ratios(taken[SUBJECT], taken[side]) for side in figures if side != SUBJECT},
        "sides": figures,
    }


def _sentence(site: str, side: str, number: int, crawled: Crawled) -> str:
    return (
        f"{site} round {number + 1}: {side}: {len(crawled.pages)} pages, {len(crawled.items)} items; CPU seconds "
        f"{crawled.whole.cpu_seconds:.2f} whole, {crawled.alone.cpu_seconds:.2f} alone; seconds "
        f"{crawled.whole.seconds:.2f}, {crawled.alone.seconds:.2f}; {crawled.alone.peak_bytes / 1e6:.0f} MB"
    )


def _figures(pages: int, usages: Sequence[tuple[Usage, Usage]]) -> dict[str, object]:
    return {
        "whole": _rates(pages, [whole for whole, _alone in usages]),
        "alone": _rates(pages, [alone for _whole, alone in usages]),
        "peak_megabytes": median(alone.peak_bytes / 1e6 for _whole, alone in usages),
    }


def _rates(pages: int, usages: Sequence[Usage]) -> dict[str, float]:
    return {
        "cpu_seconds": median(usage.cpu_seconds for usage in usages),
        "seconds": median(usage.seconds for usage in usages),
        "pages_per_cpu_second": median(pages / usage.cpu_seconds for usage in usages),
        "pages_per_second": median(pages / usage.seconds for usage in usages),
    }


def _ratios(mine: Sequence[tuple[Usage, Usage]], theirs: Sequence[tuple[Usage, Usage]]) -> dict[str, float]:
    """The other side's cost by ours, round by round: above 1 ours is cheaper."""
    pairs = list(zip(mine, theirs, strict=False))
    return {
        "whole_cpu": median(their.cpu_seconds / our.cpu_seconds for (our, _), (their, _) in pairs),
        "whole_time": median(their.seconds / our.seconds for (our, _), (their, _) in pairs),
        "alone_cpu": median(their.cpu_seconds / our.cpu_seconds for (_, our), (_, their) in pairs),
        "alone_time": median(their.seconds / our.seconds for (_, our), (_, their) in pairs),
        "memory": median(their.peak_bytes / our.peak_bytes for (_, our), (_, their) in pairs),
    }


def _version(environment: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([str(peer_python(environment)), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", action="append", choices=sorted(SITES))
    parser.add_argument("--side", action="append", choices=sorted(set(SIDES) - {SUBJECT}), help="beside ours")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, default=2)
    options = parser.parse_args()
    sides = [SUBJECT, *[side for side in SIDES if side != SUBJECT and side in (options.side or SIDES)]]
    results = [measure(site, sides, options.rounds, options.slow_rounds) for site in options.site or SITES]
    closing_line(
        "crawl_vs_scrapy",
        subject=SUBJECT,
        peers={"scrapy": _version("scrapy", "scrapy"), "crawlee": _version("crawlee", "crawlee")},
        rounds=options.rounds,
        slow_rounds=options.slow_rounds,
        python=sys.version.split()[0],
        results=results,
    )


if __name__ == "__main__":
    main()
