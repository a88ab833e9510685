"""Explain a crawl: how it ended in one sentence, what is missing and why, with examples and what to do.

One answer for the API, the admin, the commands and the report. Everything is read from what the crawl has stored; a
crawl in progress is explained as far as it has come.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import NamedTuple

from django.utils.translation import gettext as _

from crawler.causes import BY_KEY, Cause, Severity, Unit, cause_of
from crawler.engine.errors import NO_ANSWER
from crawler.models import CrawlTask, Item, Page, TaskFailure

from .comparison import compare, compare_with, completed_before, last_reading, pages_of
from .explanation import FEW, MAX_EXAMPLES, Example, Explanation, Found, Verdict
from .rule_findings import RuleFinding, empty_fields, find, follows_nothing, still_idle
from .verdict import LEFT, sentence_of, verdict_of

FAILURES = 2_000
"""That are looked at for examples."""
MANY_STARTS = 1_000
"""Pages: a crawl that read more did not fail for its start pages."""
MANY = 0.2
"""Dead links with a greater share are trouble."""

Status = CrawlTask.Status
_PLACES = {key: place for place, key in enumerate(BY_KEY)}
_OF_CONTENT = frozenset({"missing_required", "missing_key", "unreadable_value", "nothing_matched", "javascript"})
"""Causes that lie in the pages themselves, and so stay while these are unchanged."""
_NO_SHARE = frozenset({"none_read"})
"""Causes that count items which the crawl did not read: they are no share of those that it did."""
_LIMITS = {"max_pages": "limit_pages", "max_seconds": "limit_time"}
_UNANSWERED = re.compile(r"No start page answered: \S+: ([a-z0-9_]+)(?!\S)")
_STOPPED = re.compile(rf"Stopped at ({'|'.join(_LIMITS)}) =")


class Failure(NamedTuple):
    """A page that failed, or gave something that was left out."""

    reason: str
    url: str
    status_code: int | None
    detail: str


def explain(
    task: CrawlTask, *, earlier: Sequence[CrawlTask] | None = None, failures: Sequence[Failure] | None = None
) -> Explanation:
    """The account of a task, in the active language. A dozen queries at most, whatever the crawl's size.

    Who has asked `earlier_of` and `failures_of` already gives what they said.
    """
    own = {found.cause.key: found for found in _causes(task, failures)}
    causes = tuple(sorted({**_standing(task), **own}.values(), key=_weight))
    comparison = compare(task, earlier)
    verdict = verdict_of(task, causes, comparison)
    return Explanation(
        task_id=task.task_id,
        status=task.status,
        verdict=verdict,
        sentence=sentence_of(task, verdict, causes),
        causes=causes,
        comparison=comparison,
    )


def falls_short(task: CrawlTask) -> bool:
    """Whether something is missing of a spider's crawl that has done its work, by what it counted and beside the crawl
    before it. Two queries at most."""
    done = copy(task)
    done.status = Status.COMPLETED
    before = None if task.task_type == CrawlTask.Type.URLS else completed_before(done)
    return at_a_glance(done, before).verdict is Verdict.LACKING


def at_a_glance(task: CrawlTask, before: CrawlTask | None) -> Explanation:
    """The account of one spider's crawl as far as its own row tells, and that of the crawl before: no query.

    What only its pages tell, or the spider's document, is left out, and so are examples.
    """
    blamed = _blamed_by_message(task)
    found = [
        _found(task, BY_KEY[key], reasons, [], (), is_blamed=key in blamed) for key, reasons in _counted(task).items()
    ]
    causes = tuple(sorted(found, key=_weight))
    both = before is not None and Status.COMPLETED == task.status == before.status
    comparison = compare_with(task, before) if both and before is not None else None
    verdict = verdict_of(task, causes, comparison)
    return Explanation(
        task_id=task.task_id,
        status=task.status,
        verdict=verdict,
        sentence=sentence_of(task, verdict, causes),
        causes=causes,
        comparison=comparison,
    )


def _counted(task: CrawlTask) -> dict[str, Counter[str]]:
    """The reasons of a crawl under the keys of their causes."""
    counted: dict[str, Counter[str]] = {}
    for reason, count in task.reasons.items():
        counted.setdefault(cause_of(reason).key, Counter())[reason] += count
    return counted


def _causes(task: CrawlTask, failures: Sequence[Failure] | None = None) -> Iterable[Found]:
    counted = _counted(task)
    findings = find(task)
    for finding in findings:
        counted.setdefault(finding.key, Counter())
    examples = _examples(task, counted, failures_of(task) if failures is None else failures)
    examples |= {finding.key: list(finding.examples) for finding in findings if finding.examples}
    blamed = _blamed(task)
    for key, reasons in counted.items():
        yield _found(task, BY_KEY[key], reasons, findings, examples.get(key, ()), is_blamed=key in blamed)
    if follows_nothing(task) and not counted.keys() & LEFT:
        yield _nothing_followed(task)
    yield from _limits(task)
    yield from _empty(task)


def _standing(task: CrawlTask) -> dict[str, Found]:
    """What an earlier crawl found wanting in pages that this one has found unchanged, and so has not read."""
    base = last_reading(task)
    if base is None:
        return {}
    told = _("So it was found by crawl %(task)s: the pages have not changed since.") % {"task": base.task_id}
    found = {each.cause.key: each for each in _causes(base) if each.cause.key in _OF_CONTENT}
    idle = still_idle(base)
    if idle:
        found["idle_rule"] = _still_idle(task, idle)
    return {key: replace(each, details=(*each.details, told)) for key, each in found.items()}


def _still_idle(task: CrawlTask, kinds: list[str]) -> Found:
    cause = BY_KEY["idle_rule"]
    has_items = Item.objects.filter(spider=task.spider_id).exists()
    return Found(
        cause=cause,
        severity=Severity.WATCH if has_items else Severity.TROUBLE,
        count=pages_of(task),
        unit=Unit.PAGES,
        share=1.0,
        details=tuple(_("“%(type)s” was tried on no page.") % {"type": kind} for kind in kinds),
        examples=tuple(_read_pages(task)),
    )


def _found(
    task: CrawlTask,
    cause: Cause,
    reasons: Counter[str],
    findings: list[RuleFinding],
    examples: Iterable[Example],
    *,
    is_blamed: bool,
) -> Found:
    own = [finding for finding in findings if finding.key == cause.key]
    count = reasons.total() or sum(finding.count for finding in own)
    items = task.items + task.items_rejected
    whole = {Unit.PAGES: _pages(task), Unit.ITEMS: items, Unit.VALUES: items}.get(cause.unit, 0)
    part = min(count / whole, 1.0) if whole and cause.key not in _NO_SHARE else None
    return Found(
        cause=cause.at_start() if is_blamed else cause,
        severity=Severity.TROUBLE if is_blamed else _severity(task, cause, part),
        count=count,
        unit=cause.unit,
        # An item has many values: how many there were in all is not known.
        share=None if cause.unit is Unit.VALUES or cause.key in LEFT else part,
        reasons=reasons,
        details=tuple(finding.sentence for finding in own),
        examples=tuple(examples),
    )


def _severity(task: CrawlTask, cause: Cause, share: float | None) -> Severity:
    is_barren = not task.items and not task.pages_unchanged
    if is_barren and (cause.key == "idle_rule" or (cause.key == "not_html" and share is not None and share > MANY)):
        return Severity.TROUBLE
    if cause.severity is Severity.TROUBLE and share is not None and share < FEW:
        return Severity.WATCH
    if cause.key == "not_found" and share is not None and share > MANY:
        return Severity.TROUBLE
    return cause.severity


def _pages(task: CrawlTask) -> int:
    """All pages that the crawl was through with, answered or not."""
    unanswered: int = sum(task.reasons.get(reason, 0) for reason in NO_ANSWER)
    return pages_of(task) + task.pages_redirected + task.pages_refused + unanswered


def _weight(found: Found) -> tuple[int, float, int, int]:
    """Of equal ones the order of the causes decides: a database may give the counts in any order."""
    order = list(Severity).index(found.severity)
    return order, -(found.share or 0.0), -found.count, _PLACES[found.cause.key]


def _blamed(task: CrawlTask) -> set[str]:
    """Causes of a crawl that failed for its start pages."""
    if task.status != Status.FAILED:
        return set()
    if task.pages > MANY_STARTS:
        return set()
    pages = Page.objects.filter(task=task, depth=0, state__in=("failed", "refused"))
    return {cause_of(reason).key for reason in pages.values_list("reason", flat=True)[:100]}


def _blamed_by_message(task: CrawlTask) -> set[str]:
    """The same as far as the task's message tells: the cause that it names."""
    unanswered = _UNANSWERED.match(task.message) if task.status == Status.FAILED else None
    return set() if unanswered is None else {cause_of(unanswered[1]).key}


