"""The crawls of a period: which spiders lack something, and the causes, for the report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawler.causes import BY_KEY, cause_of
from crawler.engine.records import Json
from crawler.models import CrawlTask

from .explaining import explain
from .explanation import Explanation, Verdict

MOST_CRAWLS = 20_000
"""Of the period, the newest, whose reasons are added up."""
MOST_SPIDERS = 500
"""Whose newest crawl is explained."""
SHOWN = 20
"""Spiders and causes in the report."""
NAMED = 3
"""Spiders in its sentence."""

Status = CrawlTask.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A spider whose newest crawl of the period lacks something."""

    spider: str
    explanation: Explanation

    def to_json(self) -> dict[str, Json]:
        explanation = self.explanation
        return {
            "spider": self.spider,
            "task_id": explanation.task_id,
            "verdict": explanation.verdict.value,
            "sentence": explanation.sentence,
            "causes": [found.to_json() for found in explanation.troubles],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawls:
    """What a report says of a period's crawls."""

    crawls: int
    """That ended; those of several spiders count as one for each."""
    failed: int
    spiders: int
    """That were crawled."""
    troubles: tuple[Trouble, ...]
    causes: tuple[tuple[str, int], ...]
    """Key of the cause, and how often all crawls of the period counted it; the most frequent first."""

    @property
    def sentence(self) -> str:
        count = len(self.troubles)
        if not count:
            text = ngettext(
                "%(count)s spider was crawled: all is well.",
                "%(count)s spiders were crawled: all is well.",
                self.spiders,
            )
            return text % {"count": f"{self.spiders:,}"}
        names = ", ".join(trouble.spider for trouble in self.troubles[:NAMED])
        if count > NAMED:
            names = _("%(names)s and others") % {"names": names}
        values = {"troubled": f"{count:,}", "spiders": f"{self.spiders:,}", "names": names}
        return _("%(troubled)s of %(spiders)s crawled spiders need a look: %(names)s.") % values

    def to_json(self) -> dict[str, Json]:
        return {
            "crawls": self.crawls,
            "failed": self.failed,
            "spiders": self.spiders,
            "troubled": len(self.troubles),
            "troubles": [trouble.to_json() for trouble in self.troubles[:SHOWN]],
            "causes": [
                {"key": key, "title": str(BY_KEY[key].title), "count": count} for key, count in self.causes[:SHOWN]
            ],
        }


def crawls_of(since: datetime, until: datetime) -> Crawls:
    """The crawls that ended after `since` and not after `until`, cancelled ones left out."""
    ended = CrawlTask.objects.filter(
        spider__isnull=False,
        status__in=(Status.COMPLETED, Status.FAILED),
        finished_at__gt=since,
        finished_at__lte=until,
    )
    newest: dict[int, int] = {}
    causes: Counter[str] = Counter()
    crawls = failed = 0
    rows = ended.order_by("-pk").values_list("pk", "spider", "status", "reasons")
    for pk, spider, status, reasons in rows[:MOST_CRAWLS].iterator(chunk_size=1_000):
        crawls += 1
        failed += status == Status.FAILED
        newest.setdefault(spider, pk)
        for reason, count in reasons.items():
            causes[cause_of(reason).key] += count
    tasks = CrawlTask.objects.select_related("spider").filter(pk__in=list(newest.values())[:MOST_SPIDERS])
    return Crawls(
        crawls=crawls,
        failed=failed,
        spiders=len(newest),
        troubles=tuple(_troubles(list(tasks.order_by("spider__name")))),
        causes=tuple(causes.most_common()),
    )


def _troubles(tasks: list[CrawlTask]) -> list[Trouble]:
    troubles = []
    for task in tasks:
        explanation = explain(task)
        if task.spider is not None and explanation.verdict in (Verdict.FAILED, Verdict.LACKING):
            troubles.append(Trouble(spider=task.spider.name, explanation=explanation))
    return troubles
