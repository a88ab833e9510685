"""What schedules are about, as lists and heads name it; other apps know."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import AnonymousUser, User

from scheduling.models import ScheduledJob
from scheduling.signals import Work, mappings, work_shown


def works_of(jobs: Collection[ScheduledJob], user: User | AnonymousUser) -> dict[int, Work]:
    """By the schedules' keys, as far as somebody says; see `work_shown`."""
    found: dict[int, Work] = {}
    for answer in mappings(work_shown, ScheduledJob, jobs=jobs, user=user):
        found |= {pk: work for pk, work in answer.items() if isinstance(pk, int) and isinstance(work, Work)}
    return found
