"""A process's gauges in words, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from django.template.defaultfilters import filesizeformat
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _


def in_words(gauges: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return (what, how much) of what a process wrote with its last beat; what it did not write is left out."""
    return [*_used(gauges), *_timing(gauges), *troubles(gauges)]


def troubles(gauges: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return what of the gauges somebody should look at: who blocks the loop, and abandoned handlers."""
    found = []
    blocked_by = gauges.get("blocked_by")
    if isinstance(blocked_by, Mapping):
        found.append((_("event loop blocked"), _blocked(blocked_by)))
    if count := gauges.get("abandoned_handlers"):
        named = gauges.get("abandoned")
        runs = [f"#{one['run']} {one['handler']}" for one in named] if isinstance(named, list) else []
        found.append((_("abandoned handlers"), f"{count}: {', '.join(runs)}"))
    return found


def _used(gauges: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    if "places_used" in gauges:
        yield _("worker places in use"), str(gauges["places_used"])
    if isinstance(size := gauges.get("rss_bytes"), int):
        yield _("memory"), filesizeformat(size)
    if "cpu_percent" in gauges:
        yield _("processor, of one core"), f"{gauges['cpu_percent']} %"
    if "threads" in gauges:
        yield _("threads"), str(gauges["threads"])
    if isinstance(size := gauges.get("database_bytes"), int):
        yield _("database"), filesizeformat(size)


def _timing(gauges: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Worst values between two beats."""
    if "tick_lateness_seconds" in gauges:
        yield _("latest tick was late by"), _("%(seconds)s s") % {"seconds": gauges["tick_lateness_seconds"]}
    if isinstance(ticked_at := gauges.get("ticked_at"), str):
        yield _("last tick"), _at(ticked_at)
    if "loop_lag_seconds" in gauges:
        yield _("event loop late by"), _("%(seconds)s s") % {"seconds": gauges["loop_lag_seconds"]}


def _blocked(blocked_by: Mapping[str, object]) -> str:
    if blocked_by.get("run"):
        who = _("run #%(run)s (handler %(handler)s)") % {"run": blocked_by["run"], "handler": blocked_by["handler"]}
    else:
        who = str(blocked_by.get("task") or _("a callback"))
    values = {"who": who, "seconds": blocked_by.get("seconds"), "at": _at(str(blocked_by.get("at")))}
    if blocked_by.get("ended"):
        return _("by %(who)s for %(seconds)s s, until %(at)s") % values
    return _("still, by %(who)s, after %(seconds)s s, at %(at)s") % values


def _at(moment: str) -> str:
    try:
        return date_format(localtime(datetime.fromisoformat(moment)), "DATETIME_FORMAT")
    except ValueError:
        return moment
