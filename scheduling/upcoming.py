"""When a trigger fires next, and what the next two changes of its clock do to it: for command, REST and admin alike.

Nothing is stored, and nothing is raised for a trigger that is wrong: its report says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _

from . import triggers
from .exceptions import InvalidTrigger
from .models import ScheduledJob, SchedulerState
from .storable import utc_text
from .triggers.base import YEARS
from .wording import in_a_row

MOST = 1_000
"""Firings that one report tells at most."""
EARLIEST, LATEST = datetime(YEARS[0], 1, 1, tzinfo=UTC), datetime(YEARS[-1] + 1, 1, 1, tzinfo=UTC)
"""No schedule lies outside; arithmetic over zones far outside of them has no answer."""
COUNTED = (1, 30, 365)
"""Days within which firings are counted."""


class Hold(StrEnum):
    """Why nothing of a job runs as things stand."""

    PAUSED = "paused"
    DISABLED = "disabled"
    QUARANTINED = "quarantined"
    PAUSED_ALL = "paused_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One planned moment."""

    local: datetime
    utc: datetime

    def as_json(self) -> dict[str, object]:
        return {"local": self.local.isoformat(), "utc": utc_text(self.utc)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEffect:
    """A change of the trigger's clock, and what it does to the trigger."""

    change: triggers.ClockChange
    effect: str
    """In words."""

    def as_json(self) -> dict[str, object]:
        return {
            "at": utc_text(self.change.at),
            "from": self.change.wall_before.isoformat(),
            "to": self.change.wall_after.isoformat(),
            "effect": self.effect,
        }

    def sentence(self) -> str:
        """“2027-03-28: clocks go from 02:00 to 03:00; 02:30 runs at 03:00”."""
        before, after = self.change.wall_before, self.change.wall_after
        text = (
            _("%(date)s: clocks go from %(from)s to %(to)s; %(effect)s")
            if self.change.is_gap
            else _("%(date)s: clocks go back from %(from)s to %(to)s; %(effect)s")
        )
        same_day = before.date() == after.date()
        return text % {
            "date": before.date().isoformat(),
            "from": before.time().isoformat("minutes"),
            "to": after.time().isoformat("minutes") if same_day else after.isoformat(" ", "minutes"),
            "effect": self.effect,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcomingReport:
    """What a trigger is about to do. All texts are in the active language."""

    trigger: Mapping[str, object]
    job_id: str | None = None
    """None: the trigger is not saved yet."""
    name: str = ""
    in_words: str = ""
    problem: str = ""
    """What is wrong with the trigger; all that follows is empty then."""
    place: str = ""
    """Where in the document the problem lies, such as ``trigger.cron``."""
    timezone: str = ""
    """The zone of the local times."""
    firings: tuple[Firing, ...] = ()
    """Fewer than were asked for: it does not fire any more after the last of them."""
    counts: Mapping[int, int] = field(default_factory=dict)
    """Days → firings within them."""
    how_often: str = ""
    """The same as a sentence."""
    clock_changes: tuple[ClockEffect, ...] = ()
    """The next two changes of the trigger's own clock."""
    clock: tuple[str, ...] = ()
    """The same as sentences; one that says so where the clock is not changed."""
    warnings: tuple[tuple[str, str], ...] = ()
    """What is right but may be meant otherwise: each with its place in the document."""
    hold: Hold | None = None
    held: str = ""
    """Why nothing of it runs as things stand, in words; empty: it runs."""
    held_since: datetime | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "job_id": self.job_id,
            "trigger": dict(self.trigger),
            "in_words": self.in_words,
            "hold": self.hold.value if self.hold else None,
            "held": self.held,
            "held_since": utc_text(self.held_since) if self.held_since else None,
            "problem": f"{self.place}: {self.problem}" if self.problem else "",
            "timezone": self.timezone,
            "firings": [firing.as_json() for firing in self.firings],
            "counts": {f"{days}d": count for days, count in self.counts.items()},
            "how_often": self.how_often,
            "clock": list(self.clock),
            "clock_changes": [effect.as_json() for effect in self.clock_changes],
            "warnings": self.placed_warnings(),
        }

    def placed_warnings(self) -> list[str]:
        """“trigger.cron: …”, for those who write documents."""
        return [f"{place}: {message}" for place, message in self.warnings]


def report(
    document: Mapping[str, object],
    *,
    after: datetime,
    count: int,
    anchor: datetime | None = None,
    shown: ZoneInfo | None = None,
) -> UpcomingReport:
    """The first `count` firings (at most `MOST`) strictly after an instant, and the two clock changes after it.

    `anchor`: where an interval without a start counts from. `shown`: the zone of the local times, else the trigger's.
    """
    try:
        built = triggers.build(document, anchor=anchor)
    except InvalidTrigger as error:
        trigger = dict(document) if isinstance(document, Mapping) else {}
        return UpcomingReport(trigger=trigger, problem=error.message, place=error.place)
    tz = shown or built.tz
    after = min(max(after, EARLIEST), LATEST)
    moments = triggers.next_firings(document, after, min(count, MOST), anchor=anchor)
    effects = tuple(
        ClockEffect(change=change, effect=effect) for change, effect in triggers.clock_changes(document, after)
    )
    counts = {days: built.count_between(after, after + timedelta(days=days)) for days in COUNTED}
    often = _("Firings: %(day)s in the next 24 hours, %(month)s in 30 days, %(year)s in 365 days.")
    unchanged = _("The clocks of %(zone)s are not changed.") % {"zone": built.tz.key}
    return UpcomingReport(
        trigger=dict(document),
        in_words=built.describe(),
        timezone=tz.key,
        firings=tuple(Firing(local=moment.astimezone(tz), utc=moment) for moment in moments),
        counts=counts,
        how_often=often % dict(zip(("day", "month", "year"), (f"{count:,}" for count in counts.values()), strict=True)),
        clock_changes=effects,
        clock=tuple(effect.sentence() for effect in effects) or (unchanged,),
        warnings=tuple(triggers.warnings(document)),
    )


def of_jobs(
    jobs: Iterable[ScheduledJob], *, after: datetime, count: int, shown: ZoneInfo | None = None
) -> list[UpcomingReport]:
    """The report of each stored job, with why nothing of it runs now. One query."""
    state = paused_state()
    return [of_job(job, after=after, count=count, state=state, shown=shown) for job in jobs]


def of_job(
    job: ScheduledJob, *, after: datetime, count: int, state: SchedulerState | None, shown: ZoneInfo | None = None
) -> UpcomingReport:
    """The report of a stored job, with why nothing of it runs now; `state` as `paused_state` gives it."""
    told = report(job.trigger, after=after, count=count, anchor=job.anchor_at, shown=shown)
    hold, since, held = _held(job, state)
    return replace(told, job_id=job.job_id, name=job.name, hold=hold, held=held, held_since=since)


def hold_of(job: ScheduledJob) -> tuple[Hold | None, datetime | None, str]:
    """Why nothing of a job runs as things stand, since when (as far as its row says), and that in words. One query."""
    return _held(job, paused_state())


def paused_state() -> SchedulerState | None:
    """Where everything is paused. One query."""
    return SchedulerState.objects.filter(pk=1, paused_at__isnull=False).first()


def _held(job: ScheduledJob, state: SchedulerState | None) -> tuple[Hold | None, datetime | None, str]:
    """A job's own pause is named before the pause of everything: resuming everything would not set it going."""
    if not job.enabled:
        return Hold.DISABLED, None, _("Disabled: these do not run until it is enabled.")
    if job.paused_at is not None:
        sentence = _("Paused since %(since)s%(who)s: these do not run until it is resumed.")
        held = sentence % {"since": _local(job.paused_at), "who": _by(job.paused_by)}
        return Hold.PAUSED, job.paused_at, in_a_row((held, _note(job.note)))
    if job.problem:
        since = _local(job.problem_at) if job.problem_at else _("a while ago")
        sentence = _("Broken since %(since)s: these fail until it is saved without the problem (%(problem)s).")
        return Hold.QUARANTINED, job.problem_at, sentence % {"since": since, "problem": job.problem}
    if state is not None and state.paused_at is not None:
        sentence = _("The whole scheduler is paused since %(since)s%(who)s: these do not run until it is resumed.")
        held = sentence % {"since": _local(state.paused_at), "who": _by(state.paused_by)}
        return Hold.PAUSED_ALL, state.paused_at, in_a_row((held, _note(state.note)))
    return None, None, ""


def _by(who: str) -> str:
    return _(" by %(who)s") % {"who": who} if who else ""


def _note(note: str) -> str:
    return _("Note: “%(note)s”") % {"note": note} if note else ""


def _local(moment: datetime) -> str:
    return timezone.localtime(moment).isoformat(" ", "minutes")
