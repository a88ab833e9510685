"""A crawl goes on with what the one before it had to leave: for the spider's day or hours, or for a host's long rest.

Both are one walk then. The pages of the one before, done and pending, become pages of this one, so that nothing is
asked for twice, and what is gone is judged by the walk as a whole. That holds as long as nothing came between: another
crawl of the spider, or an edit, begins anew; and so does a crawl after one that asked resting hosts in vain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.dateparse import parse_datetime

from crawler import rawsql
from crawler.engine.errors import LEFT_FOR_LATER, Reason
from crawler.engine.manners.politeness import read_hosts
from crawler.models import CrawlTask
from crawler.reading_version import rules_version

from .checkpoint import CrawlScope, lock_task

PART = 3_000
"""Pages that one transaction takes over: a tick must not wait long for the lock."""
MAX_CRAWLS = 1_000
"""Of one walk: after so many it begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What the crawls before have done of this walk."""

    task_id: int | None = None
    """The last of them; None where the walk begins."""
    pages: int = 0
    """Answers: they count for `max_pages`."""
    reasons: Counter[str] = field(default_factory=Counter)
    name: str = ""
    """The task id of the last of them, for people."""


def rests(scope: CrawlScope) -> dict[str, datetime]:
    """Hosts that asked the crawl before for a long rest, and until when: that outlives a process."""
    tasks = CrawlTask.objects.filter(spider_id=scope.spider_id, pk__lt=scope.task_id).order_by("-pk")
    stored = tasks.values_list("hosts", flat=True).first()
    found = {}
    for origin, manners in read_hosts(stored).items():
        until = parse_datetime(manners.closed_until) if manners.closed_by == Reason.HOST_REST else None
        if until is not None and until.tzinfo is not None:
            found[origin] = until
    return found


def find(scope: CrawlScope, *, max_pages: int | None) -> Before:
    """The crawls right before this one that had to leave pages, if this one goes on with them."""
    if not scope.follows_links:
        return Before()
    columns = ("pk", "task_id", "pages", "reasons", "status", "task_type", "spider_version", "hosts")
    tasks = CrawlTask.objects.filter(spider_id=scope.spider_id, pk__lt=scope.task_id).order_by("-pk")
    last, name, together, counted = None, "", 0, Counter[str]()
    for pk, task_id, pages, reasons, status, task_type, version, hosts in tasks.values_list(*columns)[:MAX_CRAWLS]:
        is_whole = status == CrawlTask.Status.COMPLETED and task_type != CrawlTask.Type.URLS
        if not is_whole or version != rules_version(scope.spider_version) or LEFT_FOR_LATER.isdisjoint(reasons):
            break
        if _asked_in_vain(pages, reasons, hosts):
            break
        last, name = (pk, task_id) if last is None else (last, name)
        together += pages
        counted.update(reasons)
    if last is None or (max_pages is not None and together >= max_pages):
        return Before()
    return Before(task_id=last, pages=together, reasons=counted, name=name)


def _asked_in_vain(pages: int, reasons: Mapping[str, int], hosts: object) -> bool:
    """Whether a crawl got nothing from the hosts whose rest was over: all that they said was to rest again. One such
    host may say so for ever; what the spider has elsewhere must not wait for it."""
    if pages or LEFT_FOR_LATER.intersection(reasons) != {Reason.HOST_REST}:
        return False
    return any(manners.requests for manners in read_hosts(hosts).values())


def take_part(scope: CrawlScope, task_id: int) -> int:
    """Take over some pages of the crawl before; how many. Until there are none; doing it again changes nothing.

    Raises:
        ClaimLost: from the guard; what was taken over by then stays so, and the next attempt takes the rest.
    """
    with transaction.atomic():
        scope.guard()
        lock_task(scope.task_id)
        return rawsql.execute(
            "UPDATE crawler_page SET task_id = %s WHERE id IN "
            "(SELECT id FROM crawler_page WHERE task_id = %s ORDER BY id LIMIT %s)",
            [scope.task_id, task_id, PART],
        )
