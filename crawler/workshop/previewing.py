"""What a draft would take from a page that is kept: looked at while somebody types, stored nowhere.

While the draft is wrong, what its last right state gave stays, with its age, and what is wrong is named beside it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from crawler import preview
from crawler.engine.errors import DefinitionError, DefinitionProblem
from crawler.engine.pages.extractor import Explanation
from crawler.engine.spider import SpiderDefinition
from crawler.engine.urls import hash_url
from crawler.models import CrawlTask, Item, Page, Spider
from scheduling.durations import duration

from .busy import READING, WorkshopBusy
from .draft import Draft
from .itemviews import TypeView, type_views
from .linkverdicts import LinksView, first_hashes, links_view
from .refusals import Notice, notice_of, refusal_of
from .samples import SAMPLES, FetchGoesOn, Sample, manner_of

SECONDS = 5.0
"""For the reading of a page, which takes some milliseconds: a crawl would give a big one more."""
MAX_STARTS = 100
"""Start pages among which the one to begin with is looked for."""
MAX_REMEMBERED = 200
"""Definitions that were right, of as many people and spiders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What stands beside the draft."""

    url: str
    """As it stands in the field."""
    problems: tuple[DefinitionProblem, ...] = ()
    """Of the draft; of the address and of secrets, where it was to be fetched."""
    busy: str = ""
    """Why nothing was fetched, though it was asked for."""
    sample: Sample | None = None
    """None: the page has not been fetched yet."""
    seen_at: datetime | None = None
    """When what is shown was true of the draft; None where nothing is shown."""
    is_coming: bool = False
    """Whether the site is being asked for the page just now: whoever looks again finds it."""
    is_stale: bool = False
    """Whether it is what an earlier state of the draft gave."""
    is_other_manner: bool = False
    """Whether the draft would now ask for the page in another way than it was."""
    is_before_crawl: bool = False
    """Whether a crawl of the spider has ended since the page was fetched: the site may have shown it another one."""
    notice: Notice | None = None
    types: tuple[TypeView, ...] = ()
    links: LinksView | None = None

    @property
    def age(self) -> str:
        """For how long it has not been true of the draft."""
        return "" if self.seen_at is None else duration(max(1, round((timezone.now() - self.seen_at).total_seconds())))

    @property
    def is_fresh(self) -> bool:
        """Whether what is shown is what the draft gives now: nothing kept the page from being asked for as it would."""
        held_up = self.is_coming or self.is_stale or self.problems or self.busy
        is_of_another_page = self.is_other_manner or self.is_before_crawl
        return self.seen_at is not None and not held_up and not is_of_another_page

    @property
    def items(self) -> int:
        """That would be stored."""
        return sum(view.stored for view in self.types)

    @property
    def is_read(self) -> bool:
        return self.links is not None


def look(user_id: int, spider: Spider | None, draft: Draft, url: str, *, fetch: bool = False) -> Preview:
    """What the draft makes of the page at `url`. Asks the site for it only with `fetch`; stores nothing.

    Three queries at most beside those for secrets.
    """
    if draft.definition is not None:
        _LAST.keep(user_id, spider, draft.definition)
    last = _LAST.get(user_id, spider)
    definition = None if last is None else last.definition
    problems, busy = draft.problems, ""
    try:
        asked = preview.address(url)
    except DefinitionError as error:
        return Preview(url=url, problems=(*problems, *error.problems))
    if fetch and definition is not None:
        try:
            SAMPLES.fetch(user_id, definition, asked)
        except DefinitionError as error:
            problems = (*problems, *error.problems)
        except FetchGoesOn:
            pass  # one question is enough
        except WorkshopBusy as error:
            busy = str(error)
    # Before the sample: what comes between the two is found, and looked for once more.
    is_coming = SAMPLES.is_coming(user_id, definition, asked)
    sample = SAMPLES.find(user_id, definition, asked)
    if sample is not None and sample.answer is not None:
        _LAST.looked_at(user_id, spider, url)
    is_before_crawl = sample is not None and _crawl_ended_since(spider, sample.fetched_at)
    if sample is None or last is None:
        return Preview(
            url=url,
            problems=problems,
            busy=busy,
            sample=sample,
            is_coming=is_coming,
            is_before_crawl=is_before_crawl,
        )
    reading = _Reading(
        url=url,
        spider=spider,
        definition=last.definition,
        sample=sample,
        draft_problems=draft.problems,
        problems=problems,
        busy=busy,
        seen_at=last.at,
    )
    return replace(reading.preview(), is_coming=is_coming, is_before_crawl=is_before_crawl)


def _crawl_ended_since(spider: Spider | None, moment: datetime) -> bool:
    """Whether the spider's newest crawl that has ended did so after `moment`, and asked for pages at all. One query."""
    if spider is None:
        return False
    ended = CrawlTask.objects.filter(spider=spider, status__in=CrawlTask.TERMINAL, started_at__isnull=False)
    newest = ended.order_by("-id").values_list("finished_at", flat=True).first()
    return newest is not None and newest > moment


