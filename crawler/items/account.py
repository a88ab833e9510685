"""What became of one item: its versions, what each changed, and how its numbers went. Reads; writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Q, QuerySet

from crawler.engine.records import Json
from crawler.models import CrawlTask, Item, ItemVersion

from .fieldchanges import FieldChange, changes_between

EDITIONS = 100
"""Versions that are read, the newest ones."""


class Turn(StrEnum):
    """What became of an item while it had one value."""

    GONE = "gone"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One version of an item."""

    number: int
    data: Mapping[str, Json]
    since: datetime
    until: datetime | None
    """None: it is the present one."""
    task_id: int | None
    """The crawl that confirmed it last."""
    turns: tuple[tuple[Turn, datetime], ...]
    """When the item went and came back while it had this value, the newest first: as it goes, and as it did before."""
    changes: tuple[FieldChange, ...]
    """Against the version before; none for the first, and for the oldest one that is read."""


def editions_of(item: Item) -> list[Edition]:
    """The newest first, `EDITIONS` at most. One query."""
    former = list(ItemVersion.objects.filter(item=item).order_by("-number")[: EDITIONS - 1])
    present = (item.version, item.data, item.changed_at, None, item.task_id)
    rows = [present, *((row.number, row.data, row.valid_from, row.valid_to, row.task_id) for row in former)]
    before: list[Mapping[str, Json] | None] = [*(row.data for row in former), None]
    return [
        Edition(
            number=number_,
            data=data,
            since=since,
            until=until,
            task_id=task_id,
            turns=_turns(item, since, until),
            changes=() if older is None else changes_between(older, data),
        )
        for (number_, data, since, until, task_id), older in zip(rows, before, strict=True)
    ]


def crawls_of(item: Item, editions: Sequence[Edition]) -> dict[int, CrawlTask]:
    """By number of a version, the crawl that found it first: with its key and its name. Two queries at most.

    A version names the crawl that confirmed it last, which may have begun later.
    """
    named = _brief(CrawlTask.objects.filter(pk__in={edition.task_id for edition in editions if edition.task_id}))
    tasks = {task.pk: task for task in named}
    found: dict[int, CrawlTask] = {}
    others: dict[int, datetime] = {}
    for edition in editions:
        task = tasks.get(edition.task_id or 0)
        if task is None:
            continue
        if task.started_at is None or task.started_at <= edition.since:
            found[edition.number] = task
        else:
            others[edition.number] = edition.since
    if others:
        found |= _at_work(item, others)
    return found


def _at_work(item: Item, moments: Mapping[int, datetime]) -> dict[int, CrawlTask]:
    """The spider's crawls at these moments, the newest of several; none where its row is not kept."""
    at_one = Q()
    for moment in moments.values():
        at_one |= Q(started_at__lte=moment) & (Q(finished_at__gte=moment) | Q(finished_at=None))
    tasks = list(_brief(CrawlTask.objects.filter(at_one, spider=item.spider_id)).order_by("pk"))
    return {
        number: task
        for number, moment in moments.items()
        for task in tasks
        if task.started_at and task.started_at <= moment and (task.finished_at is None or task.finished_at >= moment)
    }


def _brief(tasks: QuerySet[CrawlTask]) -> QuerySet[CrawlTask]:
    return tasks.only("task_id", "started_at", "finished_at")


def _turns(item: Item, since: datetime, until: datetime | None) -> tuple[tuple[Turn, datetime], ...]:
    turns = ((Turn.GONE, item.gone_at), (Turn.RETURNED, item.returned_at), (Turn.GONE, item.went_at))
    return tuple(
        (turn, moment)
        for turn, moment in turns
        if moment is not None and since <= moment and (until is None or moment < until)
    )


def times_changed(editions: Sequence[Edition]) -> Mapping[str, int]:
    """How often each field changed in these versions."""
    return Counter(change.name for edition in editions for change in edition.changes)
