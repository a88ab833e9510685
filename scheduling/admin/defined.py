"""Where that is which versions are versions of; of other apps' definitions those know."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from django.contrib.auth.models import AnonymousUser, User

from scheduling.models import DefinitionVersion, ScheduledJob
from scheduling.signals import Defined, definitions_shown, mappings

from .head import address

Kind = DefinitionVersion.Kind


def defined(versions: Iterable[DefinitionVersion], user: User | AnonymousUser) -> Mapping[tuple[str, str], Defined]:
    """The places by kind and key; only of what there still is, and the user may see. One query a kind."""
    keys: dict[str, set[str]] = {}
    for version in versions:
        keys.setdefault(version.kind, set()).add(version.key)
    found: dict[tuple[str, str], Defined] = {}
    for kind, own in keys.items():
        if kind == Kind.JOB and user.has_perm("scheduling.view_scheduledjob"):
            found |= {(kind, key): place for key, place in _schedules(own)}
        for answer in mappings(definitions_shown, DefinitionVersion, kind=kind, keys=own, user=user):
            found |= {(kind, str(key)): place for key, place in answer.items() if isinstance(place, Defined)}
    return found


def _schedules(keys: Collection[str]) -> Iterator[tuple[str, Defined]]:
    for job in ScheduledJob.objects.filter(job_id__in=keys, one_time=False).only("pk", "job_id"):
        yield job.job_id, Defined(page=address("change", job), versions=address("history", job))
