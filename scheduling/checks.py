"""Wrong settings, found by `manage.py check` before anything runs. The ids are stable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import connection
from django.utils.translation import gettext as _

from . import registry
from .definitions.documents import CHECKS, parse_job
from .dispatch import executor_problem
from .exceptions import InvalidJob, InvalidTrigger
from .triggers.zones import zone

MOST_WORKERS = 1_000


def check_settings(app_configs: Sequence[AppConfig] | None, **_kwargs: object) -> list[CheckMessage]:
    """All that is wrong, each with its id and remedy."""
    found = [*_timezone(), *_numbers(), *_executor(), *_job_defaults(), *_frame()]
    # With these settings wrong every job would be too: that is said once.
    return found or [*_predefined()]


def _timezone() -> Iterator[CheckMessage]:
    try:
        zone(str(settings.SCHEDULER_TIMEZONE))
    except InvalidTrigger as error:
        yield Error(f"SCHEDULER_TIMEZONE: {error.message}", id="scheduling.E001")
    if not settings.USE_TZ:
        yield Error(_("USE_TZ must be on: times are stored in UTC."), id="scheduling.E002")


def _numbers() -> Iterator[CheckMessage]:
    workers = settings.SCHEDULER_MAX_WORKERS
    if not isinstance(workers, int) or isinstance(workers, bool) or not 1 <= workers <= MOST_WORKERS:
        message = _("SCHEDULER_MAX_WORKERS is %(value)r; give a whole number from 1 to %(most)d.")
        yield Error(message % {"value": workers, "most": MOST_WORKERS}, id="scheduling.E003")
    drain = settings.SCHEDULER_DRAIN_SECONDS
    if not isinstance(drain, int | float) or isinstance(drain, bool) or not 0 <= drain <= 86_400:
        message = _("SCHEDULER_DRAIN_SECONDS is %(value)r; give seconds from 0 to 86400.")
        yield Error(message % {"value": drain}, id="scheduling.E004")
    late = settings.SCHEDULER_LATE_SECONDS
    if not isinstance(late, int | float) or isinstance(late, bool) or not 0 < late <= 86_400:
        message = _("SCHEDULER_LATE_SECONDS is %(value)r; give seconds, above 0 and at most 86400.")
        yield Error(message % {"value": late}, id="scheduling.E013")
    rate = settings.ALERT_FAILURE_RATE
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
        message = _("ALERT_FAILURE_RATE is %(value)r; give a number from 0 (never) to 1.")
        yield Error(message % {"value": rate}, id="scheduling.E014")
    days = settings.RUN_RETENTION_DAYS
    if not isinstance(days, int) or isinstance(days, bool) or days < 1:
        message = _("RUN_RETENTION_DAYS is %(value)r; give a whole number of days, at least 1.")
        yield Error(message % {"value": days}, id="scheduling.E005")


def _executor() -> Iterator[CheckMessage]:
    if problem := executor_problem():
        yield Error(problem, id="scheduling.E006")


def _job_defaults() -> Iterator[CheckMessage]:
    defaults = settings.SCHEDULER_JOB_DEFAULTS
    for name, value in defaults.items():
        if name not in CHECKS:
            message = _("SCHEDULER_JOB_DEFAULTS: “%(name)s” is no policy; known are %(known)s.")
            yield Error(message % {"name": name, "known": ", ".join(CHECKS)}, id="scheduling.E007")
        elif complaint := CHECKS[name](value):
            yield Error(f"SCHEDULER_JOB_DEFAULTS[{name!r}] = {value!r}: {complaint}", id="scheduling.E008")


def _frame() -> Iterator[CheckMessage]:
    apps = list(settings.INSTALLED_APPS)
    ours = next((index for index, name in enumerate(apps) if name.split(".")[0] == "scheduling"), len(apps))
    if not any(name.split(".")[0] == "django_apscheduler" for name in apps[:ours]):
        message = _("“django_apscheduler” must stand before “scheduling” in INSTALLED_APPS, which replaces its admin.")
        yield Error(message, id="scheduling.E009")
    if connection.vendor == "sqlite":
        mode = connection.settings_dict.get("OPTIONS", {}).get("transaction_mode")
        if mode != "IMMEDIATE":
            message = _("SQLite needs OPTIONS['transaction_mode'] = 'IMMEDIATE': a tick reads before it writes.")
            yield Error(message, id="scheduling.E010")
    elif connection.vendor != "postgresql":
        message = _("The database is %(vendor)s; SQLite and PostgreSQL are supported.")
        yield Error(message % {"vendor": connection.vendor}, id="scheduling.E011")


def _predefined() -> Iterator[CheckMessage]:
    for name in registry.names():
        for document in registry.get(name).predefined_jobs:
            try:
                parse_job(document)
            except InvalidJob as error:
                message = _("The handler “%(handler)s” brings a job that is wrong: %(problems)s")
                yield Error(message % {"handler": name, "problems": error}, id="scheduling.E012")
