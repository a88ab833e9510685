"""Wrong settings show in `manage.py check`, each under its stable id; the settings' names are the specification's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from django.core.checks import run_checks
from django.db import connections
from django.test import override_settings

from scheduling import registry
from scheduling.checks import check_settings
from scheduling.conf import SchedulerSettings
from scheduling.contract import JobHandler


def test_settings_of_the_product_are_clean() -> None:
    assert [message for message in run_checks() if str(message.id).startswith("scheduling.")] == []


@pytest.mark.parametrize(
    ("name", "value", "identifier"),
    [
        ("SCHEDULER_TIMEZONE", "Asia/Shangai", "E001"),
        ("USE_TZ", False, "E002"),
        ("SCHEDULER_MAX_WORKERS", 0, "E003"),
        ("SCHEDULER_MAX_WORKERS", "4", "E003"),
        ("SCHEDULER_MAX_WORKERS", True, "E003"),
        ("SCHEDULER_DRAIN_SECONDS", -1, "E004"),
        ("SCHEDULER_DRAIN_SECONDS", float("nan"), "E004"),
        ("RUN_RETENTION_DAYS", 0, "E005"),
        ("SCHEDULER_LATE_SECONDS", 0, "E013"),
        ("SCHEDULER_LATE_SECONDS", "60", "E013"),
        ("ALERT_FAILURE_RATE", 1.5, "E014"),
        ("ALERT_FAILURE_RATE", float("nan"), "E014"),
        ("SCHEDULER_EXECUTOR", "celery", "E006"),
        ("SCHEDULER_JOB_DEFAULTS", {"retries": 3}, "E007"),
        ("SCHEDULER_JOB_DEFAULTS", {"max_retries": -3}, "E008"),
        ("INSTALLED_APPS", ["scheduling", "django_apscheduler"], "E009"),
    ],
)
def test_wrong_setting_is_named(name: str, value: object, identifier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not the `settings` fixture: it would set Django up anew for INSTALLED_APPS and USE_TZ.
    from scheduling import checks

    class Changed:
        def __getattr__(self, asked: str) -> object:
            from django.conf import settings

            return value if asked == name else getattr(settings, asked)

    monkeypatch.setattr(checks, "settings", Changed())
    if name == "SCHEDULER_EXECUTOR":
        monkeypatch.setattr("scheduling.dispatch.settings", Changed())
    assert [message.id for message in check_settings(None)] == [f"scheduling.{identifier}"]


def test_wrong_predefined_job_is_named() -> None:
    class HastyJobHandler(JobHandler):
        predefined_jobs = ({"job_id": "hasty", "handler": "hasty", "trigger": {"type": "interval", "seconds": 0}},)

    registry.register(HastyJobHandler)
    try:
        [message] = check_settings(None)
    finally:
        registry.unregister(HastyJobHandler)
    assert message.id == "scheduling.E012"
    assert "trigger.seconds" in message.msg


def test_settings_have_the_specifications_names_and_defaults() -> None:
    scheduler = SchedulerSettings()
    assert (scheduler.max_workers, scheduler.timezone) == (4, "Asia/Shanghai")
    assert scheduler.job_defaults["misfire_grace_time"] == 30
    with override_settings(SCHEDULER_MAX_WORKERS=9):
        assert SchedulerSettings().max_workers == 9


@pytest.mark.parametrize(
    ("config", "url"),
    [
        (
            {"NAME": "lamp", "USER": "a b", "PASSWORD": "secret", "HOST": "db", "PORT": "5433"},
            "postgres://a%20b@db:5433/lamp",
        ),
        (
            {"NAME": "lamp", "USER": "", "PASSWORD": "secret", "HOST": "/run/pg", "PORT": ""},
            "postgres:///lamp?host=%2Frun%2Fpg",
        ),
    ],
)
def test_job_store_url_is_the_databases_without_its_password(
    config: Mapping[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections["default"], "settings_dict", dict(config))
    monkeypatch.setattr(connections["default"], "vendor", "postgresql")
    assert SchedulerSettings().job_store_url == url


def test_job_store_url_of_sqlite_is_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"], "settings_dict", {"NAME": "/data/lamp.sqlite3"})
    monkeypatch.setattr(connections["default"], "vendor", "sqlite")
    assert SchedulerSettings().job_store_url == "sqlite:////data/lamp.sqlite3"


def test_job_store_url_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        SchedulerSettings().job_store_url = "sqlite://"  # type: ignore[misc]
