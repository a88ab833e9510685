"""The links of a page: found by the follow rules' selectors, normalised, taken by the first rule that wants them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from turbohtml import Element, XPath

from .page import PageTree
from .scope import LinkRule
from .selectors import CssSelector, Found, Selector, compile_css, compile_xpath
from .spider import FollowRule
from .urls import join_all

_EVERY_LINK = XPath("//a/@href")
_REMEMBERED = 50_000
"""Verdicts kept: a site's menus stand on every page."""


@dataclass(slots=True)
class Links:
    """What the follow rules make of a page."""

    taken: dict[str, int]
    """Normalised URL to the rule's number, in the order in which they were found."""
    left: dict[str, int]
    """URLs that a rule's selector found and no rule took, to the last rule that said no."""
    refused: Counter[str]
    """Strings that are no URL to be fetched, by reason."""


class LinkReader:
    """Finds the links that a crawl follows. One for a crawl."""

    def __init__(self, rules: Sequence[FollowRule]) -> None:
        self.rules = tuple(map(LinkRule, rules))
        self._groups = tuple(_group(rules))
        self._verdicts: dict[tuple[int, str], int] = {}

    def read(self, page: PageTree) -> Links:
        """Every link of the page, once. Raises `ReadingFailed`."""
        links = Links({}, {}, Counter())
        for number, (selector, members) in enumerate(self._groups):
            joined = join_all(page.base, _hrefs(selector, page))
            links.refused.update(joined.refused)
            for url in joined.urls:
                if url in links.taken:
                    continue
                verdict = self._verdict(number, members, url)
                if verdict >= 0:
                    links.taken[url] = verdict
                    links.left.pop(url, None)
                else:
                    links.left[url] = members[-1]
        return links

    def _verdict(self, group: int, members: Sequence[int], url: str) -> int:
        """The number of the first rule of the group that takes `url`, or -1."""
        known = self._verdicts.get((group, url))
        if known is not None:
            return known
        verdict = next((number for number in members if self.rules[number].takes(url)), -1)
        if len(self._verdicts) >= _REMEMBERED:
            self._verdicts.clear()
        self._verdicts[group, url] = verdict
        return verdict


def _group(rules: Sequence[FollowRule]) -> Iterator[tuple[Selector | None, tuple[int, ...]]]:
    """Neighbouring rules with one selector, so that a page is searched once for them."""
    pending: list[int] = []
    for number, rule in enumerate(rules):
        if pending and (rule.css, rule.xpath) != (rules[pending[-1]].css, rules[pending[-1]].xpath):
            yield _selector(rules[pending[-1]]), tuple(pending)
            pending = []
        pending.append(number)
    if pending:
        yield _selector(rules[pending[-1]]), tuple(pending)


def _selector(rule: FollowRule) -> Selector | None:
    if rule.css is not None:
        return compile_css(rule.css)
    return None if rule.xpath is None else compile_xpath(rule.xpath)


def _hrefs(selector: Selector | None, page: PageTree) -> Iterable[str]:
    """The strings that a rule's selector gives: what XPath and pseudo-elements say, `href` of elements."""
    if selector is None:
        found = _EVERY_LINK(page.document)
        return (href for href in found if isinstance(href, str)) if isinstance(found, list) else ()
    return _strings(selector, selector.find(page.document, page), page)


def _strings(selector: Selector, matches: Sequence[Found], page: PageTree) -> Iterator[str]:
    wants_element = not isinstance(selector, CssSelector) or selector.is_plain
    for match in matches:
        href_of = match.attr if wants_element and isinstance(match, Element) else None
        value = selector.read(match, page) if href_of is None else href_of("href")
        if value is not None:
            yield value
