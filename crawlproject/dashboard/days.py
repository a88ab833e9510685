"""Runs per day and items per day, as bars: each column leads to what it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from crawlproject.web.charts import Series, bars

from .numbers import DayOfItems, DayOfRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    drawing: SafeString
    legend: Sequence[tuple[StrOrPromise, str]]
    """Words and tones."""


def chart_of_runs(days: Sequence[DayOfRuns]) -> Chart:
    series = [
        Series(tone=tone, label=label, values=[day.counts[state] for day in days])
        for state, tone, label in (
            ("succeeded", "ok", _("succeeded")), ("failed", "bad", _("failed")), ("missed", "miss", _("missed"))
        )
    ]  # fmt: skip
    address = reverse("admin:scheduling_jobrun_changelist")
    urls = [f"{address}?ended={day.day.isoformat()}" for day in days]
    return _chart(_("Runs per day"), [day.day for day in days], series, urls)


def chart_of_items(days: Sequence[DayOfItems]) -> Chart:
    series = [
        Series(tone="info", label=_("changed"), values=[day.changed for day in days]),
        Series(tone="ok", label=_("new"), values=[day.new for day in days]),
        Series(tone="mute", label=_("gone"), values=[day.gone for day in days]),
    ]
    address = reverse("admin:crawler_item_changes")
    urls = [f"{address}?day={day.day.isoformat()}" for day in days]
    return _chart(_("Items per day"), [day.day for day in days], series, urls)


def _chart(title: str, days: Sequence[date], series: Sequence[Series], urls: Sequence[str]) -> Chart:
    told = ", ".join(f"{sum(one.values):,} {one.label}" for one in series)
    columns = [date_format(datetime(day.year, day.month, day.day), _("j M")) for day in days]
    drawing = bars(title, told, columns, series, urls=urls)
    return Chart(drawing=drawing, legend=[(one.label, one.tone) for one in series])