def _nothing_followed(task: CrawlTask) -> Found:
    cause = BY_KEY["nothing_followed"]
    read = _read_pages(task)
    return Found(
        cause=cause, severity=cause.severity, count=task.pages, unit=Unit.PAGES, share=None, examples=tuple(read)
    )


def _read_pages(task: CrawlTask) -> list[Example]:
    """Some that were read, for people to look at."""
    pages = Page.objects.filter(task=task, state__in=("done", "unchanged"), reason="").order_by("-id")
    return [Example(url, code, "") for url, code in pages.values_list("url", "status_code")[:MAX_EXAMPLES]]


def _limits(task: CrawlTask) -> Iterable[Found]:
    """The limit that ended the crawl: what is left of its frontier was not fetched."""
    if task.status not in (Status.COMPLETED, Status.FAILED) or task.spider_id is None:
        return
    stopped = _STOPPED.search(task.message)
    if stopped is not None:
        cause = BY_KEY[_LIMITS[stopped[1]]]
        left = Page.objects.filter(task=task, state="pending").count()
        yield Found(cause=cause, severity=cause.severity, count=left, unit=Unit.PAGES, share=None)


def _empty(task: CrawlTask) -> Iterable[Found]:
    """Fields that are empty in nearly all items: of the newest crawl alone, for items have no memory of others."""
    fields = empty_fields(task)
    if fields:
        cause = BY_KEY["empty_field"]
        yield Found(
            cause=cause,
            severity=cause.severity,
            count=sum(each.count for each in fields),
            unit=Unit.ITEMS,
            share=None,
            details=tuple(each.sentence for each in fields),
        )


