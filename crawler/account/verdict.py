"""How a crawl stands: its verdict in one word, and the account in one sentence."""

from __future__ import annotations

from django.utils.translation import gettext as _

from crawler.causes import Severity, Unit, cause_of
from crawler.engine.errors import LEFT_FOR_LATER
from crawler.models import CrawlTask
from scheduling.wording import in_a_row, told

from .amounts import amount, percent, readings
from .comparison import Comparison, pages_of
from .explanation import Found, Verdict

LEFT = frozenset(cause_of(reason).key for reason in LEFT_FOR_LATER)
"""Causes that count pages which the crawl has not been through with: they are no share of the others."""
CUTS = frozenset({"limit_depth", "limit_pages", "limit_time", "limit_host", "limit_pattern", *LEFT})
"""Causes that mean the crawl ended by a limit of its own, or of its host."""

Status = CrawlTask.Status


def verdict_of(task: CrawlTask, causes: tuple[Found, ...], comparison: Comparison | None) -> Verdict:
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
    is_cut = any(found.cause.key in CUTS for found in causes)
    return Verdict.LIMITED if is_cut else Verdict.WELL


def sentence_of(task: CrawlTask, verdict: Verdict, causes: tuple[Found, ...]) -> str:
    sentence = _of_verdict(task, verdict, causes)
    if task.spider_id is None and task.status in CrawlTask.TERMINAL and task.message:
        # How many of its spiders completed.
        return in_a_row([told(task.message), sentence])
    return sentence


def items_of(task: CrawlTask) -> str:
    """``3 readings of items``. Items of unchanged pages are still there, and no crawl counts them."""
    items = readings(task.items)
    return _("%(items)s (of new or changed pages alone)") % {"items": items} if task.pages_unchanged else items


def _of_verdict(task: CrawlTask, verdict: Verdict, causes: tuple[Found, ...]) -> str:
    values = {
        "pages": amount(Unit.PAGES, pages_of(task)),
        "items": items_of(task),
        "same": f"{task.pages_unchanged:,}",
    }
    if verdict is Verdict.WAITING:
        return told(task.message) or _("The crawl has not begun.")
    if verdict is Verdict.RUNNING:
        return _("The crawl is at work: %(pages)s and %(items)s so far.") % values
    if verdict is Verdict.CANCELLED:
        return _("The crawl was cancelled after %(pages)s and %(items)s.") % values
    if verdict is Verdict.FAILED:
        return _failed(task, causes)
    if verdict is Verdict.LIMITED:
        limit = next(found for found in causes if found.cause.key in CUTS)
        values["limit"] = str(limit.cause.title)
        return _("%(limit)s: %(pages)s read, %(items)s.") % values
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
        return _("All is well: %(pages)s, all as they were, and so are the items that they gave.") % values
    if task.pages_unchanged and not task.items:
        return _("All is well: %(pages)s, %(same)s of them as they were, and so are the items that they gave.") % values
    if task.pages_unchanged:
        told = _(
            "All is well: %(pages)s, %(same)s of them as they were, and so are the items that they gave; "
            "%(items)s on the others."
        )
        return told % (values | {"items": readings(task.items)})
    return _("All is well: %(pages)s and %(items)s.") % values


def _failed(task: CrawlTask, causes: tuple[Found, ...]) -> str:
    if causes and causes[0].severity is Severity.TROUBLE and not task.items:
        return _("The crawl failed: %(title)s. %(what)s") % {
            "title": causes[0].cause.title,
            "what": causes[0].cause.what,
        }
    first = told(task.message.strip().partition("\n")[0])
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
