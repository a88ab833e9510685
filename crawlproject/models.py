"""What belongs to neither app."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from knox.models import AuthToken


class TokenPurpose(models.Model):
    """What an API token is for, in the words of whoever made it; one without has no row.

    Beside knox's table, which is not ours to change.
    """

    token = models.OneToOneField(AuthToken, primary_key=True, on_delete=models.CASCADE, related_name="described")
    text = models.CharField(_("purpose"), max_length=100)

    class Meta:
        # Who may see or make a token may see or write what it is for.
        default_permissions = ()

    def __str__(self) -> str:
        return self.text
