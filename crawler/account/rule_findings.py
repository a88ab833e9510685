"""Which item rules and fields found nothing, and on how many pages or items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Exists, Subquery
from django.utils.translation import gettext as _

from crawler.engine.errors import LEFT_FOR_LATER, Reason
from crawler.models import CrawlTask, Item, Page
from crawler.storing import rule_counts
from crawler.storing.rule_counts import RuleCount

from .explanation import MAX_EXAMPLES, Example

SAMPLE = 500
"""Items that are looked at for fields that are always empty, the newest ones."""
ENOUGH = 5
"""Items of a type before an empty field says anything."""
NEARLY_ALL = 0.9

_WALLS = (Reason.EMPTY_BODY, Reason.NEEDS_JAVASCRIPT, Reason.LOGIN_WALL, Reason.BOT_WALL)
"""What explains already why a rule found nothing on a page."""


@dataclass(frozen=True, slots=True)
class RuleFinding:
    key: str
    """Of the cause that it belongs to."""
    count: int
    sentence: str
    examples: tuple[Example, ...] = ()
    """Pages to compare it with, where it names no pages of its own."""


def find(task: CrawlTask) -> list[RuleFinding]:
    """What the rules of one spider's crawl missed; empty for a crawl of several spiders."""
    walls = sum(task.reasons.get(reason, 0) for reason in _WALLS)
    rules = rule_counts.read(task.rules)
    keys = _keys(task)
    idle = _idle(task, [kind for kind in keys if kind not in rules])
    if not rules:
        return idle
    has_claim = Reason.NOTHING_MATCHED in task.reasons
    return idle + [
        finding
        for kind, rule in rules.items()
        for finding in _of_rule(kind, rule, walls=walls, keys=keys.get(kind, []), has_claim=has_claim)
    ]


def follows_nothing(task: CrawlTask) -> bool:
    """Whether the crawl has rules for links, and none took one: known as long as no later crawl has its pages."""
    if task.status != CrawlTask.Status.COMPLETED or task.task_type != CrawlTask.Type.SPIDER:
        return False
    if task.spider is None or task.spider_version != task.spider.version:
        return False
    document = task.spider.definition
    if not document.get("follow") or (document.get("limits") or {}).get("max_depth") == 0:
        return False
    pages = Page.objects.filter(task=task)
    return pages.filter(depth=0, state__in=("done", "unchanged")).exists() and not pages.filter(depth__gt=0).exists()


def _idle(task: CrawlTask, kinds: list[str]) -> list[RuleFinding]:
    """Rules that were tried on no page. Nothing is known of them where pages were unchanged, and so not read."""
    if task.status != CrawlTask.Status.COMPLETED or not kinds or task.pages_unchanged:
        return []
    if task.spider is None or task.spider_version != task.spider.version:
        return []
    if task.task_type == CrawlTask.Type.URLS and task.rules:
        return []
    pages, examples = _read(task)
    if not 0 < pages <= task.pages:  # a crawl that goes on with what another left has the pages of that one, too
        return []
    text = _("“%(type)s” was tried on none of the %(pages)s pages that were read.")
    sentences = [text % {"type": kind, "pages": f"{pages:,}"} for kind in kinds]
    # The same pages for each of them: they are counted once.
    return [RuleFinding("idle_rule", 0 if place else pages, told, examples) for place, told in enumerate(sentences)]


def _read(task: CrawlTask) -> tuple[int, tuple[Example, ...]]:
    """How many pages of a crawl were read, and the last ones. One query."""
    read = Page.objects.filter(task=task, state="done", reason="")
    count = read.order_by().values("task").annotate(count=Count("pk")).values("count")
    rows = read.order_by("-id").annotate(all=Subquery(count)).values_list("all", "url", "status_code")[:MAX_EXAMPLES]
    found = list(rows)
    return (found[0][0] if found else 0), tuple(Example(url, code, "") for _all, url, code in found)


def still_idle(base: CrawlTask) -> list[str]:
    """Types of items whose rules `base` tried on no page, whose pages a later crawl has found unchanged."""
    if base.spider is None or base.spider_version != base.spider.version:
        return []
    before = CrawlTask.objects.filter(spider=base.spider_id, pk__lt=base.pk).order_by("-pk")
    left = before.values_list("reasons", flat=True).first() or {}
    if not LEFT_FOR_LATER.isdisjoint(left):  # what rules took then is not known here
        return []
    return [kind for kind in _keys(base) if kind not in rule_counts.read(base.rules)]


def _of_rule(kind: str, rule: RuleCount, *, walls: int, keys: list[str], has_claim: bool) -> Iterator[RuleFinding]:
    values = {"type": kind, "pages": f"{rule.pages:,}", "count": f"{rule.bare:,}"}
    # A rule for every page may find nothing on many; one that found nothing anywhere is wrong, or the pages are.
    if rule.bare == rule.pages and rule.bare > walls:
        text = _("“%(type)s” found nothing on any of %(pages)s pages.")
        yield RuleFinding("nothing_matched", rule.bare, text % values)
    elif rule.bare and has_claim:
        text = _("“%(type)s” found nothing on %(count)s of %(pages)s pages.")
        yield RuleFinding("nothing_matched", rule.bare, text % values)
    for field, count in sorted(rule.missing.items(), key=lambda entry: -entry[1]):
        text = _("“%(field)s” of “%(type)s” had no value on %(count)s of %(pages)s pages.")
        sentence = text % {**values, "field": field, "count": f"{count:,}"}
        yield RuleFinding("missing_key" if field in keys else "missing_required", count, sentence)


def _keys(task: CrawlTask) -> dict[str, list[str]]:
    """By the item's type, as the spider's document has them now."""
    document = task.spider.definition if task.spider is not None else {}
    rules = document.get("items") if isinstance(document, dict) else None
    return {rule.get("type", ""): rule.get("key") or [] for rule in rules or [] if isinstance(rule, dict)}


def empty_fields(task: CrawlTask) -> list[RuleFinding]:
    """Fields without a value in (nearly) all of the spider's newest items; asked of its newest crawl alone."""
    if task.spider_id is None or not task.pages:
        return []
    later = CrawlTask.objects.filter(spider=task.spider_id, pk__gt=task.pk)
    items = Item.objects.filter(~Exists(later), spider=task.spider_id, gone_at=None)
    seen: Counter[str] = Counter()
    empty: Counter[tuple[str, str]] = Counter()
    for kind, data in items.order_by("-id").values_list("type", "data")[:SAMPLE]:
        seen[kind] += 1
        if isinstance(data, dict):
            empty.update((kind, name) for name, value in data.items() if value is None or value == [])
    findings = []
    for (kind, name), count in sorted(empty.items()):
        if seen[kind] >= ENOUGH and count >= NEARLY_ALL * seen[kind]:
            values = {"field": name, "type": kind, "count": f"{count:,}", "all": f"{seen[kind]:,}"}
            text = _("“%(field)s” of “%(type)s” has no value in %(count)s of the newest %(all)s items.") % values
            findings.append(RuleFinding("empty_field", count, text))
    return findings