def kept_page(user_id: int, draft: Draft, url: str) -> Sample | None:
    """The page that the preview of the draft shows for an address; None where it has not been fetched."""
    try:
        return SAMPLES.find(user_id, draft.definition, preview.address(url))
    except DefinitionError:
        return None


def forget() -> None:
    """Forget what was right (tests)."""
    _LAST.clear()


def last_address(user_id: int, spider: Spider | None) -> str:
    """The page of a stored spider that its user looked at last, of those that answered; empty where that is not known
    (any more)."""
    last = None if spider is None else _LAST.get(user_id, spider)
    return "" if last is None else last.url


def default_address(spider: Spider | None, definition: SpiderDefinition | None) -> str:
    """The page to begin with: a start page that gave an item, else a page of the latest items, else the first start
    page; empty where there is none. One query."""
    starts = () if definition is None else definition.start_pages
    if spider is not None:
        hashes = [hash_url(url) for url in starts[:MAX_STARTS]]
        # The pages of a crawl are in the order in which it came to know them: the first start page is the first.
        giving = Page.objects.filter(spider=OuterRef("pk"), url_hash__in=hashes, item_rows__isnull=False).order_by("id")
        latest = Item.objects.filter(spider=OuterRef("pk"), page__isnull=False).order_by("-changed_at")
        found = Spider.objects.filter(pk=spider.pk).values_list(
            Subquery(giving.values("url")[:1]), Subquery(latest.values("page__url")[:1])
        )
        for start, page in found:
            if start or page:
                return str(start or page)
    return starts[0] if starts else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A sample, and the definition that reads it."""

    url: str
    spider: Spider | None
    definition: SpiderDefinition
    sample: Sample
    draft_problems: tuple[DefinitionProblem, ...]
    problems: tuple[DefinitionProblem, ...]
    busy: str
    seen_at: datetime

    def preview(self) -> Preview:
        sample = self.sample
        explanation: Explanation | None = None
        if sample.answer is not None and not sample.reason:
            try:
                with READING.one():
                    explanation = preview.explain(self.definition, sample.answer, seconds=SECONDS)
            except WorkshopBusy as error:
                return Preview(url=self.url, problems=self.problems, busy=str(error), sample=sample)
        return Preview(
            url=self.url,
            problems=self.problems,
            busy=self.busy,
            sample=sample,
            seen_at=self.seen_at,
            is_stale=bool(self.draft_problems),
            is_other_manner=sample.manner != manner_of(self.definition, sample.url),
            notice=self._notice(explanation),
            types=() if explanation is None else type_views(explanation, self.definition, self.draft_problems),
            links=None if explanation is None else self._links(explanation),
        )

    def _notice(self, explanation: Explanation | None) -> Notice | None:
        if explanation is None:
            return refusal_of(self.sample.page, self.definition)
        if not explanation.notice:
            return None
        return notice_of(explanation.reason, explanation.notice)

    def _links(self, explanation: Explanation) -> LinksView:
        known: Collection[int] = ()
        hashes = first_hashes(explanation)
        if self.spider is not None and hashes:
            pages = Page.objects.filter(spider=self.spider, url_hash__in=hashes)
            known = frozenset(pages.values_list("url_hash", flat=True))
        return links_view(explanation, self.definition, self.sample, known)


@dataclass(frozen=True, slots=True)
class _Right:
    """A definition as it last was right."""

    definition: SpiderDefinition
    at: datetime
    url: str = ""
    """Of the page that it was tried on last; empty where none has answered yet."""


@dataclass(slots=True)
class _LastRight:
    """By user and spider; of new spiders each user has one. Safe to use from several threads."""

    _kept: OrderedDict[tuple[int, int], _Right] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, user_id: int, spider: Spider | None) -> _Right | None:
        with self._lock:
            return self._kept.get(_key(user_id, spider))

    def keep(self, user_id: int, spider: Spider | None, definition: SpiderDefinition) -> None:
        key = _key(user_id, spider)
        with self._lock:
            known = self._kept.get(key)
            self._kept[key] = _Right(definition, timezone.now(), "" if known is None else known.url)
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_REMEMBERED:
                self._kept.popitem(last=False)

    def looked_at(self, user_id: int, spider: Spider | None, url: str) -> None:
        with self._lock:
            known = self._kept.get(_key(user_id, spider))
            if known is not None:
                self._kept[_key(user_id, spider)] = replace(known, url=url)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


_LAST = _LastRight()


def _key(user_id: int, spider: Spider | None) -> tuple[int, int]:
    return user_id, 0 if spider is None else spider.pk
