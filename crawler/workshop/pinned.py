"""Pinned pages: pages kept with a spider, and the items that are expected of them.

A change of the rules is tried on all of them before it is saved: without any network, within the bounds of a crawl, and
within a time for all together, so that no page holds a save up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import zstandard
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crawler import preview
from crawler.causes import cause_of
from crawler.engine.errors import ReadingEnded, Reason
from crawler.engine.pages.extractor import Explanation
from crawler.engine.records import Answer
from crawler.engine.spider import SpiderDefinition
from crawler.engine.urls import hash_url
from crawler.exceptions import CrawlerError
from crawler.models import PinnedPage, Spider

from .busy import READING, WorkshopBusy
from .draft import Draft
from .itemdiff import ItemChange, KeptItem, item_changes
from .samples import Sample

MAX_PINNED = 20
"""Of one spider."""
MAX_BODY = 5_000_000
"""Bytes of one page, not compressed."""
MAX_ITEMS = 1_000
MAX_ITEMS_TEXT = 2_000_000
"""Characters of JSON that the items of one page take."""
SECONDS = 5.0
"""For the pages of a spider, all together."""
SHOWN_CHANGES = 20
"""Items of one page whose differences are shown."""
_LEVEL = 9


class CannotPin(CrawlerError):
    """A page that cannot be kept: the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedChange:
    """What a definition makes of a pinned page, beside what is expected."""

    page: PinnedPage
    """Without its body."""
    items: tuple[KeptItem, ...] | None = None
    """That it gives now; None where it could not be read."""
    changes: tuple[ItemChange, ...] = ()
    problem: str = ""
    """Why it could not be read."""
    notice: str = ""
    """Why the page gives less than one would think."""

    @property
    def is_same(self) -> bool:
        return self.items is not None and not self.changes

    @property
    def shown(self) -> tuple[ItemChange, ...]:
        return self.changes[:SHOWN_CHANGES]

    @property
    def more(self) -> int:
        """Items that differ and are not shown."""
        return len(self.changes) - len(self.shown)


def pin(spider: Spider, definition: SpiderDefinition, sample: Sample, *, by: str = "") -> PinnedPage:
    """Keep a fetched page with the spider, in place of an earlier state of it; what `definition` makes of it is what is
    expected from now on.

    Raises `CannotPin`.
    """
    answer = _pinnable(sample)
    [found] = _read(definition, [answer])
    if isinstance(found, ReadingEnded):
        raise CannotPin(str(found))
    values: dict[str, object] = {
        "final_url": answer.url,
        "status_code": answer.status_code,
        "headers": {name: value.replace("\x00", "") for name, value in sample.headers.items()},
        "content_type": answer.content_type[:200],
        "charset": answer.charset[:100],
        "body": zstandard.ZstdCompressor(level=_LEVEL).compress(answer.body),
        "size": len(answer.body),
        "items": _storable(items_of(found)),
        "pinned_at": timezone.now(),
        "pinned_by": by[:150],
    }
    key = hash_url(sample.url)
    with transaction.atomic():
        # One at a time: the number of pages is bounded by looking.
        Spider.objects.select_for_update().get(pk=spider.pk)
        others = PinnedPage.objects.filter(spider=spider).exclude(url_hash=key).count()
        if others >= MAX_PINNED:
            raise CannotPin(
                _("The spider has %(count)d pinned pages, which is all that are kept; unpin one first.")
                % {"count": others}
            )
        defaults = {"url": sample.url, **values}
        return PinnedPage.objects.update_or_create(spider=spider, url_hash=key, defaults=defaults)[0]


def unpin(spider: Spider, number: int) -> bool:
    """Whether there was such a page."""
    return PinnedPage.objects.filter(spider=spider, pk=number).delete()[0] > 0


def pages_of(spider: Spider) -> QuerySet[PinnedPage]:
    """The spider's pinned pages, without their bodies."""
    return PinnedPage.objects.filter(spider=spider).defer("body")


