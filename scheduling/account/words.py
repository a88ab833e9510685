"""What became of a run, in words: whole sentences in the active language, with times in the scheduler's zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling import wording
from scheduling.durations import duration
from scheduling.firing import CATCH_UP
from scheduling.models import JobRun
from scheduling.triggers.base import default_timezone
from scheduling.triggers.zones import zone

Outage = tuple[datetime, datetime | None]
"""No scheduler was alive from … to … (None: up to now)."""
Reason = JobRun.Reason
State = JobRun.State


def local(moment: datetime) -> str:
    """“2026-03-02 02:00”; with seconds where they are not 0, with the offset in an hour that comes twice."""
    here = timezone.localtime(moment, zone(default_timezone()))
    text = here.replace(tzinfo=None, microsecond=0).isoformat(" ", "auto" if here.second else "minutes")
    if here.replace(fold=0).utcoffset() != here.replace(fold=1).utcoffset():
        text += here.isoformat()[-6:]
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a row beside itself."""

    outage: Outage | None = None
    """When no scheduler was alive, and it is why the row is late."""
    made: datetime | None = None
    """When its schedule was."""
    waits: str = ""
    """What it waits for, in a sentence."""
    begun: datetime | None = None
    """When a run that was interrupted began first: the row has when it went on."""


NOTHING_MORE = Known()


def reason_in_words(run: JobRun, known: Known = NOTHING_MORE) -> str:
    """Why a run's moments did not run, or how it ended, or that it waits. Asks the database nothing."""
    sentences = [known.waits or _TELLERS[run.state](run)]
    if run.state == State.MISSED and reason_of(run) == Reason.LATE:
        if known.made is not None and run.scheduled_time < known.made:
            sentences = [_passed(known.made)]
        elif known.outage is not None:
            sentences = [_down(known.outage)]
    if run.coalesced_count and run.coalesced_from is not None:
        text = ngettext(
            "It stands for %(count)d earlier moment as well, %(first)s.",
            "It stands for %(count)d earlier moments as well, the first of them %(first)s.",
            run.coalesced_count,
        )
        sentences.append(text % {"count": run.coalesced_count, "first": local(run.coalesced_from)})
    if known.begun is not None and run.started_at is not None and known.begun < run.started_at:
        sentences.append(_("It had begun at %(at)s, and was interrupted.") % {"at": local(known.begun)})
    if run.requested_by:
        sentences.append(_("It was asked for by %(who)s.") % {"who": run.requested_by})
    return wording.in_a_row(sentences)


def reason_of(run: JobRun) -> str:
    """Why a row's moments did not run; rows of older releases say so in their message alone."""
    if run.reason or run.state not in (State.MISSED, State.SKIPPED):
        return run.reason
    if run.state == State.SKIPPED:
        return Reason.OVERLAP.value
    told = {reason.value: reason.value for reason in (Reason.PAUSED, Reason.CHANGED, Reason.REMOVED)}
    return told.get(run.message, Reason.LATE.value)


def told(run: JobRun) -> Mapping[str, str]:
    """What a missed row tells of a pause, a change or a removal: `by`, `since`, `note`."""
    if "data" in run.get_deferred_fields() or not isinstance(run.data, dict):
        return {}
    return {str(key): str(value) for key, value in run.data.items()}


def since_of(run: JobRun) -> datetime | None:
    """Since when a missed row's reason held."""
    try:
        return datetime.fromisoformat(told(run)["since"])
    except (KeyError, ValueError):
        return None


def _queued(run: JobRun) -> str:
    if run.available_at > run.queued_at and run.available_at > run.scheduled_time:
        return _("It waits to run, not before %(at)s.") % {"at": local(run.available_at)}
    return waits_since(run)


def waits_since(run: JobRun) -> str:
    """Of a queued run whose time has come; empty of others."""
    if run.state != State.QUEUED:
        return ""
    return _("It has waited to run since %(since)s.") % {"since": local(max(run.queued_at, run.available_at))}


def _running(run: JobRun) -> str:
    if run.started_at is None:
        return _("It is running.")
    return _("It has been running since %(since)s.") % {"since": local(run.started_at)}


def _succeeded(run: JobRun) -> str:
    if run.started_at is None:
        return _("It ran.")
    seconds = run.execution_time
    if seconds is None and run.finished_at is not None:
        seconds = (run.finished_at - run.started_at).total_seconds()
    values = {"at": local(run.started_at), "duration": duration(seconds or 0)}
    if run.claim > 1 and run.finished_at is not None:
        values["end"] = local(run.finished_at)
        return _("It went on at %(at)s and succeeded at %(end)s, after %(duration)s of work in all.") % values
    return _("It ran at %(at)s and succeeded after %(duration)s.") % values


def _failed(run: JobRun) -> str:
    if run.reason == Reason.BROKEN:
        return _broken(run)
    detail = ": ".join(part for part in (run.error_type, wording.told(run.message)) if part)
    if run.started_at is None:
        return _("It failed (%(why)s).") % {"why": detail}
    values = {"at": local(run.started_at), "why": detail}
    if not detail:
        return _("It ran at %(at)s and failed.") % values
    return _("It ran at %(at)s and failed (%(why)s).") % values


