"""Pages that people keep with a spider, to see what a change of its rules would change."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .spiders import Spider


class PinnedPage(models.Model):
    """A page as it was answered once, with the items that are expected of it.

    Written by `crawler.workshop.pinned` alone. No part of the spider's document; goes with the spider.
    """

    spider = models.ForeignKey(Spider, verbose_name=_("spider"), on_delete=models.CASCADE, related_name="pinned_pages")
    url = models.TextField(_("URL"), help_text=_("That was asked for."))
    url_hash = models.BigIntegerField(_("URL hash"))
    final_url = models.TextField(_("final URL"), help_text=_("That answered, after redirects."))
    status_code = models.PositiveSmallIntegerField(_("status code"))
    headers = models.JSONField(_("headers"), default=dict, blank=True)
    content_type = models.CharField(_("content type"), max_length=200, blank=True)
    charset = models.CharField(_("charset"), max_length=100, blank=True)
    body = models.BinaryField(_("body"), help_text=_("Compressed (zstd)."))
    size = models.PositiveIntegerField(_("size"), help_text=_("Bytes of the body, not compressed."))
    items = models.JSONField(_("items"), default=list, help_text=_("That the page is expected to give."))
    pinned_at = models.DateTimeField(_("pinned"))
    pinned_by = models.CharField(_("pinned by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("pinned page")
        verbose_name_plural = _("pinned pages")
        ordering = ["id"]
        # Who may change the spider may pin.
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["spider", "url_hash"], name="pinned_once")]

    def __str__(self) -> str:
        return self.url
