"""Texts of Django and its apps that their own catalogues leave in English: marked here, so that ours has them."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

TEXTS = (
    _("After you’ve created a user, you’ll be able to edit more user options."),
    # Permissions of ours, which Django stores in English.
    _("Can export items"),
    _("Can run, pause, resume and back-fill schedules"),
)
