"""The values that pass between the rooms of the engine and its storage.

Frozen ones of which there is one for each page or link are named tuples: these take an eighth of the time to make.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from .manners.politeness import HostManners

from .known import KnownHashes

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses that send a page elsewhere."""

no_counts: Callable[[], Counter[str]] = partial(Counter.__new__, Counter)
"""An empty `Counter`, without the detour through its `__init__`: pages have several each, which mostly stay empty."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Link(NamedTuple):
    """A URL that joins the frontier: normalised, in scope, not yet seen in this crawl."""

    url: str
    url_hash: int
    """First 8 bytes of BLAKE2b of `url`, as a signed 64-bit number."""
    depth: int
    hops: int = 0
    """Redirects that led here, 0 for an ordinary link."""


@dataclass(slots=True)
class PendingPage:
    """One page of the frontier, with what an earlier crawl knows of it."""

    page_id: int
    url: str
    url_hash: int
    depth: int
    hops: int = 0
    attempts: int = 0
    etag: str = ""
    last_modified: str = ""
    content_hash: bytes = b""
    """Of the body that was extracted last; empty if never."""
    may_revalidate: bool = False
    """Whether the page was last extracted with this very version of the spider: only then are validators sent
    and is an equal `content_hash` reason enough to skip extraction."""
    size: int = 0
    """Bytes that it took over the wire when it was extracted last; 0 where that is not known."""
    chain: tuple[int, ...] = ()
    """Hashes of the URLs that redirected here, the first of the chain first."""


class Answer(NamedTuple):
    """One HTTP answer, whole: the body is decompressed and bounded. Redirects are not followed."""

    url: str
    status_code: int
    headers: Mapping[str, str]
    """Lower-case names; repeated ones joined by a comma and a blank."""
    body: bytes
    wire_bytes: int
    """Bytes of the body as they came over the wire, before decompression."""
    seconds: float
    charset: str = ""
    """From Content-Type, empty if none."""
    content_type: str = ""
    """Lower-case, without parameters."""


@dataclass(frozen=True, slots=True)
class ValueProblem:
    """A value that could not be read, or is missing though required."""

    type: str
    field: str
    reason: str
    """A `Reason`: unreadable_value, missing_required, missing_key."""
    value: str = ""
    """What was found, at most 200 characters."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a page gave no item."""

    reason: str
    """A `Reason`: empty_body, needs_javascript, login_wall, bot_wall."""
    detail: str
    is_wall: bool = False
    """Whether it stands in the page's place, so that nothing that was read of it is worth to be kept."""
    needs_claim: bool = False
    """Whether it counts only of a page from which somebody expects items: any site has a page to log in, which is no
    wall before anything."""


@dataclass(slots=True)
class ItemRecord:
    """One extracted record under its key."""

    type: str
    key: str
    """Canonical JSON of the key's values: ``["978-0"]``; of the page's URL where no key is given."""
    key_hash: int
    data: dict[str, Json]
    data_json: str
    """Canonical JSON of `data`: sorted keys, no blanks, characters as they are; what every database stores."""
    data_hash: bytes
    """16 bytes of BLAKE2b over `data_json`."""
    problems: list[ValueProblem] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class Extraction:
    """What one page gave."""

    items: list[ItemRecord] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """Normalised URLs, each once, in document order, that a follow rule took; scope, depth, robots are judged later."""
    problems: list[ValueProblem] = field(default_factory=list)
    """Of items that were not stored."""
    rejected: int = 0
    """Items that were not stored, for want of a key or a required field."""
    reasons: Counter[str] = field(default_factory=no_counts)
    taken: tuple[str, ...] = ()
    """Types of the item rules whose `match` took the page."""
    missed: list[tuple[str, str]] = field(default_factory=list)
    """What found nothing, each once: a rule's type and a field that is needed; "" for the field: the whole rule."""
    finding: Finding | None = None
    """Why the page gave no item, where one could be expected and the page says why."""
    noindex: bool = False
    """The page asks that nothing of it be kept, and the spider obeys."""
    canonical: str = ""
    """The normalised URL of the page that stands for this one, where the spider follows that."""
    refresh: str = ""
    """The normalised URL that the page sends its readers to (meta refresh)."""


