"""A load in two steps: what it would do, and doing exactly that or nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256

from django.contrib.auth.models import AbstractBaseUser

from crawler.exceptions import CrawlerError

from .file import Definitions
from .loading import load
from .preparing import Prepared
from .report import LoadReport


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
        DefinitionsBusy: as `load` does.
    """

    def agree(prepared: Prepared) -> None:
        now = _plan_of(definitions, prepared.report)
        if now.fingerprint != fingerprint:
            raise PlanChanged(now)

    return load(definitions, user=user, agree=agree)


def _plan_of(definitions: Definitions, report: LoadReport) -> Plan:
    said = report.as_dict()
    # Whether it was a rehearsal is no part of it.
    del said["dry_run"]
    documents = [entry.document for entry in definitions.spiders] + [entry.document for entry in definitions.jobs]
    text = json.dumps([said, documents], sort_keys=True, ensure_ascii=False)
    return Plan(report=report, fingerprint=sha256(text.encode()).hexdigest())
