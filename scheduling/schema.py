"""Whether the database belongs to a later release than this process's code."""

from __future__ import annotations

from functools import cache

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def unknown_migrations() -> list[str]:
    """Return the applied migrations of installed apps that this code does not have; empty: the database fits."""
    installed = {config.label for config in apps.get_app_configs()}
    applied = MigrationRecorder(connection).migration_qs.values_list("app", "name")
    return sorted(f"{app}.{name}" for app, name in applied if app in installed and (app, name) not in _known())


@cache
def _known() -> frozenset[tuple[str, str]]:
    """What this process was started with: files that an upgrade puts there later are not its code."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    replaced = {key for migration in loader.disk_migrations.values() for key in migration.replaces}
    return frozenset(loader.disk_migrations) | replaced
