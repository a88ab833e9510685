"""What a page shows of a crawl, on the page of its run and on its own: how far it is, what is missing, its manners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from crawler.account import politeness
from crawler.account.amounts import amount, readings
from crawler.account.comparison import earlier_of
from crawler.account.explaining import explain
from crawler.account.explanation import Explanation, Found
from crawler.account.politeness import HostReport
from crawler.causes import Unit
from crawler.fan_out import ACTIVE
from crawler.models import CrawlTask, Page
from crawler.storing import headway
from crawler.workshop.form_labels import by_label, cause_by_label
from crawlproject.templatetags.lamplighter import STATES, is_address
from crawlproject.web.admin import breakable, linked
from scheduling.durations import duration
from scheduling.signals import RunAccount, RunLink, RunPanel

TEMPLATES = "admin/crawler/crawltask"
MOST_WAITING = 100_000
"""Pages in the frontier that are counted where the crawl has not written how many they are."""
STALE = timedelta(seconds=10)
"""What a crawl wrote longer ago says nothing of how fast it is now."""
SHOWN_BESIDE = 8
"""Hosts in the small table beside a crawl."""
USUAL = 10
"""Earlier crawls that completed, the last ones, of which the median says what is usual."""

User = AbstractBaseUser | AnonymousUser
Status = CrawlTask.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a crawl is."""

    done: int
    """Pages (of a crawl of several spiders: spiders) that it is through with."""
    total: int
    """Of what is known by now, within its `max_pages`."""
    waiting: int
    is_more: bool
    """Whether more are waiting than were counted."""
    rate: float | None
    """Pages a second."""
    left: str
    """In words, how long it will take at that rate; empty where that cannot be said."""
    quiet: str = ""
    """In words, since when nothing has come; empty while pages come."""
    at: datetime | None = None
    """When the crawl wrote this."""


def progress_of(task: CrawlTask) -> Progress:
    """One query at most."""
    if task.spider_id is None:
        total = CrawlTask.objects.filter(parent=task).count()
        done = total - task.children_left
        return Progress(done=done, total=total, waiting=task.children_left, is_more=False, rate=None, left="")
    now = timezone.now()
    seen = headway.read(task.headway)
    if seen is None or task.status not in ACTIVE:
        waiting = Page.objects.filter(task=task, state="pending").order_by()[: MOST_WAITING + 1].count()
    else:
        waiting = seen.waiting
    done = task.pages + task.pages_redirected + task.pages_refused
    coming = waiting if (most := _max_pages(task)) is None else min(waiting, max(0, most - task.pages))
    is_fresh = seen is not None and now - seen.at <= STALE and task.status == Status.RUNNING
    rate = seen.rate if seen is not None and is_fresh else None
    is_quiet = seen is not None and not is_fresh and task.status == Status.RUNNING
    return Progress(
        done=done,
        total=done + coming,
        waiting=min(waiting, MOST_WAITING) if seen is None else waiting,
        is_more=seen is None and waiting > MOST_WAITING,
        rate=rate,
        left=_left(coming, rate),
        quiet=duration((now - seen.at).total_seconds()) if seen is not None and is_quiet else "",
        at=seen.at if seen is not None else None,
    )


def _max_pages(task: CrawlTask) -> int | None:
    document = task.spider.definition if task.spider is not None else {}
    limits = document.get("limits") if isinstance(document, dict) else None
    most = limits.get("max_pages") if isinstance(limits, dict) else None
    return most if isinstance(most, int) else None


