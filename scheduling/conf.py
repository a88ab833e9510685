"""The scheduler's settings under the specification's names. Wrong ones show in `manage.py check` (see `checks`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import connections

DEFAULT_POLICIES: Mapping[str, object] = {
    "coalesce": False,
    "max_instances": 1,
    "misfire_grace_time": 30,
    "max_retries": 3,
    "timeout": None,
    "jitter": None,
    "overlap": "skip",
}
"""What a job has where neither its document nor `SCHEDULER_JOB_DEFAULTS` says otherwise."""
SCHEMES: Mapping[str, str] = {"sqlite": "sqlite", "postgresql": "postgres"}


def _max_workers() -> int:
    return int(getattr(settings, "SCHEDULER_MAX_WORKERS", 4))


def _timezone() -> str:
    return str(getattr(settings, "SCHEDULER_TIMEZONE", "Asia/Shanghai"))


def _job_defaults() -> dict[str, object]:
    return {**DEFAULT_POLICIES, **getattr(settings, "SCHEDULER_JOB_DEFAULTS", {})}


@dataclass(frozen=True, kw_only=True)
class SchedulerSettings:
    """The settings as they stand when it is made."""

    max_workers: int = field(default_factory=_max_workers)
    """Runs that one process executes at once."""
    timezone: str = field(default_factory=_timezone)
    """The zone of triggers that name none, and of all times that are shown."""
    job_defaults: Mapping[str, object] = field(default_factory=_job_defaults)
    """Policies of jobs that do not set them."""

    @property
    def job_store_url(self) -> str:
        """The database's URL without its password. Read-only: where jobs are stored is `DATABASE_URL`."""
        connection = connections["default"]
        config = connection.settings_dict
        scheme = SCHEMES.get(connection.vendor, connection.vendor)
        name = str(config["NAME"])
        if scheme == "sqlite":
            return f"sqlite:///{name}"
        host, query = str(config.get("HOST") or ""), ""
        if host.startswith("/"):
            host, query = "", "?" + urlencode({"host": host})
        user = quote(str(config.get("USER") or ""), safe="")
        port = f":{config['PORT']}" if config.get("PORT") else ""
        return f"{scheme}://{user}{'@' if user else ''}{host}{port}/{quote(name)}{query}"
