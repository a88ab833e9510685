from __future__ import annotations

from django.apps import AppConfig


class CrawlprojectConfig(AppConfig):
    name = "crawlproject"
    verbose_name = "Lamplighter"
