"""A world of chance in virtual time: hosts that fail, redirect, refuse and forbid, and a loop whose clock jumps to
whatever is due next. The world judges each request that comes: whoever has no manners fails the test.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Collection, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Self

from crawler.engine.errors import AddressRefused, ConnectionLost, ReadingEnded, Reason, TimedOut
from crawler.engine.fetching.cookies import CookieJar
from crawler.engine.fetching.requests import Post
from crawler.engine.fetching.spool import Spool
from crawler.engine.manners.hours import QuietHours
from crawler.engine.manners.slots import host_key
from crawler.engine.records import Answer, Extraction
from crawler.engine.urls import origin_of

START = 1_000.0
BEGIN = datetime(2027, 1, 1, 0, 0, 55, tzinfo=UTC) - timedelta(seconds=START)
"""Quiet hours may begin soon."""
MOST_LOOKS = 10_000
"""Turns of the loop within a millisecond: of more, somebody wakes in vain again and again."""
CLOSE = 1e-6
"""Seconds by which a timer may come early."""
ROBOTS = ("", "", "Disallow: /3", "Crawl-delay: 1", "broken", "away", "elsewhere")


class _Leap(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = self._since = START
        self._looks = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        self.now += 2e-9  # the loop calls what is due within a nanosecond: time must go on all the same
        self._looks += 1
        if self.now - self._since > 0.001:
            self._since, self._looks = self.now, 0
        if self._looks > MOST_LOOKS:
            raise RuntimeError(f"nobody rests at {self.now}")
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits for ever")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.now


class World:
    """All crawls in it share manners, so that they can be judged together."""

    def __init__(self, seed: int) -> None:
        self.rnd = rnd = random.Random(seed)
        self.hosts = [f"http://h{number}.test" for number in range(rnd.randint(1, 4))]
        self.robots = {host: rnd.choice(ROBOTS) for host in self.hosts}
        self.faults = rnd.choice([0.0, 0.0, 0.1, 0.3])
        self.concurrency = rnd.choice([1, 2, 3])
        self.delay = rnd.choice([0.0, 0.2])
        self.obeys = rnd.random() < 0.6
        self.quiet: tuple[str, ...] = rnd.choice([(), (), ("00:01-00:03",), ("00:00-00:02", "00:04-00:40")])
        self.size = rnd.choice([5, 30, 80])
        """Pages of a host."""
        self.seconds: tuple[float, ...] = (0.0, 0.01, 0.1, 1.0)
        """That answers take."""
        self._links: dict[str, list[str]] = {}
        self._active: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._rests_until: dict[str, float] = {}

    @property
    def wall(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())

    @property
    def manners(self) -> dict[str, object]:
        return {
            "obey_robots": self.obeys,
            "concurrency_per_host": self.concurrency,
            "delay": self.delay,
            "quiet_hours": list(self.quiet),
        }

    def links_of(self, url: str) -> list[str]:
        if url not in self._links:
            found = [self._some_page() for _ in range(self.rnd.choice([0, 2, 5]))]
            if url.endswith("/0"):
                found += [f"{host}/{number}" for host in self.hosts for number in range(0, self.size, 2)]
            self._links[url] = list(dict.fromkeys(found))
        return self._links[url]

    async def answer(self, url: str) -> Answer:
        host = host_key(origin_of(url))
        self._judge(url, host)
        seconds = self.rnd.choice(self.seconds)
        self._active[host] += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._active[host] -= 1
        if url.endswith("/robots.txt"):
            return self._robots_txt(url, seconds)
        if self.rnd.random() < self.faults:
            return self._fault(url, host, seconds)
        return Answer(url, 200, {}, url.encode(), len(url), seconds, "", "text/html")

    def _judge(self, url: str, host: str) -> None:
        now = asyncio.get_running_loop().time()
        assert self._active[host] < self.concurrency, f"too many at once: {url}"
        if url.endswith("/robots.txt"):
            return
        rules = self.robots[origin_of(url)] if self.obeys else ""
        delay = max(self.delay, 1.0 if rules == "Crawl-delay: 1" else 0.0)
        assert now >= self._last.get(host, 0.0) + delay - CLOSE, f"too soon: {url}"
        assert now >= self._rests_until.get(host, 0.0) - CLOSE, f"the host rests: {url}"
        assert rules not in ("broken", "away"), f"not known to be allowed: {url}"
        assert rules != "Disallow: /3" or not url.startswith("/3", len(origin_of(url))), f"forbidden: {url}"
        # Who looked at the clock just before they began may ask.
        quiet = QuietHours(self.quiet)
        is_quiet = quiet.hold(self.wall) and quiet.hold(self.wall - timedelta(seconds=CLOSE))
        assert not is_quiet, f"in quiet hours: {url}"
        self._last[host] = now

    def _robots_txt(self, url: str, seconds: float) -> Answer:
        rules = self.robots[origin_of(url)]
        if rules == "away":
            raise ConnectionLost("gone")
        status = {"broken": 503, "elsewhere": 302}.get(rules, 200)
        headers = {"location": self.rnd.choice(self.hosts) + "/robots.txt"} if status == 302 else {}
        return Answer(url, status, headers, f"User-agent: *\n{rules}\n".encode(), 20, seconds, "", "text/plain")

    def _fault(self, url: str, host: str, seconds: float) -> Answer:
        kind = self.rnd.choice(["silent", "lost", "refused", "busy", "404", "500", "503", "moved", "301"])
        if kind == "silent":
            raise TimedOut("silent", reason=Reason.READ_TIMEOUT)
        if kind == "lost":
            raise ConnectionLost("lost")
        if kind == "refused":
            raise AddressRefused("refused")
        headers: dict[str, str] = {}
        if kind == "busy":
            rest = self.rnd.choice([0, 2, 30, 400])
            end = asyncio.get_running_loop().time() + rest
            self._rests_until[host] = max(self._rests_until.get(host, 0.0), end)
            headers["retry-after"] = str(rest)
        elif kind == "moved":
            headers["location"] = self._some_page()
        status = {"busy": 429, "moved": 302}.get(kind) or int(kind)
        return Answer(url, status, headers, b"", 0, seconds)

    def _some_page(self) -> str:
        return f"{self.rnd.choice(self.hosts)}/{self.rnd.randrange(self.size)}"


class ChanceFetcher:
    """A `visit.PageFetcher` of the world."""

    user_agent = "test"
    jar: CookieJar | None = None

    def __init__(self, world: World) -> None:
        self._world = world

    def without(self, names: Collection[str]) -> Self:
        return self

    async def fetch(
        self,
        url: str,
        *,
        etag: str = "",
        last_modified: str = "",
        max_bytes: int | None = None,
        post: Post | None = None,
    ) -> Answer:
        return await self._world.answer(url)

    async def fetch_into(self, spool: Spool, url: str, *, max_bytes: int) -> Answer:
        """A sitemap."""
        answer = await self._world.answer(url)
        spool.clear()
        entries = "".join(f"<url><loc>{link}</loc></url>" for link in self._world.links_of(url))
        spool.append(f"<urlset>{entries}</urlset>".encode())
        return answer._replace(body=b"")


class ChanceExtractor:
    """A `visit.PageExtractor`: some pages are read elsewhere, some of these not to their end."""

    def __init__(self, world: World, elsewhere: float, seconds: tuple[float, ...] = (0.0, 0.05, 2.0)) -> None:
        self._world = world
        self._elsewhere = elsewhere
        self._seconds = seconds

    def extract(
        self, url: str, body: bytes, charset: str, content_type: str
    ) -> Extraction | Coroutine[None, None, Extraction]:
        if self._world.rnd.random() < self._elsewhere:
            return self._read_later(url)
        return Extraction(links=[*self._world.links_of(url)])

    async def _read_later(self, url: str) -> Extraction:
        await asyncio.sleep(self._world.rnd.choice(self._seconds))
        if self._world.rnd.random() < 0.1:
            raise ReadingEnded("ended", reason=Reason.READING_TIMEOUT)
        return Extraction(links=[*self._world.links_of(url)])
