"""One field of an item, compiled: matches, their texts, the regular expression, the type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from turbohtml import Node

from .page import PageTree
from .patterns import Pattern, compile_pattern, first_group
from .records import Json
from .selectors import Found, Selector, compile_css, compile_xpath
from .spider import FieldRule, FieldType
from .values import converter, fold, is_verbatim

_BETWEEN_LOOKS = 64
"""Matches read between two looks at the clock."""


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
        self.type = rule.type
        self.required = rule.required
        self._many = rule.many
        self._selector = _selector(rule)
        self._as_html = rule.type is FieldType.HTML
        self._is_verbatim = is_verbatim(rule.type)
        self._pattern: Pattern | None = None if rule.regex is None else compile_pattern(rule.regex)
        self._convert = converter(rule)
        self._asks_whether = rule.type is FieldType.BOOLEAN and self._pattern is not None

    def read(self, context: Node, page: PageTree) -> Reading:
        """The field's value within `context`. Raises `ReadingFailed`."""
        matches = self._selector.find(context, page)
        if self._asks_whether:
            return self._read_whether(matches, page)
        reading = Reading([] if self._many else None, len(matches), [])
        values: list[Json] = []
        for text in self._texts(matches, page):
            try:
                value = self._convert(text, page.base)
            except ValueError as error:
                reading.unreadable.append((text, str(error)))
                value = None
            if not self._many:
                reading.value = value
                return reading
            values.append(value)
        if self._many:
            reading.value = values
        return reading

    def _read_whether(self, matches: Sequence[Found], page: PageTree) -> Reading:
        """A boolean with a regex says whether that matches."""
        pattern = self._pattern
        answers: Iterator[bool] = (
            pattern is not None and pattern.search(text) is not None for text in self._raw_texts(matches, page)
        )
        value: Json = list(answers) if self._many else any(answers)
        return Reading(value, len(matches), [])

    def _texts(self, matches: Sequence[Found], page: PageTree) -> Iterator[str]:
        """The texts that are a value: not empty, and what the regex takes out of them."""
        pattern = self._pattern
        if pattern is None:
            yield from self._raw_texts(matches, page)
            return
        for text in self._raw_texts(matches, page):
            match = pattern.search(text)
            taken = None if match is None else first_group(match)
            if taken is None:
                continue
            taken = taken if self._is_verbatim else fold(taken)
            if taken.strip():
                yield taken

    def _raw_texts(self, matches: Sequence[Found], page: PageTree) -> Iterator[str]:
        read, as_html, is_verbatim = self._selector.read, self._as_html, self._is_verbatim
        for index, match in enumerate(matches):
            if not index % _BETWEEN_LOOKS:
                page.check_time()
            raw = read(match, page, as_html=as_html)
            if raw is None:
                continue
            text = raw if is_verbatim else fold(raw)
            if text and (not is_verbatim or not text.isspace()):
                yield text


def _selector(rule: FieldRule) -> Selector:
    if rule.css is not None:
        return compile_css(rule.css)
    if rule.xpath is not None:
        return compile_xpath(rule.xpath)
    return PageUrl()
