"""Whether the database belongs to a later release than this process's code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from django.apps import apps
from django.conf import settings
from django.db import connection

Name = tuple[str, str]
"""A migration: its app's label and its own name."""


def unknown_migrations() -> list[str]:
    """Return the applied migrations of installed apps that this code does not have; empty: the database fits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        applied = cursor.fetchall()
    installed = {config.label for config in apps.get_app_configs()}
    unknown = [(app, name) for app, name in applied if app in installed and (app, name) not in _known()]
    if unknown:
        unknown = [found for found in unknown if found not in _replaced()]
    return sorted(f"{app}.{name}" for app, name in unknown)


@cache
def _known() -> dict[Name, str]:
    """What this process was started with, and its modules: what an upgrade puts there later is not its code.

    The modules themselves are not loaded: they would take a crawl's process megabytes, and a tenth of its start.
    """
    return {
        (label, info.name): f"{package}.{info.name}"
        for label, package, path in _packages()
        for info in iter_modules(path)
        if not info.ispkg and info.name[0] not in "_~"
    }


@cache
def _replaced() -> frozenset[Name]:
    """The migrations in whose place there are others now."""
    return frozenset(replaced for module in _known().values() for replaced in _replaced_by(module))


def _packages() -> Iterator[tuple[str, str, list[str]]]:
    for config in apps.get_app_configs():
        package = settings.MIGRATION_MODULES.get(config.label, f"{config.name}.migrations")
        if package is None:
            continue
        try:
            yield config.label, package, list(import_module(package).__path__)
        except (ImportError, AttributeError):
            continue  # it has none


def _replaced_by(module: str) -> list[Name]:
    try:
        return list(import_module(module).Migration.replaces)
    except (ImportError, AttributeError):
        return []  # an upgrade took it away, or put in its place what this code does not understand
