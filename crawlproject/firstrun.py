"""The first administrator: a signed link that works once, for an hour, while there is no superuser.

There is no default password. The link's signature covers the time and the id of the newest superuser (none), so that
it is dead as soon as one exists.
"""

from __future__ import annotations

from django import forms
from django.contrib.auth import get_user_model, login
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import User
from django.core import signing
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

import crawlproject.web  # noqa: F401  # makes forms generic
from crawlproject.web.forms import PlainLabels

SALT = "crawlproject.firstrun"
MAX_AGE = 3600
"""Seconds."""


class FirstAdministratorForm(PlainLabels, BaseUserCreationForm[User]):
    """Name and password of the first administrator."""

    class Meta:
        model = User
        fields = ("username", "email")
        field_classes = {"username": forms.CharField}


def has_superuser() -> bool:
    return get_user_model().objects.filter(is_superuser=True).exists()


def setup_path() -> str | None:
    """The path of a fresh set-up link, or None once an administrator exists."""
    if has_superuser():
        return None
    return f"/setup/{signing.dumps('first-administrator', salt=SALT)}/"


def setup_link(base_url: str) -> str | None:
    """The whole link for people: `base_url` is where the site answers, such as ``http://127.0.0.1:8000``."""
    path = setup_path()
    return None if path is None else base_url.rstrip("/") + path


@never_cache
def setup_view(request: HttpRequest, token: str) -> HttpResponse:
    """Makes the first administrator and logs them in."""
    if has_superuser():
        return _dead(request, _("An administrator exists already: log in instead."))
    try:
        signing.loads(token, salt=SALT, max_age=MAX_AGE)
    except signing.SignatureExpired:
        return _dead(request, _("This link is older than an hour. Start the scheduler again: it prints a new one."))
    except signing.BadSignature:
        return _dead(request, _("This link was not made by this installation."))
    form = FirstAdministratorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = _create_once(form)
        if user is None:
            return _dead(request, _("An administrator exists already: log in instead."))
        login(request, user)
        return redirect("admin:index")
    return render(request, "crawlproject/setup.html", {"form": form})


@transaction.atomic
def _create_once(form: FirstAdministratorForm) -> User | None:
    """Of two people who post at once the first wins: SQLite excludes the other by itself, PostgreSQL needs a lock."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE auth_user IN SHARE ROW EXCLUSIVE MODE")
    if has_superuser():
        return None
    user: User = form.save(commit=False)
    user.is_staff = user.is_superuser = True
    user.save()
    return user


def _dead(request: HttpRequest, why: object) -> HttpResponse:
    return render(request, "crawlproject/setup_dead.html", {"why": why}, status=410)
