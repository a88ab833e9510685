"""How past hours went: sums that outlive the runs that they were counted from."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class RunHour(models.Model):
    """How many runs ended in one hour, by their state. Written by `scheduling.hours` once the hour is over.

    The rows lie one behind the other without a gap, so that what ended after the last of them is all that is not
    summed up yet. Hours are those of the scheduler's zone, some of which begin at half past an hour of UTC.
    """

    start_at = models.DateTimeField(_("from"), unique=True)
    end_at = models.DateTimeField(_("until"))
    succeeded = models.PositiveIntegerField(_("succeeded"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    cancelled = models.PositiveIntegerField(_("cancelled"), default=0)
    missed = models.PositiveIntegerField(_("missed"), default=0)
    skipped = models.PositiveIntegerField(_("skipped"), default=0)
    counted_at = models.DateTimeField(_("counted"))

    class Meta:
        verbose_name = _("hour of runs")
        verbose_name_plural = _("hours of runs")
        ordering = ["-start_at"]
        constraints = [
            models.CheckConstraint(condition=models.Q(end_at__gt=models.F("start_at")), name="runhour_ends_later")
        ]

    def __str__(self) -> str:
        return f"{self.start_at.isoformat()}: {self.succeeded} succeeded, {self.failed} failed"
