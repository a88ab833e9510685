"""The page, for what one user may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from scheduling.alerts import FailureAlert, alert_of
from scheduling.recent import Window

from .causes import causes
from .days import chart_of_items, chart_of_runs
from .demonstration import may_load
from .figures import figures_of
from .needs import Sight, needs_of
from .numbers import Numbers, numbers
from .processes import machines_of
from .pulse import Pulse
from .running import running
from .schedules import schedules
from .spiders import Crawled, spiders
from .street import street_of
from .verdict import verdict_of

Somebody = User | AnonymousUser


def page(request: HttpRequest, pulse: Pulse) -> dict[str, object]:
    """What `admin/index.html` shows; empty for one who may see none of it. Six statements at most."""
    user, now = request.user, timezone.now()
    sees = sight_of(user)
    shown: dict[str, object] = {"sees": sees, "now": now, "may_load_demo": may_load(user)}
    if not any(sees.values()):
        return {}
    counted = numbers(now) if sees["runs"] or sees["items"] else None
    if sees["runs"]:
        shown |= {"running": running(now), "all_running": pulse.running}
    if sees["processes"]:
        shown["machines"] = machines_of(pulse)
    if sees["crawls"]:
        shown["causes"] = causes(now)
    if counted is not None:
        shown |= _counted(counted, pulse, sees)
    if sees["runs"] and sees["schedules"] and counted is not None:
        shown |= _verdict(counted, pulse, now, sees_crawls=sees["crawls"])
    return shown


def sight_of(user: Somebody) -> dict[str, bool]:
    """Which parts a user may see."""
    return {
        "runs": user.has_perm("scheduling.view_jobrun"),
        "schedules": user.has_perm("scheduling.view_scheduledjob"),
        "processes": user.has_perm("scheduling.view_process"),
        "crawls": user.has_perm("crawler.view_crawltask"),
        "items": user.has_perm("crawler.view_item"),
    }


def _counted(counted: Numbers, pulse: Pulse, sees: dict[str, bool]) -> dict[str, object]:
    shown: dict[str, object] = {"figures": figures_of(counted, pulse)}
    if sees["runs"]:
        shown["chart_of_runs"] = chart_of_runs(counted.runs)
    if sees["items"]:
        shown["chart_of_items"] = chart_of_items(counted.items)
    return shown


def _verdict(counted: Numbers, pulse: Pulse, now: datetime, *, sees_crawls: bool) -> dict[str, object]:
    rows, crawled = schedules(), spiders()
    sight = Sight(
        now=now,
        pulse=pulse,
        schedules=rows,
        spiders=crawled if sees_crawls else _untold(crawled),
        alert=_alert(counted),
        overdue_since=counted.overdue_since,
    )
    crowd_url = reverse("admin:scheduling_scheduledjob_calendar")
    needs = needs_of(sight)
    return {
        "verdict": verdict_of(sight, needs, counted),
        "street": street_of(rows, now, crowd_url=crowd_url) if pulse.paused_at is None else None,
    }


def _untold(crawled: Sequence[Crawled]) -> list[Crawled]:
    """That there are spiders, without how their crawls went."""
    return [replace(spider, task=None, account=None) for spider in crawled]


def _alert(counted: Numbers) -> FailureAlert | None:
    hour = counted.last_hour
    window = Window(
        seconds=3_600,
        succeeded=hour["succeeded"],
        failed=hour["failed"],
        cancelled=hour["cancelled"],
        missed=hour["missed"],
        missed_moments=hour["missed"],
        skipped=hour["skipped"],
        mean_seconds=None,
        is_sample=False,
    )
    return alert_of(window)
