"""What the tests want of a process of the product: handlers of their own, and failures at chosen points."""

from __future__ import annotations

import os
from pathlib import Path

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from . import loop_guard
from .sabotage import Sabotage


class AcceptanceConfig(AppConfig):
    name = "tests.acceptance.app"
    label = "acceptance"

    def ready(self) -> None:
        if plan := os.environ.get("SABOTAGE"):
            sabotage = Sabotage(plan, Path(os.environ["SABOTAGE_NOTE"]))
            connection_created.connect(sabotage.watch, weak=False)
        if note := os.environ.get("NOTE_DATABASE_ON_LOOP"):
            loop_guard.watch(Path(note), Path(note).with_suffix(".threads"))
