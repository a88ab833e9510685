"""The pages that a crawl still has to fetch, as far as they are in memory: a queue for each host, and their rotation.

A host is in exactly one place: in the rotation (`ready`) when it has a page and its slot lets a request start, parked
when it has a page and must wait, or nowhere when it has none, or when it is left for another time. So a host that may
not be asked costs nothing, and the next page is found without looking at any host that has to wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from enum import Enum
from heapq import heappop, heappush
from itertools import count
from math import inf

from .known import KnownHashes
from .manners.robots import RobotsRules
from .manners.slots import Guest
from .records import PendingPage
from .urls import origin_of

WINDOW = 50_000
"""Pages in memory at most; the rest waits in the storage, which gives them in the order of their discovery: pages of
one slow host may fill the window while those of others wait."""
WINDOW_CHARACTERS = 32_000_000
"""Of the URLs in memory: with 8,192 each, 50,000 would take 400 MB. No more are taken in while there are so many."""
MAX_IDLE_HOSTS = 1_000
"""Hosts that are known together before those without a page are forgotten. (Their rules are in `Robots` for a while.)
"""
MANY_HOSTS = 250


class _Place(Enum):
    NOWHERE = 0
    READY = 1
    PARKED = 2
    OPENING = 3
    LEFT = 4


class Host:
    """One origin in one crawl."""

    __slots__ = (
        "brought",
        "guest",
        "in_flight",
        "in_helper",
        "is_named",
        "left",
        "origin",
        "pages",
        "place",
        "rules",
        "wake_at",
    )

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.pages: deque[PendingPage] = deque()
        self.rules: RobotsRules | None = None
        self.guest: Guest
        self.in_flight = 0
        self.left = 0
        """Pages that this crawl does not ask for: they stay in the storage's frontier."""
        self.is_named = False
        """Whether its name has been looked up in this crawl."""
        self.in_helper = 0
        """Pages that wait for a helper process or are read there: each holds a worker of the crawl."""
        self.brought = -1
        """The last batch of results with which this host brought new pages."""
        self.place = _Place.NOWHERE
        self.wake_at = inf


