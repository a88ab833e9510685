from __future__ import annotations

from .hosts import HostDay
from .hours import ItemHour, ItemStock
from .items import Item, ItemVersion
from .pages import Page
from .pinned import PinnedPage
from .spiders import Secret, Spider
from .tasks import CrawlTask, TaskFailure, TaskSitemap

__all__ = [
    "CrawlTask",
    "HostDay",
    "Item",
    "ItemHour",
    "ItemStock",
    "ItemVersion",
    "Page",
    "PinnedPage",
    "Secret",
    "Spider",
    "TaskFailure",
    "TaskSitemap",
]
