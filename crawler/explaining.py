"""Explain a crawl: how it ended in one sentence, what is missing and why, with examples and what to do.

One answer for the API, the admin, the commands and the report. Everything is read from what the crawl has stored; a
crawl in progress is explained as far as it has come.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from django.utils.translation import gettext as _

from .causes import BY_KEY, Cause, Severity, cause_of
from .comparison import Comparison, compare, last_reading, pages_of
from .engine.errors import Reason
from .explanation import FEW, Example, Explanation, Found, Unit, Verdict, amount, percent
from .models import CrawlTask, Item, Page, TaskFailure
from .rule_findings import RuleFinding, empty_fields, find, follows_nothing, still_idle

__all__ = ["Example", "Explanation", "Found", "Unit", "Verdict", "explain"]

MAX_EXAMPLES = 3
"""Pages that are named a cause."""
MANY_STARTS = 1_000
"""Pages: a crawl that read more did not fail for its start pages."""
MANY = 0.2
"""Dead links with a greater share are trouble."""

Status = CrawlTask.Status
_PLACES = {key: place for place, key in enumerate(BY_KEY)}


def explain(task: CrawlTask) -> Explanation:
    """The account of a task, in the active language. A dozen queries at most, whatever the crawl's size."""
    own = {found.cause.key: found for found in _causes(task)}
    causes = tuple(sorted({**_standing(task), **own}.values(), key=_weight))
    comparison = compare(task)
    verdict = _verdict(task, causes, comparison)
    return Explanation(
        task_id=task.task_id,
        status=task.status,
        verdict=verdict,
        sentence=_sentence(task, verdict, causes),
        causes=causes,
        comparison=comparison,
    )


# --- causes -----------------------------------------------------------------------------------------------------------

_NO_ANSWER = (
    *(Reason.DNS_ERROR, Reason.CONNECT_ERROR, Reason.CONNECT_TIMEOUT, Reason.READ_TIMEOUT, Reason.TOTAL_TIMEOUT),
    *(Reason.TLS_ERROR, Reason.PROXY_ERROR, Reason.CONNECTION_LOST, Reason.PROTOCOL_ERROR),
    *(Reason.BODY_TOO_LARGE, Reason.BODY_TRUNCATED, Reason.BODY_UNDECODABLE),
)
_UNITS = {
    "no_url": Unit.LINKS,
    "out_of_scope": Unit.LINKS,
    "limit_depth": Unit.LINKS,
    "nofollow": Unit.LINKS,
    "trap": Unit.LINKS,
    "sitemap": Unit.SITEMAPS,
    "missing_required": Unit.ITEMS,
    "missing_key": Unit.ITEMS,
    "duplicate_key": Unit.ITEMS,
    "key_conflict": Unit.ITEMS,
    "empty_field": Unit.ITEMS,
    "unreadable_value": Unit.VALUES,
}
"""By the cause's key; pages for all others."""
_OF_CONTENT = frozenset({"missing_required", "missing_key", "unreadable_value", "nothing_matched", "javascript"})
"""Causes that lie in the pages themselves, and so stay while these are unchanged."""
_LEFT = frozenset({"day_budget", "quiet_hours", "host_rest"})
"""Causes that count pages which the crawl has not been through with: they are no share of the others."""
_LIMITS = {"max_pages": "limit_pages", "max_seconds": "limit_time"}
_STOPPED = re.compile(rf"Stopped at ({'|'.join(_LIMITS)}) =")
_CUTS = frozenset({"limit_depth", "limit_pages", "limit_time", "limit_host", "limit_pattern", *_LEFT})
"""Causes that mean the crawl ended by a limit of its own, or of its host."""


