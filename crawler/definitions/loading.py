"""Loading: the database becomes what the definitions say, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from crawler.engine.messages import said
from crawler.models import Spider
from crawler.problems import InvalidDefinitions, Problem
from crawler.secrets import missing_secrets
from scheduling.definitions import JobValues, dump_job, dump_values, parse_job, save_job
from scheduling.definitions.differences import Change, differences
from scheduling.exceptions import InvalidJob, RunConflict
from scheduling.models import ScheduledJob

from .file import Definitions, JobEntry, SpiderEntry
from .spiders import ORDERED, save_spider

_BATCH = 500
"""Names in one query: below what any database takes as parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one definition."""

    kind: str
    """``spider`` or ``job``."""
    name: str
    is_new: bool = False
    differences: tuple[Change, ...] = ()

    @property
    def state(self) -> str:
        if self.is_new:
            return "added"
        return "changed" if self.differences else "unchanged"

    def as_dict(self) -> dict[str, object]:
        found: dict[str, object] = {"kind": self.kind, "name": self.name}
        if self.differences:
            found["differences"] = [difference.as_dict() for difference in self.differences]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load did, or would do."""

    dry_run: bool
    outcomes: tuple[Outcome, ...] = ()
    warnings: tuple[Problem, ...] = field(default=())

    def in_state(self, state: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.state == state]

    def as_dict(self) -> dict[str, object]:
        states = {state: [outcome.as_dict() for outcome in self.in_state(state)] for state in _STATES}
        return {"dry_run": self.dry_run, **states, "warnings": [warning.as_dict() for warning in self.warnings]}

    def lines(self) -> Iterator[str]:
        """For people: one line a definition, one more for each changed field, and the sum."""
        for outcome in self.outcomes:
            yield f"{outcome.state:<9} {outcome.kind:<6} {outcome.name}"
            yield from (f"            {difference}" for difference in outcome.differences)
        counts = ", ".join(f"{len(self.in_state(state))} {state}" for state in _STATES)
        yield f"{counts} (dry run: nothing was written)" if self.dry_run else counts


_STATES = ("added", "changed", "unchanged")


def load(definitions: Definitions, *, dry_run: bool = False, user: AbstractBaseUser | None = None) -> LoadReport:
    """Save every spider and job, in one transaction. What the definitions do not name is left as it is.

    A dry run does the same and takes it back, so that it finds what a load would find.

    Raises:
        InvalidDefinitions: with all that is wrong, in the files and with the jobs; nothing was written.
    """
    problems = list(definitions.problems)
    with transaction.atomic():
        # By name: two loads at once take their locks in the same order.
        entries = sorted(definitions.spiders, key=lambda entry: entry.definition.name)
        spiders = [_load_spider(entry, user) for entry in entries]
        missing = [problem for entry in entries for problem in _missing_secrets(entry)]
        jobs = _load_jobs(_read_jobs(definitions, problems), user, problems)
        if problems:
            raise InvalidDefinitions(problems)
        if dry_run:
            transaction.set_rollback(True)
    warnings = (*definitions.warnings, *missing)
    return LoadReport(dry_run=dry_run, outcomes=(*spiders, *jobs), warnings=warnings)


def _missing_secrets(entry: SpiderEntry) -> Iterator[Problem]:
    """Secrets may be set after the documents that name them, but a crawl before then would fail."""
    for place, name in missing_secrets(entry.definition).items():
        yield entry.origin.problem(
            place, said('no secret is stored under "{name}" yet; set it in the admin', name=name)
        )


def _load_spider(entry: SpiderEntry, user: AbstractBaseUser | None) -> Outcome:
    name = entry.definition.name
    stored = Spider.objects.filter(name=name).values_list("definition", flat=True).first()
    save_spider(entry.document, user=user)
    found = () if stored is None else tuple(differences(stored, entry.document, name, ordered=ORDERED))
    return Outcome(kind="spider", name=name, is_new=stored is None, differences=found)


def _read_jobs(definitions: Definitions, problems: list[Problem]) -> list[tuple[JobEntry, JobValues]]:
    """The jobs in the order of their ids. Their handlers look into the database, where the file's spiders stand now."""
    found = []
    for entry in definitions.jobs:
        try:
            found.append((entry, parse_job(entry.document)))
        except InvalidJob as error:
            blamed = [
                (place, message) for place, message in error.problems if not _is_refused(definitions, entry, place)
            ]
            problems.extend(entry.origin.problem(place, message) for place, message in blamed)
    return sorted(found, key=lambda pair: pair[1].job_id)


def _is_refused(definitions: Definitions, entry: JobEntry, place: str) -> bool:
    """Whether a problem at `place` is only that the file's own spider, named there, was refused."""
    data = entry.document.get("job_data")
    key = place.removeprefix("job_data.")
    if key not in ("target", "spider") or not isinstance(data, Mapping):
        return False
    names = "category" if data.get("type") == "category" else "name"
    return any(data.get(key) == document.get(names) for document in definitions.refused)


def _load_jobs(
    jobs: list[tuple[JobEntry, JobValues]], user: AbstractBaseUser | None, problems: list[Problem]
) -> list[Outcome]:
    stored = _stored_jobs([values.job_id for _entry, values in jobs])
    outcomes = []
    for entry, values in jobs:
        name = values.job_id
        before = stored.get(name)
        try:
            save_job(values, user=user)
        except RunConflict as error:
            problems.append(entry.origin.problem("job_id", str(error)))
            continue
        found = () if before is None else tuple(differences(before, dump_values(values), name))
        outcomes.append(Outcome(kind="job", name=name, is_new=before is None, differences=found))
    return outcomes


def _stored_jobs(job_ids: list[str]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for start in range(0, len(job_ids), _BATCH):
        for job in ScheduledJob.objects.filter(job_id__in=job_ids[start : start + _BATCH]):
            found[job.job_id] = dump_job(job)
    return found
