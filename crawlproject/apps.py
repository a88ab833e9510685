from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class CrawlprojectConfig(AppConfig):
    name = "crawlproject"
    verbose_name = "Lamplighter"


class LamplighterAdminConfig(AdminConfig):
    default_site = "crawlproject.admin_site.LamplighterAdminSite"
