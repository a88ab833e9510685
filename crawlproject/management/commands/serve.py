"""`manage.py serve [HOST:PORT]`: the site alone, for production."""

from __future__ import annotations

import signal
from types import FrameType

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crawlproject.web.server import AddressInUse, WebServer, parse_address


class Command(BaseCommand):
    help = "Serve the admin and the API with waitress; schedules are run by `manage.py runscheduler`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", default="127.0.0.1:8000", metavar="HOST:PORT")

    def handle(self, *args: object, address: str, **options: object) -> None:
        try:
            server = WebServer(*parse_address(address))
        except (ValueError, AddressInUse) as error:
            raise CommandError(str(error), returncode=2) from error
        signal.signal(signal.SIGTERM, _stop)
        self.stdout.write(f"Serving on {server.url} (Ctrl-C ends)")
        try:
            server.run()
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
        finally:
            server.close()


def _stop(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
