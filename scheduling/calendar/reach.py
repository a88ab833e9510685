"""What the work of schedules asks for beside a worker place; other apps know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import AnonymousUser, User

from scheduling.models import ScheduledJob
from scheduling.signals import Reach, mappings, reach_asked

NOWHERE = Reach()


def reach_of(jobs: Iterable[ScheduledJob], user: User | AnonymousUser) -> Mapping[int | None, Reach]:
    """By the keys of the schedules, as far as somebody knows it and the user may; see `reach_asked`."""
    found: dict[int | None, Reach] = {}
    for answer in mappings(reach_asked, ScheduledJob, jobs=list(jobs), user=user):
        found |= {pk: reach for pk, reach in answer.items() if isinstance(pk, int) and isinstance(reach, Reach)}
    return found
