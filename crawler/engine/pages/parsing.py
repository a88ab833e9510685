"""Reads pages: the ordinary ones at once in the event loop, the others in a helper process that can be ended.

turbohtml holds the interpreter's lock while it parses and searches, so a thread would hold up the loop all the same;
and nothing but the end of its process interrupts an XPath that takes the cube of a page's elements. A helper is started
when the first page needs one (80 ms), serves any crawl of the loop, and ends after a minute without work.

    asyncio loop ──pickled request, body──> helper.py: one page at a time, bounded memory and processor time
                 <──frames of records─────

Nothing of this costs a page that is read in the loop anything but a look at its size.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import cast

from crawler.engine.content_types import may_be_json
from crawler.engine.errors import ReadingEnded, Reason
from crawler.engine.records import Extraction
from crawler.engine.spider import Session, SpiderDefinition
from crawler.engine.urls import origin_of

from .bounds import INLINE_BYTES, Outgrown
from .extractor import Explanation, Extractor
from .frames import HEADER, MAX_PAYLOAD, Kind, Request, read_record
from .helper import CPU_SECONDS
from .steepness import hasty_bounds

logger = logging.getLogger(__name__)

WALL_SECONDS = 20.0
"""Of one page in the helper, which has `CPU_SECONDS` of processor time for it: more only on a machine that is busy."""
START_SECONDS = 30.0
IDLE_SECONDS = 60.0
"""A helper without work ends after this."""
MOST_HELPERS = 2
"""One crawl uses one at a time: another crawl's pages do not wait behind its own."""
STRIKES = 3
"""Pages of one host that ended a helper one after the other: the host's next ones are not tried any more."""
MAX_SPIDERS = 16
"""Whose compiled rules a helper keeps."""
_BYTES_AN_ELEMENT = 100
"""Real pages have more elements than one for so many bytes: a bigger page need not be parsed to be found too big."""


class PageParser:
    """The pages of one crawl. What `Extractor` does, within the bounds of the loop or else in a helper."""

    def __init__(self, definition: SpiderDefinition, helpers: Helpers, *, user_agent: str = "") -> None:
        """`user_agent` is what a spider is called that names itself nothing else."""
        # A helper reads: headers, cookies and secrets are no matter of it.
        manners = replace(definition.manners, headers={}, user_agent=definition.manners.user_agent or user_agent)
        self._definition = replace(definition, manners=manners, session=Session())
        self._extractor = Extractor(self._definition)
        self._bounds = hasty_bounds(definition)
        self._most_bytes = min(INLINE_BYTES, int(self._bounds.elements) * _BYTES_AN_ELEMENT)
        self._helpers = helpers
        self._key = next(_KEYS)
        self._turn = asyncio.Lock()
        self._strikes: Counter[str] = Counter()

    def extract(
        self, url: str, body: bytes, charset: str, content_type: str
    ) -> Extraction | Coroutine[None, None, Extraction]:
        """The result, or what is to be awaited for it; that raises `ReadingEnded`."""
        if len(body) <= self._most_bytes or not may_be_json(content_type):
            try:
                return self._extractor.extract(url, body, charset, content_type, self._bounds)
            except Outgrown:
                pass
        return self._extract_outside(url, body, charset, content_type)

    async def explain(self, url: str, body: bytes, charset: str, content_type: str) -> Explanation:
        """As `Extractor.explain`. Raises `ReadingEnded`."""
        if len(body) <= self._most_bytes or not may_be_json(content_type):
            try:
                return self._extractor.explain(url, body, charset, content_type, self._bounds)
            except Outgrown:
                pass
        return cast(
            "Explanation",
            await self._helpers.read(self._request(url, body, charset, content_type, explains=True), body),
        )

    async def _extract_outside(self, url: str, body: bytes, charset: str, content_type: str) -> Extraction:
        origin = origin_of(url)
        async with self._turn:
            if self._strikes[origin] >= STRIKES:
                raise ReadingEnded(
                    f"the last {STRIKES} big or costly pages of {origin} could not be read: this one was not tried",
                    reason=Reason.READING_TIMEOUT,
                )
            try:
                result = await self._helpers.read(self._request(url, body, charset, content_type, explains=False), body)
            except _NotStarted:
                raise  # which is no page's fault
            except ReadingEnded:
                self._strikes[origin] += 1
                raise
        self._strikes.pop(origin, None)
        return cast("Extraction", result)

    def _request(self, url: str, body: bytes, charset: str, content_type: str, *, explains: bool) -> Request:
        return Request(
            key=self._key,
            definition=self._definition,
            forgets=0,
            explains=explains,
            url=url,
            charset=charset,
            content_type=content_type,
            length=len(body),
        )


