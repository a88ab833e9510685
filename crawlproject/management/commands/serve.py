"""`manage.py serve [HOST:PORT]`: the site alone, for production."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crawlproject.web.server import AddressInUse, WebServer, parse_address, stop_on_sigterm


class Command(BaseCommand):
    help = "Serve the admin and the API with waitress; schedules are run by `manage.py runscheduler`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", default="127.0.0.1:8000", metavar="HOST:PORT")

    def handle(self, *args: object, address: str, **options: object) -> None:
        try:
            server = WebServer(*parse_address(address))
        except (ValueError, AddressInUse) as error:
            raise CommandError(str(error), returncode=2) from error
        stop_on_sigterm()
        self.stdout.write(f"Serving on {server.url} (Ctrl-C ends)")
        server.run_until_interrupted()
        self.stdout.write("Stopped.")
