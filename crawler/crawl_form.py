"""What the form of a schedule asks for where the handler is `crawl`: `crawl_data.py` reads what it says."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User
from django.utils.translation import gettext_lazy as _

from scheduling.contract import FormField

from .models import CrawlTask, Spider

MOST_OFFERED = 1_000
"""Spiders, and categories, whose names are offered; others are written."""
Type = CrawlTask.Type


def crawl_form(user: User | AnonymousUser) -> tuple[FormField, ...]:
    """Two queries; whoever may not see spiders writes their names unaided."""
    spiders: list[str] = []
    categories: list[str] = []
    if user.has_perm("crawler.view_spider"):
        spiders = list(Spider.objects.order_by("name").values_list("name", flat=True)[:MOST_OFFERED])
        named = Spider.objects.exclude(category="").order_by("category").values_list("category", flat=True)
        categories = list(named.distinct()[:MOST_OFFERED])
    return (
        FormField(
            key="type",
            label=_("What is crawled"),
            choices=(
                (Type.SPIDER.value, _("One spider")),
                (Type.CATEGORY.value, _("All spiders of a category")),
                (Type.ALL.value, _("All spiders that are enabled")),
                (Type.URLS.value, _("Given addresses")),
            ),
        ),
        FormField(
            key="target",
            label=_("Spider"),
            suggestions=spiders,
            shown_with=("type", (Type.SPIDER.value,)),
        ),
        FormField(
            key="target",
            name="category",
            label=_("Category"),
            suggestions=categories,
            shown_with=("type", (Type.CATEGORY.value,)),
        ),
        FormField(
            key="spider",
            label=_("By the rules of the spider"),
            suggestions=spiders,
            shown_with=("type", (Type.URLS.value,)),
        ),
        FormField(
            key="target",
            name="urls",
            label=_("Addresses"),
            help_text=_("One a line. Only these pages are read: no link is followed."),
            is_list=True,
            shown_with=("type", (Type.URLS.value,)),
        ),
    )
