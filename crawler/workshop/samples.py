"""Pages that were fetched for the workshop, kept in memory: typing asks the site nothing.

Each belongs to the user who had it fetched, since it may hold what that spider's session alone is shown. They are
gathered per process: whoever comes to another one fetches anew.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from http import HTTPStatus

from django.utils import timezone
from django.utils.translation import gettext as _

from crawler import preview
from crawler.engine.errors import Reason
from crawler.engine.fetching.requests import post_at
from crawler.engine.manners.robots import RobotsRules
from crawler.engine.records import Answer
from crawler.engine.spider import SpiderDefinition
from crawler.engine.urls import origin_of
from crawler.one_page import FetchedPage

from .busy import FETCHES, Places, WorkshopBusy

MAX_BYTES = 64_000_000
"""That all samples hold together; the least recently used go first."""
MAX_PAGE_BYTES = 16_000_000
"""Of one page, whatever the spider allows: four of them may be on their way at once."""
KEPT_SECONDS = 900.0
"""After its last use."""
FETCH_SECONDS = 30.0
"""Of one fetch, robots.txt and redirects included: a thread of the site waits for it."""
_OVERHEAD = 4_096
"""Bytes that a sample counts beside its body."""
_READ = 3
"""Times the bytes of a robots.txt, once it is read: a chain of redirects brings several, of half a megabyte each."""
_SHOWN = (
    *("content-type", "content-language", "content-encoding", "last-modified", "etag", "cache-control", "age"),
    *("server", "date", "location", "retry-after", "link", "x-robots-tag", "vary"),
)
"""Headers of an answer that are shown. Cookies are not: they may be somebody's session."""
_SENDS_NOTHING = (Reason.OUT_OF_SCOPE, Reason.ADDRESS_REFUSED)
"""For which a page is refused before its host, or the host's robots.txt, is asked."""
MAX_HEADER = 300
"""Characters of one that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsVerdict:
    """What robots.txt says of the page."""

    state: str
    """``allowed``, ``refused``, ``absent`` (there is no file), ``unreachable``, ``ignored`` (the spider does not ask),
    or empty: the page was refused before it was asked."""
    rule: str = ""
    """The line that decided: ``Disallow: /search``."""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One fetched page, or what came in its place."""

    key: str
    """Names it in addresses; tells nothing."""
    user_id: int
    url: str
    """That was asked for, normalised."""
    manner: str
    """A digest of all that the fetch depended on beside the address."""
    page: FetchedPage
    robots: RobotsVerdict
    fetched_at: datetime

    @property
    def answer(self) -> Answer | None:
        """As the engine has it."""
        return self.page.answer

    @property
    def final_url(self) -> str:
        return self.page.url if self.answer is None else self.answer.url

    @property
    def status(self) -> str:
        """``200 OK``; empty where nothing answered."""
        if self.answer is None:
            return ""
        code = self.answer.status_code
        try:
            return f"{code} {HTTPStatus(code).phrase}"
        except ValueError:
            return str(code)

    @property
    def milliseconds(self) -> str:
        """“132 ms”: how long the last answer took; empty where there was none."""
        if self.answer is None:
            return ""
        return _("%(count)s ms") % {"count": f"{max(1, round(self.answer.seconds * 1000)):,}"}

    @property
    def reason(self) -> str:
        """The `Reason` for which a crawl would not read it; empty where it would."""
        return self.page.why_unread

    @property
    def was_sent(self) -> bool:
        """Whether anything was sent to a site for it; not where its address was refused before."""
        return self.answer is not None or bool(self.page.redirects) or self.reason not in _SENDS_NOTHING

    @property
    def headers(self) -> dict[str, str]:
        """Those that we show."""
        headers: Mapping[str, str] = {} if self.answer is None else self.answer.headers
        return {name: headers[name][:MAX_HEADER] for name in _SHOWN if name in headers}

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        rules = sum(rules.size for rules in self.page.robots.values())
        return _OVERHEAD + _READ * rules + (0 if self.answer is None else len(self.answer.body))

    def rules_for(self, url: str) -> RobotsRules | None:
        """The robots.txt that holds for `url`, where this fetch has seen it."""
        return self.page.robots.get(origin_of(url))


class FetchGoesOn(WorkshopBusy):
    """The very page is being asked for already."""


