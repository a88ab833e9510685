"""Which rule was in force when: read from the versions of a job's document, each with the moment that it began at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.firing import Timeline
from scheduling.models import DefinitionVersion, ScheduledJob
from scheduling.triggers import DocumentTrigger

MOST_VERSIONS = 500
"""Versions that are looked at, the newest first."""
MICROSECOND = timedelta(microseconds=1)
_FIRST_LOOK_BACK = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One version of a job, from `since` until (not at) `until`."""

    version: int | None
    """None: of a one-off, which has no versions."""
    since: datetime
    until: datetime | None
    """None: it is in force still."""
    removed: bool
    """At `until` the job was removed, not changed."""
    removed_by: str
    enabled: bool
    enabled_since: datetime
    """Since when it is on, or off."""
    by: str
    """Who saved it."""
    trigger: DocumentTrigger | None
    """None: it cannot be built (any more)."""
    grace: int | None
    """Seconds; None: however late."""

    def covers(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)

    def has(self, moment: datetime) -> bool:
        """Whether a moment is one of the rule's."""
        return self.trigger is not None and at_or_after(self.trigger, moment) == moment

    def before(self, moment: datetime) -> datetime | None:
        """The rule's last moment before another; None where there is none since the rule began."""
        if self.trigger is None:
            return None
        return last_before(self.trigger, moment, floor=self.since)

    def after(self, moment: datetime) -> datetime | None:
        """The rule's first moment after another; None where there is none before the rule's end."""
        found = self.trigger.following(moment) if self.trigger is not None else None
        return None if found is None or (self.until is not None and found >= self.until) else found


@dataclass(frozen=True, slots=True)
class History:
    """The rules of a job, oldest first."""

    rules: Sequence[Rule]
    is_whole: bool = True
    """Else it has older ones, which were not looked at."""

    def at(self, moment: datetime) -> Rule | None:
        """The rule that was in force at a moment; None before the first and after a removal."""
        return next((rule for rule in reversed(self.rules) if rule.covers(moment)), None)

    def before(self, moment: datetime) -> Rule | None:
        """The last rule that began before a moment, whether or not it was in force still."""
        return next((rule for rule in reversed(self.rules) if rule.since <= moment), None)

    def has(self, moment: datetime) -> bool:
        """Whether a moment is one of the rule then in force, or of the one that is in force now."""
        then = self.at(moment)
        return any(rule.has(moment) for rule in (then, self.rules[-1] if self.rules else None) if rule is not None)


@dataclass(frozen=True, slots=True)
class _Version:
    number: int
    at: datetime
    removed_at: datetime | None
    removed_by: str
    by: str
    trigger: object
    enabled: bool
    grace: int | None


def history_of(job_id: str, job: ScheduledJob | None) -> History:
    """The rules of a job, present or removed: one query."""
    kept = DefinitionVersion.objects.filter(kind=DefinitionVersion.Kind.JOB, key=job_id).order_by("-number")
    fields = ("number", "at", "removed_at", "removed_by", "document", "user__username")
    versions = [_version(*values) for values in kept.values_list(*fields)[: MOST_VERSIONS + 1]]
    is_whole = len(versions) <= MOST_VERSIONS
    versions = versions[:MOST_VERSIONS]
    versions.reverse()
    if versions:
        if job is not None:
            # The job's row is the truth, also where it was written by hand.
            versions[-1] = replace(versions[-1], trigger=job.trigger, enabled=job.enabled, grace=job.misfire_grace_time)
        return History(list(_rules(versions, job)), is_whole=is_whole)
    return History([] if job is None else [_only_rule(job)])


def at_or_after(trigger: DocumentTrigger, moment: datetime) -> datetime | None:
    found = trigger.following(moment - MICROSECOND)
    return None if found is None else found.astimezone(UTC)


def last_before(trigger: DocumentTrigger, moment: datetime, *, floor: datetime) -> datetime | None:
    """A trigger's last moment in ``floor ≤ t < moment``, in few steps however far back it lies."""
    back = _FIRST_LOOK_BACK
    while True:
        start = max(floor, moment - back)
        first = at_or_after(trigger, start)
        if first is not None and first < moment:
            return Timeline(trigger).newest(first, moment - MICROSECOND)
        if start == floor:
            return None
        back *= 8


def _version(
    number: int,
    at: datetime,
    removed_at: datetime | None,
    removed_by: str,
    document: Mapping[str, object],
    by: str | None,
) -> _Version:
    policies = document.get("policies")
    grace = policies.get("misfire_grace_time", 30) if isinstance(policies, Mapping) else 30
    return _Version(
        number=number,
        at=at.astimezone(UTC),
        removed_at=removed_at,
        removed_by=removed_by,
        by=by or "",
        trigger=document.get("trigger"),
        enabled=document.get("enabled", True) is True,
        grace=grace if isinstance(grace, int) else None,
    )


def _rules(versions: Sequence[_Version], job: ScheduledJob | None) -> Iterator[Rule]:
    anchors, switched = _since_when(versions, lambda one: one.trigger), _since_when(versions, lambda one: one.enabled)
    for index, version in enumerate(versions):
        following = versions[index + 1] if index + 1 < len(versions) else None
        anchor = anchors[index]
        if job is not None and job.anchor_at is not None and anchor == anchors[-1]:
            # The present rule's own: exact also where its versions were written by an older release.
            anchor = job.anchor_at
        until = version.removed_at or (following.at if following else None)
        yield Rule(
            version=version.number,
            since=version.at,
            until=until,
            removed=version.removed_at is not None,
            removed_by=version.removed_by,
            enabled=version.enabled,
            enabled_since=switched[index],
            by=version.by,
            trigger=_built(version.trigger, anchor),
            grace=version.grace,
        )


def _since_when(versions: Sequence[_Version], of: Callable[[_Version], object]) -> list[datetime]:
    """For each version: since when a property of it is what it is, removals apart."""
    since = [versions[0].at]
    for before, version in pairwise(versions):
        same = before.removed_at is None and of(before) == of(version)
        since.append(since[-1] if same else version.at)
    return since


def _only_rule(job: ScheduledJob) -> Rule:
    since = min(job.anchor_at or job.created_at, job.created_at)
    return Rule(
        version=None,
        since=since,
        until=None,
        removed=False,
        removed_by="",
        enabled=job.enabled,
        enabled_since=since,
        by="",
        trigger=_built(job.trigger, job.anchor_at),
        grace=job.misfire_grace_time,
    )


def _built(document: object, anchor: datetime | None) -> DocumentTrigger | None:
    try:
        return triggers.build(document, anchor=anchor) if isinstance(document, Mapping) else None
    except InvalidTrigger:
        return None
