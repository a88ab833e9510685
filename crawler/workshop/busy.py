"""Places for what holds a thread of the site for seconds: so many at once, all users of the process together.

Whoever finds none free is told so at once, so that threads are left for everything else that the site does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext as _

from crawler.exceptions import CrawlerError

FETCHES = 4
"""Pages that are asked for at once: each may take half a minute."""
READINGS = 2
"""Pages that are read at once: most take milliseconds, a bad one seconds. With the fetches fewer than `WEB_THREADS`."""
WAIT = 0.5
"""Seconds that a reading waits for its place."""


class WorkshopBusy(CrawlerError):
    """All places are taken."""


class Places:
    """A number of places. Safe to use from several threads."""

    def __init__(self, number: int, *, wait: float = 0.0) -> None:
        self._free = threading.BoundedSemaphore(number)
        self._wait = wait

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place for a while. Raises `WorkshopBusy`."""
        if not self._free.acquire(blocking=self._wait > 0, timeout=self._wait or None):
            raise WorkshopBusy(_("Other pages are being looked at just now; try again in a moment."))
        try:
            yield
        finally:
            self._free.release()


READING = Places(READINGS, wait=WAIT)
"""This process's, for pages that are read."""
