"""`manage.py upcoming`: when jobs run next, and what the next two clock changes do to them; stores nothing."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from scheduling.asking import no_such_job
from scheduling.exceptions import InvalidTrigger
from scheduling.models import ScheduledJob
from scheduling.triggers.base import default_timezone, read_moment
from scheduling.triggers.zones import zone
from scheduling.upcoming import MOST, UpcomingReport, of_jobs, report


class Command(BaseCommand):
    help = "Show the next firings in local time and UTC, and what happens on the next two clock changes."
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job_id", nargs="*", metavar="JOB_ID", help="jobs; without any: all of them")
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--cron", metavar="LINE", help="a cron line that is not saved yet")
        source.add_argument("--trigger", metavar="JSON", help="a trigger's document that is not saved yet")
        parser.add_argument("--timezone", metavar="ZONE", help="the line's zone; of saved jobs: the one to show")
        parser.add_argument("--from", dest="since", metavar="WHEN", help="count from then instead of now")
        parser.add_argument("--count", type=int, default=5, help=f"firings of each, 1 to {MOST} (default 5)")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object")

    def handle(
        self,
        *,
        job_id: Sequence[str],
        cron: str | None,
        trigger: str | None,
        timezone: str | None,
        since: str | None,
        count: int,
        as_json: bool,
        **_options: object,
    ) -> None:
        if not 1 <= count <= MOST:
            raise _wrong(_("--count must be from 1 to %(most)d.") % {"most": MOST})
        if job_id and (cron is not None or trigger is not None):
            raise _wrong(_("Give either job ids or a trigger (--cron, --trigger), not both."))
        try:
            shown = zone(timezone) if timezone is not None else None
        except InvalidTrigger as error:
            raise _wrong(f"--timezone: {error.message}") from error
        after = _since(since, shown)
        if cron is not None or trigger is not None:
            document = _unsaved(cron, trigger, timezone)
            reports = [report(document, after=after, count=count, anchor=after, shown=shown)]
            if reports[0].problem:
                raise _wrong(f"{reports[0].place}: {reports[0].problem}")
        else:
            reports = of_jobs(_saved(job_id), after=after, count=count, shown=shown)
        if as_json:
            found = {"after": after.isoformat(), "jobs": [told.as_json() for told in reports]}
            self.stdout.write(json.dumps(found, ensure_ascii=False))
            return
        if not reports:
            self.stdout.write(_("There are no schedules."))
        for told in reports:
            self._print(told)

    def _print(self, told: UpcomingReport) -> None:
        self.stdout.write(f"{_title(told)}: {told.in_words or f'{told.place}: {told.problem}'}")
        if told.held:
            self.stdout.write(f"  {told.held}")
        for firing in told.firings:
            local, utc = firing.as_json().values()
            self.stdout.write(f"  {local}  {utc}")
        if not told.firings and not told.problem:
            self.stdout.write("  " + _("It does not fire any more."))
        elif told.how_often:
            self.stdout.write(f"  {told.how_often}")
        for line in (*told.clock, *told.placed_warnings()):
            self.stdout.write(f"  {line}")


def _wrong(sentence: str) -> CommandError:
    return CommandError(sentence, returncode=2)


def _since(text: str | None, shown: ZoneInfo | None) -> datetime:
    if text is None:
        return timezone.now()
    try:
        return read_moment(text, place="--from", tz=shown or zone(default_timezone()))
    except InvalidTrigger as error:
        raise _wrong(str(error)) from error


def _unsaved(cron: str | None, text: str | None, zone_name: str | None) -> dict[str, object]:
    document: object = {"type": "cron", "cron": cron}
    if text is not None:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _wrong(_("--trigger is not JSON: %(why)s.") % {"why": error}) from error
    if not isinstance(document, dict):
        raise _wrong(_('--trigger must be an object such as {"type": "interval", "hours": 1}.'))
    if zone_name is not None:
        document.setdefault("timezone", zone_name)
    return document


def _saved(job_ids: Sequence[str]) -> list[ScheduledJob]:
    """In the order that was asked for; without any asked for, all by their ids."""
    jobs = ScheduledJob.objects.order_by("job_id")
    if job_ids:
        jobs = jobs.filter(job_id__in=job_ids)
    found = {job.job_id: job for job in jobs}
    for job_id in job_ids:
        if job_id not in found:
            raise _wrong(no_such_job(job_id))
    return [found[job_id] for job_id in dict.fromkeys(job_ids) or found]


def _title(told: UpcomingReport) -> str:
    if told.job_id is None:
        return str(told.trigger.get("cron") or told.trigger["type"])
    return told.job_id if told.name in ("", told.job_id) else f"{told.job_id} ({told.name})"
