"""Two crawls of one spider side by side: what differs, and the likeliest reason.

`comparison.py` looks whether a crawl found far less than the one before; here any two are laid beside each other, for
somebody who asks. Counts are the crawls' own, kept for ever. Of a page that is unchanged the items are not read again
and not counted: items are compared only where both crawls read every page. Items: see `crawler.items.contrast`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawler.causes import BY_KEY, Severity, Unit, cause_of
from crawler.definitions.spiders import ORDERED
from crawler.models import CrawlTask
from crawler.storing import rule_counts
from scheduling import wording
from scheduling.definitions.differences import differences
from scheduling.definitions.difflines import DiffLine, diff_lines
from scheduling.durations import duration
from scheduling.models import DefinitionVersion

from .amounts import amount, percent
from .comparison import is_part, pages_of

FALL = 0.9
"""Less than this share of what there was is a fall that is told."""
ENOUGH = 5
"""Pages or items: a smaller difference is no fall."""
WORTH = 0.01
"""Share of the pages in which a trouble must have grown to be told."""

Status = CrawlTask.Status
_MORE_IS_BAD = frozenset({"pages_failed", "items_rejected", "items_incomplete", "conflicts"})
_LESS_IS_BAD = frozenset({"pages", "items"})
_ROWS: tuple[tuple[str, StrOrPromise], ...] = (
    ("pages", gettext_lazy("Pages")),
    ("pages_unchanged", gettext_lazy("Of them unchanged")),
    ("pages_failed", gettext_lazy("Pages failed")),
    ("pages_refused", gettext_lazy("Pages refused")),
    ("items", gettext_lazy("Items read")),
    ("items_new", gettext_lazy("New items")),
    ("items_changed", gettext_lazy("Changed items")),
    ("items_gone", gettext_lazy("Gone items")),
    ("items_returned", gettext_lazy("Items that came back")),
    ("items_rejected", gettext_lazy("Rejected items")),
    ("items_incomplete", gettext_lazy("Incomplete items")),
    ("conflicts", gettext_lazy("Key conflicts")),
    ("requests", gettext_lazy("Requests")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow:
    label: StrOrPromise
    before: str
    after: str
    difference: str
    """With its sign; "–" where it says nothing."""
    is_bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Likely:
    """What the page says first."""

    tone: str
    """Of the style sheet."""
    title: str
    lines: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """Those behind it, for an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionContrast:
    before: int | None
    after: int | None
    lines: list[DiffLine]
    is_known: bool
    """Whether both versions are still kept."""
    before_code: str
    after_code: str

    @property
    def is_same(self) -> bool:
        return self.before is not None and self.before == self.after

    @property
    def is_same_code(self) -> bool:
        return self.before_code == self.after_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    before: CrawlTask
    after: CrawlTask
    likely: Likely
    counts: list[CountRow]
    definition: DefinitionContrast


def why_not(one: CrawlTask, other: CrawlTask) -> str:
    """Why two crawls cannot be compared, in a sentence; empty where they can."""
    if one.pk == other.pk:
        return _("These are one and the same crawl: choose another one.")
    if one.spider_id is None or other.spider_id is None:
        return _("A crawl of several spiders cannot be compared: compare the crawls of its spiders.")
    if one.spider_id != other.spider_id:
        return _("These are crawls of different spiders: only two crawls of one spider can be compared.")
    if CrawlTask.Type.URLS in (one.task_type, other.task_type):
        return _("One of them read given addresses alone, and says nothing of the others.")
    return ""


def contrast(before: CrawlTask, after: CrawlTask) -> Contrast:
    """Lay two crawls beside each other, the earlier one first; one query. `why_not` must have said nothing."""
    definition = _definition(before, after)
    return Contrast(
        before=before,
        after=after,
        likely=likely(before, after),
        counts=[*_count_rows(before, after), *_cause_rows(before, after), *_last_rows(before, after)],
        definition=definition,
    )


# --- the likeliest reason ---------------------------------------------------------------------------------------------


def likely(before: CrawlTask, after: CrawlTask) -> Likely:
    """Judge by what the two tasks have counted; asks the database nothing."""
    return _unlike_ends(before, after) or _fall(before, after) or _trouble(before, after) or _calm(before, after)


def _unlike_ends(before: CrawlTask, after: CrawlTask) -> Likely | None:
    if after.status not in CrawlTask.TERMINAL:
        return Likely(tone="lit", title=_("The later crawl has not ended: what is missing may still come"))
    ended = (wording.told(after.message.strip().partition("\n")[0]),) if after.message else ()
    if after.status == Status.FAILED:
        return Likely(tone="bad", title=_("The later crawl failed"), lines=ended, reasons=_worst(before, after))
    if after.status == Status.CANCELLED:
        return Likely(tone="mute", title=_("The later crawl was cancelled before its end"), lines=ended)
    if before.status != Status.COMPLETED:
        title = _("The earlier crawl did not come to its end (%(status)s); the later one did")
        return Likely(tone="info", title=title % {"status": before.get_status_display()})
    if is_part(after) and not is_part(before):
        return Likely(tone="info", title=_("The later crawl stopped before it was through"), lines=ended)
    if is_part(before):
        return Likely(tone="info", title=_("The earlier crawl stopped before it was through: fewer pages say nothing"))
    return None


