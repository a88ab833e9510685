"""Texts of Django and its apps that their own catalogues leave in English, or say badly: marked here, so that ours has
them, which is asked first.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

TEXTS = (
    _("After you’ve created a user, you’ll be able to edit more user options."),
    # In Chinese Django leaves a blank before and after what it puts in: between Chinese words none stands.
    _("Add %s"),
    _("Change %s"),
    _("View %s"),
    _("Add %(name)s"),
    _("Delete selected %(verbose_name_plural)s"),
    _("Successfully deleted %(count)d %(items)s."),
    _("The {name} “{obj}” was added successfully. You may add another {name} below."),
    _("The {name} “{obj}” was changed successfully. You may add another {name} below."),
    # Permissions of ours, which Django stores in English.
    _("Can export items"),
    _("Can run, pause, resume and back-fill schedules"),
)
