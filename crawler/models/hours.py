"""How many items there are, and what became of items hour by hour: kept as they change, never counted."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .spiders import Spider


class ItemHour(models.Model):
    """What one hour's checkpoints did to a spider's items. Written by `crawler.items.hours`, in the same transaction.

    Hours are those of the scheduler's zone, some of which begin at half past an hour of UTC.
    """

    spider = models.ForeignKey(Spider, verbose_name=_("spider"), on_delete=models.CASCADE, related_name="+")
    start_at = models.DateTimeField(_("from"))
    added = models.PositiveIntegerField(_("new items"), default=0)
    changed = models.PositiveIntegerField(_("changed items"), default=0)
    gone = models.PositiveIntegerField(_("gone items"), default=0)
    returned = models.PositiveIntegerField(_("items that came back"), default=0)

    class Meta:
        verbose_name = _("hour of items")
        verbose_name_plural = _("hours of items")
        ordering = ["-start_at", "spider"]
        constraints = [models.UniqueConstraint(fields=["start_at", "spider"], name="itemhour_once")]

    def __str__(self) -> str:
        return f"{self.start_at.isoformat()}: +{self.added} ~{self.changed} −{self.gone}"


class ItemStock(models.Model):
    """How many items of a spider are there now, those that are gone left out."""

    spider = models.OneToOneField(
        Spider, verbose_name=_("spider"), on_delete=models.CASCADE, related_name="stock", primary_key=True
    )
    present = models.BigIntegerField(_("items"), default=0)

    class Meta:
        verbose_name = _("stock of items")
        verbose_name_plural = _("stocks of items")

    def __str__(self) -> str:
        return f"{self.spider_id}: {self.present}"
