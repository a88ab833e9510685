"""What a person can do about a verdict."""

from __future__ import annotations

from django.utils.translation import gettext as _

from .values import Verdict


def remedy(verdict: Verdict, *, grace: int | None = None, is_alone: bool = False) -> str:
    """One sentence, in the active language and in the words of the schedule's form; empty where there is nothing to be
    done. `grace` in seconds; `is_alone`: what was in the way may not run beside another one anyway, however many the
    schedule allows.
    """
    if verdict is Verdict.SKIPPED:
        return _skipped(is_alone=is_alone)
    if verdict in (Verdict.MISSED_DOWN, Verdict.MISSED_LATE):
        if grace is None:
            return _("Back-fill it.")
        text = _("Raise “%(field)s” (now %(count)d), or back-fill it.")
        return text % {"field": _("Late by more than (seconds)"), "count": grace}
    return {
        Verdict.MISSED_BEYOND: _("Back-fill what is needed, or tick “%(field)s”.")
        % {"field": _("One run for a whole gap")},
        Verdict.PAUSED: _("Back-fill it if it is needed."),
        Verdict.PAUSED_ALL: _("Back-fill it if it is needed."),
        Verdict.DISABLED: _("Back-fill it if it is needed."),
        Verdict.CANCELLED: _("Back-fill it if it is needed."),
        Verdict.CHANGED: _("Back-fill it if it is needed."),
        Verdict.QUEUE_FULL: _("Let it run less often, or cancel runs that wait."),
        Verdict.QUARANTINED: _("Mend the schedule and save it; then back-fill what is needed."),
        Verdict.DUE_NO_SCHEDULER: _("Start a scheduler: manage.py runscheduler."),
    }.get(verdict, "")


def _skipped(*, is_alone: bool) -> str:
    text = (
        _("Set “%(overlap)s” to “%(wait)s”, or let it run less often.")
        if is_alone
        else _("Raise “%(most)s”, or set “%(overlap)s” to “%(wait)s”.")
    )
    return text % {"most": _("Runs at the same time"), "overlap": _("If a run is still going"), "wait": _("wait")}
