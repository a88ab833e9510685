"""A load in two steps: what it would do, and doing exactly that or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from crawler.exceptions import CrawlerError
from crawler.models import Spider
from scheduling.models import ScheduledJob

from .file import Definitions
from .loading import LoadReport, load

_BATCH = 500
"""Names in one query: below what any database takes as parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a load would do as things stand, and the fingerprint by which that is asked for."""

    report: LoadReport
    fingerprint: str


class PlanChanged(CrawlerError):
    """What was agreed to is not what would happen any more; `plan` is what would. Nothing was written."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("what is defined has changed since the plan was made; look at the new plan")
        self.plan = plan


def plan(definitions: Definitions) -> Plan:
    """Raises `InvalidDefinitions` as `load` does."""
    return _plan_of(definitions, load(definitions, dry_run=True))


def carry_out(definitions: Definitions, fingerprint: str, *, user: AbstractBaseUser | None = None) -> LoadReport:
    """Load what the plan with this fingerprint says.

    Raises:
        PlanChanged: it would do something else now.
        InvalidDefinitions: as `load` does.
    """
    with transaction.atomic():
        # What is read is what is changed: nobody saves one of them in between.
        _lock(definitions)
        report = load(definitions, user=user)
        now = _plan_of(definitions, report)
        if now.fingerprint != fingerprint:
            raise PlanChanged(now)
    return report


def _plan_of(definitions: Definitions, report: LoadReport) -> Plan:
    said = report.as_dict()
    # Whether it was a rehearsal is no part of it.
    del said["dry_run"]
    documents = [entry.document for entry in definitions.spiders] + [entry.document for entry in definitions.jobs]
    text = json.dumps([said, documents], sort_keys=True, ensure_ascii=False)
    return Plan(report=report, fingerprint=sha256(text.encode()).hexdigest())


def _lock(definitions: Definitions) -> None:
    """In the order in which `load` writes them."""
    spiders = sorted(entry.definition.name for entry in definitions.spiders)
    for names in _parts(spiders):
        list(Spider.objects.select_for_update().filter(name__in=names).order_by("name").values_list("pk"))
    jobs = sorted(str(entry.document.get("job_id")) for entry in definitions.jobs)
    for names in _parts(jobs):
        list(ScheduledJob.objects.select_for_update().filter(job_id__in=names).order_by("job_id").values_list("pk"))


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _BATCH] for start in range(0, len(names), _BATCH))
