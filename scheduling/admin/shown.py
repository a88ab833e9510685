"""What other apps add to the lists of schedules and versions: whose names they know, where their pages are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model
from django.dispatch import Signal

from scheduling.models import DefinitionVersion, ScheduledJob
from scheduling.signals import Defined, Work, definitions_shown, work_shown

from .head import address

Kind = DefinitionVersion.Kind


def works_of(jobs: Collection[ScheduledJob], user: User | AnonymousUser) -> dict[int, Work]:
    """What schedules are about, by their keys, as far as somebody says; see `work_shown`."""
    found: dict[int, Work] = {}
    for answer in _answers(work_shown, ScheduledJob, jobs=jobs, user=user):
        found |= {pk: work for pk, work in answer.items() if isinstance(pk, int) and isinstance(work, Work)}
    return found


def defined(versions: Iterable[DefinitionVersion], user: User | AnonymousUser) -> Mapping[tuple[str, str], Defined]:
    """Where that is which these are versions of, by kind and key; only what there still is, and the user may see.

    One query a kind.
    """
    keys: dict[str, set[str]] = {}
    for version in versions:
        keys.setdefault(version.kind, set()).add(version.key)
    found: dict[tuple[str, str], Defined] = {}
    for kind, own in keys.items():
        if kind == Kind.JOB and user.has_perm("scheduling.view_scheduledjob"):
            found |= {(kind, key): place for key, place in _schedules(own)}
        for answer in _answers(definitions_shown, DefinitionVersion, kind=kind, keys=own, user=user):
            found |= {(kind, str(key)): place for key, place in answer.items() if isinstance(place, Defined)}
    return found


def _schedules(keys: Collection[str]) -> Iterator[tuple[str, Defined]]:
    for job in ScheduledJob.objects.filter(job_id__in=keys, one_time=False).only("pk", "job_id"):
        yield job.job_id, Defined(page=address("change", job), versions=address("history", job))


def _answers(signal: Signal, sender: type[Model], **asked: object) -> Iterator[Mapping[object, object]]:
    answers: list[object] = [answer for _to, answer in signal.send(sender, **asked)]
    return (answer for answer in answers if isinstance(answer, Mapping))
