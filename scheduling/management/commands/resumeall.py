"""`manage.py resumeall`: schedules fire again after `pauseall`, or the switch in the admin."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from scheduling import definitions

_BY = "manage.py resumeall"


class Command(BaseCommand):
    help = "End the pause of everything: schedules fire by their rules; what was due meanwhile is recorded as missed."
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def handle(self, **_options: object) -> None:
        definitions.resume_all(_BY)
        self.stdout.write("Schedules fire again.")