def _causes(task: CrawlTask) -> Iterable[Found]:
    counted: dict[str, Counter[str]] = {}
    for reason, count in task.reasons.items():
        counted.setdefault(cause_of(reason).key, Counter())[reason] += count
    findings = find(task)
    for finding in findings:
        counted.setdefault(finding.key, Counter())
    examples = _examples(task, counted)
    blamed = _blamed(task)
    for key, reasons in counted.items():
        yield _found(task, BY_KEY[key], reasons, findings, examples.get(key, ()), is_blamed=key in blamed)
    if follows_nothing(task) and not counted.keys() & _LEFT:
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
    unit = _UNITS.get(cause.key, Unit.PAGES)
    count = reasons.total() or sum(finding.count for finding in own)
    items = task.items + task.items_rejected
    whole = {Unit.PAGES: _pages(task), Unit.ITEMS: items, Unit.VALUES: items}.get(unit, 0)
    part = min(count / whole, 1.0) if whole else None
    return Found(
        cause=cause,
        severity=Severity.TROUBLE if is_blamed else _severity(task, cause, part),
        count=count,
        unit=unit,
        # An item has many values: how many there were in all is not known.
        share=None if unit is Unit.VALUES or cause.key in _LEFT else part,
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
    unanswered: int = sum(task.reasons.get(reason, 0) for reason in _NO_ANSWER)
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


def _examples(task: CrawlTask, counted: Mapping[str, Counter[str]]) -> dict[str, list[Example]]:
    """Up to `MAX_EXAMPLES` a cause; of a crawl of several spiders, from all of them."""
    which = {"task": task} if task.spider_id is not None else {"task__parent": task}
    rows = TaskFailure.objects.filter(**which).order_by("id").values_list("reason", "url", "status_code", "detail")
    examples: dict[str, list[Example]] = {}
    for reason, url, status_code, detail in rows[:2_000]:
        of_cause = examples.setdefault(cause_of(reason).key, [])
        if len(of_cause) < MAX_EXAMPLES and all(url != example.url for example in of_cause):
            of_cause.append(Example(url, status_code, detail))
    if "idle_rule" in counted:
        examples["idle_rule"] = _read_pages(task)  # what its match could be compared with
    lacking = [reason for key, reasons in counted.items() if key not in examples for reason in reasons]
    if lacking and task.spider_id is not None:
        # The first thousand failures left no room for it.
        pages = Page.objects.filter(task=task, state__in=("failed", "refused"), reason__in=lacking)
        for reason, url, status_code in pages.values_list("reason", "url", "status_code")[:50]:
            of_cause = examples.setdefault(cause_of(reason).key, [])
            if len(of_cause) < MAX_EXAMPLES:
                of_cause.append(Example(url, status_code, ""))
    return examples


# --- in one sentence --------------------------------------------------------------------------------------------------


def _verdict(task: CrawlTask, causes: tuple[Found, ...], comparison: Comparison | None) -> Verdict:
    simple = {
        Status.PENDING: Verdict.WAITING,
        Status.RUNNING: Verdict.RUNNING,
        Status.FAILED: Verdict.FAILED,
        Status.CANCELLED: Verdict.CANCELLED,
    }.get(Status(task.status))
    if simple is not None:
        return simple
    if any(found.severity is Severity.TROUBLE for found in causes) or (comparison is not None and comparison.is_bad):
        return Verdict.LACKING
    is_cut = any(found.cause.key in _CUTS for found in causes)
    return Verdict.LIMITED if is_cut else Verdict.WELL


def _sentence(task: CrawlTask, verdict: Verdict, causes: tuple[Found, ...]) -> str:
    sentence = _of_verdict(task, verdict, causes)
    if task.spider_id is None and task.status in CrawlTask.TERMINAL and task.message:
        # How many of its spiders completed.
        return f"{task.message} {sentence}"
    return sentence


def _of_verdict(task: CrawlTask, verdict: Verdict, causes: tuple[Found, ...]) -> str:
    values = {
        "pages": amount(Unit.PAGES, pages_of(task)),
        "items": amount(Unit.ITEMS, task.items),
        "same": f"{task.pages_unchanged:,}",
    }
    if verdict is Verdict.WAITING:
        return task.message or _("The crawl has not begun.")
    if verdict is Verdict.RUNNING:
        return _("The crawl is at work: %(pages)s and %(items)s so far.") % values
    if verdict is Verdict.CANCELLED:
        return _("The crawl was cancelled after %(pages)s and %(items)s.") % values
    if verdict is Verdict.FAILED:
        return _failed(task, causes)
    if verdict is Verdict.LIMITED:
        limit = next(found for found in causes if found.cause.key in _CUTS)
        values["limit"] = str(limit.cause.title)
        return _("%(limit)s: %(pages)s read, %(items)s found.") % values
    if verdict is Verdict.LACKING:
        return _lacking(task, causes, values)
    return _well(task, causes, values)


def _well(task: CrawlTask, causes: tuple[Found, ...], values: dict[str, str]) -> str:
    sentence = _of_pages(task, values)
    if causes and causes[0].severity is Severity.WATCH:
        sentence += " " + _("Worth a look: %(title)s.") % {"title": causes[0].cause.title}
    return sentence


def _of_pages(task: CrawlTask, values: dict[str, str]) -> str:
    if task.pages_unchanged and pages_of(task) == task.pages_unchanged:
        return _("All is well: %(pages)s, all as they were.") % values
    if task.pages_unchanged:
        return _("All is well: %(pages)s, %(same)s of them as they were, and %(items)s read.") % values
    return _("All is well: %(pages)s and %(items)s.") % values


def _failed(task: CrawlTask, causes: tuple[Found, ...]) -> str:
    if causes and causes[0].severity is Severity.TROUBLE and not task.items:
        return _("The crawl failed: %(title)s. %(what)s") % {
            "title": causes[0].cause.title,
            "what": causes[0].cause.what,
        }
    first = task.message.strip().partition("\n")[0]
    return _("The crawl failed: %(message)s") % {"message": first} if first else _("The crawl failed.")


def _lacking(task: CrawlTask, causes: tuple[Found, ...], values: dict[str, str]) -> str:
    worst = causes[0] if causes and causes[0].severity is Severity.TROUBLE else None
    if worst is None:
        return _("%(pages)s and %(items)s: far fewer than the crawl before.") % values
    values["title"] = str(worst.cause.title)
    if worst.share is None:
        return _("%(pages)s and %(items)s, but something is missing: %(title)s.") % values
    values["share"] = percent(worst.share)
    if not task.items and not task.pages_unchanged:
        return _("%(pages)s and not one item: %(title)s (%(share)s).") % values
    return _("%(pages)s and %(items)s, but something is missing: %(title)s (%(share)s).") % values
