"""Dates that lie in the past when somebody writes them: a schedule of one would never run, so it is not taken.

Only what people send is looked at: a file, or an older version that is restored, may tell of what has been.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from scheduling import triggers
from scheduling.exceptions import InvalidJob
from scheduling.triggers.date import DateTrigger

from .documents import JobValues


def check_ahead(values: JobValues, *, stored: Mapping[str, object] | None = None, now: datetime | None = None) -> None:
    """Refuse a rule of one date that is further in the past than the schedule may be late.

    `stored` is the rule as it is now: saving that again plans nothing.

    Raises:
        InvalidJob: naming ``trigger.run_date``.
    """
    grace = values.misfire_grace_time
    if not values.enabled or grace is None or (stored is not None and dict(stored) == dict(values.trigger)):
        return
    trigger = triggers.build(values.trigger)
    if not isinstance(trigger, DateTrigger):
        return
    late = ((now or timezone.now()) - trigger.run_at).total_seconds()
    if late > grace:
        message = _("“%(given)s” lies in the past: it would never run. Write a moment to come.")
        raise InvalidJob([("trigger.run_date", message % {"given": values.trigger["run_date"]})])
