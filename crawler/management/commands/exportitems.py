"""`manage.py exportitems SPIDER --format csv|json|jsonl|xlsx`: what a spider has found."""

from __future__ import annotations

from datetime import date, datetime, time

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from crawler.exports import Selection, export, formats, get_format
from crawler.items.browsing import State
from crawler.management.plain import find_spider, plain_errors, write_out


class Command(BaseCommand):
    help = (
        "Write the items of a spider, one row each, as they are now. Items that are gone (a whole crawl found them on "
        "no page) are left out, unless they are asked for by --state; their history is in the admin and the API."
    )
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("spider", metavar="SPIDER")
        parser.add_argument("--format", required=True, metavar="FORMAT", help=f"one of {', '.join(formats())}")
        parser.add_argument("--type", default="", metavar="NAME", help="only items of this type")
        parser.add_argument(
            "--changed-since",
            metavar="WHEN",
            help="only items that are new, changed or back again (with --state gone: that went) since a date or a date "
            "with time (ISO 8601; without an offset in the scheduler's time zone)",
        )
        parser.add_argument("--state", default="", metavar="STATE", help=f"only items that are {', '.join(State)}")
        parser.add_argument(
            "--with-meta", action="store_true", help="add _type, _url, _version, _first_seen_at and _changed_at"
        )
        parser.add_argument("--output", default="", metavar="FILE", help="appears when all is written; else stdout")

    def handle(  # one argument an option
        self,
        *args: object,
        spider: str,
        format: str,  # noqa: A002  # the option's name
        type: str,  # noqa: A002  # the option's name
        changed_since: str | None,
        state: str,
        with_meta: bool,
        output: str,
        **options: object,
    ) -> None:
        if state and state not in set(State):
            raise CommandError(f'--state: "{state}" is none; there are {", ".join(State)}', returncode=2)
        with plain_errors():
            selection = Selection(
                spider=find_spider(spider),
                type=type,
                changed_since=None if changed_since is None else _moment(changed_since),
                state=State(state) if state else None,
                with_meta=with_meta,
            )
            file_format = get_format(format)
            if not output and not file_format.is_text and self.stdout.isatty():
                raise CommandError(
                    f"{format} is nothing to be read on a terminal: name a file by --output", returncode=2
                )
            write_out(export(selection, file_format), output=output, stdout=self.stdout)


def _moment(text: str) -> datetime:
    try:
        found = parse_datetime(text) or parse_date(text)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(
            f'--changed-since: "{text}" is no date; write 2027-01-31 or 2027-01-31T12:00:00+08:00', returncode=2
        )
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime.combine(found, time())
    return timezone.make_aware(found) if timezone.is_naive(found) else found
