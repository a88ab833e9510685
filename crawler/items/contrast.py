"""What became of a spider's items between two of its crawls.

Known for any two crawls, from the versions of items: which came, and whose value at the end of the later crawl is not
what it was at the end of the earlier one, field by field. Crawls of a spider follow each other, so what the crawls
between them did is in it.

Known of items that went, and of items that came back: when, the last time. An item that went and has come back since is
told as one that came back, and no more as one that went: its row says only how it is now.

Known of *why*, from the pages: what a page said to the newest crawl that reached it. So the reasons are whole where the
later crawl is the spider's newest; where one came after it, pages that it reached say nothing of before, and the reason
is given as not known. Nothing is guessed: an item whose page was read and gives it no more has no page any more, and it
is not known which of its fields was missing there; the crawl's own counts say that for all pages together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crawler.causes import cause_of
from crawler.engine.records import Json, PageState
from crawler.models import CrawlTask, Item, ItemVersion, Page
from crawler.shortening import shortened

from .browsing import shown
from .fieldchanges import FieldChange, changes_between

SHOWN = 100
"""Items of each kind."""
LOOKED_AT = 4_000
"""Items that were written since the earlier crawl, the first ones, and pages that failed or were not reached: in a
table of millions each of them may lie in another place of the disk."""
MOST_FIELDS = 8
"""Of one item."""
MOST_CHARACTERS = 160
"""Of one value."""
_UNREAD = (PageState.FAILED.value, PageState.REFUSED.value, PageState.PENDING.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemLine:
    pk: int
    type: str
    key: str
    """Canonical JSON."""
    changes: tuple[FieldChange, ...] = ()
    """Their values as people read them."""
    more_changes: int = 0
    """Fields that differ and are not among these."""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Items of one kind."""

    shown: list[ItemLine] = field(default_factory=list)
    total: int | None = None
    """How many there are; None: at least those that are shown, and counting them would take long."""

    @property
    def is_cut(self) -> bool:
        return self.total is None or self.total > len(self.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemContrast:
    added: Lines
    changed: Lines
    gone: Lines
    returned: Lines
    """Gone at some time before, back again by the end of the later crawl: with the value that they had, or another."""
    unseen: Lines
    """There before, not marked as gone, and not given by the later crawl."""
    has_later: bool
    """Whether a crawl came after: then some reasons, and some of the unseen, are not known any more."""
    is_sample: bool
    """Whether more items were written in between than were looked at."""
    looked_at: int
    """So many are."""


def contrast_items(
    before: CrawlTask, after: CrawlTask, between: Sequence[CrawlTask] | None, *, has_later: bool
) -> ItemContrast:
    """Look at the items; seven queries at most.

    `between`: the crawls between the two; None where they are not known. `has_later`: whether the spider has a crawl
    after the two.
    """
    since, until = _end(before), _end(after)
    written = _written(after, since)
    added = [pk for pk, first_seen in written if since < first_seen <= until]
    older = [pk for pk, first_seen in written if first_seen <= since]
    values = _values(added[:SHOWN], older[: SHOWN * 5])
    changed = _changed(older[: SHOWN * 5], values, since, until)
    is_direct = between is not None and not between
    is_sample = len(written) >= LOOKED_AT
    is_whole = not is_sample and len(older) <= SHOWN * 5
    unread, unreached = _pages(before, after)
    gone, unseen = _missing(after, since, until, pages=(unread, unreached))
    returned = _returned(after, since, until)
    is_known = len(unseen) <= SHOWN and not _is_cut(unread) and not _is_cut(unreached)
    new = None if between is None else after.items_new + sum(task.items_new for task in between)
    return ItemContrast(
        added=Lines(
            shown=[_line(values[pk]) for pk in added[:SHOWN] if pk in values],
            total=new if new is not None and new >= len(added) else _counted(len(added), is_sample=is_sample),
        ),
        changed=Lines(
            shown=changed[:SHOWN],
            total=_total(len(changed), after.items_changed if is_direct else None, is_whole=is_whole),
        ),
        gone=Lines(
            shown=[_line(item, _why(item.page, after)) for item in gone[:SHOWN]],
            total=_total(len(gone), after.items_gone if is_direct else None, is_whole=len(gone) <= SHOWN),
        ),
        returned=Lines(
            shown=[_line(item) for item in returned[:SHOWN]],
            total=_total(
                len(returned), after.items_returned if is_direct else None, is_whole=len(returned) < LOOKED_AT
            ),
        ),
        unseen=Lines(
            shown=[_line(item, _why(item.page, after)) for item in unseen[:SHOWN]],
            total=len(unseen) if is_known else None,
        ),
        has_later=has_later,
        is_sample=is_sample,
        looked_at=LOOKED_AT,
    )


def _end(task: CrawlTask) -> datetime:
    return task.finished_at or timezone.now()


def _written(after: CrawlTask, since: datetime) -> list[tuple[int, datetime]]:
    """Items that were written since, with when each was seen first: by the index of the spider's changes."""
    items = Item.objects.filter(spider=after.spider_id, changed_at__gt=since).order_by("changed_at")
    return list(items.values_list("pk", "first_seen_at")[:LOOKED_AT])


def _values(added: Sequence[int], older: Sequence[int]) -> dict[int, Item]:
    """The items, those that were there before with their data."""
    items = Item.objects.filter(pk__in=[*added, *older]).only("pk", "type", "key", "data", "changed_at")
    return {item.pk: item for item in items} if added or older else {}


def _counted(found: int, *, is_sample: bool) -> int | None:
    return None if is_sample else found


def _total(found: int, told: int | None, *, is_whole: bool) -> int | None:
    """What was counted here; else what the crawl counted, where that is not less than what is seen."""
    if is_whole:
        return found
    return told if told is not None and told >= found else None


# --- changed ----------------------------------------------------------------------------------------------------------


def _changed(pks: Sequence[int], items: Mapping[int, Item], since: datetime, until: datetime) -> list[ItemLine]:
    """Of these, those whose values at the two moments differ."""
    then, now = _values_at(pks, since, until)
    found = []
    for pk in pks:
        item = items.get(pk)
        if item is None or pk not in then:
            continue
        value = item.data if item.changed_at <= until else now.get(pk)
        changes = changes_between(then[pk], value) if value is not None else ()
        if changes:
            line = _line(item)
            found.append(
                ItemLine(
                    pk=line.pk,
                    type=line.type,
                    key=line.key,
                    changes=tuple(_readable(change) for change in changes[:MOST_FIELDS]),
                    more_changes=max(0, len(changes) - MOST_FIELDS),
                )
            )
    return found


def _values_at(
    pks: Sequence[int], since: datetime, until: datetime
) -> tuple[dict[int, Mapping[str, Json]], dict[int, Mapping[str, Json]]]:
    """Superseded values that held at each of the two moments, by item."""
    at_since = Q(valid_from__lte=since, valid_to__gt=since)
    at_until = Q(valid_from__lte=until, valid_to__gt=until)
    rows = ItemVersion.objects.filter(at_since | at_until, item__in=pks)
    then: dict[int, Mapping[str, Json]] = {}
    now: dict[int, Mapping[str, Json]] = {}
    for pk, valid_from, valid_to, data in rows.values_list("item_id", "valid_from", "valid_to", "data"):
        if valid_from <= since < valid_to:
            then[pk] = data
        if valid_from <= until < valid_to:
            now[pk] = data
    return then, now


def _readable(change: FieldChange) -> FieldChange:
    return replace(change, before=_shown(change.before), after=_shown(change.after))


def _shown(value: Json) -> str | None:
    return None if value is None else shortened(shown(value), MOST_CHARACTERS)


# --- back again -------------------------------------------------------------------------------------------------------


def _returned(after: CrawlTask, since: datetime, until: datetime) -> list[Item]:
    """Items that were known before and came back between the two, if they have not gone again by then: by the index of
    the spider's own."""
    items = Item.objects.filter(spider=after.spider_id, returned_at__gt=since, returned_at__lte=until)
    items = items.filter(Q(gone_at=None) | Q(gone_at__gt=until), first_seen_at__lte=since)
    return list(items.order_by("returned_at", "pk").only("pk", "type", "key")[:LOOKED_AT])


# --- gone, and not seen -----------------------------------------------------------------------------------------------


def _pages(before: CrawlTask, after: CrawlTask) -> tuple[QuerySet[Page], QuerySet[Page]]:
    """Through which items that were not seen are found: pages that the later crawl could not read, and those that only
    the earlier one has reached."""
    return Page.objects.filter(task=after.pk, state__in=_UNREAD), Page.objects.filter(task=before.pk)


def _is_cut(pages: QuerySet[Page]) -> bool:
    """Whether these are more than are looked at: in no order, along their index and not beyond the bound."""
    return pages[LOOKED_AT:].exists()


def _missing(
    after: CrawlTask, since: datetime, until: datetime, *, pages: Sequence[QuerySet[Page]]
) -> tuple[list[Item], list[Item]]:
    """Items that went between the two, and those of these pages that are there and were not seen; one more of each than
    is shown. One query: each kind by its own index, then the rows of all of them.
    """
    looked_at = [some.order_by("pk").values("pk")[:LOOKED_AT] for some in pages]
    present = Item.objects.filter(gone_at=None, first_seen_at__lte=since).order_by("pk")
    # In this order by the index of the spider's own: by the moment, those of all spiders would be looked through.
    gone = Item.objects.filter(spider=after.spider_id, gone_at__gt=since, gone_at__lte=until).order_by("pk")
    # Within another query each: SQLite takes no bounds in the parts of a union.
    parts = [
        Item.objects.filter(pk__in=items.values("pk")[: SHOWN + 1]).order_by().values("pk")
        for items in (gone, *(present.filter(page__in=some) for some in looked_at))
    ]
    found = list(_with_page(Item.objects.filter(pk__in=parts[0].union(*parts[1:]))))
    went = sorted((item for item in found if item.gone_at), key=lambda item: (item.gone_at, item.pk))
    unseen = sorted(
        (item for item in found if not item.gone_at), key=lambda item: (_task_of(item) != after.pk, item.pk)
    )
    return went[: SHOWN + 1], unseen[: SHOWN + 1]


def _task_of(item: Item) -> int | None:
    return None if item.page is None else item.page.task_id


def _with_page(items: QuerySet[Item]) -> QuerySet[Item]:
    pages = ("page__url", "page__task", "page__state", "page__status_code", "page__reason", "page__redirected_to")
    return items.select_related("page").only("pk", "type", "key", "page_id", "gone_at", *pages)


def _why(page: Page | None, after: CrawlTask) -> str:
    """Why the later crawl did not give an item of this page."""
    if page is None:
        return _("Its page was read and gives it no more.")
    if page.task_id is not None and page.task_id > after.pk:
        return _("Not known any more: a later crawl has been at its page.")
    if page.task_id != after.pk:
        return _("Its page was not reached.")
    title = cause_of(page.reason).title if page.reason else ""
    if page.state == PageState.REDIRECTED:
        return _("Its page leads to another one now: %(url)s") % {"url": page.redirected_to[:MOST_CHARACTERS]}
    if page.state == PageState.FAILED:
        status = f" ({page.status_code})" if page.status_code else ""
        return _("Its page failed: %(title)s%(status)s.") % {"title": title, "status": status}
    if page.state == PageState.REFUSED:
        return _("Its page was not asked for: %(title)s.") % {"title": title}
    if page.state == PageState.PENDING:
        return _("The crawl ended before it came to its page.")
    return _("Its page was read and gives it no more.")


def _line(item: Item, why: str = "") -> ItemLine:
    return ItemLine(pk=item.pk, type=item.type, key=item.key, why=why)
