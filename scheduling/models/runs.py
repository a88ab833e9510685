"""What ran, what did not, and why."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .jobs import ScheduledJob
from .processes import Process

UNWELL = ("failed", "cancelled", "missed", "skipped")
"""The states of ended runs that people look for, and that few have: `run_unwell` is an index of them."""


class JobRun(models.Model):
    """The durable record of one firing or request, through to its end; also of one that was missed or skipped.

    `job_key` and `job_name` are copies that outlive the job. A run without a `ScheduledJob` of its own (fan-out,
    command) carries what it needs in `work`.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        MISSED = "missed", _("missed")
        SKIPPED = "skipped", _("skipped")

    class Cause(models.TextChoices):
        SCHEDULE = "schedule", _("schedule")
        BACKFILL = "backfill", _("back-fill")
        MANUAL = "manual", _("run now")
        FANOUT = "fanout", _("fan-out")
        COMMAND = "command", _("command")

    class Reason(models.TextChoices):
        """Why planned moments did not run; empty: they were to run."""

        LATE = "late", _("later than the grace")
        BEYOND_CATCH_UP = "beyond_catch_up", _("beyond catch-up")
        OVERLAP = "overlap", _("another run was in the way")
        QUEUE_FULL = "queue_full", _("the queue was full")
        PAUSED = "paused", _("paused")
        PAUSED_ALL = "paused_all", _("everything was paused")
        CHANGED = "changed", _("the schedule was changed")
        DISABLED = "disabled", _("disabled")
        REMOVED = "removed", _("the schedule was removed")
        BROKEN = "broken", _("the definition is broken")

    ACTIVE = (State.QUEUED, State.RUNNING)
    TERMINAL = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.MISSED, State.SKIPPED)

    job = models.ForeignKey(
        ScheduledJob,
        verbose_name=_("schedule"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="runs",
        db_index=False,  # run_timeline begins with it
    )
    job_key = models.CharField(_("job id"), max_length=200)
    job_name = models.CharField(_("job name"), max_length=200)
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    scheduled_time = models.DateTimeField(_("scheduled for"))
    available_at = models.DateTimeField(_("available from"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    definition_version = models.PositiveIntegerField(_("definition version"), null=True, blank=True)
    code_version = models.CharField(_("code version"), max_length=64, blank=True)
    work = models.JSONField(
        _("work"),
        null=True,
        blank=True,
        help_text=_("handler, job_data, max_retries and timeout of a run that has no schedule of its own"),
    )
    owner = models.ForeignKey(
        Process,
        verbose_name=_("process"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="runs",
        db_index=False,  # run_of_process: a tick's new runs have none, and each index costs it a tenth
    )
    claim = models.PositiveIntegerField(_("claim"), default=0)
    slot = models.PositiveSmallIntegerField(_("slot"), null=True, blank=True)
    exclusive_key = models.CharField(_("exclusive key"), max_length=255, blank=True)
    retry_count = models.PositiveSmallIntegerField(_("retries"), default=0)
    recoveries = models.PositiveSmallIntegerField(_("recoveries"), default=0)
    cancel_requested_at = models.DateTimeField(_("cancel asked at"), null=True, blank=True)
    cancel_requested_by = models.CharField(_("cancel asked by"), max_length=150, blank=True)
    queued_at = models.DateTimeField(_("queued"))
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    attempt_at = models.DateTimeField(_("attempt started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    execution_time = models.FloatField(_("execution time (s)"), null=True, blank=True)
    message = models.TextField(_("message"), blank=True)
    data = models.JSONField(_("result"), null=True, blank=True)
    falls_short = models.BooleanField(_("incomplete"), null=True, blank=True)
    error_type = models.CharField(_("error type"), max_length=200, blank=True)
    error = models.TextField(_("error"), blank=True)
    missed_count = models.PositiveBigIntegerField(_("missed firings"), null=True, blank=True)
    missed_until = models.DateTimeField(_("missed until"), null=True, blank=True)
    coalesced_count = models.PositiveBigIntegerField(_("coalesced firings"), default=0)
    coalesced_from = models.DateTimeField(_("coalesced from"), null=True, blank=True)
    # Defaults of the database's own: the tick's plain INSERTs do not name these columns.
    reason = models.CharField(_("reason"), max_length=20, choices=Reason, blank=True, default="", db_default="")
    in_way = models.BigIntegerField(
        _("run in the way"),
        null=True,
        blank=True,
        help_text=_("The number of the run because of which it was skipped."),
    )
    requested_by = models.CharField(_("asked for by"), max_length=150, blank=True, default="", db_default="")

    sentence = ""
    """No column: why it did not run, in words, where a list has asked `account.Teller` for all its rows."""

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["job", "scheduled_time", "cause"],
                condition=Q(cause__in=["schedule", "backfill"]),
                name="run_once",
            ),
            models.UniqueConstraint(fields=["job", "slot"], condition=Q(state="running"), name="run_slot"),
            models.UniqueConstraint(
                fields=["exclusive_key"], condition=Q(state="running") & ~Q(exclusive_key=""), name="run_exclusive"
            ),
            models.UniqueConstraint(
                fields=["job"], condition=Q(state="queued", cause="manual", claim=0), name="run_one_run_now"
            ),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(owner__isnull=False, started_at__isnull=False),
                name="run_running_is_owned",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"]) | Q(finished_at__isnull=False),
                name="run_ended_has_time",
            ),
        ]
        indexes = [
            # the claim query
            models.Index(fields=["available_at", "id"], condition=Q(state="queued"), name="run_claim"),
            # the tick's: how many runs of this job wait already?
            models.Index(fields=["job", "id"], condition=Q(state="queued"), name="run_waiting"),
            # the reaper's and the drain's question: what does this process own?
            models.Index(fields=["owner"], condition=Q(state="running"), name="run_owned"),
            # the removal of a process
            models.Index(fields=["owner"], condition=Q(owner__isnull=False), name="run_of_process"),
            # a job's time line, and its active runs
            models.Index(fields=["job", "-id"], name="run_timeline"),
            models.Index(fields=["job_key", "-id"], name="run_key_timeline"),
            # the account of moments whose job was removed; `run_once` serves those of a job that is there
            models.Index(fields=["job_key", "scheduled_time"], condition=Q(job__isnull=True), name="run_key_moments"),
            # retention, reports
            models.Index(fields=["finished_at"], condition=~Q(state__in=["queued", "running"]), name="run_finished"),
            # lists of them; a tick's new runs are not among them
            models.Index(fields=["state", "-id"], condition=Q(state__in=UNWELL), name="run_unwell"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.job_key}"

    @property
    def shown_state(self) -> str:
        """The state; `lacking` where it succeeded and something is missing of what it should have brought."""
        return "lacking" if self.falls_short and self.state == self.State.SUCCEEDED else self.state


class RunLog(models.Model):
    """A piece of a run's log: some lines, in order."""

    run = models.ForeignKey(JobRun, verbose_name=_("run"), on_delete=models.CASCADE, related_name="log")
    seq = models.PositiveIntegerField(_("number"))
    text = models.TextField(_("text"))

    class Meta:
        verbose_name = _("run log")
        verbose_name_plural = _("run logs")
        ordering = ["run", "seq"]
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="runlog_once")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.seq}"