class Frontier:
    """`join` gives a new host its part in the slot; it must call back to `wake` through the guest.

    `forget` hears of a host that is remembered no more.
    """

    def __init__(
        self,
        join: Callable[[Host], Guest],
        *,
        window: int = WINDOW,
        forget: Callable[[Host], None] = lambda host: None,
    ) -> None:
        self.window = window
        self.left = 0
        """Pages of hosts that are left: held, so that they do not come again, but not in memory."""
        self.seen = KnownHashes()
        """Hashes of all URLs that this crawl knows of, done ones included."""
        self.held: set[int] = set()
        """Ids of the pages that are here: queued, in flight, or done and not yet stored."""
        self.ready: deque[Host] = deque()
        self.characters = 0
        """Of the URLs of all pages that are here."""
        self.queued = 0
        """Pages in the hosts' queues."""
        self._join = join
        self._forget = forget
        self._hosts: dict[str, Host] = {}
        self._parked: list[tuple[float, int, Host]] = []
        self._later: list[tuple[float, int, PendingPage]] = []
        self._tie = count()

    @property
    def waiting(self) -> int:
        """Pages that will be tried again later."""
        return len(self._later)

    @property
    def room(self) -> int:
        if self.characters >= WINDOW_CHARACTERS:
            return 0
        return max(0, self.window - len(self.held) + self.left)

    @property
    def is_wide(self) -> bool:
        """Whether there are so many hosts that no one may take much memory."""
        return len(self._hosts) > MANY_HOSTS

    def hosts(self) -> Iterable[Host]:
        return self._hosts.values()

    def admit(self, pages: Iterable[PendingPage]) -> int:
        """Take pages that the storage put into the frontier; those that are here already are passed over."""
        admitted = 0
        for page in pages:
            if page.page_id in self.held:
                continue
            self.held.add(page.page_id)
            self.characters += len(page.url)
            self.seen.add(page.url_hash)
            self._queue(page)
            admitted += 1
        return admitted

    def next_host(self, now: float) -> Host | None:
        """A host with a page whose turn it is, taken out of the rotation: `settle`, `park` or `opening` follows."""
        if self._later and self._later[0][0] <= now:
            self._return_due(now)
        if self._parked and self._parked[0][0] <= now:
            self._unpark_due(now)
        if not self.ready:
            return None
        host = self.ready.popleft()
        host.place = _Place.NOWHERE
        return host

    def next_time(self) -> float:
        """When something becomes ready by the clock alone; infinite if nothing does."""
        later = self._later[0][0] if self._later else inf
        parked = self._parked[0][0] if self._parked else inf
        return min(later, parked)

    def take(self, host: Host) -> PendingPage:
        self.queued -= 1
        return host.pages.popleft()

    def settle(self, host: Host, now: float) -> None:
        """Put `host` where it belongs: into the rotation, or parked until its slot is free, or away."""
        if host.place is not _Place.NOWHERE:
            return
        if not host.pages:
            host.guest.stand_aside(now)
            if len(self._hosts) > MAX_IDLE_HOSTS and not host.in_flight:
                host.guest.leave(now)
                del self._hosts[host.origin]
                self._forget(host)
            return
        wait = 0.0 if host.rules is None else host.guest.wait(now)
        if wait and not host.guest.must_leave(now):
            self.park(host, wait)
            return
        host.place = _Place.READY
        self.ready.append(host)

    def park(self, host: Host, until: float) -> None:
        """Until the clock shows `until`; if that is infinite, until `wake`."""
        host.place = _Place.PARKED
        host.wake_at = until
        if until != inf:
            heappush(self._parked, (until, next(self._tie), host))

    def opening(self, host: Host) -> None:
        """Somebody fetches the rules of `host`: nothing of it is given out until `opened`."""
        host.place = _Place.OPENING

    def leave(self, host: Host) -> None:
        """Ask nothing more of `host` in this crawl; its pages stay in the storage's frontier, these and later ones."""
        if host.place is _Place.READY:
            self.ready.remove(host)
        host.place = _Place.LEFT
        host.left += len(host.pages)
        self.left += len(host.pages)
        self.queued -= len(host.pages)
        self.characters -= sum(len(page.url) for page in host.pages)
        host.pages.clear()

    def opened(self, host: Host, rules: RobotsRules | None, now: float) -> None:
        host.rules = rules
        if host.place is _Place.LEFT:
            return
        host.place = _Place.NOWHERE
        self.settle(host, now)

    def wake(self, host: Host) -> bool:
        """The slot may be free: a parked host is asked again. Says whether it came back into the rotation."""
        if host.place is not _Place.PARKED:
            return False
        host.place = _Place.READY
        self.ready.append(host)
        return True

    def freed(self, host: Host, now: float) -> None:
        """A request to `host` is through, and its place in the slot is free."""
        if host.place is _Place.NOWHERE:
            self.settle(host, now)
        elif host.wake_at == inf:
            self.wake(host)

    def leave_page(self, host: Host, page: PendingPage) -> None:
        """A page that was taken from a host that is left by now goes with the others."""
        host.left += 1
        self.left += 1
        self.characters -= len(page.url)

    def return_later(self, page: PendingPage, at: float) -> None:
        """Try `page` again, not before `at`."""
        heappush(self._later, (at, next(self._tie), page))

    def release(self, pages: Collection[PendingPage]) -> None:
        """Pages whose results are stored are not held any more."""
        self.held.difference_update(page.page_id for page in pages)
        self.characters -= sum(len(page.url) for page in pages)

    def host_of(self, page: PendingPage) -> Host:
        return self.host_at(origin_of(page.url))

    def host_at(self, origin: str) -> Host:
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = Host(origin)
            host.guest = self._join(host)
        return host

    def _queue(self, page: PendingPage) -> None:
        host = self.host_of(page)
        if host.place is _Place.LEFT:
            self.leave_page(host, page)
            return
        host.pages.append(page)
        self.queued += 1
        if host.place is _Place.NOWHERE:
            # Whether its slot is free is asked when its turn comes: most hosts are never asked in vain.
            host.place = _Place.READY
            self.ready.append(host)

    def _return_due(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            page = heappop(self._later)[2]
            host = self.host_of(page)
            if host.place is _Place.LEFT:
                self.leave_page(host, page)
                continue
            host.pages.appendleft(page)
            self.queued += 1
            if host.place is _Place.NOWHERE:
                host.place = _Place.READY
                self.ready.append(host)

    def _unpark_due(self, now: float) -> None:
        while self._parked and self._parked[0][0] <= now:
            at, _, host = heappop(self._parked)
            if host.place is _Place.PARKED and host.wake_at == at:
                host.place = _Place.READY
                self.ready.append(host)
