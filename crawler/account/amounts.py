"""Amounts and shares in words, in the active language."""

from __future__ import annotations

from django.utils.translation import ngettext

from crawler.causes import Unit

LEAST = 0.0005
"""A share that would be shown as nothing."""
WHOLE = 0.01
"""A smaller share is shown with a decimal."""


def amount(unit: Unit, count: int) -> str:
    """``312 pages``."""
    words = {
        Unit.PAGES: ngettext("%(count)s page", "%(count)s pages", count),
        Unit.LINKS: ngettext("%(count)s link", "%(count)s links", count),
        Unit.ITEMS: ngettext("%(count)s item", "%(count)s items", count),
        Unit.SITEMAPS: ngettext("%(count)s sitemap", "%(count)s sitemaps", count),
        Unit.VALUES: ngettext("%(count)s value", "%(count)s values", count),
    }
    return words[unit] % {"count": f"{count:,}"}


def readings(count: int) -> str:
    """``415 readings of items``: what crawls count, an item of several pages with each."""
    words = ngettext("%(count)s reading of an item", "%(count)s readings of items", count)
    return words % {"count": f"{count:,}"}


def percent(share: float) -> str:
    """``92%``; ``0.4%`` where it is little."""
    if 0 < share < LEAST:
        return "<0.1%"
    return f"{share:.0%}" if share >= WHOLE else f"{share:.1%}"
