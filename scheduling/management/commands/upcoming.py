"""`manage.py upcoming`: when jobs run next, and what the next two clock changes do to them; stores nothing."""

from __future__ import annotations

import difflib
import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.models import ScheduledJob, SchedulerState
from scheduling.triggers.base import default_timezone, read_moment
from scheduling.triggers.zones import zone

MOST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is asked about: a stored job, or a trigger that is not saved yet."""

    job_id: str | None
    title: str
    trigger: Mapping[str, object]
    anchor: datetime
    held: str = ""
    """Why nothing of it runs now; empty: it runs."""


class Command(BaseCommand):
    help = "Show the next firings in local time and UTC, and what happens on the next two clock changes."

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
            subjects = [_unsaved(cron, trigger, timezone, after)]
        else:
            subjects = list(_saved(job_id))
        reports = [_report(subject, after=after, count=count, shown=shown) for subject in subjects]
        if as_json:
            self.stdout.write(json.dumps({"after": after.isoformat(), "jobs": reports}, ensure_ascii=False))
            return
        if not reports:
            self.stdout.write(_("There are no schedules."))
        for subject, report in zip(subjects, reports, strict=True):
            self._print(subject, report)

    def _print(self, subject: Subject, report: Mapping[str, object]) -> None:
        self.stdout.write(f"{subject.title}: {report['in_words'] or report['problem']}")
        if report["held"]:
            self.stdout.write(f"  {report['held']}")
        firings = report["firings"]
        assert isinstance(firings, list)  # noqa: S101 - our own report
        for firing in firings:
            self.stdout.write(f"  {firing['local']}  {firing['utc']}")
        if not firings and not report["problem"]:
            self.stdout.write("  " + _("It does not fire any more."))
        for key in ("clock", "warnings"):
            lines = report[key]
            assert isinstance(lines, list)  # noqa: S101
            for line in lines:
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


def _unsaved(cron: str | None, text: str | None, zone_name: str | None, after: datetime) -> Subject:
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
    try:
        triggers.validate(document)
    except InvalidTrigger as error:
        raise _wrong(str(error)) from error
    title = str(cron if cron is not None else document["type"])
    return Subject(job_id=None, title=title, trigger=document, anchor=after)


def _saved(job_ids: Sequence[str]) -> Iterator[Subject]:
    jobs = ScheduledJob.objects.order_by("job_id")
    if job_ids:
        jobs = jobs.filter(job_id__in=job_ids)
    found = {job.job_id: job for job in jobs}
    for job_id in job_ids:
        if job_id not in found:
            raise _wrong(_unknown(job_id))
    paused = SchedulerState.objects.filter(pk=1, paused_at__isnull=False).exists()
    for job_id in dict.fromkeys(job_ids) or found:
        job = found[job_id]
        title = job_id if job.name in ("", job_id) else f"{job_id} ({job.name})"
        yield Subject(
            job_id=job_id,
            title=title,
            trigger=job.trigger,
            anchor=job.anchor_at or job.created_at,
            held=_held(job, everything_paused=paused),
        )


def _unknown(job_id: str) -> str:
    known = ScheduledJob.objects.values_list("job_id", flat=True)
    near = difflib.get_close_matches(job_id, list(known[:10_000]), n=1, cutoff=0.5)
    if near:
        return _("There is no job “%(id)s”; the nearest is “%(near)s”.") % {"id": job_id, "near": near[0]}
    return _("There is no job “%(id)s”.") % {"id": job_id}


def _held(job: ScheduledJob, *, everything_paused: bool) -> str:
    if job.paused_at is not None:
        who = _(" by %(who)s") % {"who": job.paused_by} if job.paused_by else ""
        return _("Paused since %(since)s%(who)s: these do not run until it is resumed.") % {
            "since": timezone.localtime(job.paused_at).isoformat(" ", "minutes"),
            "who": who,
        }
    if not job.enabled:
        return _("Disabled: these do not run until it is enabled.")
    if everything_paused:
        return _("The whole scheduler is paused: these do not run until it is resumed.")
    return ""


def _report(subject: Subject, *, after: datetime, count: int, shown: ZoneInfo | None) -> dict[str, object]:
    report: dict[str, object] = {
        "job_id": subject.job_id,
        "trigger": dict(subject.trigger),
        "in_words": "",
        "held": subject.held,
        "problem": "",
        "timezone": "",
        "firings": [],
        "clock": [],
        "clock_changes": [],
        "warnings": [],
    }
    try:
        built = triggers.build(subject.trigger, anchor=subject.anchor)
    except InvalidTrigger as error:
        # A stored row that was spoilt: the other jobs are shown all the same.
        return {**report, "problem": str(error)}
    tz = shown or built.tz
    moments = triggers.next_firings(subject.trigger, after, count, anchor=subject.anchor)
    clock = triggers.clock_changes(subject.trigger, after)
    lines = [_clock_line(change, effect) for change, effect in clock]
    return {
        **report,
        "in_words": built.describe(),
        "timezone": tz.key,
        "firings": [{"local": moment.astimezone(tz).isoformat(), "utc": _utc(moment)} for moment in moments],
        "clock": lines or [_("The clocks of %(zone)s are not changed.") % {"zone": built.tz.key}],
        "clock_changes": [
            {
                "at": _utc(change.at),
                "from": change.wall_before.isoformat(),
                "to": change.wall_after.isoformat(),
                "effect": effect,
            }
            for change, effect in clock
        ],
        "warnings": [f"{place}: {message}" for place, message in triggers.warnings(subject.trigger)],
    }


def _clock_line(change: triggers.ClockChange, effect: str) -> str:
    text = (
        _("%(date)s: clocks go from %(from)s to %(to)s; %(effect)s")
        if change.is_gap
        else _("%(date)s: clocks go back from %(from)s to %(to)s; %(effect)s")
    )
    return text % {
        "date": change.wall_before.date().isoformat(),
        "from": change.wall_before.time().isoformat("minutes"),
        "to": change.wall_after.time().isoformat("minutes"),
        "effect": effect,
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
