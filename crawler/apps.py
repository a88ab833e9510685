from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CrawlerConfig(AppConfig):
    name = "crawler"
    verbose_name = _("Crawls")

    def ready(self) -> None:
        from . import receivers, wording  # noqa: F401  # registers its sentences

        receivers.connect()
