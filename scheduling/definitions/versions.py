"""Every version of a job's or a spider's document: who, when, what. This is their only writer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from scheduling.models import DefinitionVersion


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
    if last is not None and last.document == document and last.removed_at is None:
        return last.number
    number = 1 if last is None else last.number + 1
    DefinitionVersion.objects.create(
        kind=kind,
        key=key,
        number=number,
        document=document,
        user_id=None if user is None else user.pk,
        at=at or timezone.now(),
        comment=comment[:500],
    )
    return number
