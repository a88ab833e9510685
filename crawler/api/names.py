"""Names that requests give: why one means nothing, with those that may be meant. One query where it is right."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from crawler.models import CrawlTask, Item, Spider
from crawlproject.web.problems import SAID_AGAIN, FieldErrors
from crawlproject.web.requests import hint


def spider_problem(name: str) -> str:
    """Empty for the name of a spider."""
    if Spider.objects.filter(name=name).exists():
        return ""
    names = Spider.objects.order_by("name").values_list("name", flat=True)
    return _("There is no spider “%(name)s”.") % {"name": name[:SAID_AGAIN]} + hint(name, names.iterator())


def category_problem(name: str) -> str:
    """Empty for a category that a spider has."""
    if Spider.objects.filter(category=name).exists():
        return ""
    names = Spider.objects.exclude(category="").order_by("category").values_list("category", flat=True).distinct()
    said = _("There is no spider of the category “%(name)s”.") % {"name": name[:SAID_AGAIN]}
    return said + hint(name, names.iterator())


def task_problem(task_id: str) -> str:
    """Empty for the id of a crawl task. (Others are near to none: they end in four letters of chance.)"""
    if CrawlTask.objects.filter(task_id=task_id).exists():
        return ""
    return _("There is no crawl task “%(id)s” (any more).") % {"id": task_id[:SAID_AGAIN]}


def type_problem(kind: str, spider: Spider | None = None) -> str:
    """Empty for a type of which the spider, or any one, has items or a rule."""
    spiders = Spider.objects.all() if spider is None else Spider.objects.filter(pk=spider.pk)
    # By the index of each spider's items, which no look at the types alone could use.
    items = Item.objects.filter(spider=OuterRef("pk"), type=kind)
    if spiders.filter(Exists(items)).exists():
        return ""
    types = sorted({name for document in spiders.values_list("definition", flat=True) for name in _types(document)})
    if kind in types:
        return ""
    if spider is None:
        said = _("There are no items of the type “%(type)s”.") % {"type": kind[:SAID_AGAIN]}
    else:
        values = {"spider": spider.name, "type": kind[:SAID_AGAIN]}
        said = _("“%(spider)s” has no items of the type “%(type)s”.") % values
    return said + hint(kind, types)


def known_spider(name: str) -> Spider:
    """Raises `FieldErrors` (of `spider`) for a name that no spider has."""
    spider: Spider | None = Spider.objects.filter(name=name).first()
    if spider is None:
        raise FieldErrors([("spider", spider_problem(name))])
    return spider


def _types(document: object) -> Iterator[str]:
    """Of the rules of a document, also of one that this release refuses."""
    rules = document.get("items") if isinstance(document, dict) else None
    for rule in rules if isinstance(rules, list) else ():
        if isinstance(rule, dict) and isinstance(rule.get("type"), str):
            yield rule["type"]
