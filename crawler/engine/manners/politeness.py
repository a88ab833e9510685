"""How a crawl treated each host: what it asked, how fast, what the host wanted and what was done about it.

`HostManners` counts for one origin while the crawl goes on; `Politeness` keeps them and gives the totals, bounded; and
`merged` adds them to those of earlier attempts. Times are seconds. Rates are counted as an access log shows them: the
requests that began within one whole second of the clock, those of all crawls of the process at that host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import inf, isfinite

from crawler.engine.records import Json

MAX_HOSTS = 500
"""Hosts of one crawl that are shown, the busiest; the rest are one entry."""
OTHERS = ""
"""The name of that entry."""

_HIGHEST = frozenset({"peak_rate", "peak_concurrency", "longest_retry_after", "rules_delay"})
_LOWEST = frozenset({"smallest_gap", "throttle_lowest"})
_NEWEST = frozenset({"delay", "delay_by", "in_use", "at_once", "throttle_limit", "closed_by", "closed_until"})


@dataclass(slots=True)
class HostManners:
    """One origin in one crawl. The names are those of the JSON that is stored and shown."""

    requests: int = 0
    """For pages; each further attempt counts too."""
    robots_requests: int = 0
    """For robots.txt, those of its redirects and further attempts left out."""
    peak_rate: int = 0
    """Most requests within a second."""
    peak_concurrency: int = 0
    """Most requests at once."""
    in_use: int = 0
    """Requests under way when this was noted, those of all crawls of the process at that host."""
    at_once: int = 0
    """How many there may be: what was in force last."""
    answers: int = 0
    """That were well."""
    answer_seconds: float = 0.0
    """How long those took together."""
    smallest_gap: float = inf
    """Between the starts of two requests."""
    delay: float = 0.0
    """Between the starts of two requests: what was in force last."""
    delay_by: str = ""
    """Who asked for that: ``spider``, ``robots``, ``throttle``, ``crawl`` (another one at the same host), or nobody."""
    rules_delay: float = 0.0
    """What robots.txt asked for by Crawl-delay or Request-rate, as written: more than a minute counts as a minute."""
    throttle_limit: float = inf
    """Requests at once that the adaptive throttle allowed last; below 1: one, and pauses between. Infinite: off."""
    throttle_lowest: float = inf
    throttle_cuts: int = 0
    """How often the adaptive throttle lowered that."""
    rests: int = 0
    """Pauses of the whole host, because it asked for rest."""
    rested: float = 0.0
    """Seconds of those pauses."""
    retry_after: int = 0
    """Answers that named such a pause (Retry-After)."""
    longest_retry_after: float = 0.0
    """As the host named it."""
    too_many: int = 0
    """Answers 429."""
    unavailable: int = 0
    """Answers 503."""
    retries: int = 0
    robots_refused: int = 0
    """Pages that robots.txt forbids, and that were not asked for."""
    robots_unreachable: int = 0
    """Pages that were not asked for because robots.txt could not be read."""
    not_modified: int = 0
    """Answers 304."""
    bytes: int = 0
    """Of bodies, as they came over the wire."""
    bytes_saved: int = 0
    """What the pages that answered 304 took when they were read last."""
    closed_by: str = ""
    """Why pages of the host were left for another time: ``day_budget``, ``host_rest``; or nothing."""
    closed_until: str = ""
    """ISO 8601."""

    def to_json(self) -> dict[str, Json]:
        """What is worth keeping: everything that differs from "nothing happened"."""
        given: dict[str, Json] = {}
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if value != default:
                given[name] = round(value, 3) if isinstance(value, float) else value
        return given

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> HostManners:
        """What `to_json` gave; what is of another type, or of another release, is left out."""
        manners = cls()
        for name, default in _DEFAULTS.items():
            value = stored.get(name, default)
            if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if type(value) is type(default):
                setattr(manners, name, value)
        return manners

    def add(self, later: HostManners) -> None:
        """Take in what came later: counts are added up, extremes kept, states replaced."""
        for name, default in _DEFAULTS.items():
            mine, other = getattr(self, name), getattr(later, name)
            if name in _NEWEST:
                value = other if other != default or later.requests else mine
            elif name in _HIGHEST:
                value = max(mine, other)
            elif name in _LOWEST:
                value = min(mine, other)
            else:
                value = mine + other
            setattr(self, name, value)

    def forget_state(self) -> None:
        """Of several hosts together: what is in force at one of them says nothing of the others."""
        for name in _NEWEST:
            setattr(self, name, _DEFAULTS[name])


_DEFAULTS: dict[str, object] = {field.name: field.default for field in fields(HostManners)}


class Politeness:
    """The hosts of one attempt at one crawl.

    `begin` gives the counter of a host; `end` takes one back whose host the crawl forgets (a crawl of a million hosts
    must not keep a million counters).
    """

    def __init__(self) -> None:
        self._live: dict[str, HostManners] = {}
        self._ended: dict[str, HostManners] = {}

    def begin(self, origin: str) -> HostManners:
        manners = self._ended.pop(origin, None) or HostManners()
        self._live[origin] = manners
        return manners

    def end(self, origin: str) -> None:
        self._ended[origin] = self._live.pop(origin)
        if len(self._ended) > 2 * MAX_HOSTS:
            self._ended = _busiest(self._ended.items())

    def totals(self) -> dict[str, HostManners]:
        """Of at most `MAX_HOSTS` hosts and, under `OTHERS`, of the rest together."""
        return _busiest([*self._ended.items(), *self._live.items()])


def merged(stored: object, later: Mapping[str, HostManners]) -> dict[str, dict[str, Json]]:
    """What `CrawlTask.hosts` keeps: the totals of all attempts, those of the newest in `later`."""
    hosts = read_hosts(stored)
    for origin, manners in later.items():
        hosts.setdefault(origin, HostManners()).add(manners)
    return {origin: manners.to_json() for origin, manners in _busiest(hosts.items()).items()}


def read_hosts(stored: object) -> dict[str, HostManners]:
    """The hosts that a task keeps; what is no such document is passed over."""
    if not isinstance(stored, Mapping):
        return {}
    return {str(origin): HostManners.from_json(given) for origin, given in stored.items() if isinstance(given, Mapping)}


def _busiest(hosts: Iterable[tuple[str, HostManners]]) -> dict[str, HostManners]:
    """The `MAX_HOSTS` with the most requests, the busiest first, and the rest as one."""
    named: list[tuple[str, HostManners]] = []
    others = HostManners()
    are_others = False
    for origin, manners in hosts:
        if origin == OTHERS:
            others.add(manners)
            are_others = True
        else:
            named.append((origin, manners))
    named.sort(key=lambda entry: (-entry[1].requests, entry[0]))
    for _origin, manners in named[MAX_HOSTS:]:
        others.add(manners)
        are_others = True
    kept = dict(named[:MAX_HOSTS])
    if are_others:
        others.forget_state()
        kept[OTHERS] = others
    return kept


def finite(value: float) -> float | None:
    """For JSON and for people: None in place of what never happened."""
    return value if isfinite(value) else None