class PageState(StrEnum):
    """What became of a page in the crawl that `task` names."""

    PENDING = "pending"
    DONE = "done"  # fetched and extracted
    UNCHANGED = "unchanged"  # 304, or the same bytes as the last extraction
    REDIRECTED = "redirected"
    FAILED = "failed"  # no usable answer after all attempts, or an error status
    REFUSED = "refused"  # never requested: robots, guard, limits


@dataclass(slots=True)
class PageResult:
    """One page that is through, ready for a checkpoint."""

    page: PendingPage
    state: PageState
    status_code: int | None = None
    reason: str = ""
    """Why the page was refused or failed, or gave nothing. Counted once, beside what `reasons` counts."""
    detail: str = ""
    """For people: the message of the error, at most 500 characters."""
    etag: str = ""
    last_modified: str = ""
    content_hash: bytes = b""
    wire_bytes: int = 0
    redirected_to: str = ""
    extracted: bool = False
    """Whether `items` and `link_hashes` replace what was stored for the page."""
    items: list[ItemRecord] = field(default_factory=list)
    problems: list[ValueProblem] = field(default_factory=list)
    rejected: int = 0
    """Items that were not stored, for want of a key or a required field."""
    links: list[Link] = field(default_factory=list)
    """Those new to this crawl: to be upserted as pending pages."""
    link_hashes: bytes = b""
    """All that its follow rules gave, packed as little-endian signed 64-bit numbers: stored with the page."""
    reasons: Counter[str] = field(default_factory=no_counts)
    """What the page's links and items were left out for; the page's own `reason` is not among them."""
    taken: tuple[str, ...] = ()
    missed: Sequence[tuple[str, str]] = ()
    """As in `Extraction`."""
    back: tuple[int, ...] = ()
    """Hashes of pages that ended as redirected and join the frontier again: what they led to led nowhere, or back."""
    forgotten: tuple[int, ...] = ()
    """Hashes of pages on a detour for a cookie, the last of them this one, which the crawl is to know no more."""

    @property
    def requests(self) -> int:
        """How often the page was asked for."""
        return self.page.attempts + (self.state is not PageState.REFUSED)

    @property
    def is_answer(self) -> bool:
        """Whether the page counts for `max_pages`: any answer but a redirect."""
        return self.status_code is not None and self.status_code not in REDIRECTS


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a crawl names beside its pages, with an example: a trap, a sitemap that could not be read."""

    url: str
    reason: str
    detail: str = ""
    """For people: at most 500 characters."""
    status_code: int | None = None


@dataclass(frozen=True, slots=True)
class Seed:
    """A page that a sitemap names."""

    link: Link
    unchanged_since: float | None = None
    """Seconds since 1970: the sitemap says that the page is what it was at this moment, and is believed. None: it does
    not say, or is not."""
    rests_since: float = 0.0
    """Seconds since 1970: a page that was looked at before this is asked for whatever the sitemap says."""


@dataclass(slots=True)
class SitemapResult:
    """One sitemap that is through."""

    url: str
    url_hash: int
    addresses: int = 0
    """Of pages, known and unwanted ones included."""
    is_whole: bool = True
    """Whether it was read to its end, and so were those that it names."""
    reason: str = ""
    """Why not."""
    detail: str = ""
    status_code: int | None = None


@dataclass(frozen=True, slots=True)
class SitemapMemory:
    """What is known of a spider's sitemaps when a crawl begins, or goes on."""

    read: Collection[int] = frozenset()
    """Hashes of the URLs of those that this task has read whole."""
    trusts_lastmod: bool = True
    """Whether no page turned out to have changed against its sitemap's word in the crawl before."""
    had_pages: bool = False
    """Whether sitemaps named pages in the last crawl that read any, or in an earlier attempt at this one."""


MAX_CANONICALS = 100_000
"""Pages that gave their place to their canonical page and are remembered; as many that could not be read."""


