"""What a robots.txt says: its text read into groups, and which rule decides about a URL. Pure; nothing is fetched.

Source: RFC 9309, and where that leaves room what Google's published parser does, which site owners test against: the
first word of a User-agent line counts, a colon may be missing, misspelt rules are understood, escapes are compared as
they stand. Beyond the RFC `Crawl-delay`, `Request-rate` and `Sitemap` are read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

MAX_LINE = 16_663
"""Bytes of a line that are read."""
MAX_PIECES = 10_000
"""Between asterisks, of a crawler's patterns: each may be looked for in each URL. Half a megabyte holds 250,000, the
largest of 1,900 real files 1,700. Of more, those that forbid and the shortest, which forbid most, are kept."""
MAX_DELAY = 31_536_000.0
"""Seconds, a year: a file that asks for more counts as asking for this. (It may ask for what no number can hold, and
the report of the crawl has no place for that.)"""
ANYBODY = "*"

_LINE_END = re.compile(rb"\r\n|\r|\n")
_PRODUCT = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")
_RATE = re.compile(r"([0-9]+)\s*/\s*([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)", re.IGNORECASE)
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_KEYS = {
    "user-agent": "agent",
    "useragent": "agent",
    "user agent": "agent",
    "allow": "allow",
    "disallow": "disallow",
    "dissallow": "disallow",
    "dissalow": "disallow",
    "disalow": "disallow",
    "diasllow": "disallow",
    "disallaw": "disallow",
    "sitemap": "sitemap",
    "site-map": "sitemap",
    "crawl-delay": "delay",
    "crawldelay": "delay",
    "request-rate": "rate",
}
# What a URL of the WHATWG's making never holds as it is, in its path and in its query.
_PATH_ESCAPES = str.maketrans({character: f"%{ord(character):02X}" for character in ' "<>`{}'})
_QUERY_ESCAPES = str.maketrans({character: f"%{ord(character):02X}" for character in ' "<>'})

_Rule: TypeAlias = tuple[int, bool, tuple[str, ...], bool]
"""Length of the pattern, whether it allows, its pieces between the asterisks, whether it ends with the URL."""


@dataclass(slots=True)
class Group:
    """Rules that belong together: of one crawler, or of several that stand above them."""

    delay: float | None = None
    """Seconds between two requests; None where nothing is said."""
    _is_rate: bool = False
    """Whether `delay` is a Request-rate's: a Crawl-delay comes before it."""
    _prefixes: dict[str, bool] = field(default_factory=dict)
    """Patterns without an asterisk, and whether they allow."""
    _whole: dict[str, bool] = field(default_factory=dict)
    """Those of one URL alone: they end with ``$``."""
    _lengths: list[int] = field(default_factory=list)
    """Of those, the longest first."""
    _wild: list[_Rule] = field(default_factory=list)
    """The others, the longest first; of equal ones those that allow."""

    def add(self, pattern: str, *, allows: bool) -> None:
        """Take a rule in; `settle` follows."""
        pattern = _escaped(pattern)
        if not pattern:
            return
        if "*" not in pattern and not pattern.endswith("$"):
            self._prefixes[pattern] = allows or self._prefixes.get(pattern, False)
            return
        is_whole = pattern.endswith("$")
        pieces = pattern.removesuffix("$").split("*")
        if len(pieces) == 1:
            self._whole[pieces[0]] = allows or self._whole.get(pieces[0], False)
            return
        self._wild.append((len(pattern), allows, tuple(pieces), is_whole))

    def settle(self) -> None:
        """Put the rules in the order in which they decide."""
        self._lengths = sorted(set(map(len, self._prefixes)), reverse=True)
        if sum(len(rule[2]) for rule in self._wild) > MAX_PIECES:
            self._leave_some()
        self._wild.sort(key=lambda rule: (rule[0], rule[1]), reverse=True)

    def _leave_some(self) -> None:
        self._wild.sort(key=lambda rule: (rule[1], rule[0]))
        room = MAX_PIECES
        for number, rule in enumerate(self._wild):
            room -= len(rule[2])
            if room < 0:
                del self._wild[number:]
                return

    def wait(self, seconds: float | None, *, is_rate: bool) -> None:
        """Take in what is said of the time between two requests."""
        if seconds is not None and (self.delay is None or not is_rate):
            self.delay, self._is_rate = min(seconds, MAX_DELAY), is_rate

    def join(self, other: Group) -> None:
        """Take in all of another group's rules; `settle` follows."""
        for pattern, allows in other._prefixes.items():
            self._prefixes[pattern] = allows or self._prefixes.get(pattern, False)
        for target, allows in other._whole.items():
            self._whole[target] = allows or self._whole.get(target, False)
        self._wild.extend(other._wild)
        self.wait(other.delay, is_rate=other._is_rate)

    def allows(self, target: str) -> bool:
        """Whether the longest rule that fits `target` (path and query) allows it. None fits: allowed."""
        return self._decide(target)[0]

    def rule_for(self, target: str) -> str:
        """The rule that decides about `target`, its pattern as it is compared: ``Disallow: /search``. Empty: none."""
        allowed, pattern = self._decide(target)
        if not pattern:
            return ""
        written = pattern if isinstance(pattern, str) else "*".join(pattern[2]) + ("$" if pattern[3] else "")
        return f"{'Allow' if allowed else 'Disallow'}: {written}"

    def _decide(self, target: str) -> tuple[bool, str | _Rule]:
        """Whether `target` is allowed, and by which rule; an empty text for none."""
        pattern = ""
        length, allowed = 0, True
        prefixes, size = self._prefixes, len(target)
        for candidate in self._lengths:
            if candidate <= size:
                verdict = prefixes.get(target[:candidate])
                if verdict is not None:
                    length, allowed, pattern = candidate, verdict, target[:candidate]
                    break
        if self._whole and target in self._whole:
            length, allowed, pattern = size + 1, self._whole[target], f"{target}$"
        for rule in self._wild:
            if rule[0] < length:
                break
            if (rule[0] > length or rule[1]) and _fits(target, rule[2], is_whole=rule[3]):
                return rule[1], rule
        return allowed, pattern


