from __future__ import annotations

import logging
from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, register
from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

logger = logging.getLogger(__name__)


class SchedulingConfig(AppConfig):
    name = "scheduling"
    verbose_name = _("Scheduler")

    def ready(self) -> None:
        from . import registry

        registry.autodiscover()
        register(_check_settings, "scheduling")
        post_migrate.connect(_predefine, sender=self)


def _check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    from .checks import check_settings

    return check_settings(app_configs, **kwargs)


def _predefine(using: str, **_kwargs: object) -> None:
    """Create the handlers' jobs after a migration, unless they ever existed."""
    from .definitions import predefine

    if using != DEFAULT_DB_ALIAS or not getattr(settings, "SCHEDULER_PREDEFINED_JOBS", True):
        return
    try:
        predefine()
    except DatabaseError as error:
        # A migration to an older state: the tables of today's models are not all there.
        logger.info("No predefined jobs", extra={"action": "predefine_skipped", "error": str(error)})
