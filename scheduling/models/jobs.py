"""What should run, and every version that it had."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .fields import DocumentField

validate_job_id = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,199}\Z",
    _("Use letters, digits, “-”, “_” and “.”, beginning with a letter or a digit; at most 200 characters."),
)


class ScheduledJob(models.Model):
    """A job definition: the truth about what should run, when, and under which policies.

    Written by `scheduling.definitions` alone, which keeps django-apscheduler's `DjangoJob` row (same id) in step;
    that row's `next_run_time` is the only copy of "when next".
    """

    class Overlap(models.TextChoices):
        SKIP = "skip", _("skip")
        WAIT = "wait", _("wait")

    job_id = models.CharField(_("job id"), max_length=200, unique=True, validators=[validate_job_id])
    name = models.CharField(_("name"), max_length=200)
    handler = models.CharField(_("handler"), max_length=200, db_index=True)
    job_data = models.JSONField(_("job data"), default=dict, blank=True)
    trigger = models.JSONField(_("trigger"))
    coalesce = models.BooleanField(_("coalesce"), default=False)
    max_instances = models.PositiveSmallIntegerField(_("max instances"), default=1, validators=[MinValueValidator(1)])
    misfire_grace_time = models.PositiveIntegerField(
        _("misfire grace time"), null=True, blank=True, default=30, help_text=_("Seconds; empty: however late.")
    )
    max_retries = models.PositiveSmallIntegerField(_("max retries"), default=3)
    timeout = models.FloatField(_("time-out"), null=True, blank=True, help_text=_("Seconds of a whole run."))
    jitter = models.PositiveIntegerField(_("jitter"), null=True, blank=True, help_text=_("Seconds at most."))
    overlap = models.CharField(_("overlap"), max_length=4, choices=Overlap, default=Overlap.SKIP)
    anchor_at = models.DateTimeField(
        _("anchored at"), null=True, blank=True, help_text=_("Where an interval counts from, whatever restarts.")
    )
    start_at = models.DateTimeField(_("from"), null=True, blank=True)
    end_at = models.DateTimeField(_("until"), null=True, blank=True)
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    paused_by = models.CharField(_("paused by"), max_length=150, blank=True)
    note = models.TextField(_("note"), blank=True)
    problem = models.TextField(_("problem"), blank=True)
    problem_at = models.DateTimeField(_("problem since"), null=True, blank=True)
    enabled = models.BooleanField(_("enabled"), default=True)
    one_time = models.BooleanField(_("one-off"), default=False)
    version = models.PositiveIntegerField(_("version"), default=1)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["job_id"]
        permissions = [("operate_scheduledjob", "Can run, pause, resume and back-fill schedules")]
        constraints = [
            models.CheckConstraint(condition=Q(max_instances__gte=1), name="job_max_instances_positive"),
            models.CheckConstraint(condition=Q(timeout__isnull=True) | Q(timeout__gt=0), name="job_timeout_positive"),
            models.CheckConstraint(
                condition=Q(start_at__isnull=True) | Q(end_at__isnull=True) | Q(end_at__gt=models.F("start_at")),
                name="job_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return self.job_id


class DefinitionVersion(models.Model):
    """One saved version of a job's or a spider's document: who, when, what."""

    class Kind(models.TextChoices):
        JOB = "job", _("schedule")
        SPIDER = "spider", _("spider")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    key = models.CharField(_("key"), max_length=200)
    number = models.PositiveIntegerField(_("number"))
    document = DocumentField(_("document"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), null=True, blank=True, on_delete=models.SET_NULL
    )
    at = models.DateTimeField(_("at"))
    comment = models.CharField(_("comment"), max_length=500, blank=True)
    removed_at = models.DateTimeField(
        _("removed at"), null=True, blank=True, help_text=_("When what it defines was removed, if that was its end.")
    )
    removed_by = models.CharField(_("removed by"), max_length=150, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("definition version")
        verbose_name_plural = _("definition versions")
        ordering = ["kind", "key", "-number"]
        constraints = [models.UniqueConstraint(fields=["kind", "key", "number"], name="version_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.key} v{self.number}"


class SchedulerState(models.Model):
    """One row (pk 1): whether everything is paused, by whom and why."""

    MOST_NOTE = 200
    """Characters of the note: every page shows it, and each row of what the pause swallows holds a copy."""

    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    paused_by = models.CharField(_("paused by"), max_length=150, blank=True)
    # With a default of the database's own: processes of an older release write this row without it.
    note = models.CharField(_("note"), max_length=MOST_NOTE, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("scheduler state")
        verbose_name_plural = _("scheduler state")
        constraints = [models.CheckConstraint(condition=Q(id=1), name="state_is_one_row")]

    def __str__(self) -> str:
        return "paused" if self.paused_at else "running"
