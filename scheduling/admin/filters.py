"""What the list of schedules can be filtered by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawlproject.templatetags.lamplighter import STATES
from crawlproject.web.admin import ChosenFilter
from scheduling.models import ScheduledJob

if TYPE_CHECKING:
    from django.contrib.admin.filters import _ListFilterChoices


class StateFilter(ChosenFilter):
    """By the word that the list shows, as `state_of` gives it."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[ScheduledJob]
    ) -> list[tuple[str, StrOrPromise]]:
        return [(state, STATES[state][0]) for state in ("active", "paused", "problem", "off")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> QuerySet[ScheduledJob]:
        is_sound = Q(problem="")
        wanted = {
            "problem": ~is_sound,
            "off": is_sound & Q(enabled=False),
            "paused": is_sound & Q(enabled=True, paused_at__isnull=False),
            "active": is_sound & Q(enabled=True, paused_at__isnull=True),
        }
        return queryset.filter(wanted.get(self.value() or "", Q()))


class KindFilter(admin.SimpleListFilter):
    """What people planned, and for the asking also the one-offs of "run now": those are no schedules of anybody's."""

    title = gettext_lazy("kind")
    parameter_name = "one_time"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[ScheduledJob]
    ) -> list[tuple[str, StrOrPromise]]:
        return [("1", gettext_lazy("One-offs")), ("all", gettext_lazy("Schedules and one-offs"))]

    def choices(self, changelist: ChangeList) -> Iterator[_ListFilterChoices]:
        for number, choice in enumerate(super().choices(changelist)):
            yield choice if number else choice | {"display": _("What is planned")}

    def queryset(self, request: HttpRequest, queryset: QuerySet[ScheduledJob]) -> QuerySet[ScheduledJob]:
        if self.value() == "all":
            return queryset
        if self.value() == "1":
            return queryset.filter(one_time=True)
        return queryset.exclude(one_time=True, misfire_grace_time=None)
