"""`manage.py pauseall`: no schedule fires until `resumeall`, as by the switch in the admin."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from scheduling import definitions
from scheduling.asking import wrong
from scheduling.models import SchedulerState
from scheduling.scheduler import get_status
from scheduling.storable import storable_text

from .schedulerstatus import pause_of

_BY = "manage.py pauseall"
_MOST = SchedulerState.MOST_NOTE


class Command(BaseCommand):
    help = "Pause everything: no schedule fires until resumeall; what runs goes on. Pausing twice changes nothing."
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--note", default="", help=f"why, for others to read; at most {_MOST} characters")

    def handle(self, *, note: str, **_options: object) -> None:
        if len(note) > _MOST:
            raise wrong(f"--note: give at most {_MOST} characters.")
        definitions.pause_all(_BY, note=storable_text(note.strip()))
        self.stdout.write(pause_of(get_status()))
