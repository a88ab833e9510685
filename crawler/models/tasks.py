"""Requested crawls."""

from __future__ import annotations

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from .spiders import Spider


class CrawlTask(models.Model):
    """One requested crawl, with its state, progress and counts.

    A crawl of several spiders is a parent without a spider; each spider's crawl is a child of it.
    """

    class Type(models.TextChoices):
        ALL = "all", _("all spiders")
        CATEGORY = "category", _("category")
        SPIDER = "spider", _("spider")
        URLS = "urls", _("URLs")

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        RUNNING = "running", _("running")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    TERMINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)

    task_id = models.CharField(_("task id"), max_length=200, unique=True)
    parent = models.ForeignKey(
        "self", verbose_name=_("parent"), null=True, blank=True, on_delete=models.CASCADE, related_name="children"
    )
    spider = models.ForeignKey(
        Spider, verbose_name=_("spider"), null=True, blank=True, on_delete=models.CASCADE, related_name="tasks"
    )
    task_type = models.CharField(_("type"), max_length=10, choices=Type)
    targets = models.JSONField(_("targets"), default=list, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    message = models.TextField(_("message"), blank=True)
    run = models.OneToOneField(
        "scheduling.JobRun",
        verbose_name=_("run"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="crawl_task",
    )
    spider_version = models.PositiveIntegerField(_("spider version"), null=True, blank=True)
    children_left = models.PositiveIntegerField(_("children left"), default=0)
    pages = models.PositiveIntegerField(_("pages"), default=0)
    pages_unchanged = models.PositiveIntegerField(_("pages unchanged"), default=0)
    pages_failed = models.PositiveIntegerField(_("pages failed"), default=0)
    pages_refused = models.PositiveIntegerField(_("pages refused"), default=0)
    pages_redirected = models.PositiveIntegerField(_("redirects"), default=0)
    items = models.PositiveIntegerField(_("items"), default=0)
    items_new = models.PositiveIntegerField(_("new items"), default=0)
    items_changed = models.PositiveIntegerField(_("changed items"), default=0)
    items_gone = models.PositiveIntegerField(_("gone items"), default=0)
    items_returned = models.PositiveIntegerField(_("items that came back"), default=0, db_default=0)
    items_rejected = models.PositiveIntegerField(_("rejected items"), default=0)
    items_incomplete = models.PositiveIntegerField(_("incomplete items"), default=0)
    conflicts = models.PositiveIntegerField(_("key conflicts"), default=0)
    requests = models.PositiveIntegerField(_("requests"), default=0)
    bytes = models.PositiveBigIntegerField(_("bytes"), default=0)
    reasons = models.JSONField(_("reasons"), default=dict, blank=True)
    rules = models.JSONField(
        _("item rules"),
        default=dict,
        blank=True,
        help_text=_("What each found, in pages: see crawler.storing.rule_counts."),
    )
    hosts = models.JSONField(
        _("hosts"), default=dict, blank=True, help_text=_("How each host was treated: the politeness report.")
    )
    falls_short = models.BooleanField(_("incomplete"), null=True, blank=True)
    headway = models.JSONField(
        _("headway"),
        null=True,
        blank=True,
        help_text=_("What waits, and how fast it goes: see crawler.storing.headway."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("crawl task")
        verbose_name_plural = _("crawl tasks")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["parent", "spider"], name="task_one_child_a_spider")]
        indexes = [
            models.Index(F("status"), F("id").desc(), name="task_status"),
            # the newest crawls of each spider
            models.Index(F("spider"), F("id").desc(), name="task_of_spider"),
        ]

    def __str__(self) -> str:
        return self.task_id

    @property
    def shown_status(self) -> str:
        """The status; `lacking` where it completed and something is missing."""
        return "lacking" if self.falls_short and self.status == self.Status.COMPLETED else self.status


class TaskFailure(models.Model):
    """One page that failed or one value that could not be read, with the reason; at most 1,000 a task."""

    task = models.ForeignKey(CrawlTask, verbose_name=_("task"), on_delete=models.CASCADE, related_name="failures")
    url = models.TextField(_("URL"))
    reason = models.CharField(_("reason"), max_length=50)
    status_code = models.PositiveSmallIntegerField(_("status code"), null=True, blank=True)
    detail = models.CharField(_("detail"), max_length=500, blank=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("failure")
        verbose_name_plural = _("failures")
        ordering = ["id"]
        indexes = [models.Index(fields=["task", "reason"], name="failure_reason")]

    def __str__(self) -> str:
        return f"{self.reason} {self.url}"


class TaskSitemap(models.Model):
    """One sitemap that a crawl is through with: what was read whole is not read again when the crawl goes on."""

    task = models.ForeignKey(CrawlTask, verbose_name=_("task"), on_delete=models.CASCADE, related_name="sitemaps")
    url = models.TextField(_("URL"))
    url_hash = models.BigIntegerField(_("URL hash"))
    addresses = models.PositiveIntegerField(_("addresses"), default=0)
    is_whole = models.BooleanField(_("read whole"))
    reason = models.CharField(_("reason"), max_length=50, blank=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("sitemap")
        verbose_name_plural = _("sitemaps")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["task", "url_hash"], name="sitemap_once")]

    def __str__(self) -> str:
        return self.url
