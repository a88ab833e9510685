"""The URLs that a spider knows."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from crawler.engine.records import PageState
from crawler.reading_version import rules_version

from .spiders import Spider
from .tasks import CrawlTask

STATES = [
    (PageState.PENDING.value, _("pending")),
    (PageState.DONE.value, _("done")),
    (PageState.UNCHANGED.value, _("unchanged")),
    (PageState.REDIRECTED.value, _("redirected")),
    (PageState.FAILED.value, _("failed")),
    (PageState.REFUSED.value, _("refused")),
]


class Page(models.Model):
    """A URL that a spider knows: what became of it in the crawl that `task` names, and what it was like.

    A task's pending pages are its frontier. `links` holds the hashes of all URLs that the follow rules gave, packed as
    little-endian signed 64-bit numbers: an unchanged page's links join the frontier without reading the page again.
    """

    spider = models.ForeignKey(Spider, verbose_name=_("spider"), on_delete=models.CASCADE, related_name="pages")
    url = models.TextField(_("URL"))
    url_hash = models.BigIntegerField(_("URL hash"))
    task = models.ForeignKey(
        CrawlTask, verbose_name=_("task"), null=True, blank=True, on_delete=models.SET_NULL, related_name="page_rows"
    )
    state = models.CharField(_("state"), max_length=10, choices=STATES)
    depth = models.PositiveIntegerField(_("depth"), default=0)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    status_code = models.PositiveSmallIntegerField(_("status code"), null=True, blank=True)
    etag = models.TextField(_("ETag"), default="", blank=True)
    last_modified = models.CharField(_("Last-Modified"), max_length=100, default="", blank=True)
    content_hash = models.BinaryField(_("content hash"), default=b"", blank=True)
    size = models.BigIntegerField(
        _("size"), null=True, blank=True, help_text=_("Bytes that it took when it was read last, as they came.")
    )
    links = models.BinaryField(_("links"), default=b"", blank=True)
    redirected_to = models.TextField(_("redirected to"), default="", blank=True)
    hops = models.PositiveSmallIntegerField(_("redirects before"), default=0)
    chain = models.BinaryField(_("redirect chain"), default=b"", blank=True)
    shared = models.BinaryField(
        _("shared keys"), null=True, blank=True, help_text=_("Hashes of keys that it gave and other pages own, packed.")
    )
    extracted_version = models.PositiveIntegerField(_("extracted with version"), null=True, blank=True)
    checked_at = models.DateTimeField(_("checked"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=50, default="", blank=True)

    class Meta:
        verbose_name = _("page")
        verbose_name_plural = _("pages")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["spider", "url_hash"], name="page_once")]
        indexes = [
            # the frontier
            models.Index(fields=["task", "id"], condition=Q(state="pending"), name="page_frontier"),
            # what a task did: its pages by state, and the set of hashes when it goes on
            models.Index(fields=["task", "state"], name="page_task_state"),
        ]

    def __str__(self) -> str:
        return Truncator(self.url).chars(200)  # headings and titles are made of it

    @property
    def rules_version(self) -> int | None:
        """The version of the spider by which it was read last; None where it is to be read in any case."""
        return None if self.extracted_version is None else rules_version(self.extracted_version)
