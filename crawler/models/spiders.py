"""What to crawl."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from scheduling.models.fields import DocumentField


class Spider(models.Model):
    """What to crawl: one JSON document (start URLs, follow rules, item rules, limits, manners).

    Written by `crawler.definitions` alone, which keeps a version of each document. `name`, `category` and `enabled`
    are copies out of the document, for queries.
    """

    name = models.SlugField(_("name"), max_length=100, unique=True)
    category = models.CharField(_("category"), max_length=100, blank=True, db_index=True)
    definition = DocumentField(_("definition"))
    enabled = models.BooleanField(_("enabled"), default=True)
    version = models.PositiveIntegerField(_("version"), default=1)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("spider")
        verbose_name_plural = _("spiders")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Secret(models.Model):
    """A value that is kept encrypted: of a header, a cookie, a credential, a proxy. Documents name it alone."""

    name = models.SlugField(_("name"), max_length=100, unique=True)
    ciphertext = models.BinaryField(_("ciphertext"))
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