def _fall(before: CrawlTask, after: CrawlTask) -> Likely | None:
    """Far fewer items, or pages."""
    are_pages = _has_fallen(pages_of(before), pages_of(after))
    are_items = _is_whole(before, after) and _has_fallen(before.items, after.items)
    if not are_pages and not are_items:
        return None
    unit, missing = (
        (Unit.ITEMS, before.items - after.items) if are_items else (Unit.PAGES, pages_of(before) - pages_of(after))
    )
    values = {"missing": amount(unit, missing), "before": before.spider_version, "after": after.spider_version}
    if None in (before.spider_version, after.spider_version):
        title = _("%(missing)s fewer") % values
    elif before.spider_version == after.spider_version:
        title = _("%(missing)s fewer, and the definition is the same") % values
    else:
        title = _("%(missing)s fewer, and the definition was changed (version %(before)d, then %(after)d)") % values
    reasons = _worst(before, after)
    return Likely(
        tone="warn",
        title=title,
        lines=tuple(_why_fallen(before, after, reasons, are_pages=are_pages)),
        reasons=reasons,
    )


def _why_fallen(before: CrawlTask, after: CrawlTask, reasons: tuple[str, ...], *, are_pages: bool) -> Iterator[str]:
    is_same = before.spider_version == after.spider_version
    missing = _newly_missing(before, after)
    if missing is not None and not are_pages:
        field, share = missing
        values = {"field": field, "share": percent(share)}
        if is_same:
            yield (
                _("The pages came, but “%(field)s” had no value on %(share)s of them: the site has changed its markup.")
                % values
            )
        else:
            yield _("The pages came, but “%(field)s” had no value on %(share)s of them.") % values
    elif reasons:
        cause = cause_of(reasons[0])
        yield _("%(title)s. %(what)s") % {"title": cause.title, "what": cause.what}
    elif are_pages and is_same:
        yield _("No page failed more than before: the site links to fewer pages, or to others.")
    if not is_same and None not in (before.spider_version, after.spider_version):
        yield _("What was changed in the definition stands below.")


def _newly_missing(before: CrawlTask, after: CrawlTask) -> tuple[str, float] | None:
    """The field that most pages lack now and few lacked before, and on which share of the pages of its rule."""
    then, now = _missing(before), _missing(after)
    grown = {field: share - then.get(field, 0.0) for field, share in now.items()}
    field = max(grown, key=lambda name: grown[name], default="")
    return (field, now[field]) if field and grown[field] > 1 - FALL else None


def _missing(task: CrawlTask) -> dict[str, float]:
    found: dict[str, float] = {}
    for rule in rule_counts.read(task.rules).values():
        for field, count in rule.missing.items():
            if rule.pages:
                found[field] = max(found.get(field, 0.0), min(count / rule.pages, 1.0))
    return found


def _trouble(before: CrawlTask, after: CrawlTask) -> Likely | None:
    """About as much was found, but something went wrong more often."""
    reasons = _worst(before, after)
    if not reasons:
        return None
    cause = cause_of(reasons[0])
    then, now = _by_cause(before)[cause.key], _by_cause(after)[cause.key]
    if now - then < max(1.0, WORTH * pages_of(after)):
        return None
    values = {"title": cause.title, "before": f"{then:,}", "after": f"{now:,}"}
    title = _("More went wrong: %(title)s (%(before)s, then %(after)s)") % values
    return Likely(tone="warn", title=title, lines=(str(cause.what),), reasons=reasons)


def _calm(before: CrawlTask, after: CrawlTask) -> Likely:
    line = _found(after)
    more = pages_of(after) - pages_of(before)
    if _has_fallen(pages_of(after), pages_of(before)):
        return Likely(
            tone="ok", title=_("%(pages)s more than before") % {"pages": amount(Unit.PAGES, more)}, lines=(line,)
        )
    return Likely(tone="ok", title=_("Nothing of weight differs"), lines=(line,))


def _found(task: CrawlTask) -> str:
    values = {"new": f"{task.items_new:,}", "changed": f"{task.items_changed:,}", "gone": f"{task.items_gone:,}"}
    if not task.items_returned:
        return _("The later crawl found %(new)s new items, %(changed)s changed and %(gone)s gone.") % values
    told = _("The later crawl found %(new)s new items, %(changed)s changed, %(gone)s gone and %(returned)s back again.")
    return told % (values | {"returned": f"{task.items_returned:,}"})


