"""What a crawl is given: what it works with, and how fast it may go."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .discovery import Scope
from .frontier import WINDOW
from .manners.budget import Calendar
from .manners.gate import Prepare
from .manners.robots import Robots
from .manners.slots import Slots
from .storage import CrawlStorage
from .visit import PageExtractor, PageFetcher, RetryRule

MAX_CONCURRENCY = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlTools:
    """What fetches, reads, judges and stores for one crawl. `slots` and `robots` are those of all crawls together."""

    fetcher: PageFetcher
    extractor: PageExtractor
    scope: Scope
    storage: CrawlStorage
    slots: Slots
    robots: Robots
    prepare: Prepare | None = None
    """Called before a host is asked (`Guard.prepare`), so that no worker waits for its name."""
    calendar: Calendar = field(default_factory=Calendar)
    """In which days and quiet hours are meant."""
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much a crawl does at once, and how often it stores."""

    max_concurrency: int = MAX_CONCURRENCY
    """Pages that are fetched and read at once, of all hosts."""
    checkpoint_pages: int = 500
    checkpoint_seconds: float = 2.0
    window: int = WINDOW
    """Pages in memory at most."""
    retry: RetryRule = field(default_factory=RetryRule)
    drain_seconds: float = 10.0
    """How long pages in flight are waited for when the crawl is stopped."""
