"""What was found, and what it was before."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .pages import Page
from .spiders import Spider
from .tasks import CrawlTask


class Item(models.Model):
    """An extracted record under its key, with its present value.

    `page` owns the item: the page that gave it last. It is empty when the owner was read again and gave the key no
    more: the next page that gives the key then owns the item. `task` is the crawl that last confirmed it from
    extraction. `returned_at` is when it last came back after it was gone: it stays when the item goes again. `went_at`
    is since when it had been gone then.
    """

    # Its indexes begin with the spider.
    spider = models.ForeignKey(
        Spider, verbose_name=_("spider"), on_delete=models.CASCADE, related_name="items", db_index=False
    )
    type = models.CharField(_("type"), max_length=100)
    key = models.TextField(_("key"))
    key_hash = models.BigIntegerField(_("key hash"))
    data = models.JSONField(_("data"))
    data_hash = models.BinaryField(_("data hash"))
    version = models.PositiveIntegerField(_("version"), default=1)
    complete = models.BooleanField(_("complete"), default=True)
    problems = models.JSONField(_("problems"), default=list, blank=True)
    page = models.ForeignKey(
        Page, verbose_name=_("page"), null=True, blank=True, on_delete=models.SET_NULL, related_name="item_rows"
    )
    task = models.ForeignKey(
        CrawlTask, verbose_name=_("task"), null=True, blank=True, on_delete=models.SET_NULL, related_name="item_rows"
    )
    first_seen_at = models.DateTimeField(_("first seen"))
    changed_at = models.DateTimeField(_("changed"))
    gone_at = models.DateTimeField(_("gone"), null=True, blank=True)
    returned_at = models.DateTimeField(_("came back"), null=True, blank=True)
    went_at = models.DateTimeField(_("gone"), null=True, blank=True)

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        ordering = ["id"]
        permissions = [("export_item", "Can export items")]
        constraints = [models.UniqueConstraint(fields=["spider", "type", "key_hash"], name="item_once")]
        indexes = [
            models.Index(fields=["spider", "id"], name="item_spider"),
            models.Index(fields=["spider", "changed_at"], name="item_changed"),
            # lists and feeds, the newest first
            models.Index(fields=["spider", "type", "id"], name="item_type"),
            models.Index(fields=["changed_at"], name="item_recent"),
            models.Index(fields=["gone_at"], condition=Q(gone_at__isnull=False), name="item_gone"),
            models.Index(fields=["spider", "id"], condition=Q(gone_at__isnull=False), name="item_spider_gone"),
            models.Index(fields=["returned_at"], condition=Q(returned_at__isnull=False), name="item_returned"),
            models.Index(
                fields=["spider", "returned_at"], condition=Q(returned_at__isnull=False), name="item_spider_returned"
            ),
            models.Index(
                fields=["spider", "id"], condition=Q(complete=False, gone_at__isnull=True), name="item_incomplete"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.key}"


class ItemVersion(models.Model):
    """A superseded value of an item."""

    item = models.ForeignKey(Item, verbose_name=_("item"), on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("number"))
    data = models.JSONField(_("data"))
    task = models.ForeignKey(
        CrawlTask, verbose_name=_("task"), null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    valid_from = models.DateTimeField(_("valid from"))
    valid_to = models.DateTimeField(_("valid to"))

    class Meta:
        verbose_name = _("item version")
        verbose_name_plural = _("item versions")
        ordering = ["item", "-number"]
        constraints = [models.UniqueConstraint(fields=["item", "number"], name="itemversion_once")]

    def __str__(self) -> str:
        return f"{self.item_id} v{self.number}"