@dataclass(frozen=True, slots=True)
class CanonicalMemory:
    """What earlier attempts at a crawl know of pages that give their place to their canonical page. Hashes of URLs."""

    failed: Collection[int] = ()
    """Pages that could not be read."""
    waiting: Mapping[int, int] = field(default_factory=dict)
    """Pages, with the canonical page that they gave their place to."""
    moved: Mapping[int, int] = field(default_factory=dict)
    """Pages that redirected, and where to."""


@dataclass(slots=True)
class Batch:
    """What one checkpoint stores, in the order in which the pages were done."""

    results: list[PageResult] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=no_counts)
    """Counted beside the pages: links out of scope, and so on."""
    hosts: dict[str, HostManners] | None = None
    """How each host has been treated in this attempt so far; now and then, and with the last batch."""
    day: date | None = None
    """In the spider's zone, where the requests of a day are counted."""
    notices: list[Notice] = field(default_factory=list)
    """Named among the task's failures, and not counted by that."""
    seeds: list[Seed] = field(default_factory=list)
    sitemaps: list[SitemapResult] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CheckpointAnswer:
    """What the storage says after the commit."""

    pending: Sequence[PendingPage]
    """Pages that this checkpoint put into the frontier (new links, and stored links of unchanged pages), at most as
    many as there was room for."""
    pending_dropped: int
    """How many more there are that only the database knows: `CrawlStorage.window` brings them."""
    items_new: int = 0
    items_changed: int = 0
    items_unchanged: int = 0
    conflicts: int = 0
    rested: int = 0
    """Seeds that were not put into the frontier: their sitemap says that they have not changed."""
    rechecks: Collection[int] = ()
    """Hashes of seeds that were, though it says so."""
    links_cut: int = 0
    """Stored links of unchanged pages that lie beyond max_depth and so did not join."""
    host_pages: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By host (`slots.host_key`), where the requests of a day are counted: those of the batch's day from everybody, and
    how many of them were the batch's."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The state of a crawl as it begins or goes on."""

    seen: KnownHashes
    """`url_hash` of every page that this task has put into its frontier, done ones included."""
    pending: Sequence[PendingPage]
    pending_dropped: int
    pages_done: int
    """Answers that earlier attempts of this task have already stored: they count for `max_pages`."""
    resumed: bool
    start_answered: bool = False
    """Whether an earlier attempt had an answer below 400 from a start page, or from what that redirects to."""
    depth_limited: bool = False
    """Whether an earlier attempt left links out because of max_depth."""
    reasons: Collection[str] = ()
    """Those that earlier attempts have counted."""
    seconds_spent: float = 0.0
    """How long earlier attempts of this task took: they count for `max_seconds`."""
    rests: Mapping[str, datetime] = field(default_factory=dict)
    """Origins that asked an earlier crawl to be left alone, and until when."""


class Ending(StrEnum):
    """How the loop ended."""

    COMPLETED = "completed"  # the frontier is empty
    LIMITED = "limited"  # by max_pages, max_depth, max_seconds
    FAILED = "failed"  # no start page gave an answer below 400
    STOPPED = "stopped"  # asked to stop: drained, cancelled


@dataclass(slots=True)
class CrawlCounts:
    """Running totals of one attempt, for progress and the task's row."""

    pages: int = 0
    """Answers stored, redirects and robots.txt left out."""
    pages_done: int = 0
    pages_unchanged: int = 0
    pages_redirected: int = 0
    pages_failed: int = 0
    pages_refused: int = 0
    items: int = 0
    items_new: int = 0
    items_changed: int = 0
    items_unchanged: int = 0
    items_rejected: int = 0
    items_incomplete: int = 0
    conflicts: int = 0
    bytes: int = 0
    requests: int = 0
    retries: int = 0
    reasons: Counter[str] = field(default_factory=no_counts)


@dataclass(frozen=True, slots=True)
class CrawlOutcome:
    ending: Ending
    counts: CrawlCounts
    message: str
    seconds: float