def _has_fallen(before: int, after: int) -> bool:
    return before - after >= ENOUGH and after < before * FALL


def _is_whole(before: CrawlTask, after: CrawlTask) -> bool:
    """Whether the items of both are counted."""
    return not before.pages_unchanged and not after.pages_unchanged


def _by_cause(task: CrawlTask) -> Counter[str]:
    counted: Counter[str] = Counter()
    for reason, count in task.reasons.items():
        counted[cause_of(reason).key] += count
    return counted


def _worst(before: CrawlTask, after: CrawlTask) -> tuple[str, ...]:
    """The reasons of the trouble that has grown most."""
    then, now = _by_cause(before), _by_cause(after)
    grown = {key: now[key] - then[key] for key in now if BY_KEY[key].severity is Severity.TROUBLE}
    key = max(grown, key=lambda name: grown[name], default="")
    if not key or grown[key] <= 0:
        return ()
    reasons = (reason for reason in after.reasons if cause_of(reason).key == key)
    return tuple(sorted(reasons, key=lambda reason: -int(after.reasons[reason])))


# --- the table --------------------------------------------------------------------------------------------------------


def _count_rows(before: CrawlTask, after: CrawlTask) -> Iterator[CountRow]:
    yield CountRow(
        label=_("Result"),
        before=before.get_status_display(),
        after=after.get_status_display(),
        difference="–",
        is_bad=after.status == Status.FAILED != before.status,
    )
    for name, label in _ROWS:
        then, now = (
            (pages_of(before), pages_of(after)) if name == "pages" else (getattr(before, name), getattr(after, name))
        )
        if not then and not now and name not in _LESS_IS_BAD:
            continue
        says = name != "items" or _is_whole(before, after)
        yield CountRow(
            label=label,
            before=f"{then:,}",
            after=f"{now:,}",
            difference=signed(now - then) if says else "–",
            is_bad=says and ((name in _MORE_IS_BAD and now > then) or (name in _LESS_IS_BAD and now < then)),
        )


def _cause_rows(before: CrawlTask, after: CrawlTask) -> Iterator[CountRow]:
    """Causes that the two counted differently, the greatest difference first."""
    then, now = _by_cause(before), _by_cause(after)
    keys = [key for key in {**then, **now} if then[key] != now[key]]
    for key in sorted(keys, key=lambda name: (-abs(now[name] - then[name]), name)):
        yield CountRow(
            label=BY_KEY[key].title,
            before=f"{then[key]:,}",
            after=f"{now[key]:,}",
            difference=signed(now[key] - then[key]),
            is_bad=BY_KEY[key].severity is Severity.TROUBLE and now[key] > then[key],
        )


def _last_rows(before: CrawlTask, after: CrawlTask) -> Iterator[CountRow]:
    then, now = _seconds(before), _seconds(after)
    yield CountRow(
        label=_("Took"),
        before="–" if then is None else duration(then),
        after="–" if now is None else duration(now),
        difference="–" if then is None or now is None else _longer(now - then),
    )


def _seconds(task: CrawlTask) -> float | None:
    if task.run is not None and task.run.execution_time is not None:
        seconds: float = task.run.execution_time
        return seconds
    if task.started_at is None or task.finished_at is None:
        return None
    return max(0.0, (task.finished_at - task.started_at).total_seconds())


def _longer(seconds: float) -> str:
    if abs(seconds) < 1:
        return "–"
    return f"{'+' if seconds > 0 else '−'}{duration(abs(seconds))}"


def signed(difference: int) -> str:
    """``+2``, ``−1,167``; "–" for none."""
    if not difference:
        return "–"
    return f"+{difference:,}" if difference > 0 else f"−{-difference:,}"


# --- the definition ---------------------------------------------------------------------------------------------------


def _definition(before: CrawlTask, after: CrawlTask) -> DefinitionContrast:
    numbers = {number for number in (before.spider_version, after.spider_version) if number is not None}
    documents: dict[int, Mapping[str, object]] = {}
    if len(numbers) == 2 and after.spider is not None:
        kept = DefinitionVersion.objects.filter(
            kind=DefinitionVersion.Kind.SPIDER, key=after.spider.name, number__in=numbers
        )
        documents = dict(kept.values_list("number", "document"))
    is_known = len(numbers) == 1 or len(documents) == 2
    then = documents.get(before.spider_version or 0)
    now = documents.get(after.spider_version or 0)
    lines = diff_lines(differences(then, now, ordered=ORDERED)) if then is not None and now is not None else []
    return DefinitionContrast(
        before=before.spider_version,
        after=after.spider_version,
        lines=lines,
        is_known=is_known and None not in (before.spider_version, after.spider_version),
        before_code=before.run.code_version if before.run is not None else "",
        after_code=after.run.code_version if after.run is not None else "",
    )