def answers_of(spider: Spider) -> list[Answer]:
    """The pages as the engine has answers; up to a hundred megabytes."""
    return [_answer(page) for page in PinnedPage.objects.filter(spider=spider)]


def compare(spider: Spider, definition: SpiderDefinition, *, seconds: float = SECONDS) -> list[PinnedChange]:
    """What `definition` makes of each pinned page of the spider, in the order in which they were pinned. One query."""
    pages = list(PinnedPage.objects.filter(spider=spider)[:MAX_PINNED])
    found = _read(definition, map(_answer, pages), seconds=seconds)
    return [_compared(page, reading) for page, reading in zip(pages, found, strict=True)]


def changes(spider: Spider, draft: Draft) -> list[PinnedChange]:
    """The pinned pages whose items a draft would change, and those that could not be read in time; none where the draft
    is wrong."""
    if draft.definition is None:
        return []
    return [change for change in compare(spider, draft.definition) if not change.is_same]


def accept(changed: Iterable[PinnedChange]) -> None:
    """From now on the pages are expected to give what they gave in `changed`. Pages that could not be read, those that
    give too much to be kept, and those that somebody has pinned anew since keep what was expected of them."""
    for change in changed:
        if change.items is None:
            continue
        try:
            items = _storable(change.items)
        except CannotPin:
            continue
        PinnedPage.objects.filter(pk=change.page.pk, pinned_at=change.page.pinned_at).update(items=items)


def items_of(explanation: Explanation) -> tuple[KeptItem, ...]:
    """The items that a crawl would store, in the order of the page."""
    return tuple(
        KeptItem(type=item.type, key=json.loads(item.key), data={field.name: field.value for field in item.fields})
        for item in explanation.items
        if not item.reason
    )


def _pinnable(sample: Sample) -> Answer:
    answer = sample.answer
    if answer is None or sample.reason:
        why = cause_of(sample.reason)
        raise CannotPin(_("A crawl would not read this page: %(why)s") % {"why": why.what})
    if len(answer.body) > MAX_BODY:
        message = _("The page has %(size)s bytes; at most %(most)s are kept. Pin a smaller one of its kind.")
        raise CannotPin(message % {"size": f"{len(answer.body):,}", "most": f"{MAX_BODY:,}"})
    return answer


def _storable(items: Sequence[KeptItem]) -> list[KeptItem]:
    """Raises `CannotPin` for more than is kept."""
    if len(items) > MAX_ITEMS or len(json.dumps(items, ensure_ascii=False)) > MAX_ITEMS_TEXT:
        message = _("The page gives %(count)s items, more than are kept. Pin a smaller one of its kind.")
        raise CannotPin(message % {"count": f"{len(items):,}"})
    return list(items)


def _read(
    definition: SpiderDefinition, answers: Iterable[Answer], *, seconds: float = SECONDS
) -> list[Explanation | ReadingEnded]:
    try:
        with READING.one():
            return preview.explain_all(definition, answers, seconds=seconds)
    except WorkshopBusy as error:
        return [ReadingEnded(str(error), reason=Reason.READING_TIMEOUT) for _answer in answers]


def _answer(page: PinnedPage) -> Answer:
    body = zstandard.ZstdDecompressor().decompress(bytes(page.body), max_output_size=MAX_BODY)
    return Answer(
        url=page.final_url,
        status_code=page.status_code,
        headers=page.headers,
        body=body,
        wire_bytes=page.size,
        seconds=0.0,
        charset=page.charset,
        content_type=page.content_type,
    )


def _compared(page: PinnedPage, found: Explanation | ReadingEnded) -> PinnedChange:
    page.body = b""
    if isinstance(found, ReadingEnded):
        return PinnedChange(page=page, problem=_("It could not be read: %(detail)s") % {"detail": found})
    items = items_of(found)
    expected = cast("list[KeptItem]", page.items)
    notice = str(cause_of(found.reason).title) if found.reason else found.notice
    return PinnedChange(page=page, items=items, changes=tuple(item_changes(expected, items)), notice=notice)
