"""What this installation has asked of a host."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class HostDay(models.Model):
    """How many requests for pages a host had on one day, from all spiders and processes.

    `day` is a day of the scheduler's zone. Kept for hosts that a spider with `pages_per_day` has asked, and for a few
    days only.
    """

    host = models.CharField(_("host"), max_length=300, help_text=_("With its port where that is not the usual one."))
    day = models.DateField(_("day"))
    pages = models.PositiveIntegerField(_("pages"), default=0)

    class Meta:
        verbose_name = _("host's day")
        verbose_name_plural = _("hosts' days")
        ordering = ["-day", "host"]
        constraints = [models.UniqueConstraint(fields=["day", "host"], name="hostday_once")]

    def __str__(self) -> str:
        return f"{self.host} {self.day}: {self.pages}"
