"""The loop: a fixed set of workers that take pages from the frontier, fetch them, read them and hand in results.

There is no task, lock or timer for a page. A worker that finds nothing to do rests on a future; it is woken by a
checkpoint that brought pages, by a slot that became free, or by the one timer for whatever is due next.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Protocol, Self

from .errors import AddressRefused, FetchError, Reason, UrlError
from .fetcher import is_retriable_status, retry_after
from .frontier import WINDOW, Frontier, Host
from .ledger import Ledger
from .reading import PageReader, Scope, failed, refused
from .records import (
    Answer,
    CheckpointAnswer,
    CrawlCounts,
    CrawlOutcome,
    Ending,
    Extraction,
    Link,
    Opening,
    PageResult,
    PageState,
    PendingPage,
)
from .robots import ALLOW_ALL, Robots, product_token
from .slots import MAX_BACKOFF, Guest, Slots
from .spider import SecretRef, SpiderDefinition
from .storage import CrawlStorage
from .urls import hash_url, origin_of

logger = logging.getLogger(__name__)

MAX_CONCURRENCY = 64
BIG_BODY = 2_000_000
"""Bytes: a bigger body is parsed in a thread, so that the loop's other work goes on between its steps."""
OVERLOADED = frozenset({429, 503})
"""Statuses by which a host asks for rest; it is the host that rests, not only the page."""
PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Never sent to an origin that no start URL has, and neither is any header whose value is a secret."""


class PageFetcher(Protocol):
    """`fetcher.Fetcher`: one attempt, whole answer or error."""

    @property
    def user_agent(self) -> str: ...

    async def fetch(self, url: str, *, etag: str = "", last_modified: str = "") -> Answer: ...

    def without(self, names: Collection[str]) -> Self: ...


class PageExtractor(Protocol):
    """`extractor.Extractor`."""

    def extract(self, url: str, body: bytes, charset: str, content_type: str) -> Extraction: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """How often a page is tried again after a failure that may pass, and after how many seconds (doubling)."""

    times: int = 2
    delay: float = 1.0


class Crawl:
    """One attempt at one crawl. `run` once; `request_stop` from the same loop at any time."""

    def __init__(
        self,
        *,
        definition: SpiderDefinition,
        fetcher: PageFetcher,
        extractor: PageExtractor,
        scope: Scope,
        storage: CrawlStorage,
        slots: Slots,
        robots: Robots,
        checkpoint_pages: int = 500,
        checkpoint_seconds: float = 2.0,
        max_concurrency: int = MAX_CONCURRENCY,
        retry: RetryRule = RetryRule(),
        window: int = WINDOW,
        drain_seconds: float = 10.0,
        on_progress: Callable[[CrawlCounts], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._definition = definition
        self._fetcher = fetcher
        self._stranger_fetcher = fetcher.without(private_headers(definition))
        self._home = frozenset(map(origin_of, definition.start_urls))
        self._extractor = extractor
        self._scope = scope
        self._storage = storage
        self._slots = slots
        self._robots = robots
        self._max_concurrency = max_concurrency
        self._retry_rule = retry
        self._drain_seconds = drain_seconds
        self._on_progress = on_progress
        self._clock = clock
        self._agent = product_token(fetcher.user_agent)
        self._obeys_robots = definition.manners.obey_robots
        self._max_pages = inf if definition.limits.max_pages is None else definition.limits.max_pages
        self._max_depth = inf if definition.limits.max_depth is None else definition.limits.max_depth
        self.counts = CrawlCounts()
        self._frontier = Frontier(self._join, window=window)
        self._reader: PageReader
        self._ledger = Ledger(
            storage,
            self._frontier,
            pages=checkpoint_pages,
            seconds=checkpoint_seconds,
            on_stored=self._stored,
            on_idle=self._go_on,
        )
        self._idle: list[asyncio.Future[None]] = []
        self._busy = 0
        self._fetching = 0
        self._answered = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._drain: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._closing: Ending | None = None
        self._limit_message = ""
        self._failure: BaseException | None = None
        self._start_answered = False
        self._start_problem = ""

    # -- the whole ------------------------------------------------------------------------------------------------

    async def run(self) -> CrawlOutcome:
        """Crawl until the frontier is empty, a limit is reached or `request_stop` was called.

        Raises what the storage raises, and defects of ours; what happens to single pages is counted instead.
        """
        started = self._clock()
        urls = dict.fromkeys(self._definition.start_urls)
        seeds = [Link(url, hash_url(url), 0) for url in urls]
        opening = await self._storage.open(seeds, room=self._frontier.window)
        self._begin(opening)
        keeper = asyncio.create_task(self._ledger.run(), name="crawl keeper")
        workers = [asyncio.create_task(self._work(), name=f"crawl worker {n}") for n in range(self._max_concurrency)]
        for task in (keeper, *workers):
            task.add_done_callback(self._task_ended)
        try:
            await self._until_over()
            await _end(workers)
            if self._failure is None:
                self._ledger.finish()
                await keeper
        finally:
            await _end([keeper, *workers])
            self._tidy_up()
        if self._failure is not None:
            raise self._failure
        return await self._conclude(opening, self._clock() - started)

    def request_stop(self) -> None:
        """Take no further page, let those in flight finish within the limit, store, and end as STOPPED."""
        self._close(Ending.STOPPED, "Stopped on request")

    def _begin(self, opening: Opening) -> None:
        self._frontier.seen = opening.seen
        self._reader = PageReader(self._scope, max_depth=self._definition.limits.max_depth, seen=opening.seen)
        self._answered = opening.pages_done
        self._start_answered = opening.resumed and opening.pages_done > 0
        self._ledger.outside = opening.pending_dropped > 0
        self._frontier.admit(opening.pending)
        if self._answered >= self._max_pages:
            self._reach_page_limit()

    async def _until_over(self) -> None:
        seconds = self._definition.limits.max_seconds
        if seconds is None:
            await self._over.wait()
            return
        handle = asyncio.get_running_loop().call_later(
            seconds, self._close, Ending.LIMITED, f"Stopped at max_seconds = {seconds:g}"
        )
        try:
            await self._over.wait()
        finally:
            handle.cancel()

    def _close(self, ending: Ending, message: str) -> None:
        if self._closing is not None:
            return
        self._closing = ending
        self._limit_message = message
        if self._busy:
            self._drain = asyncio.get_running_loop().call_later(self._drain_seconds, self._over.set)
        else:
            self._over.set()

    def _reach_page_limit(self) -> None:
        self._close(Ending.LIMITED, f"Stopped at max_pages = {self._definition.limits.max_pages}")

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and self._failure is None:
            self._failure = error
            self._over.set()

    def _tidy_up(self) -> None:
        now = self._clock()
        for host in self._frontier.hosts():
            host.guest.leave(now)
        for timer in (self._timer, self._drain):
            if timer is not None:
                timer.cancel()

    async def _conclude(self, opening: Opening, seconds: float) -> CrawlOutcome:
        ending, message = self._ending()
        has_depth_limit = self._definition.limits.max_depth is not None
        # An earlier attempt may have left links out because of their depth: only this attempt's are counted.
        if ending is Ending.COMPLETED and not (opening.resumed and has_depth_limit):
            await self._storage.mark_gone()
        return CrawlOutcome(ending, self.counts, message, seconds)

    def _ending(self) -> tuple[Ending, str]:
        if self._closing is Ending.STOPPED:
            return Ending.STOPPED, self._limit_message
        if not self._start_answered:
            return Ending.FAILED, self._start_problem or self._limit_message or "No start page answered"
        is_left = bool(self._frontier.held) or self._ledger.outside
        if self._closing is Ending.LIMITED and is_left:
            return Ending.LIMITED, f"{self._limit_message}; pages were left in the frontier"
        if self.counts.reasons[Reason.DEPTH_LIMIT]:
            return Ending.LIMITED, f"Links beyond max_depth = {self._definition.limits.max_depth} were left out"
        return Ending.COMPLETED, ""

    # -- the workers ----------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            turn = self._next()
            if turn is None:
                await self._rest()
                continue
            host, page = turn
            self._busy += 1
            try:
                if page is None:
                    await self._open(host)
                else:
                    await self._visit(host, page)
            finally:
                self._busy -= 1

    def _next(self) -> tuple[Host, PendingPage | None] | None:
        """What to do next: a page to fetch, or a host whose robots.txt comes first (None for the page)."""
        if self._closing is not None or self._answered + self._fetching >= self._max_pages:
            return None
        frontier = self._frontier
        now = self._clock()
        while not self._ledger.full:
            host = frontier.next_host(now)
            if host is None:
                return None
            if host.rules is None or host.rules.expires_at <= now:
                frontier.opening(host)
                self._wake_if_ready()
                return host, None
            wait = host.guest.wait(now)
            if wait:
                frontier.park(host, wait)
                continue
            page = frontier.take(host)
            refusal = self._refusal(host, page)
            if refusal is None:
                host.in_flight += 1
                host.guest.take(now)
                frontier.settle(host, now)
                self._wake_if_ready()
                return host, page
            # A page that is not asked for takes no place in the slot and no delay.
            self._record(host, refusal)
            frontier.settle(host, now)
        return None

    def _refusal(self, host: Host, page: PendingPage) -> PageResult | None:
        if page.depth > self._max_depth:
            return refused(page, Reason.DEPTH_LIMIT)
        rules = host.rules
        if rules is None or rules.allows(page.url, self._agent):
            return None
        if rules.problem:
            return refused(page, Reason.ROBOTS_UNREACHABLE, rules.problem)
        return refused(page, Reason.ROBOTS_DISALLOWED)

    async def _open(self, host: Host) -> None:
        rules = await self._robots.rules(host.origin, self._fetcher_for(host))
        now = self._clock()
        host.guest.slot.obey(rules.crawl_delay(self._agent), now)
        self._frontier.opened(host, rules, now)

    async def _visit(self, host: Host, page: PendingPage) -> None:
        self._fetching += 1
        try:
            fetched = await self._fetch(host, page)
        finally:
            self._fetching -= 1
            now = self._clock()
            host.in_flight -= 1
            host.guest.release(now)
            self._frontier.freed(host, now)
        if fetched is None:
            return
        result = fetched if isinstance(fetched, PageResult) else await self._read(page, fetched)
        self._record(host, result)

    async def _fetch(self, host: Host, page: PendingPage) -> Answer | PageResult | None:
        """The answer to be read; or the result where none came; or None if the page is to be tried again."""
        self.counts.requests += 1
        fetcher = self._fetcher_for(host)
        try:
            if page.may_revalidate:
                answer = await fetcher.fetch(page.url, etag=page.etag, last_modified=page.last_modified)
            else:
                answer = await fetcher.fetch(page.url)
        except AddressRefused as error:
            return refused(page, Reason.ADDRESS_REFUSED, str(error))
        except UrlError as error:
            return refused(page, error.reason, str(error))
        except FetchError as error:
            if error.retriable and self._try_again(page, None):
                return None
            return failed(page, error.reason, str(error))
        self.counts.bytes += answer.wire_bytes
        if not is_retriable_status(answer.status_code):
            host.guest.slot.calm()
            return answer
        pause = retry_after(answer, datetime.now(UTC))
        if answer.status_code in OVERLOADED:
            host.guest.slot.back_off(self._clock(), pause)
        return None if self._try_again(page, pause) else answer

    def _fetcher_for(self, host: Host) -> PageFetcher:
        return self._fetcher if host.origin in self._home else self._stranger_fetcher

    def _try_again(self, page: PendingPage, pause: float | None) -> bool:
        if page.attempts >= self._retry_rule.times:
            return False
        if pause is None:
            pause = self._retry_rule.delay * 2**page.attempts
        page.attempts += 1
        self.counts.retries += 1
        self._frontier.return_later(page, self._clock() + min(pause, MAX_BACKOFF))
        return True

    async def _read(self, page: PendingPage, answer: Answer) -> PageResult:
        result = self._reader.judge(page, answer)
        if not result.extracted or result.reason:
            return result
        arguments = (answer.url, answer.body, answer.charset, answer.content_type)
        try:
            if len(answer.body) > BIG_BODY:
                extraction = await asyncio.to_thread(self._extractor.extract, *arguments)
            else:
                extraction = self._extractor.extract(*arguments)
        except Exception as error:  # a page that breaks the extractor must not end the crawl of all others
            logger.exception("Extraction failed", extra={"action": "extraction_failed", "url": page.url})
            detail = f"{type(error).__name__}: {error}"
            return failed(page, Reason.EXTRACTION_ERROR, detail, status_code=answer.status_code)
        self._reader.absorb(result, extraction)
        return result

    # -- the results ----------------------------------------------------------------------------------------------

    def _record(self, host: Host, result: PageResult) -> None:
        self._count(result)
        if result.page.depth == 0 and not self._start_answered:
            self._judge_start(result)
        ledger = self._ledger
        if result.links or result.state is PageState.UNCHANGED:
            host.brought = ledger.number
        ledger.add(result, hungry=host.brought == ledger.number and not host.pages)
        if self._answered >= self._max_pages:
            self._reach_page_limit()

    def _count(self, result: PageResult) -> None:
        counts = self.counts
        state = result.state
        if state is PageState.DONE:
            counts.pages_done += 1
        elif state is PageState.UNCHANGED:
            counts.pages_unchanged += 1
        elif state is PageState.FAILED:
            counts.pages_failed += 1
        elif state is PageState.REDIRECTED:
            counts.pages_redirected += 1
        else:
            counts.pages_refused += 1
        if result.is_answer:
            counts.pages += 1
            self._answered += 1
        if result.reason:
            counts.reasons[result.reason] += 1
        if result.reasons:
            counts.reasons.update(result.reasons)
        if result.items:
            counts.items += len(result.items)
            counts.items_incomplete += sum(1 for item in result.items if item.problems)

    def _judge_start(self, result: PageResult) -> None:
        status = result.status_code
        if result.is_answer and status is not None and status < 400:
            self._start_answered = True
        elif not self._start_problem and result.reason:
            why = f"{result.reason} ({result.detail})" if result.detail else result.reason
            self._start_problem = f"No start page answered: {result.page.url}: {why}"

    def _stored(self, answer: CheckpointAnswer) -> None:
        counts = self.counts
        counts.items_new += answer.items_new
        counts.items_changed += answer.items_changed
        counts.items_unchanged += answer.items_unchanged
        counts.conflicts += answer.conflicts
        if self._on_progress is not None:
            self._on_progress(counts)

    # -- resting and waking ---------------------------------------------------------------------------------------

    async def _rest(self) -> None:
        self._look_around()
        future = asyncio.get_running_loop().create_future()
        self._idle.append(future)
        await future

    def _go_on(self) -> None:
        """The storage has done what was asked: there may be pages, room for results, or nothing left to do."""
        self._wake_if_ready()
        self._look_around()

    def _look_around(self) -> None:
        """What must happen while somebody has nothing to do: store, refill, set the timer, or end."""
        frontier, ledger = self._frontier, self._ledger
        if self._closing is not None:
            if not self._busy:
                self._over.set()
            return
        if frontier.ready:
            return
        is_out_of_pages = not frontier.queued and not frontier.waiting and not self._busy
        if ledger.empty:
            if is_out_of_pages and not ledger.outside:
                self._over.set()
        elif ledger.hungry or is_out_of_pages:
            ledger.ask()
        if ledger.needs_refill:
            ledger.ask()
        self._set_timer(frontier.next_time())

    def _set_timer(self, at: float) -> None:
        if at >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        delay = max(0.0, at - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._timer_at = inf
        self._wake_one()

    def _wake_if_ready(self) -> None:
        """Each worker that found work wakes the next one, as long as there is more."""
        if self._idle and self._frontier.ready:
            self._wake_one()

    def _wake_one(self) -> None:
        while self._idle:
            future = self._idle.pop()
            if not future.done():
                future.set_result(None)
                return

    def _join(self, host: Host) -> Guest:
        if not self._obeys_robots:
            host.rules = ALLOW_ALL
        manners = self._definition.manners

        def wake() -> None:
            if self._frontier.wake(host):
                self._wake_one()

        return self._slots.join(
            host.origin,
            concurrency=manners.concurrency_per_host,
            delay=manners.delay,
            wake=wake,
            now=self._clock(),
        )


def private_headers(definition: SpiderDefinition) -> frozenset[str]:
    """Lower-case names of the headers that only the start URLs' own origins may see."""
    headers = definition.manners.headers.items()
    return PRIVATE_HEADERS | {name.lower() for name, value in headers if isinstance(value, SecretRef)}


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
