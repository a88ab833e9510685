"""A crawl beside the one before it: did it find far less?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from crawler.causes import Unit
from crawler.engine.errors import LEFT_FOR_LATER, Reason
from crawler.engine.records import Json
from crawler.models import CrawlTask

from .amounts import amount

HALF = 0.5
"""A fall to less than this share of the crawl before is told."""
HARDLY = 0.1
"""Of all pages: what so few that changed have changed in a crawl's causes is left aside."""
EARLIER = 30
"""Crawls before one that are looked at."""
MOST_BEFORE = 1_000
"""Crawls before one among which the last is looked for that read every page."""
MOST_BETWEEN = 100
"""Crawls since then that are looked at."""
_HEAVY = ("hosts", "rules", "headway", "targets")
ENOUGH = 10
"""Pages or items of the crawl before: what falls from fewer says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """With the newest crawl of the same spider that completed before."""

    task_id: str
    pages: int
    items: int
    """Of the crawl before."""
    sentences: tuple[str, ...]
    is_bad: bool
    """Whether far less was found."""

    def to_json(self) -> dict[str, Json]:
        return {
            "task_id": self.task_id,
            "pages": self.pages,
            "items": self.items,
            "sentences": list(self.sentences),
            "is_bad": self.is_bad,
        }


def pages_of(task: CrawlTask) -> int:
    """Answers, and the pages of which a sitemap said that they are as they were."""
    rested: int = task.reasons.get(Reason.LASTMOD_UNCHANGED, 0)
    return task.pages + rested


def last_reading(task: CrawlTask) -> CrawlTask | None:
    """The crawl that read the pages of one which found most of them unchanged; None where that cannot be said.

    It read every page by the same version of the spider, and hardly one has changed since.
    """
    if task.pages_unchanged * 2 <= pages_of(task) or task.status != CrawlTask.Status.COMPLETED:
        return None
    between: list[CrawlTask] = []
    for each in _like(task):
        if each.pages and not each.pages_unchanged:
            read_since = sum(pages_of(one) - one.pages_unchanged for one in (task, *between[:MOST_BETWEEN]))
            # With its spider and its rules, which the others are read without.
            found = CrawlTask.objects.select_related("spider").filter(pk=each.pk)
            return found.first() if read_since <= each.pages * HARDLY else None
        between.append(each)
    return None


def _like(task: CrawlTask) -> Iterator[CrawlTask]:
    """The crawls before one that completed by the same version of the spider, the newest first.

    Chosen here, not by the database: asked for the last one of such a kind, PostgreSQL looks through the crawls of all
    spiders, or through all of this one, where there is none.
    """
    rows = _before(task).only("pages", "pages_unchanged", "reasons", "spider_version", "status").order_by("-pk")
    for first, end in ((0, MOST_BETWEEN), (MOST_BETWEEN, MOST_BEFORE)):
        found = list(rows[first:end])
        for each in found:
            if each.status == CrawlTask.Status.COMPLETED and each.spider_version == task.spider_version:
                yield each
        if len(found) < end - first:
            return


def earlier_of(task: CrawlTask) -> list[CrawlTask]:
    """The crawls of the same spider before one, the newest first, `EARLIER` at most; none where they say nothing of it.

    One query.
    """
    if task.spider_id is None or task.task_type == CrawlTask.Type.URLS:
        return []
    return list(_before(task).defer(*_HEAVY).order_by("-pk")[:EARLIER])


def compare(task: CrawlTask, earlier: Sequence[CrawlTask] | None = None) -> Comparison | None:
    """None where the crawl has not completed, or none before it has. `earlier` is what `earlier_of` gives."""
    if task.status != CrawlTask.Status.COMPLETED:
        return None
    before = completed_before(task, earlier)
    return None if before is None else compare_with(task, before)


def completed_before(task: CrawlTask, earlier: Sequence[CrawlTask] | None = None) -> CrawlTask | None:
    """The newest crawl of the spider before one that completed. Two queries at most; `earlier` as for `compare`."""
    known = earlier_of(task) if earlier is None else earlier
    before = next((each for each in known if each.status == CrawlTask.Status.COMPLETED), None)
    if before is None and len(known) == EARLIER:
        older = _before(task).filter(pk__lt=known[-1].pk, status=CrawlTask.Status.COMPLETED)
        before = older.defer(*_HEAVY).order_by("-pk").first()
    return before


def _before(task: CrawlTask) -> QuerySet[CrawlTask]:
    """By the index of each spider's crawls."""
    return CrawlTask.objects.filter(spider=task.spider_id, pk__lt=task.pk).exclude(task_type=CrawlTask.Type.URLS)


def compare_with(task: CrawlTask, before: CrawlTask) -> Comparison:
    """The same with a crawl that is at hand: both completed, neither of given addresses alone. No query."""
    sentences = [] if is_part(task) or is_part(before) else _falls(task, before)
    is_bad = bool(sentences)
    if is_bad and None not in (task.spider_version, before.spider_version):
        if task.spider_version != before.spider_version:
            values = {"before": before.spider_version, "now": task.spider_version}
            text = _("The spider's definition was changed in between (version %(before)d, now %(now)d).") % values
        else:
            text = _("The spider's definition is the same: it is the site that has changed.")
        sentences.append(text)
    return Comparison(
        task_id=before.task_id,
        pages=pages_of(before),
        items=before.items,
        sentences=tuple(sentences),
        is_bad=is_bad,
    )


def is_part(task: CrawlTask) -> bool:
    """Whether the crawl left pages for another time, and so says nothing of how many there are.

    The next one goes on with these, and is no measure either: it is compared with this.
    """
    return "Stopped at" in task.message or not LEFT_FOR_LATER.isdisjoint(task.reasons)


def _falls(task: CrawlTask, before: CrawlTask) -> list[str]:
    sentences: list[str] = []
    now, then = pages_of(task), pages_of(before)
    if then >= ENOUGH and now < then * HALF:
        values = {"now": amount(Unit.PAGES, now), "before": f"{then:,}"}
        sentences.append(_("%(now)s, where the crawl before read %(before)s.") % values)
    # A page that is unchanged is not read again, and gives its items to no count.
    is_whole = not task.pages_unchanged and not before.pages_unchanged
    if is_whole and before.items >= ENOUGH and task.items < before.items * HALF:
        values = {"now": amount(Unit.ITEMS, task.items), "before": f"{before.items:,}"}
        sentences.append(_("%(now)s, where the crawl before found %(before)s.") % values)
    return sentences
