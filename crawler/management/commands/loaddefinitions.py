"""`manage.py loaddefinitions FILE…`: spiders and schedules from YAML or JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crawler import definitions
from crawler.definitions.reading import MAX_CHARACTERS
from crawler.management.plain import plain_errors, several


class Command(BaseCommand):
    help = (
        "Load spiders and schedules from YAML or JSON files (“-” is standard input): all of them, or nothing when one "
        "is wrong. What the files do not name stays as it is. Loading twice changes nothing."
    )
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, and write nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: object, files: list[str], dry_run: bool, json: bool, **options: object) -> None:
        with plain_errors():
            found = definitions.parse_files([read_text(file) for file in files])
            try:
                report = definitions.load(found, dry_run=dry_run)
            except definitions.InvalidDefinitions as error:
                if not json:
                    raise
                self._print({"problems": [problem.as_dict() for problem in error.problems]})
                raise CommandError(several([str(problem) for problem in error.problems]), returncode=2) from error
            if json:
                self._print(report.as_dict())
                return
            for warning in report.warnings:
                self.stderr.write(f"Warning: {warning}")
            for line in report.lines():
                self.stdout.write(line)

    def _print(self, document: dict[str, object]) -> None:
        self.stdout.write(json.dumps(document, ensure_ascii=False))


def read_text(file: str) -> tuple[str, str]:
    """The name and the text of a file. Raises `OSError`, `CommandError`."""
    name = "stdin" if file == "-" else file
    # A character has at most four bytes: what is longer is refused without being read whole.
    most = 4 * MAX_CHARACTERS + 1
    if file == "-":
        content = sys.stdin.buffer.read(most)
    else:
        with Path(file).open("rb") as stream:
            content = stream.read(most)
    try:
        return name, content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CommandError(f"{name}:{line}: not UTF-8; save the file in that encoding", returncode=2) from error
