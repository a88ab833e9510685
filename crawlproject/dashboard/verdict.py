"""Is all well? One sentence, and what stands behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling.wording import in_a_row

from .needs import Need, Sight
from .numbers import Numbers
from .schedules import Schedule

COMMAND = "manage.py runscheduler"
SHOWN = 12
"""Needs on the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictShown:
    """The first thing on the page."""

    tone: str
    picture: str
    title: str
    text: str
    needs: Sequence[Need]
    command: str = ""
    """To be typed, where that is the remedy."""
    is_first_run: bool = False
    """There is no spider yet."""
    pause: str = ""
    """That everything is paused, where the title says something else."""
    paused_at: datetime | None = None
    paused_by: str = ""
    note: str = ""
    """Why everything is paused, as far as somebody said."""

    @property
    def more(self) -> int:
        """Needs beyond those that are shown."""
        return max(0, len(self.needs) - SHOWN)

    @property
    def shown(self) -> Sequence[Need]:
        return self.needs[:SHOWN]


def verdict_of(sight: Sight, needs: Sequence[Need], numbers: Numbers) -> VerdictShown:
    """No scheduler alive comes first of all, then a pause of everything, then what needs somebody."""
    is_first_run = not sight.spiders
    is_paused = sight.pulse.paused_at is not None
    if not sight.pulse.alive:
        return VerdictShown(
            tone="bad",
            picture="warn",
            title=_("No scheduler is alive"),
            text=_("Nothing fires and nothing runs until one does. Start one:"),
            needs=needs,
            command=COMMAND,
            is_first_run=is_first_run,
            pause=_("Everything is paused: no schedule fires") if is_paused else "",
            paused_at=sight.pulse.paused_at,
            paused_by=sight.pulse.paused_by,
            note=sight.pulse.note,
        )
    if is_paused:
        return VerdictShown(
            tone="warn",
            picture="paused",
            title=_("Everything is paused: no schedule fires"),
            text=_("What is due meanwhile is recorded as missed."),
            needs=needs,
            is_first_run=is_first_run,
            paused_at=sight.pulse.paused_at,
            paused_by=sight.pulse.paused_by,
            note=sight.pulse.note,
        )
    if needs:
        title = _title(needs, len(sight.schedules))
        text = _rest(needs, sight.schedules, numbers)
        return VerdictShown(tone="bad", picture="warn", title=title, text=text, needs=needs, is_first_run=is_first_run)
    if is_first_run:
        text = _("Describe what to crawl, see at once what it gives, then give it a schedule.")
        return VerdictShown(
            tone="lit", picture="spider", title=_("No spider yet"), text=text, needs=(), is_first_run=True
        )
    return VerdictShown(
        tone="ok", picture="lamp", title=_("All lamps are lit"), text=_all_well(sight.schedules, numbers), needs=()
    )


def _title(needs: Sequence[Need], schedules: int) -> str:
    count = len(needs)
    if all(need.is_schedule for need in needs):
        text = ngettext("%(count)d of %(all)d schedules needs you", "%(count)d of %(all)d schedules need you", count)
        return text % {"count": count, "all": schedules}
    return ngettext("%(count)d matter needs you", "%(count)d matters need you", count) % {"count": count}


def _rest(needs: Sequence[Need], schedules: Sequence[Schedule], numbers: Numbers) -> str:
    others = len(schedules) - sum(need.is_schedule for need in needs)
    missed = numbers.missed_in_day
    sentences = []
    # Of one that has not run yet, or is broken and was told, nothing of the kind may be said.
    if others > 0 and all(schedule.has_run or schedule.job.problem for schedule in schedules):
        text = ngettext("The other one made its rounds.", "The other %(count)d made their rounds.", others)
        sentences.append(text % {"count": others})
    if missed:
        text = ngettext(
            "In the last 24 hours %(count)d firing was missed; it is recorded.",
            "In the last 24 hours %(count)d firings were missed; each is recorded.",
            missed,
        )
        sentences.append(text % {"count": missed})
    return in_a_row([*sentences, *_held(schedules)])


def _held(schedules: Sequence[Schedule]) -> Iterator[str]:
    """That some are paused, where any is: it is well as long as nobody has forgotten it."""
    count = sum(schedule.job.paused_at is not None for schedule in schedules)
    if count:
        yield ngettext("%(count)d schedule is paused.", "%(count)d schedules are paused.", count) % {"count": count}


def _all_well(schedules: Sequence[Schedule], numbers: Numbers) -> str:
    return in_a_row([_day(len(schedules), numbers), *_held(schedules)])


def _day(schedules: int, numbers: Numbers) -> str:
    day = numbers.last_day
    values = {
        "schedules": schedules,
        "succeeded": f"{day['succeeded']:,}",
        "failed": f"{day['failed']:,}",
        "not_run": f"{numbers.missed_in_day + day['skipped']:,}",
    }
    if not (day["failed"] or day["missed"] or day["skipped"]):
        text = ngettext(
            "%(schedules)d schedule; runs in the last 24 hours: %(succeeded)s succeeded, none failed, none missed.",
            "%(schedules)d schedules; runs in the last 24 hours: %(succeeded)s succeeded, none failed, none missed.",
            schedules,
        )
        return text % values
    text = _(
        "Runs in the last 24 hours: %(succeeded)s succeeded, %(failed)s failed. Firings missed or skipped: %(not_run)s."
    )
    return text % values
