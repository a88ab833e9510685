"""JSON answers: decoded and parsed once, their items, values and links found by JMESPath."""

from __future__ import annotations

import codecs
import gc
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote

from crawler.engine.content_types import may_be_json, names_json
from crawler.engine.errors import Reason
from crawler.engine.spider import FieldRule, FollowRule, ItemRule, SpiderDefinition

from .bounds import FULL, Bounds
from .items import RuleReader
from .jmes import Expression, ExpressionFailed, JsonValue
from .jsonfields import ValueReader
from .jsonvalues import float_reader, plain_text
from .links import Finder, LinkReader
from .page import Budget, ReadingFailed

_MARKS = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
_PLACEHOLDER = "{}"


class JsonUnreadable(Exception):
    """The body is not JSON; the message says where it stops being it."""


def looks_like_json(body: bytes) -> bool:
    """Whether the body begins with an object or a list, as no HTML page does."""
    return body[:256].lstrip(_MARKS)[:1] in (b"{", b"[")


class JsonPage(Budget):
    """One parsed JSON answer. Raises `JsonUnreadable`."""

    def __init__(self, url: str, body: bytes, charset: str, bounds: Bounds = FULL) -> None:
        super().__init__(bounds)
        self.url = url
        """The final one, normalised."""
        self.base = url
        self.document = parse_json(body, charset, float_reader(self, len(body)))


def parse_json(body: bytes, charset: str, read_float: Callable[[str], float]) -> JsonValue:
    """The value of a JSON text. Raises `JsonUnreadable`, and what `read_float` raises.

    As RFC 8259 says, but for what servers are known to do: a byte order mark is skipped, UTF-16 and UTF-32 are told by
    their zero bytes, and what is not UTF-8 is read as the header says; ``NaN`` and ``Infinity`` are read as null. Of a
    key that stands twice in an object the last counts, as in browsers.
    """
    try:
        value = _loads(_decode(body, charset), read_float)
    except json.JSONDecodeError as error:
        raise JsonUnreadable(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise JsonUnreadable("nested too deep") from error
    except ValueError as error:  # the standard library's bound on whole numbers: reading one takes the square of it
        raise JsonUnreadable("a number with thousands of digits") from error
    return value


def _loads(text: str, read_float: Callable[[str], float]) -> JsonValue:
    # A great document is a million objects and no garbage: looking through them again and again takes most of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        value: JsonValue = json.loads(text, parse_float=read_float, parse_constant=_no_value)
    finally:
        if collects:
            gc.enable()
    return value


def _no_value(literal: str) -> None:
    return None


def _decode(body: bytes, charset: str) -> str:
    """Bytes that are wrong in their encoding become U+FFFD, as in pages."""
    encoding: str = json.detect_encoding(body)
    if encoding != "utf-8" or not charset:
        return body.decode(encoding, "replace")
    declared = _codec(charset)
    if declared.startswith("iso2022"):  # UTF-8 too, by its bytes
        return body.decode(declared, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode(declared, "replace")


def _codec(charset: str) -> str:
    try:
        name = codecs.lookup(charset).name
        "".encode(name)  # raises for a codec that is none of texts, such as base64
    except (LookupError, ValueError):
        return "utf-8"
    if name.startswith(("utf-16", "utf-32")):  # it has no zero bytes: the header is wrong
        return "utf-8"
    # What is announced as Latin-1 or ASCII is Windows-1252, as on the whole web, unless it is UTF-8.
    return "cp1252" if name in ("iso8859-1", "ascii") else name


def reads_json(definition: SpiderDefinition) -> bool:
    """Whether a spider has rules for JSON answers. Without, such an answer is no page."""
    return any(rule.reads_json for rule in definition.items) or any(rule.json for rule in definition.follow)


class JsonRules:
    """The rules of a spider that read JSON answers. One for a crawl."""

    def __init__(self, definition: SpiderDefinition) -> None:
        self.items = tuple(JsonItemReader(rule) for rule in definition.items if rule.reads_json)
        self.links = LinkReader(definition.follow, _finders(definition.follow))

    def open(self, url: str, body: bytes, charset: str, content_type: str, bounds: Bounds = FULL) -> JsonPage | None:
        """The answer as JSON; None where it is to be read as a page. Raises `JsonUnreadable`."""
        if names_json(content_type):
            return JsonPage(url, body, charset, bounds)
        if not may_be_json(content_type) or not looks_like_json(body):
            return None
        try:
            return JsonPage(url, body, charset, bounds)
        except JsonUnreadable:
            return None


class JsonItemReader(RuleReader[JsonValue, JsonPage]):
    """The items of a JSON answer."""

    def __init__(self, rule: ItemRule) -> None:
        super().__init__(rule)
        self._each = None if rule.each_json is None else Expression(rule.each_json)

    def _field(self, rule: FieldRule) -> JsonFieldReader:
        return JsonFieldReader(rule)

    def _contexts(self, page: JsonPage) -> Iterator[JsonValue]:
        if self._each is None:
            yield page.document
            return
        found = _search(self._each, page.document, page)
        for context in found if isinstance(found, list) else [found]:
            if context is not None:
                yield context


class JsonFieldReader(ValueReader[JsonValue, JsonPage]):
    """A field of a JSON answer: what its expression gives."""

    def __init__(self, rule: FieldRule) -> None:
        super().__init__(rule)
        self._expression = None if rule.json is None else Expression(rule.json)

    def _find(self, context: JsonValue, page: JsonPage) -> Sequence[JsonValue]:
        if self._expression is None:
            return [page.url]
        found = self._expression.search(context, page)
        if found is None:
            return []
        return found if isinstance(found, list) and (self._many or not self._as_json) else [found]


def _finders(rules: Sequence[FollowRule]) -> Iterator[tuple[Finder[JsonPage], tuple[int, ...]]]:
    for number, rule in enumerate(rules):
        if rule.json is not None:
            yield _finder(Expression(rule.json), rule.template), (number,)


def _finder(expression: Expression, template: str | None) -> Finder[JsonPage]:
    def find(page: JsonPage, refused: dict[str, int]) -> Iterable[str]:
        found = _search(expression, page.document, page)
        if isinstance(found, list):
            page.check_links(len(found))
        for value in found if isinstance(found, list) else [found]:
            # What says that there is no next page: null, false, nothing.
            if value is None or isinstance(value, bool) or value == "":
                continue
            href = _href(value, template, page)
            if href is None:
                refused[Reason.INVALID_URL] = refused.get(Reason.INVALID_URL, 0) + 1
            else:
                yield href

    return find


def _href(value: JsonValue, template: str | None, page: JsonPage) -> str | None:
    """None: the value can be no link, and no part of one."""
    if template is None:
        return value if isinstance(value, str) else None
    if value is None or isinstance(value, list | dict):
        return None
    try:
        return template.replace(_PLACEHOLDER, quote(_part(value, page), safe=""))
    except ValueError:  # a sum may be infinite, or have more digits than Python writes
        return None


def _part(value: float | str, page: JsonPage) -> str:
    """A value for a template; JMESPath's arithmetic gives ``2.0`` where a document counts in fractions."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return plain_text(value, page)


def _search(expression: Expression, value: JsonValue, page: JsonPage) -> JsonValue:
    try:
        return expression.search(value, page)
    except ExpressionFailed as error:
        raise ReadingFailed(f"JMESPath {expression.text}: {error}") from error
