from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class CrawlprojectConfig(AppConfig):
    name = "crawlproject"
    verbose_name = "Lamplighter"


class LamplighterAdminConfig(SimpleAdminConfig):
    """The apps' admin modules are loaded with the addresses (`crawlproject.urls`), not at every start: they bring the
    API and half of Django along, and most commands show no page.
    """

    default_site = "crawlproject.admin_site.LamplighterAdminSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_admin, checks.Tags.admin)


def _check_admin(app_configs: Sequence[AppConfig] | None, **options: object) -> list[checks.CheckMessage]:
    import_module(settings.ROOT_URLCONF)
    found: list[checks.CheckMessage] = check_admin_app(app_configs, **options)
    return found
