"""Runs by the day on which they ended."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.contrib import admin
from django.db.models import Aggregate, F, Max, Min, QuerySet, Subquery, Value
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawlproject.web.admin import ChosenFilter, day_of
from scheduling.models import JobRun
from scheduling.recent import HasEnded


class EndedFilter(ChosenFilter):
    """`?ended=2026-11-24`: a day in the scheduler's zone, read by the index of what has ended.

    Today and the day before are offered; the charts lead to the others.
    """

    title = gettext_lazy("ended")
    parameter_name = "ended"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[JobRun]) -> list[tuple[str, StrOrPromise]]:
        today = timezone.localdate(timezone=timezone.get_default_timezone())
        offered: list[tuple[str, StrOrPromise]] = [
            (today.isoformat(), gettext_lazy("today")),
            ((today - timedelta(days=1)).isoformat(), gettext_lazy("yesterday")),
        ]
        asked = _day(request.GET.get(self.parameter_name, ""))
        if asked is not None and asked.isoformat() not in dict(offered):
            offered.append((asked.isoformat(), day_of(_midnight(asked))))
        return offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> QuerySet[JobRun]:
        day = _day(self.value() or "")
        if day is None:
            return queryset
        since, until = _midnight(day).astimezone(UTC), _midnight(day + timedelta(days=1)).astimezone(UTC)
        own = JobRun.objects.filter(HasEnded("state"), finished_at__gte=since, finished_at__lt=until).order_by()
        # As a set of its own: else SQLite fetches every row of the day to sort them all. With the set's bounds: else
        # PostgreSQL walks down all ids to those of a day long ago (and, without the addition, also to find the bounds).
        return queryset.filter(
            pk__in=own.values("pk"), pk__gte=_only(own, Min(F("pk") + 0)), pk__lte=_only(own, Max(F("pk") + 0))
        )


def _only(runs: QuerySet[JobRun], aggregate: Aggregate) -> Subquery:
    """One value of all of them."""
    return Subquery(runs.values(all_of_them=Value(1)).annotate(only=aggregate).values("only"))


def _day(text: str) -> date | None:
    """None for what is no day that has a midnight before and after it."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year < 9999 else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), timezone.get_default_timezone())
