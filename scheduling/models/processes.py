"""Who is alive."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class Process(models.Model):
    """A row for each live scheduler, worker or foreground command, with a beat.

    Whether a process is lost is decided by others seeing `beat` unchanged on *their* monotonic clock, never by a wall
    clock; `beat_at` (the database's clock) is for showing alone.
    """

    class Kind(models.TextChoices):
        SCHEDULER = "scheduler", _("scheduler")
        WORKER = "worker", _("worker")
        COMMAND = "command", _("command")

    class State(models.TextChoices):
        ALIVE = "alive", _("alive")
        STOPPED = "stopped", _("stopped")
        LOST = "lost", _("lost")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    host = models.CharField(_("host"), max_length=255, help_text=_("Host name, boot id and pid name space."))
    pid = models.PositiveIntegerField(_("process id"))
    pid_created = models.FloatField(_("created (seconds since the boot)"))
    started_at = models.DateTimeField(_("started"))
    beat = models.PositiveBigIntegerField(_("beat"), default=0)
    beat_at = models.DateTimeField(_("last beat"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.ALIVE)
    code_version = models.CharField(_("code version"), max_length=64, blank=True)
    max_workers = models.PositiveIntegerField(_("worker places"), default=0)
    gauges = models.JSONField(_("gauges"), default=dict, blank=True)

    class Meta:
        verbose_name = _("process")
        verbose_name_plural = _("processes")
        ordering = ["-id"]
        indexes = [models.Index(fields=["state"], name="process_state")]

    def __str__(self) -> str:
        values = {"kind": self.get_kind_display(), "pid": self.pid, "host": self.host.split("/", 1)[0]}
        return gettext("%(kind)s %(pid)s on %(host)s") % values