@dataclass(frozen=True, slots=True, weakref_slot=True)
class RobotsText:
    """One file: the groups by crawler (lower-case), and the sitemaps that it names."""

    groups: dict[str, list[Group]]
    """Those that speak of a crawler. Each is kept once, however many crawlers stand above it: half a megabyte holds
    20,000 names over 20,000 rules."""
    sitemaps: tuple[str, ...] = ()
    """As written; may be relative."""

    def group(self, agent: str) -> Group | None:
        """What holds for the crawler of this product token: its own rules, or else everybody's."""
        name = agent.lower()
        if name not in self.groups:
            name = ANYBODY
        groups = self.groups.get(name)
        if groups is None:
            return None
        if len(groups) != 1:
            whole = Group()
            for group in groups:
                whole.join(group)
            whole.settle()
            groups[:] = [whole]
        return groups[0]


def read(body: bytes) -> RobotsText:
    """Read a file; what is no rule is passed over."""
    groups: dict[str, list[Group]] = {}
    own: dict[str, Group] = {}
    sitemaps: list[str] = []
    names: dict[str, None] = {}
    current = Group()
    is_open = False
    for key, value in _lines(body):
        if key == "sitemap":
            sitemaps.append(value)
        elif key == "agent":
            if not is_open:
                names = {}
            is_open = True
            name = _agent(value)
            if name:
                names[name] = None
                groups.setdefault(name, [])
        elif names:
            if is_open:
                current = _begin(names, groups, own)
            is_open = False
            _apply(current, key, value)
    for group in {id(group): group for several in groups.values() for group in several}.values():
        group.settle()
    return RobotsText(groups, tuple(sitemaps))


def target_of(url: str) -> str:
    """Path and query of a URL without a fragment, its escapes in capitals, as patterns are matched against."""
    start = url.find("/", url.find("://") + 3)
    target = url[start:] if start >= 0 else "/"
    return _ESCAPE.sub(_upper, target) if "%" in target else target


def _lines(body: bytes) -> Iterator[tuple[str, str]]:
    """The fields that we know, and their values."""
    for raw in _LINE_END.split(body.removeprefix(b"\xef\xbb\xbf")):
        line = raw[:MAX_LINE].decode("utf-8", "surrogateescape").partition("#")[0].strip(" \t\v\f\0")
        if not line:
            continue
        name, colon, value = line.partition(":")
        if not colon:
            words = line.split()
            if len(words) != 2:
                continue
            name, value = words
        key = _KEYS.get(name.strip().lower())
        if key is not None:
            yield key, value.strip()


def _agent(value: str) -> str:
    """The crawler that a User-agent line names, lower-case: its first word; ``*`` for everybody."""
    if value == ANYBODY or (value.startswith(ANYBODY) and value[1:2].isspace()):
        return ANYBODY
    named = _PRODUCT.match(value)
    return named[0].lower() if named else ""


def _begin(names: Iterable[str], groups: dict[str, list[Group]], own: dict[str, Group]) -> Group:
    """The group that the rules below these names go to. What is said to one crawler alone stands in one group, so that
    a file of many small ones takes no more memory than its rules."""
    first, *others = names
    if others:
        group = Group()
    elif first in own:
        return own[first]
    else:
        group = own[first] = Group()
    for name in (first, *others):
        groups[name].append(group)
    return group


def _apply(group: Group, key: str, value: str) -> None:
    if key == "allow":
        group.add(value, allows=True)
        directory, slash, file = value.rpartition("/")
        if slash and file.startswith("index.htm"):
            group.add(f"{directory}/$", allows=True)  # the directory is the same page
    elif key == "disallow":
        group.add(value, allows=False)
    elif key == "delay":
        group.wait(_seconds(value), is_rate=False)
    else:
        group.wait(_rate(value), is_rate=True)


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _rate(value: str) -> float | None:
    """``1/5``: a request in five seconds; ``30/1m``."""
    found = _RATE.match(value)
    if found is None:
        return None
    # As floats: a whole number of thousands of digits is an error in Python.
    requests, seconds = float(found[1]), float(found[2]) * _UNIT_SECONDS[found[3].lower()]
    return seconds / requests if requests and math.isfinite(requests) else None


def _escaped(pattern: str) -> str:
    """A pattern as it is compared with `target_of`."""
    path, mark, query = pattern.partition("?")
    text = path.translate(_PATH_ESCAPES) + mark + query.translate(_QUERY_ESCAPES)
    if not text.isascii():
        text = "".join(
            character if character.isascii() else "".join(f"%{byte:02X}" for byte in _bytes(character))
            for character in text
        )
    return _ESCAPE.sub(_upper, text) if "%" in text else text


def _bytes(character: str) -> bytes:
    return character.encode("utf-8", "surrogateescape")


def _upper(found: re.Match[str]) -> str:
    return found[0].upper()


def _fits(target: str, pieces: tuple[str, ...], *, is_whole: bool) -> bool:
    """Whether `target` begins with the pieces, anything between them. Leftmost is enough: linear, no backtracking."""
    if not target.startswith(pieces[0]):
        return False
    at = len(pieces[0])
    last = pieces[-1]
    for piece in pieces[1:-1]:
        at = target.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    if is_whole:
        return len(target) - len(last) >= at and target.endswith(last)
    return target.find(last, at) >= 0
