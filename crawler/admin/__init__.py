"""The admin of spiders and what they found."""

from __future__ import annotations

from .items import ItemAdmin
from .pages import PageAdmin
from .secrets import SecretAdmin
from .spiders import SpiderAdmin
from .tasks import CrawlTaskAdmin

__all__ = ["CrawlTaskAdmin", "ItemAdmin", "PageAdmin", "SecretAdmin", "SpiderAdmin"]