def failures_of(task: CrawlTask) -> list[Failure]:
    """The first ones; of a crawl of several spiders, of all of them. One query."""
    which = {"task": task} if task.spider_id is not None else {"task__parent": task}
    rows = TaskFailure.objects.filter(**which).order_by("id").values_list(*Failure._fields)
    return [Failure(*row) for row in rows[:FAILURES]]


def _examples(
    task: CrawlTask, counted: Mapping[str, Counter[str]], failures: Iterable[Failure]
) -> dict[str, list[Example]]:
    """Up to `MAX_EXAMPLES` a cause."""
    examples: dict[str, list[Example]] = {}
    for reason, url, status_code, detail in failures:
        of_cause = examples.setdefault(cause_of(reason).key, [])
        if len(of_cause) < MAX_EXAMPLES and all(url != example.url for example in of_cause):
            of_cause.append(Example(url, status_code, detail))
    lacking = [reason for key, reasons in counted.items() if key not in examples for reason in reasons]
    if lacking and task.spider_id is not None:
        # The first thousand failures left no room for it.
        pages = Page.objects.filter(task=task, state__in=("failed", "refused"), reason__in=lacking)
        for reason, url, status_code in pages.values_list("reason", "url", "status_code")[:50]:
            of_cause = examples.setdefault(cause_of(reason).key, [])
            if len(of_cause) < MAX_EXAMPLES:
                of_cause.append(Example(url, status_code, ""))
    return examples
