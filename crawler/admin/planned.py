"""A spider's schedules on its pages, and the way to one more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse
from django.utils.http import urlencode

from crawler.models import Spider
from crawler.schedules import schedules_of
from scheduling.models import ScheduledJob
from scheduling.planned import Planned, planned

MOST_SHOWN = 5
"""Schedules that the page of a spider names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedules:
    """What `schedules.html` shows."""

    shown: Sequence[Planned]
    more: int
    add: str
    """Address of a new one that is filled in as far as the spider says it; empty for those who may not make one."""


def schedules_for(spider: Spider, user: User | AnonymousUser) -> Schedules | None:
    """Three queries at most; None for those who may not see schedules."""
    if not user.has_perm("scheduling.view_scheduledjob"):
        return None
    jobs = schedules_of([spider])[spider.pk]
    may_add = user.has_perm("scheduling.add_scheduledjob")
    return Schedules(
        shown=planned(jobs[:MOST_SHOWN]) if jobs else (),
        more=len(jobs[MOST_SHOWN:]),
        add=_new(spider) if may_add else "",
    )


def _new(spider: Spider) -> str:
    """The form of a new schedule, with a free id."""
    taken = set(ScheduledJob.objects.filter(job_id__startswith=spider.name).values_list("job_id", flat=True))
    free = (f"{spider.name}-{number}" for number in range(2, len(taken) + 3))
    job_id = spider.name if spider.name not in taken else next(name for name in free if name not in taken)
    job_data = json.dumps({"type": "spider", "target": spider.name})
    query = {"handler": "crawl", "job_id": job_id, "name": spider.name, "job_data": job_data}
    return f"{reverse('admin:scheduling_scheduledjob_add')}?{urlencode(query)}"
