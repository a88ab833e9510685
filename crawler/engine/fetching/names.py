"""Names to addresses, by the system's own means, in as many threads as there are names that take their time.

`getaddrinfo` knows what this machine knows: its hosts file, its name service switch, its resolver's search list. It
blocks, for seconds where a name server is slow, and cannot be interrupted. (c-ares needs no threads, but was measured
to give up after 1.3 s, whatever it was told to wait, where the same server answers other names at once; a name that
took 4 s was lost.) A waiting thread costs 17 KiB; so there may be hundreds, and names that were slow before never hold
more than half of them.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeAlias

MOST_THREADS = 256
IDLE_SECONDS = 30.0
"""A thread without work ends after this."""
SLOW_SECONDS = 1.0
"""A name that took so long is slow until it answers sooner."""
MAX_REMEMBERED = 10_000
"""Slow names; the oldest are forgotten first."""

Lookup: TypeAlias = Callable[[str, int], Sequence[str]]
"""(host, port) → literal addresses; may block. Raises `OSError`, `UnicodeError`."""


def system_lookup(host: str, port: int) -> Sequence[str]:
    """What the system says, the preferred address first."""
    # Bytes keep Python's IDNA codec, which knows only the rules of 2003, away from a name that is ASCII already.
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class _Job(Future[Sequence[str]]):
    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self.host = host
        self.port = port
        self.is_slow = False


class ThreadedResolver:
    """A `guard.Resolver`. Threads are started at need; nobody waits for them at the end of the process."""

    def __init__(self, threads: int = MOST_THREADS, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup
        self._most = threads
        self._most_slow = max(1, threads // 2)
        self._changed = threading.Condition()
        self._quick: deque[_Job] = deque()
        self._slow: deque[_Job] = deque()
        self._running: dict[str, _Job] = {}
        """Being looked up now: a name holds one thread, however often it is given up and asked for again."""
        self._slow_names: dict[str, None] = {}
        self._slow_running = 0
        self._threads = 0
        self._idle = 0
        self._is_closed = False

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        # Shielded: who gives up takes no answer away from who asks next.
        return await asyncio.shield(asyncio.wrap_future(self._job(host, port)))

    @property
    def threads(self) -> int:
        """That live now."""
        return self._threads

    def close(self) -> None:
        """Lets running look-ups end by themselves; they cannot be interrupted."""
        with self._changed:
            self._is_closed = True
            for job in (*self._quick, *self._slow):
                job.cancel()
            self._changed.notify_all()

    def _job(self, host: str, port: int) -> _Job:
        with self._changed:
            job = self._running.get(host)
            if job is not None:
                return job
            job = self._running[host] = _Job(host, port)
            job.is_slow = host in self._slow_names
            (self._slow if job.is_slow else self._quick).append(job)
            # A thread that was called for an earlier job counts as idle until it has taken that.
            if self._takeable > self._idle and self._threads < self._most:
                self._start_thread()
            else:
                self._changed.notify()
            if not self._threads:
                self._fail_all("the system starts no thread to look it up")
            return job

    def _start_thread(self) -> None:
        try:
            threading.Thread(target=self._work, name=f"dns-{self._threads + 1}", daemon=True).start()
        except RuntimeError:  # the system's limit: those that there are do it all
            return
        self._threads += 1

    def _fail_all(self, why: str) -> None:
        for job in (*self._quick, *self._slow):
            self._running.pop(job.host, None)
            if job.set_running_or_notify_cancel():
                job.set_exception(OSError(why))
        self._quick.clear()
        self._slow.clear()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            begin = time.monotonic()
            try:
                result = self._lookup(job.host, job.port)
            except Exception as error:  # whatever it is, who waits must hear of it, and the thread go on
                self._done(job, time.monotonic() - begin)
                job.set_exception(error)
            else:
                self._done(job, time.monotonic() - begin)
                job.set_result(result)

    def _next(self) -> _Job | None:
        """Blocks; None: the thread is to end."""
        with self._changed:
            while True:
                job = self._take()
                if job is not None:
                    if job.set_running_or_notify_cancel():
                        self._slow_running += job.is_slow
                        return job
                    self._running.pop(job.host, None)
                    continue
                self._idle += 1
                is_wanted = not self._is_closed and self._changed.wait(IDLE_SECONDS)
                self._idle -= 1
                if not is_wanted and not self._takeable:
                    self._threads -= 1
                    return None

    def _take(self) -> _Job | None:
        if self._quick:
            return self._quick.popleft()
        if self._slow and self._slow_running < self._most_slow:
            return self._slow.popleft()
        return None

    @property
    def _takeable(self) -> int:
        """Jobs that wait for nothing but a thread."""
        return len(self._quick) + min(len(self._slow), self._most_slow - self._slow_running)

    def _done(self, job: _Job, seconds: float) -> None:
        with self._changed:
            self._running.pop(job.host, None)
            self._slow_running -= job.is_slow
            self._slow_names.pop(job.host, None)
            if seconds > SLOW_SECONDS:
                self._slow_names[job.host] = None
                if len(self._slow_names) > MAX_REMEMBERED:
                    del self._slow_names[next(iter(self._slow_names))]
            if self._slow and self._idle:
                self._changed.notify()