def _left(coming: int, rate: float | None) -> str:
    if not rate or not coming:
        return ""
    seconds = coming / rate
    # Whole minutes are exact enough, and do not jump about.
    rounded = max(1.0, round(seconds / 60)) * 60 if seconds >= 90 else max(1.0, round(seconds / 10) * 10 or 5)
    return _("about %(time)s left") % {"time": duration(rounded)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseRow:
    """A cause as a page tells it: by the labels of the spider's form, where programs read the document's keys."""

    found: Found
    what: str
    remedy: str


# --- an account for the page of a run ---------------------------------------------------------------------------------


def account_of(task: CrawlTask, user: User, part: str) -> RunAccount:
    """What the page of the crawl's run shows; `part` as in `scheduling.signals.run_shown`."""
    url = reverse("admin:crawler_crawltask_change", args=[task.pk])
    if part == "progress":
        return RunAccount(sentence="", url=url, panels=(progress_panel(task),))
    if part == "manners":
        return RunAccount(sentence="", url=url, panels=manners_panels(task))
    if part == "cancel":
        return RunAccount(sentence="", url=url, if_cancelled=if_cancelled(task))
    if part:
        return RunAccount(sentence="", url=url)
    earlier = earlier_of(task)
    explanation = explain(task, earlier=earlier)
    is_over = task.status in CrawlTask.TERMINAL
    panels = [] if is_over else [progress_panel(task)]
    return RunAccount(
        sentence=by_label(explanation.sentence),
        url=url,
        tone=STATES[explanation.verdict][2],
        remedy=remedy_of(task, explanation),
        links=links_of(task, explanation, user),
        buttons=(*compare_buttons(task, earlier),),
        panels=(*panels, causes_panel(task, explanation, user), *manners_panels(task)),
        facts=tuple(_facts(task, user, url)),
        usual=usual_of(earlier),
        again=again_address(task, user),
        if_cancelled=if_cancelled(task),
    )


def _facts(task: CrawlTask, user: User, url: str) -> Iterator[tuple[str, SafeString | str]]:
    """Which spider it was, in which version, and the crawl's own page."""
    if task.spider is not None:
        values = {"name": task.spider.name, "number": task.spider_version or "–"}
        yield _("Spider"), linked(_("%(name)s, version %(number)s") % values, _version_address(task, user))
    yield _("Crawl task"), format_html('<a class="ll-mono w" href="{}">{}</a>', url, breakable(task.task_id))


def _version_address(task: CrawlTask, user: User) -> str:
    """Of the version that it went by, for those who may see spiders; else nothing."""
    if task.spider_id is None or not _may(user, "crawler.view_spider"):
        return ""
    return f"{reverse('admin:crawler_spider_history', args=[task.spider_id])}#v{task.spider_version}"


def progress_panel(task: CrawlTask) -> RunPanel:
    values = {"task": task, "progress": progress_of(task), "unchanged": unchanged_of(task), "kept": kept_of(task)}
    html = render_to_string(f"{TEMPLATES}/progress.html", values)
    return RunPanel(name="progress", html=mark_safe(html), is_live=True)  # noqa: S308 - a template's


def causes_panel(task: CrawlTask, explanation: Explanation, user: User) -> RunPanel:
    causes = [
        CauseRow(found=found, what=cause_by_label(found.cause.what), remedy=cause_by_label(found.cause.remedy))
        for found in explanation.causes
    ]
    values = {"explanation": explanation, "causes": causes, "workshop": workshop_of(task, user)}
    return RunPanel(name="causes", html=mark_safe(render_to_string(f"{TEMPLATES}/causes.html", values)))  # noqa: S308


def manners_panels(task: CrawlTask) -> tuple[RunPanel, ...]:
    """None where no host was asked."""
    report = politeness.report(task, most=SHOWN_BESIDE)
    is_live = task.status == Status.RUNNING
    if not report.hosts and not is_live:
        return ()
    values = {
        "rows": [host_row(host) for host in report.hosts],
        "known": report.known,
        "more": report.known - len(report.hosts),
        "told": told_of(report.total),
        "is_live": is_live,
    }
    html = mark_safe(render_to_string(f"{TEMPLATES}/hosts.html", values))  # noqa: S308
    return (RunPanel(name="manners", html=html, is_aside=True, is_live=True),)


def remedy_of(task: CrawlTask, explanation: Explanation) -> str:
    """Of a crawl that failed: what to do about the first of its causes."""
    if task.status != Status.FAILED or not explanation.troubles:
        return ""
    return cause_by_label(explanation.troubles[0].cause.remedy)


def links_of(task: CrawlTask, explanation: Explanation, user: User) -> tuple[RunLink, ...]:
    """Of a crawl that failed or lacks something: the workshop, with a page that shows it."""
    workshop = workshop_of(task, user)
    if not workshop or not explanation.troubles or task.status not in CrawlTask.TERMINAL:
        return ()
    example = next((one.url for found in explanation.troubles for one in found.examples if is_address(one.url)), "")
    if not example:
        return ()
    return (RunLink(text=_("Open the workshop with such a page"), url=f"{workshop}?{urlencode({'url': example})}"),)


def workshop_of(task: CrawlTask, user: User) -> str:
    """Address of the spider's page, for those who may see it; else nothing."""
    if task.spider_id is None or not _may(user, "crawler.view_spider"):
        return ""
    return reverse("admin:crawler_spider_change", args=[task.spider_id])


def usual_of(earlier: Sequence[CrawlTask]) -> str:
    """A sentence about the medians of the last crawls that completed."""
    good = [each for each in earlier if each.status == Status.COMPLETED][:USUAL]
    if not good:
        return ""
    pages = amount(Unit.PAGES, round(median(each.pages for each in good)))
    whole = [each.items for each in good if not each.pages_unchanged]  # of every page
    if not whole:
        return _("Usually %(pages)s.") % {"pages": pages}
    return _("Usually %(pages)s and %(items)s.") % {
        "pages": pages,
        "items": readings(round(median(whole))),
    }


def compare_buttons(task: CrawlTask, earlier: Sequence[CrawlTask]) -> list[RunLink]:
    """With the crawl before."""
    if not earlier or task.status not in CrawlTask.TERMINAL:
        return []
    query = urlencode({"a": earlier[0].pk, "b": task.pk})
    url = f"{reverse('admin:crawler_crawltask_compare')}?{query}"
    return [RunLink(text=_("Compare with the one before"), url=url, icon="compare")]


def again_address(task: CrawlTask, user: User) -> str:
    if task.status not in CrawlTask.TERMINAL or not _may(user, "crawler.add_crawltask"):
        return ""
    return reverse("admin:crawler_crawltask_again", args=[task.pk])


def if_cancelled(task: CrawlTask) -> str:
    values = {"pages": amount(Unit.PAGES, task.pages), "items": readings(task.items)}
    if task.spider_id is None:
        return _("All crawls of its spiders that have not ended are cancelled with it; what they stored stays.")
    if not task.pages:
        return _("It has read no page yet: nothing of the spider changes.")
    return (
        _(
            "What it has read by now (%(pages)s, %(items)s) is stored and stays. No item is marked as gone, for the "
            "crawl was not through. The spider's next crawl begins anew."
        )
        % values
    )


def kept_of(task: CrawlTask) -> str:
    """Why a crawl of a site that is as it was counts no items; empty where every page was read."""
    if not task.pages_unchanged:
        return ""
    pages = amount(Unit.PAGES, task.pages_unchanged)
    return _("Unchanged: %(pages)s. Their items are still there, and are not counted here.") % {"pages": pages}


def unchanged_of(task: CrawlTask) -> int:
    """Items that were read and are what they were."""
    return max(0, task.items - task.items_new - task.items_changed)


# --- manners ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """One host in a table."""

    name: SafeString
    figures: HostReport
    use: str
    """``3 / 5``: requests under way, and how many there may be."""
    answers: str
    """The mean: ``84 ms``."""
    delay: str
    delay_by: str
    robots: int
    """Pages that were left alone because of robots.txt."""
    sentences: tuple[str, ...]


def host_row(host: HostReport) -> HostRow:
    figures = host.figures
    answers, seconds, delay = _number(figures["answers"]), _number(figures["answer_seconds"]), _number(figures["delay"])
    who = {
        "spider": _("the spider says so"),
        "robots": _("robots.txt asks for it"),
        "throttle": _("adaptive throttle"),
        "crawl": _("for another crawl"),
    }
    return HostRow(
        name=breakable(host.host.removeprefix("https://")) if host.host else format_html("{}", _("all other hosts")),
        figures=host,
        use=f"{figures['in_use']} / {figures['at_once']}" if figures["at_once"] else "–",
        answers=_("%(count)s ms") % {"count": f"{seconds / answers * 1000:,.0f}"} if answers else "–",
        delay=_("%(seconds)s s") % {"seconds": f"{delay:.3g}"} if delay else "–",
        delay_by=who.get(str(figures["delay_by"]), ""),
        robots=int(_number(figures["robots_refused"]) + _number(figures["robots_unreachable"])),
        sentences=host.sentences,
    )


def told_of(total: HostReport) -> str:
    """One sentence for all hosts: what robots.txt and the hosts asked for, and that it was kept."""
    figures = total.figures
    left = int(_number(figures["robots_refused"]) + _number(figures["robots_unreachable"]))
    refusals = int(_number(figures["too_many"]) + _number(figures["unavailable"]))
    robots = _("robots.txt obeyed: %(pages)s left alone.") % {"pages": amount(Unit.PAGES, left)} if left else ""
    if not refusals:
        rest = _("No host asked for rest.")
    else:
        values = {"answers": f"{refusals:,}", "time": duration(_number(figures["rested"]))}
        rest = _("Asked for rest by %(answers)s answers (429, 503), and rested %(time)s.") % values
    return f"{robots} {rest}".strip()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _may(user: User, permission: str) -> bool:
    return isinstance(user, PermissionsMixin) and user.has_perm(permission)
