"""`manage.py demosite [HOST:PORT]`: the demo's shop."""

from __future__ import annotations

import json

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crawlproject import demo
from crawlproject.web.server import AddressInUse, WebServer, parse_address, stop_on_sigterm


class Command(BaseCommand):
    help = "Serve a small shop whose prices change, with one slow page and one broken one; it needs no network."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", default=demo.ADDRESS, metavar="HOST:PORT")
        parser.add_argument(
            "--definitions", action="store_true", help="only print a spider of the shop and a schedule, to be loaded"
        )

    def handle(self, *args: object, address: str, definitions: bool, **options: object) -> None:
        try:
            host, port = parse_address(address)
            if definitions:
                self.stdout.write(json.dumps(demo.definitions(f"http://{host}:{port}"), indent=2))
                return
            server = WebServer(host, port, application=demo.application)
        except (ValueError, AddressInUse) as error:
            raise CommandError(str(error), returncode=2) from error
        stop_on_sigterm()
        self.stdout.write(f"The demo shop is on {server.url} (Ctrl-C ends)")
        server.run_until_interrupted()
