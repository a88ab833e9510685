"""`manage.py dumpdefinitions`: all spiders and schedules as a file."""

from __future__ import annotations

import json

from django.core.management.base import BaseCommand, CommandParser

from crawler import definitions
from crawler.management.plain import plain_errors, write_out


class Command(BaseCommand):
    help = (
        "Print all spiders and schedules as YAML; loading it changes nothing. Secrets are named, never shown; one-off "
        "schedules are left out."
    )
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", default="", metavar="FILE", help="appears when all is written; else stdout")
        parser.add_argument("--json", action="store_true", help="JSON in place of YAML")

    def handle(self, *args: object, output: str, json: bool, **options: object) -> None:
        with plain_errors():
            document = definitions.dump()
            text = _to_json(document) if json else definitions.to_yaml(document)
            write_out(iter([text.encode()]), output=output, stdout=self.stdout)


def _to_json(document: dict[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
