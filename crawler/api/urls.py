"""Addresses under `/api/crawl/`."""

from __future__ import annotations

from django.urls import re_path

from crawlproject.web.routers import OptionalSlashRouter

from .crawl import CrawlAllView, CrawlCategoryView, CrawlSpiderView, CrawlUrlsView
from .items import ItemViewSet
from .spiders import SpiderViewSet
from .tasks import CrawlTaskViewSet

router = OptionalSlashRouter()
router.register("spiders", SpiderViewSet, basename="spider")
router.register("tasks", CrawlTaskViewSet, basename="crawl-task")
router.register("items", ItemViewSet, basename="item")

urlpatterns = [
    re_path(r"^all/?$", CrawlAllView.as_view(), name="crawl-all"),
    re_path(r"^urls/?$", CrawlUrlsView.as_view(), name="crawl-urls"),
    re_path(r"^categories/(?P<name>[^/]+)/start/?$", CrawlCategoryView.as_view(), name="crawl-category"),
    re_path(r"^spiders/(?P<name>[-\w]+)/start/?$", CrawlSpiderView.as_view(), name="crawl-spider"),
    *router.urls,
]