def _cancelled(run: JobRun) -> str:
    at = run.finished_at or run.queued_at
    if run.reason == Reason.REMOVED:
        return _("It was cancelled at %(at)s: the schedule was removed.") % {"at": local(at)}
    if run.cancel_requested_by:
        return _("It was cancelled at %(at)s by %(who)s.") % {"at": local(at), "who": run.cancel_requested_by}
    return _("It was cancelled at %(at)s.") % {"at": local(at)}


def _missed(run: JobRun) -> str:
    return _MISSED.get(reason_of(run), _late)(run)


def _late(run: JobRun) -> str:
    seen = local(run.finished_at or run.queued_at)
    return _("It did not run: a scheduler came to it only at %(seen)s, later than the schedule allows.") % {
        "seen": seen
    }


def _passed(made: datetime) -> str:
    return _("It did not run: its moment had passed already when the schedule was made, at %(at)s.") % {
        "at": local(made)
    }


def _down(outage: Outage) -> str:
    since, until = outage
    if until is None:
        return _("It did not run: no scheduler is alive since %(since)s.") % {"since": local(since)}
    return _(
        "It did not run: no scheduler was alive from %(since)s to %(until)s; then it was later than the schedule"
        " allows."
    ) % {"since": local(since), "until": local(until)}


def _beyond(run: JobRun) -> str:
    return _(
        "It did not run: too much had piled up. Only the newest %(count)d moments of a schedule are caught up."
    ) % {"count": CATCH_UP}


def _paused(run: JobRun) -> str:
    text = _("It did not run: the schedule was paused from %(since)s to %(until)s%(who)s.")
    late = _("It did not run: it was due, and not started yet, when the schedule was paused at %(since)s%(who)s.")
    return _held(run, text, late)


def _paused_all(run: JobRun) -> str:
    text = _("It did not run: everything was paused from %(since)s to %(until)s%(who)s.")
    late = _("It did not run: it was due, and not started yet, when everything was paused at %(since)s%(who)s.")
    return _held(run, text, late)


def _disabled(run: JobRun) -> str:
    text = _("It did not run: the schedule was disabled from %(since)s to %(until)s%(who)s.")
    late = _("It did not run: it was due, and not started yet, when the schedule was disabled at %(since)s%(who)s.")
    return _held(run, text, late)


def _held(run: JobRun, text: str, late: str) -> str:
    """`late`: of what was due already when it began to be held."""
    since, until = since_of(run), run.finished_at or run.queued_at
    values = {"since": local(since or run.scheduled_time), "until": local(until), "who": _by(told(run).get("by", ""))}
    sentence = (late if since is not None and run.scheduled_time <= since and since == until else text) % values
    note = told(run).get("note", "")
    return wording.in_a_row((sentence, _("Note: “%(note)s”.") % {"note": note})) if note else sentence


def _changed(run: JobRun) -> str:
    at = local(run.finished_at or run.queued_at)
    who = _by(told(run).get("by", ""))
    return _("It did not run: the schedule was changed at %(at)s%(who)s, before it was started.") % {
        "at": at,
        "who": who,
    }


def _removed(run: JobRun) -> str:
    at = local(run.finished_at or run.queued_at)
    who = _by(told(run).get("by", ""))
    return _("It did not run: the schedule was removed at %(at)s%(who)s, before it was started.") % {
        "at": at,
        "who": who,
    }


def _broken(run: JobRun) -> str:
    problem = wording.told(run.message) or run.error_type
    if "error" not in run.get_deferred_fields() and run.error:
        problem = f"{run.error_type}: {run.error}" if run.error_type else run.error
    return _("It did not run: the schedule could not be carried out (%(problem)s).") % {"problem": problem}


def _skipped(run: JobRun) -> str:
    if run.reason == Reason.QUEUE_FULL:
        return _("It was skipped: too many runs of this schedule were waiting already.")
    if run.in_way is None:
        return _("It was skipped: another run of this schedule was in the way.")
    return _("It was skipped: run #%(run)d of this schedule was still waiting or running.") % {"run": run.in_way}


def _by(who: str) -> str:
    return _(" by %(who)s") % {"who": who} if who else ""


_TELLERS: Mapping[str, Callable[[JobRun], str]] = {
    State.QUEUED: _queued,
    State.RUNNING: _running,
    State.SUCCEEDED: _succeeded,
    State.FAILED: _failed,
    State.CANCELLED: _cancelled,
    State.MISSED: _missed,
    State.SKIPPED: _skipped,
}
_MISSED: Mapping[str, Callable[[JobRun], str]] = {
    Reason.LATE: _late,
    Reason.BEYOND_CATCH_UP: _beyond,
    Reason.PAUSED: _paused,
    Reason.PAUSED_ALL: _paused_all,
    Reason.DISABLED: _disabled,
    Reason.CHANGED: _changed,
    Reason.REMOVED: _removed,
    Reason.BROKEN: _broken,
}