class Helpers:
    """The helper processes of one event loop. None is started before it is needed; `close` ends them."""

    def __init__(
        self,
        *,
        most: int = MOST_HELPERS,
        seconds: float = WALL_SECONDS,
        cpu_seconds: float = CPU_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`seconds` and `cpu_seconds` bound the reading of one page."""
        self._cpu_seconds = cpu_seconds
        self._seconds = seconds
        self._idle_seconds = idle_seconds
        self._places = asyncio.Semaphore(most)
        self._idle: list[_Helper] = []
        self._all: set[_Helper] = set()
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        """Of the processes that live now."""
        return [helper.pid for helper in self._all]

    async def read(self, request: Request, body: bytes) -> Extraction | Explanation:
        """What a helper makes of the page. Raises `ReadingEnded` where it was ended, or could not be started."""
        async with self._places:
            helper = await self._take()
            try:
                return await self._read_with(helper, request, body)
            except _Died as death:
                if not helper.has_served:
                    raise ReadingEnded(str(death), reason=Reason.READING_DIED) from death
            # It may have been gone before this page came to it.
            try:
                return await self._read_with(await self._take(fresh=True), request, body)
            except _Died as death:
                raise ReadingEnded(str(death), reason=Reason.READING_DIED) from death

    async def _read_with(self, helper: _Helper, request: Request, body: bytes) -> Extraction | Explanation:
        is_whole = False
        try:
            async with asyncio.timeout(self._seconds):
                result = await helper.ask(request, body)
            is_whole = True
            return result
        except TimeoutError:
            raise _ended(self._seconds, "") from None
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            helper.kill()
            status = await helper.wait()
            if status == -signal.SIGPROF:
                raise _ended(self._cpu_seconds, " of processor time") from None
            how = f"by {signal.Signals(-status).name}" if status < 0 else f"with exit code {status}"
            raise _Died(f"the process that read the page ended {how} ({error})") from error
        finally:
            # Whoever gave up in mid-answer, or was cancelled, leaves a process that is of no use any more.
            if is_whole and helper.is_alive and not self._is_closed:
                self._put_back(helper)
            else:
                await self._end(helper)

    async def close(self) -> None:
        """Ends all processes and waits for their end. What is being read fails."""
        self._is_closed = True
        for helper in list(self._all):
            await self._end(helper)

    async def _take(self, *, fresh: bool = False) -> _Helper:
        while self._idle and not fresh:
            helper = self._idle.pop()
            helper.stay()
            if helper.is_alive:
                return helper
            await self._end(helper)
        try:
            helper = await _Helper.start(self._cpu_seconds)
        except (EOFError, OSError, TimeoutError) as error:
            logger.exception("Helper process did not start", extra={"action": "helper_not_started"})
            raise _NotStarted(
                f"the process that reads big pages could not be started: {error}", reason=Reason.READING_DIED
            ) from error
        self._all.add(helper)
        return helper

    def _put_back(self, helper: _Helper) -> None:
        self._idle.append(helper)
        helper.retire_after(self._idle_seconds, self._retire)

    def _retire(self, helper: _Helper) -> None:
        if helper in self._idle:
            self._idle.remove(helper)
            helper.kill()
            self._all.discard(helper)

    async def _end(self, helper: _Helper) -> None:
        if helper in self._idle:
            self._idle.remove(helper)
        self._all.discard(helper)
        helper.kill()
        await asyncio.shield(helper.wait())


class _NotStarted(ReadingEnded):
    """No helper came up."""


class _Died(Exception):
    """A helper ended by itself, or by somebody else's hand."""


def _ended(seconds: float, of_what: str) -> ReadingEnded:
    message = f"reading the page took longer than {seconds:g} s{of_what}, and was ended"
    return ReadingEnded(message, reason=Reason.READING_TIMEOUT)


class _Helper:
    """One process, and who it knows."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stdin = cast("asyncio.StreamWriter", process.stdin)
        self._stdout = cast("asyncio.StreamReader", process.stdout)
        self._spiders: dict[int, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.has_served = False
        """Whether it brought a result."""

    @classmethod
    async def start(cls, cpu_seconds: float) -> _Helper:
        """Raises `OSError`, `EOFError`, `TimeoutError` where no process comes up."""
        code = (
            f"import sys; sys.path[:] = {_search_path()!r}\n"
            f"from crawler.engine.pages.helper import main\nmain({cpu_seconds})"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-c",
            code,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
            limit=1 << 20,
            start_new_session=True,  # what a terminal sends to its processes is the parent's to hear
        )
        helper = cls(process)
        try:
            async with asyncio.timeout(START_SECONDS):
                await helper._next()
        except BaseException:
            helper.kill()
            await helper.wait()
            raise
        return helper

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None and not self._stdout.at_eof()

    async def ask(self, request: Request, body: bytes) -> Extraction | Explanation:
        """Raises `EOFError` and `OSError` where the process ends, `pickle.UnpicklingError` for rubbish."""
        meta = pickle.dumps(self._lean(request), pickle.HIGHEST_PROTOCOL)
        self._stdin.write(HEADER.pack(Kind.REQUEST, len(meta)) + meta)
        self._stdin.write(body)
        await self._stdin.drain()
        kind, result = await self._next()
        if kind is Kind.FAILED:
            raise _failure(result)
        if not isinstance(result, Extraction | Explanation):
            raise pickle.UnpicklingError(f"{kind} where a result begins")
        while True:
            kind, piece = await self._next()
            if kind is Kind.END:
                self.has_served = True
                return result
            _add(result, kind, piece)

    def stay(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def retire_after(self, seconds: float, retire: Callable[[_Helper], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, retire, self)

    def kill(self) -> None:
        self.stay()
        self._stdin.close()
        if self._process.returncode is None:
            # Not `kill()`: it would collect the status of a process that is gone before asyncio's watcher does.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def wait(self) -> int:
        return await self._process.wait()

    def _lean(self, request: Request) -> Request:
        """The request without what the process knows already."""
        if request.key in self._spiders:
            return replace(request, definition=None)
        self._spiders[request.key] = None
        if len(self._spiders) <= MAX_SPIDERS:
            return request
        oldest = next(iter(self._spiders))
        del self._spiders[oldest]
        return replace(request, forgets=oldest)

    async def _next(self) -> tuple[Kind, object]:
        try:
            header = await self._stdout.readexactly(HEADER.size)
            number, length = HEADER.unpack(header)
            if length > MAX_PAYLOAD:
                raise pickle.UnpicklingError(f"a frame of {length:,} bytes")
            payload = await self._stdout.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise EOFError("in mid-answer" if error.partial else "without an answer") from None
        # What is in the buffer already comes without a pause: the loop's other work has its turn between two frames.
        await asyncio.sleep(0)
        return Kind(number), read_record(payload)


def _add(result: Extraction | Explanation, kind: Kind, piece: object) -> None:
    if kind is Kind.FAILED:
        raise _failure(piece)
    if not isinstance(result, Extraction) or not isinstance(piece, list):
        raise pickle.UnpicklingError(f"{kind} in mid-answer")
    if kind is Kind.ITEMS:
        result.items += piece
    elif kind is Kind.LINKS:
        result.links += piece


def _failure(record: object) -> Exception:
    if isinstance(record, tuple) and len(record) == 2:
        return ReadingEnded(str(record[1]), reason=Reason(record[0]))
    return pickle.UnpicklingError(f"{record!r:.100} is no failure")


def _search_path() -> list[str]:
    """Where the helper finds what this process finds, whatever its own folder is."""
    return [entry or str(Path.cwd()) for entry in sys.path]


def _environment() -> dict[str, str]:
    """Nothing that is secret: only what Python itself may need to start."""
    kept = ("LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C.UTF-8"}


_KEYS = count(1)
