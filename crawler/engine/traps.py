"""Crawler traps: sites that make up URLs without end. Pure decisions; asked about each *new* link only.

| kind             | what is clear                                                                                     |
|------------------|---------------------------------------------------------------------------------------------------|
| growing path     | ``/a/b/a/b/a/b``: parts of the path that repeat, or more of them than any site has                |
| growing query    | one ``name=value`` four times, or more parameters than any form has                               |
| session id       | the URL differs from one that is known by a session's id alone                                    |
| query order      | the same parameters as in a known URL, in another order                                           |
| endless calendar | many dates of one shape that lie years ahead, or before there were calendars                      |
| same content     | hundreds of URLs of one shape in a row with the very same content                                 |
| echo             | the very same page again and again at paths below its own: its links are the page's own echo      |

Everything else is let through: a shop with a million ``/product/N`` is no trap. What is cut is counted by the caller,
and the first of each kind and shape is named in `drain`, with its URL.

Memory is bounded: what is remembered are 64-bit hashes, in sets that are emptied when they are full. A trap may then
go on for a while before it is seen again; no page is lost by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from .errors import Reason
from .records import Notice
from .spider import Limits
from .urls import hash_url, host_of

MAX_SEGMENTS = 40
"""Parts of a path."""
MAX_PARAMETERS = 60
REPEATS = 4
"""Of one part of a path next to itself, or of one parameter; of two or three parts in turn: one less."""
MAX_TWICE = 8
"""Parts of a path that stand in it before. (Paths of source code have four or five.)"""
MAX_REMEMBERED = 200_000
"""Hashes of URLs without their session, or with sorted parameters."""
MAX_SHAPES = 5_000
MAX_NAMED = 20
"""Traps of one kind that are named."""
YEARS_AHEAD = 2
"""Dates further ahead are no archive, and no programme."""
FIRST_YEAR = 1_800
ODD_DATES = 100
"""Of one shape, that are let through: some pages have such dates rightly."""
SUSPECT_AFTER = 20
"""Pages with the very same content, after which their shape is watched."""
SAME_IN_A_ROW = 200
"""Pages of one shape, none between them with other content, after which new links of the shape are cut."""
SAMPLE = 16
"""One in so many is fetched all the same, until there were `SAME_IN_A_ROW` more: other content clears the shape."""
MAX_CONTENTS = 10_000
ECHOES = 10
"""Pages with the very same content below each other."""
MAX_PLACES = 100
"""Folders that are remembered of such a content."""

_NUMBER = re.compile(r"\d+")
_RANDOM = re.compile(r"(?:[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|(?=[A-Za-z_-]*\d)(?=\d*[A-Za-z])[0-9A-Za-z_-]{16,})")
_MONTH = re.compile(r"\d{4}[/._-](?:0?[1-9]|1[0-2])(?!\d)")
_WHOLE_DATE = re.compile(r"(?<!\d)\d{4}([/._-])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)")
_CALENDAR = re.compile(r"cal(?:endar)?[/?._-]|kalender|agenda|events?[/?]|month|schedule|archive|termin", re.IGNORECASE)
"""Words beside which a year and a month are a date: alone they may be the number of a thing and that of a page."""
_NAMED_DATE = re.compile(
    r"[?&](?:year|yr|y|jahr|annee|ano)=(\d{4})(?!\d)"
    r"|[?&](?:date|day|week|month|from|start)=(\d{4})-?(?:0[1-9]|1[0-2])(?:-?(?:0[1-9]|[12]\d|3[01]))?(?!\d)",
    re.IGNORECASE,
)
_SESSION = re.compile(
    r"(?:;|(?<=[?&]))(?:"
    r"(?:jsessionid|phpsessid|aspsessionid[a-z]{0,8}|session_?id|sess(?:id)?|cfid|cftoken|oscsid|zenid|s_?id)"
    r"=(?P<id>[^&;/?]*)&?)"
    r"|/\((?:[A-Z]\([0-9a-z]{24}\))+\)(?=/)",
    re.IGNORECASE,
)
_MARKED = ("jsessionid", "phpsessid", "aspsessionid", "cfid", "cftoken", "oscsid", "zenid")
"""Names that nothing but a session has."""


@dataclass(slots=True)
class _Shape:
    """What is known of URLs of one shape whose content was the same again and again."""

    content: bytes = b""
    in_a_row: int = 0


@dataclass(slots=True)
class _Content:
    """What is known of one content that many pages have."""

    folders: set[str]
    nested: int = 0


class Traps:
    """One crawl's watch. `year` is the present one."""

    def __init__(self, year: int | None = None) -> None:
        self._first, self._last = FIRST_YEAR, (year or date.today().year) + YEARS_AHEAD
        self._bare: set[int] = set()
        self._sorted: set[int] = set()
        self._dates: dict[str, int] = {}
        self._contents: dict[bytes, int] = {}
        self._suspects: dict[str, _Shape] = {}
        self._repeated: dict[bytes, _Content] = {}
        self._blocked = False
        self.is_unsure = False
        """Whether links were cut whose pages may after all be others: what they gave before is not known to be gone."""
        self._named: dict[str, set[str]] = {}
        self._fresh: list[Notice] = []

    @property
    def has_news(self) -> bool:
        return bool(self._fresh)

    def drain(self) -> list[Notice]:
        """The traps that were found since the last call: each kind and shape once, with the first URL that was cut."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def cuts(self, url: str, seen: Container[int]) -> Reason | None:
        """Why a normalised URL that is not in `seen` is left out: it leads into a trap, or may do so."""
        kind = self._kind(url, seen)
        if not kind:
            return None
        self._name(kind, shape_of(url), url)
        return Reason.SAME_CONTENT if kind == "same content" else Reason.TRAP

    def read(self, url: str, content_hash: bytes) -> bool:
        """A page was read: what it holds tells a shape whose URLs all mean the same.

        Returns whether the page is but an echo of pages above it, so that none of its links that are new leads
        anywhere.
        """
        count = self._contents.get(content_hash, 0) + 1
        if len(self._contents) >= MAX_CONTENTS and count == 1:
            self._contents.clear()
        self._contents[content_hash] = count
        if count >= SUSPECT_AFTER or self._suspects:
            self._watch(url, content_hash, is_suspect=count >= SUSPECT_AFTER)
        return count >= SUSPECT_AFTER and self._is_echo(url, content_hash)

    def _name(self, kind: str, shape: str, url: str) -> None:
        named = self._named.setdefault(kind, set())
        if len(named) < MAX_NAMED and shape not in named:
            named.add(shape)
            self._fresh.append(Notice(url, Reason.TRAP, f"{kind}: {shape}"[:500]))

    def _kind(self, url: str, seen: Container[int]) -> str:
        if url.count("/") >= REPEATS + 2 and _is_growing_path(url):
            return "growing path"
        query = url.find("?")
        if query >= 0:
            ampersands = url.count("&", query)
            if ampersands >= REPEATS - 1 and _is_growing_query(url, query):
                return "growing query"
            if ampersands and self._is_known_order(url, query, seen):
                return "query order"
        if ("sess" in url or "SESS" in url or "id=" in url or "ID=" in url or "/(" in url or "ken=" in url) and (
            self._is_known_session(url, seen)
        ):
            return "session id"
        if self._is_odd_date(url, query):
            return "endless calendar"
        if self._blocked and self._is_blocked(url):
            self.is_unsure = True
            return "same content"
        return ""

    def _is_known_session(self, url: str, seen: Container[int]) -> bool:
        bare = without_session(url)
        if bare == url:
            return False
        return self._is_known(bare, self._bare, seen)

    def _is_known_order(self, url: str, query: int, seen: Container[int]) -> bool:
        parts = url[query + 1 :].split("&")
        names = [part.partition("=")[0] for part in parts]
        ordered = sorted(names)
        if names == ordered:
            return bool(self._sorted) and hash_url(url) in self._sorted
        # Values of one name keep their order: it may mean something.
        order = sorted(range(len(parts)), key=names.__getitem__)
        return self._is_known(url[: query + 1] + "&".join(parts[number] for number in order), self._sorted, seen)

    def _is_known(self, url: str, kept: set[int], seen: Container[int]) -> bool:
        hashed = hash_url(url)
        if hashed in kept or hashed in seen:
            return True
        if len(kept) >= MAX_REMEMBERED:
            kept.clear()
        kept.add(hashed)
        return False

    def _is_odd_date(self, url: str, query: int) -> bool:
        found = _MONTH.search(url, 8)
        if found is not None:
            start = found.start()
            if self._first <= int(url[start : start + 4]) <= self._last or url[start - 1].isdecimal():
                return False
            if _WHOLE_DATE.search(url) is None and _CALENDAR.search(url) is None:
                return False
        else:
            named = _NAMED_DATE.search(url, query) if query >= 0 else None
            if named is None or self._first <= int(named[1] or named[2]) <= self._last:
                return False
        shape = shape_of(url)
        count = self._dates.get(shape, 0) + 1
        if count == 1 and len(self._dates) >= MAX_SHAPES:
            self._dates.clear()
        self._dates[shape] = count
        return count > ODD_DATES

    def _watch(self, url: str, content_hash: bytes, *, is_suspect: bool) -> None:
        shape = shape_of(url)
        known = self._suspects.get(shape)
        if known is None:
            if is_suspect and len(self._suspects) < MAX_SHAPES:
                self._suspects[shape] = _Shape(content_hash, 1)
            return
        if known.content == content_hash:
            known.in_a_row += 1
            self._blocked = self._blocked or known.in_a_row >= SAME_IN_A_ROW
            return
        known.content, known.in_a_row = content_hash, 1

    def _is_echo(self, url: str, content_hash: bytes) -> bool:
        known = self._repeated.get(content_hash)
        if known is None:
            if len(self._repeated) >= MAX_SHAPES:
                self._repeated.clear()
            known = self._repeated[content_hash] = _Content(set())
        path = url.partition("?")[0]
        folder = path[: path.rindex("/") + 1]
        above, generations = folder, 0
        while (above := above[: above.rindex("/", 0, -1) + 1]).count("/") > 2:
            generations += above in known.folders
        # Folders beside each other, below one that is like them, are what generators of documents make.
        known.nested += generations >= 2
        if len(known.folders) < MAX_PLACES:
            known.folders.add(folder)
        if known.nested < ECHOES:
            return False
        self._name("echo", content_hash.hex(), url)
        return True

    def _is_blocked(self, url: str) -> bool:
        known = self._suspects.get(shape_of(url))
        if known is None or known.in_a_row < SAME_IN_A_ROW:
            return False
        return known.in_a_row >= 2 * SAME_IN_A_ROW or hash_url(url) % SAMPLE != 0


class Quotas:
    """Pages of one host, and of one shape, that a crawl may fetch. Asked when a page is about to be fetched."""

    def __init__(self, *, per_host: int | None, per_pattern: int | None) -> None:
        self._per_host = per_host
        self._per_pattern = per_pattern
        self._hosts: dict[str, int] = {}
        self._shapes: dict[str, int] = {}

    def refuse(self, url: str) -> tuple[Reason, str] | None:
        """Count a page; or why it is one too many, and the host or shape that has had its pages."""
        host = host_of(url)
        shape = "" if self._per_pattern is None else shape_of(url)
        if self._per_host is not None and self._hosts.get(host, 0) >= self._per_host:
            return Reason.HOST_LIMIT, host
        if self._per_pattern is not None and self._shapes.get(shape, 0) >= self._per_pattern:
            return Reason.PATTERN_LIMIT, shape
        self.count(url)
        return None

    def count(self, url: str) -> None:
        """A page that was fetched, by an earlier attempt perhaps."""
        if self._per_host is not None:
            host = host_of(url)
            self._hosts[host] = self._hosts.get(host, 0) + 1
        if self._per_pattern is not None:
            shape = shape_of(url)
            self._shapes[shape] = self._shapes.get(shape, 0) + 1


class Memory(Protocol):
    """The part of the storage that knows what earlier attempts have fetched."""

    async def visited(self, *, after: int) -> Sequence[tuple[int, str]]: ...


async def count_visited(quotas: Quotas, memory: Memory, *, stopping: Callable[[], bool]) -> None:
    """Go on counting where an earlier attempt at the crawl ended; no further once the crawl is `stopping`."""
    after = 0
    while not stopping() and (pages := await memory.visited(after=after)):
        for _, url in pages:
            quotas.count(url)
        after = pages[-1][0]


def quotas_of(limits: Limits) -> Quotas | None:
    """The counts that `limits` ask for; None where they ask for none."""
    if limits.max_pages_per_host is None and limits.max_pages_per_pattern is None:
        return None
    return Quotas(per_host=limits.max_pages_per_host, per_pattern=limits.max_pages_per_pattern)


def shape_of(url: str) -> str:
    """The pattern of a URL: host and path with ``#`` for numbers and ``*`` for ids, and the names of its parameters.

    ``https://shop.example/product/12?color=red&size=9`` has the shape ``https://shop.example/product/#?color&size``.
    """
    path, mark, query = url.partition("?")
    start = path.index("/", path.index("://") + 3)
    shape = path[:start] + _NUMBER.sub("#", _RANDOM.sub("*", path[start:]))
    if not mark:
        return shape
    names = sorted({_NUMBER.sub("#", part.partition("=")[0]) for part in query.split("&")})
    return f"{shape}?{'&'.join(names)}"


def without_session(url: str) -> str:
    """The URL without what names a session: ``;jsessionid=…``, ``?PHPSESSID=…``, ``/(S(…))/``."""
    bare = _SESSION.sub(_dropped, url)
    return bare.rstrip("?&") if bare != url else url


def _dropped(found: re.Match[str]) -> str:
    value = found["id"]
    if value is None:
        return ""
    name = found[0].lstrip(";").partition("=")[0].lower()
    if name in ("sid", "s_id"):
        # phpBB's own form: a parameter of that name may as well name a story.
        is_session = len(value) == 32 and all(digit in "0123456789abcdef" for digit in value)
    elif name.startswith(_MARKED):
        is_session = bool(value)
    else:
        is_session = _RANDOM.fullmatch(value) is not None
    return "" if is_session else found[0]


def _is_growing_path(url: str) -> bool:
    path = url.partition("?")[0]
    parts = path.split("/")[3:]
    if len(parts) > MAX_SEGMENTS:
        return True
    if len(set(parts)) == len(parts):
        return False
    words = [part for part in parts if part and not part.isdecimal()]
    if len(words) - len(set(words)) > MAX_TWICE:
        return True
    for length, repeats in ((1, REPEATS), (2, REPEATS - 1), (3, REPEATS - 1)):
        run = 0
        for place in range(length, len(parts)):
            part = parts[place]
            # Numbers may be equal by chance: /0/0/0/0 is a place on a map.
            is_repeated = part and part == parts[place - length] and not (length == 1 and part.isdecimal())
            run = run + 1 if is_repeated else 0
            if run >= length * (repeats - 1):
                return True
    return False


def _is_growing_query(url: str, query: int) -> bool:
    parts = url[query + 1 :].split("&")
    if len(parts) > MAX_PARAMETERS:
        return True
    counts: dict[str, int] = {}
    for part in parts:
        counts[part] = counts.get(part, 0) + 1
    return max(counts.values()) >= REPEATS
