"""One field of an item, compiled: matches, their texts, the regular expression, the type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from turbohtml import Element, Node

from crawler.engine.records import Json
from crawler.engine.spider import FieldRule, FieldType

from .meta import MetaSelector
from .page import PageTree
from .patterns import Pattern, Patterns, taken
from .selectors import CssSelector, Found, Selector, compile_css, compile_xpath
from .values import converter, fold, tidier


@dataclass(slots=True)
class Reading:
    """What a field gave within one context."""

    value: Json
    matches: int
    """Nodes or strings that the selector found, with a value or without."""
    unreadable: list[tuple[str, str]]
    """Each text that is not of the field's type, and why."""


class PageUrl:
    """`from: url`: the page's final URL is the one match."""

    def find(self, context: Node, page: PageTree) -> Sequence[Found]:
        return [page.url]

    def read(self, match: Found, page: PageTree, *, as_html: bool = False) -> str | None:
        return page.url


class FieldReader:
    """Reads the value of one field. One for a crawl; holds nothing of a page."""

    def __init__(self, rule: FieldRule) -> None:
        self.name = rule.name
        self._many = rule.many
        self._selector = _selector(rule)
        self._as_html = rule.type is FieldType.HTML
        self._is_url = rule.type is FieldType.URL
        self._tidy = tidier(rule.type)
        asks_whether = rule.type is FieldType.BOOLEAN and rule.regex is not None
        self._asked = Patterns([rule.regex]) if asks_whether and rule.regex is not None else None
        self._pattern = None if asks_whether or rule.regex is None else Pattern(rule.regex)
        self._convert = converter(rule)
        is_plain = not isinstance(self._selector, CssSelector) or self._selector.is_plain
        self._wants_text = rule.meta is None and rule.source is None and is_plain and not self._as_html
        """Whether the text of elements is what is read."""
        self._is_folded_text = rule.type is FieldType.TEXT and self._pattern is None
        """Whether that text, folded, is the value."""

    def read(self, context: Node, page: PageTree) -> Reading:
        """The field's value within `context`. Raises `ReadingFailed`."""
        matches = self._selector.find(context, page)
        if self._asked is not None:
            return self._read_whether(self._asked, matches, page)
        if self._many:
            return self._read_all(matches, page)
        for match in matches:
            text = self._text(match, page)
            if text is None:
                continue
            if self._is_folded_text:
                return Reading(text, len(matches), [])
            unreadable: list[tuple[str, str]] = []
            return Reading(self._value(text, page, unreadable), len(matches), unreadable)
        return Reading(None, len(matches), [])

    def _read_all(self, matches: Sequence[Found], page: PageTree) -> Reading:
        if self._is_folded_text:
            found = [text for match in matches if (text := self._text(match, page)) is not None]
            return Reading(cast("list[Json]", found), len(matches), [])
        unreadable: list[tuple[str, str]] = []
        texts = (self._text(match, page) for match in matches)
        values = [self._value(text, page, unreadable) for text in texts if text is not None]
        return Reading(values, len(matches), unreadable)

    def _read_whether(self, asked: Patterns, matches: Sequence[Found], page: PageTree) -> Reading:
        """A boolean with a regex says whether that is found: in each match, or in any."""
        texts = (self._text(match, page) for match in matches)
        answers = (_is_in(asked, text, page) for text in texts if text is not None)
        return Reading(list(answers) if self._many else any(answers), len(matches), [])

    def _text(self, match: Found, page: PageTree) -> str | None:
        """The text that is the match's value: what the regex takes out of it. None: it has no value."""
        text: str | None
        if self._wants_text and match.__class__ is Element:
            text = page.text_of(match)
        else:
            text = self._selector.read(match, page, as_html=self._as_html)
        if text is None:
            return None
        if self._is_folded_text:
            return fold(text) or None
        return taken(text, self._pattern, page, self._tidy)

    def _value(self, text: str, page: PageTree, unreadable: list[tuple[str, str]]) -> Json:
        try:
            if self._is_url:
                return page.charge(cast("str", self._convert(page.encoded(text), page.base)))
            return self._convert(text, page.base)
        except ValueError as error:
            unreadable.append((text, str(error)))
            return None


def _is_in(asked: Patterns, text: str, page: PageTree) -> bool:
    page.check_search(len(text), asked.longest)
    return asked.first_in(text) is not None


def _selector(rule: FieldRule) -> Selector:
    if rule.css is not None:
        return compile_css(rule.css)
    if rule.xpath is not None:
        return compile_xpath(rule.xpath)
    return PageUrl() if rule.meta is None else MetaSelector(rule.meta)
