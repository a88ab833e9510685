"""Every version of a job's or a spider's document: who, when, what. This is their only writer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import overload

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Count, Max
from django.utils import timezone

from scheduling.exceptions import VersionNotFound
from scheduling.models import DefinitionVersion, JobRun

from .differences import Change, differences
from .parts import batched

KEPT = 100
"""Versions of a definition that are kept whatever their age, the newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One saved version of a definition, and what it changed."""

    kind: str
    key: str
    number: int
    at: datetime
    """When it was saved: it is in force from then on."""
    removed_at: datetime | None
    """When the definition was removed, if this was its last version then."""
    removed_by: str
    user: str
    """Who saved it; empty where that is not known (any more)."""
    comment: str
    document: Mapping[str, object]
    before: int | None
    """The version that it is compared with; None: it is the first."""
    changes: tuple[Change, ...]

    def as_dict(self, *, with_document: bool = False) -> dict[str, object]:
        """For programs."""
        found: dict[str, object] = {
            "number": self.number,
            "at": self.at,
            "removed_at": self.removed_at,
            "removed_by": self.removed_by,
            "user": self.user,
            "comment": self.comment,
            "before": self.before,
            "changes": [change.as_dict() for change in self.changes],
        }
        return found | {"document": self.document} if with_document else found


class Versions(Sequence[Version]):
    """All versions of one definition, newest first. A slice, or all of them, costs one query, the length another."""

    def __init__(self, kind: str, key: str) -> None:
        self._rows = DefinitionVersion.objects.filter(kind=kind, key=key).select_related("user").order_by("-number")

    def __len__(self) -> int:
        return self._rows.count()

    @overload
    def __getitem__(self, index: int) -> Version: ...
    @overload
    def __getitem__(self, index: slice) -> list[Version]: ...
    def __getitem__(self, index: int | slice) -> Version | list[Version]:
        if isinstance(index, int):
            return self[index : index + 1 or None][0]
        first, last, step = index.indices(len(self))
        if first < 0 or step != 1:
            raise ValueError("Versions are read in order, without steps.")
        # One more: the last of them is compared with the one before it.
        rows = list(self._rows[first : last + 1])
        return _told(rows)[: max(last - first, 0)]

    def __iter__(self) -> Iterator[Version]:
        return iter(_told(list(self._rows)))


def versions(kind: str, key: str) -> Versions:
    """The versions of a definition, present or removed, newest first; empty where it never had one."""
    return Versions(kind, key)


def version(kind: str, key: str, number: int) -> Version:
    """One version, compared with the one before it.

    Raises:
        VersionNotFound
    """
    rows = DefinitionVersion.objects.filter(kind=kind, key=key, number__lte=number).select_related("user")
    found = _told(list(rows.order_by("-number")[:2]))
    if not found or found[0].number != number:
        raise VersionNotFound(key, number, kind)
    return found[0]


def record_version(
    kind: str,
    key: str,
    document: Mapping[str, object],
    *,
    user: AbstractBaseUser | None = None,
    comment: str = "",
    at: datetime | None = None,
) -> int:
    """Keep a document and return its number; an unchanged document keeps the number of the last version.

    `at`: the moment from which it is in force (default: now); it must be the edit's own, since an interval counts from
    there. A definition that was removed begins a new version, unchanged or not.

    Call it inside the transaction that saves the definition, holding its row, so that numbers follow each other.
    """
    last = DefinitionVersion.objects.filter(kind=kind, key=key).order_by("-number").first()
    version = _following(last, kind, key, document)
    if version._state.adding:
        version.user_id = None if user is None else user.pk
        version.at, version.comment = at or timezone.now(), comment[:500]
        version.save(force_insert=True)
    return version.number


def record_versions(
    kind: str, documents: Mapping[str, Mapping[str, object]], *, user: AbstractBaseUser | None = None, at: datetime
) -> dict[str, int]:
    """As `record_version`, of many definitions by their keys: some statements for every few hundred of them."""
    numbers: dict[str, int] = {}
    for part in batched(documents.items()):
        of_keys = DefinitionVersion.objects.filter(kind=kind, key__in=[key for key, _document in part])
        # Each key's last: the newest comes last, and stays.
        last = dict(of_keys.order_by("number").values_list("key", "pk"))
        rows = {row.key: row for row in DefinitionVersion.objects.filter(pk__in=last.values())}
        versions = [_following(rows.get(key), kind, key, document) for key, document in part]
        new = [version for version in versions if version._state.adding]
        for version in new:
            version.user_id, version.at = None if user is None else user.pk, at
        DefinitionVersion.objects.bulk_create(new)
        numbers |= {version.key: version.number for version in versions}
    return numbers


def record_removal(kind: str, key: str, *, at: datetime, by: str = "") -> None:
    """Note on the last version when, and by whom, what it defines was removed; inside that transaction."""
    last = DefinitionVersion.objects.filter(kind=kind, key=key).order_by("-number").values("pk")[:1]
    DefinitionVersion.objects.filter(pk__in=last).update(removed_at=at, removed_by=by[:150])


def remove_versions(before: datetime, *, limit: int) -> int:
    """Remove up to `limit` versions of schedules that were superseded before a moment; returns how many went.

    The newest hundred of each schedule stay, and those that a run names: a version is never younger than a run of it,
    so that only the runs that were queued before the same moment can name one that goes.
    """
    removed = 0
    kept = DefinitionVersion.objects.filter(kind=DefinitionVersion.Kind.JOB).order_by()
    crowded = kept.values("key").annotate(count=Count("number"), newest=Max("number")).filter(count__gt=KEPT)
    for key, newest in list(crowded.order_by("key").values_list("key", "newest")):
        of_key = kept.filter(key=key)
        in_force = of_key.filter(at__lt=before).aggregate(number=Max("number"))["number"]
        bound = min(newest - KEPT + 1, in_force or 0)
        old = of_key.filter(number__lt=bound).exclude(number__in=_named(key, before)).order_by("number")
        batch = list(old.values_list("pk", flat=True)[: limit - removed])
        DefinitionVersion.objects.filter(pk__in=batch).delete()
        removed += len(batch)
        if removed >= limit:
            break
    return removed


def _named(key: str, before: datetime) -> set[int]:
    """The versions that runs name which were queued before a moment: the oldest, so that few are looked at."""
    found: set[int] = set()
    runs = JobRun.objects.filter(job_key=key).order_by("pk").values_list("queued_at", "definition_version")
    for queued_at, number in runs.iterator(chunk_size=500):
        if queued_at >= before:
            break
        if number is not None:
            found.add(number)
    return found


def _following(
    last: DefinitionVersion | None, kind: str, key: str, document: Mapping[str, object]
) -> DefinitionVersion:
    """The last version where it says the same and is in force, else a new one that is not saved yet."""
    if last is not None and last.document == document and last.removed_at is None:
        return last
    return DefinitionVersion(kind=kind, key=key, number=1 if last is None else last.number + 1, document=document)


def _told(rows: Sequence[DefinitionVersion]) -> list[Version]:
    """Rows, newest first, each with what it changed in the next of them."""
    return [_compared(row, before) for row, before in pairwise([*rows, None]) if row is not None]


def _compared(row: DefinitionVersion, before: DefinitionVersion | None) -> Version:
    return Version(
        kind=row.kind,
        key=row.key,
        number=row.number,
        at=row.at,
        removed_at=row.removed_at,
        removed_by=row.removed_by,
        user="" if row.user is None else row.user.get_username(),
        comment=row.comment,
        document=row.document,
        before=None if before is None else before.number,
        changes=() if before is None else tuple(differences(before.document, row.document)),
    )
