"""The form to log in to the admin."""

from __future__ import annotations

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from .forms import PlainLabels


class LoginForm(PlainLabels, AdminAuthenticationForm):
    """Says of an account whose password was right, and which may not enter, that this is what it lacks."""

    def confirm_login_allowed(self, user: User) -> None:
        """Django asks this once the password was right, so that it tells no stranger which accounts there are."""
        if user.is_active and not user.is_staff:
            text = _(
                "The password is right, but the account “%(name)s” has no access to the admin. Somebody who may change "
                "users can give it: they tick “%(field)s” on the account's page."
            )
            label = str(User._meta.get_field("is_staff").verbose_name)
            values = {"name": user.get_username(), "field": capfirst(label)}
            raise ValidationError(text % values, code="no_staff")
        super().confirm_login_allowed(user)
