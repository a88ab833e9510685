"""The politeness report of a crawl: what each host was asked, how fast, what it wanted, and what was done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawler.engine.manners.politeness import OTHERS, HostManners, finite, merged, read_hosts
from crawler.engine.manners.slots import MAX_ROBOTS_DELAY
from crawler.engine.records import Json
from crawler.models import CrawlTask
from crawler.storing.host_days import calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """One host, or (its name empty) all others together."""

    host: str
    figures: Mapping[str, Json]
    """Every figure of `engine.manners.politeness.HostManners` by its name; None for what never happened."""
    sentences: tuple[str, ...]
    """The same for people, what did not happen left out."""

    def to_json(self) -> dict[str, Json]:
        return {"host": self.host, **self.figures, "sentences": list(self.sentences)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolitenessReport:
    """How a crawl, or the crawls of a parent together, treated their hosts."""

    total: HostReport
    """All hosts together."""
    hosts: tuple[HostReport, ...]
    """The busiest first; those beyond the first 500 are one entry, the last. No more than were asked for."""
    known: int
    """How many there are of them in all."""

    def to_json(self) -> dict[str, Json]:
        return {"total": self.total.to_json(), "hosts": [host.to_json() for host in self.hosts]}


def report(task: CrawlTask, *, most: int | None = None) -> PolitenessReport:
    """The report of a task as far as it has been stored; of a crawl of several spiders, that of its children.

    `most`: so many hosts are described, the busiest; by default all.
    """
    stored: object = task.hosts
    if task.spider_id is None:
        stored = {}
        for hosts in CrawlTask.objects.filter(parent=task).values_list("hosts", flat=True).iterator():
            stored = merged(stored, read_hosts(hosts))
    by_host = read_hosts(stored)
    others = by_host.pop(OTHERS, None)
    entries = sorted(by_host.items(), key=lambda entry: (-entry[1].requests, entry[0]))
    if others is not None:
        entries.append((OTHERS, others))
    total = HostManners()
    for _host, manners in entries:
        total.add(manners)
    total.forget_state()
    return PolitenessReport(
        total=_describe(OTHERS, total),
        hosts=tuple(_describe(host, manners) for host, manners in entries[:most]),
        known=len(entries),
    )


def _describe(host: str, manners: HostManners) -> HostReport:
    figures: dict[str, Json] = {}
    for field in fields(manners):
        value = getattr(manners, field.name)
        figures[field.name] = finite(value) if isinstance(value, float) else value
    return HostReport(
        host=host, figures=figures, sentences=tuple(text for tell in _SENTENCES for text in tell(manners))
    )


def _requests(manners: HostManners) -> Iterator[str]:
    if not manners.requests:
        yield _("No page was asked for.")
        return
    asked = ngettext("%(count)s request", "%(count)s requests", manners.requests) % {"count": f"{manners.requests:,}"}
    if manners.robots_requests:
        asked = _("%(asked)s and %(robots)s for robots.txt") % {"asked": asked, "robots": manners.robots_requests}
    values = {"asked": asked, "rate": f"{manners.peak_rate:,}", "at_once": f"{manners.peak_concurrency:,}"}
    sentence = _("%(asked)s, at most %(rate)s in a second and %(at_once)s at once.")
    if max(manners.peak_rate, manners.peak_concurrency) > manners.requests + manners.robots_requests:
        # The host's slot is one for all crawls of the process, and so are its peaks.
        sentence = _("%(asked)s; with other crawls the host had at most %(rate)s in a second and %(at_once)s at once.")
    yield sentence % values


def _delay(manners: HostManners) -> Iterator[str]:
    if manners.delay > 0:
        who = {
            "spider": _("as the spider says"),
            "robots": _("as robots.txt asks"),
            "throttle": _("as the adaptive throttle found right"),
            "crawl": _("as another crawl of the same host wants"),
        }
        values = {"delay": _seconds(manners.delay), "who": who.get(manners.delay_by, "")}
        yield _("Requests began at least %(delay)s s apart, %(who)s.") % values
    if manners.rules_delay > MAX_ROBOTS_DELAY:
        values = {"asked": _seconds(manners.rules_delay), "most": _seconds(MAX_ROBOTS_DELAY)}
        yield _("robots.txt asks for %(asked)s s between requests; longer than %(most)s s is not waited.") % values


def _rests(manners: HostManners) -> Iterator[str]:
    if manners.too_many or manners.unavailable:
        values = {"too_many": f"{manners.too_many:,}", "unavailable": f"{manners.unavailable:,}"}
        yield _("Answers 429 (too many requests): %(too_many)s; 503 (overloaded): %(unavailable)s.") % values
    if manners.rests:
        text = ngettext(
            "The whole host was left alone once, for %(seconds)s s.",
            "The whole host was left alone %(count)s times, for %(seconds)s s together.",
            manners.rests,
        )
        yield text % {"count": f"{manners.rests:,}", "seconds": _seconds(manners.rested)}
    if manners.retry_after:
        text = ngettext(
            "Retry-After was named once, and kept: %(longest)s s.",
            "Retry-After was named %(count)s times, and kept: the longest %(longest)s s.",
            manners.retry_after,
        )
        yield text % {"count": f"{manners.retry_after:,}", "longest": _seconds(manners.longest_retry_after)}


def _throttle(manners: HostManners) -> Iterator[str]:
    limit = finite(manners.throttle_limit)
    if limit is None:
        return
    values = {
        "limit": f"{limit:.2g}",
        "lowest": f"{finite(manners.throttle_lowest) or limit:.2g}",
        "cuts": f"{manners.throttle_cuts:,}",
    }
    if not manners.throttle_cuts:
        yield _("The adaptive throttle had no reason to slow down; last %(limit)s at once.") % values
        return
    text = ngettext(
        "The adaptive throttle slowed down once, to %(lowest)s at once; last %(limit)s.",
        "The adaptive throttle slowed down %(cuts)s times, to %(lowest)s at once; last %(limit)s.",
        manners.throttle_cuts,
    )
    yield text % values


def _robots(manners: HostManners) -> Iterator[str]:
    if manners.robots_refused:
        yield _("Pages left alone because robots.txt forbids them: %s.") % f"{manners.robots_refused:,}"
    if manners.robots_unreachable:
        yield _("Pages left alone because robots.txt could not be read: %s.") % f"{manners.robots_unreachable:,}"


def _saved(manners: HostManners) -> Iterator[str]:
    if manners.not_modified:
        values = {"pages": f"{manners.not_modified:,}", "bytes": f"{manners.bytes_saved:,}"}
        yield _("Unchanged since the last crawl (304): %(pages)s pages, %(bytes)s bytes saved.") % values


def _closed(manners: HostManners) -> Iterator[str]:
    if not manners.closed_by:
        return
    why = {
        "day_budget": _("pages_per_day is used up"),
        "host_rest": _("the host asked for a long rest (Retry-After)"),
    }
    values = {"why": why.get(manners.closed_by, manners.closed_by), "until": _moment(manners.closed_until)}
    yield _("Its other pages were left: %(why)s; from %(until)s on it may be asked again.") % values


def _moment(written: str) -> str:
    moment = parse_datetime(written)
    return written if moment is None else calendar().shown(moment)


def _seconds(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0") if value >= 1 else f"{value:.2g}"


_SENTENCES: tuple[Callable[[HostManners], Iterator[str]], ...] = (
    _requests,
    _delay,
    _rests,
    _throttle,
    _robots,
    _saved,
    _closed,
)
