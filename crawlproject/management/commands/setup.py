"""`manage.py setup`: everything that a first start needs, and nothing twice."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection


class Command(BaseCommand):
    help = "Write .env (mode 0600) if it is absent, migrate the database, and collect static files when they changed."
    requires_system_checks = []

    def handle(self, *args: object, **options: object) -> None:
        self._write_env()
        Path(settings.DATA_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_database_file()
        call_command("check", fail_level="ERROR", verbosity=0)
        call_command("migrate", interactive=False, verbosity=0)
        self.stdout.write("The database is up to date.")
        self._collect_static()

    def _write_env(self) -> None:
        """A fresh SECRET_KEY, readable by the owner alone; an existing file is never touched."""
        if settings.configured and settings._wrapped.SECRET_KEY:
            return
        path = Path(settings.ENV_FILE)
        key = secrets.token_urlsafe(50)
        if path.exists():
            self.stderr.write(f"{path} is there but holds no SECRET_KEY: add the line SECRET_KEY={key}")
            raise SystemExit(2)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(
                f"# Made by manage.py setup. The variables that may stand here: docs/settings.md.\nSECRET_KEY={key}\n"
            )
        settings.SECRET_KEY = key
        self.stdout.write(f"Wrote {path} with a new SECRET_KEY.")

    def _collect_static(self) -> None:
        """Collecting takes seconds: it is done only when a file has come, gone or changed."""
        stamp = Path(settings.STATIC_ROOT) / ".stamp"
        state = _static_state()
        if stamp.is_file() and stamp.read_text(encoding="ascii") == state:
            return
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        stamp.write_text(state, encoding="ascii")
        self.stdout.write("Static files are collected.")


def _make_database_file() -> None:
    """An empty file for SQLite, which its owner alone may read: it will hold sessions and the hashes of passwords.

    SQLite gives the mode of the file to the two that it keeps beside it. One that is there keeps its own.
    """
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or name.startswith((":memory:", "file:")):
        return
    with suppress(OSError):  # it is there, or cannot be: then the database says so by itself
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _static_state() -> str:
    digest = hashlib.blake2b(digest_size=16)
    for finder in finders.get_finders():
        for name, storage in finder.list(None):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