class Samples:
    """Those of one process. Safe to use from several threads."""

    def __init__(
        self,
        *,
        most_bytes: int = MAX_BYTES,
        kept_seconds: float = KEPT_SECONDS,
        fetch_seconds: float = FETCH_SECONDS,
        places: int = FETCHES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_bytes = most_bytes
        self._kept_seconds = kept_seconds
        self._fetch_seconds = fetch_seconds
        self.places = Places(places)
        """For whatever asks a site for a page while somebody waits."""
        self._clock = clock
        self._lock = threading.Lock()
        self._samples: OrderedDict[str, tuple[float, Sample]] = OrderedDict()
        """With the time of the last use, by key, the least recently used first."""
        self._bytes = 0
        self._coming: set[tuple[int, str, str]] = set()
        """What is being asked for just now: whose, the address, and the manner."""

    def fetch(self, user_id: int, definition: SpiderDefinition, url: str) -> Sample:
        """Ask for the page anew, and keep it in place of what was kept of it.

        Raises:
            DefinitionError: the address (place ``url``), or a secret that the definition names.
            FetchGoesOn: it is being asked for already, for the same user and in the same way.
            WorkshopBusy: too many others are being fetched.
        """
        asked = preview.address(url)
        with self._one_at_a_time((user_id, asked, manner_of(definition, asked))), self.places.one():
            page = preview.fetch(_bounded(definition), asked, seconds=self._fetch_seconds)
        sample = Sample(
            key=secrets.token_urlsafe(16),
            user_id=user_id,
            url=asked,
            manner=manner_of(definition, asked),
            page=page,
            robots=_verdict(definition, page),
            fetched_at=timezone.now(),
        )
        self._keep(sample)
        return sample

    def is_coming(self, user_id: int, definition: SpiderDefinition | None, url: str) -> bool:
        """Whether the page is being asked for just now, as `definition` would ask for it."""
        return definition is not None and (user_id, url, manner_of(definition, url)) in self._coming

    def get(self, user_id: int, key: str) -> Sample | None:
        """The sample of this key, if it is the user's own and still there."""
        with self._lock:
            self._drop_old()
            _used, sample = self._samples.get(key, (0.0, None))
            if sample is None or sample.user_id != user_id:
                return None
            return self._touch(sample)

    def find(self, user_id: int, definition: SpiderDefinition | None, url: str) -> Sample | None:
        """What is kept of an address for a user: as `definition` would ask for it now, or else the latest fetched
        otherwise (its `manner` tells)."""
        wanted = "" if definition is None else manner_of(definition, url)
        with self._lock:
            self._drop_old()
            own = [one for _used, one in self._samples.values() if one.user_id == user_id and one.url == url]
            if not own:
                return None
            exact = [one for one in own if one.manner == wanted]
            return self._touch(max(exact or own, key=lambda one: one.fetched_at))

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._samples.clear()
            self._bytes = 0

    @contextmanager
    def _one_at_a_time(self, asked: tuple[int, str, str]) -> Iterator[None]:
        with self._lock:
            if asked in self._coming:
                raise FetchGoesOn(_("Other pages are being looked at just now; try again in a moment."))
            self._coming.add(asked)
        try:
            yield
        finally:
            with self._lock:
                self._coming.discard(asked)

    def _keep(self, sample: Sample) -> None:
        with self._lock:
            self._drop_old()
            same = (sample.user_id, sample.url, sample.manner)
            for _used, one in list(self._samples.values()):
                if (one.user_id, one.url, one.manner) == same:
                    self._drop(one)
            self._samples[sample.key] = (self._clock(), sample)
            self._bytes += sample.size
            while self._bytes > self._most_bytes and len(self._samples) > 1:
                self._drop(next(iter(self._samples.values()))[1])

    def _touch(self, sample: Sample) -> Sample:
        self._samples[sample.key] = (self._clock(), sample)
        self._samples.move_to_end(sample.key)
        return sample

    def _drop_old(self) -> None:
        limit = self._clock() - self._kept_seconds
        for used, sample in list(self._samples.values()):
            if used >= limit:
                return
            self._drop(sample)

    def _drop(self, sample: Sample) -> None:
        del self._samples[sample.key]
        self._bytes -= sample.size


SAMPLES = Samples()
"""This process's."""


def manner_of(definition: SpiderDefinition, url: str) -> str:
    """A digest of what the fetch of a normalised URL depends on beside the URL: scope, manners, session, body."""
    manners = definition.manners
    post = post_at(definition, url)
    parts = (
        sorted(definition.allowed_domains),
        (manners.obey_robots, manners.user_agent, sorted(manners.headers.items())),
        definition.session,
        definition.limits.max_bytes_per_page,
        None if post is None else (post.content, post.content_type),
        sorted(set(map(origin_of, definition.start_pages))) if _has_private(definition) else (),
    )
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _has_private(definition: SpiderDefinition) -> bool:
    """Whether something is sent to the origins of the start pages alone."""
    session = definition.session
    return bool(definition.manners.headers or session.set_cookies or session.auth)


def _bounded(definition: SpiderDefinition) -> SpiderDefinition:
    most = min(definition.limits.max_bytes_per_page, MAX_PAGE_BYTES)
    return replace(definition, limits=replace(definition.limits, max_bytes_per_page=most))


def _verdict(definition: SpiderDefinition, page: FetchedPage) -> RobotsVerdict:
    if not definition.manners.obey_robots:
        return RobotsVerdict(state="ignored")
    rules = page.robots.get(origin_of(page.url))
    if rules is None or page.reason == Reason.ADDRESS_REFUSED:
        return RobotsVerdict(state="")  # the host's robots.txt was refused as well
    rule = rules.rule_for(page.url, page.agent)
    if rules.problem:
        return RobotsVerdict(state="unreachable", problem=rules.problem)
    if page.reason == Reason.ROBOTS_DISALLOWED:
        return RobotsVerdict(state="refused", rule=rule)
    return RobotsVerdict(state="allowed" if rules.is_there else "absent", rule=rule)
