"""What a load would do: worked out by reading alone, so that nobody waits for whoever looks at a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django_apscheduler.models import DjangoJob

from crawler.engine.messages import said
from crawler.known_spiders import SpidersToBe, supposing
from crawler.models import Secret, Spider
from crawler.problems import InvalidDefinitions, Problem
from crawler.secrets import missing_secrets
from scheduling.definitions import (
    JobValues,
    NewJob,
    batched,
    dump_job,
    dump_values,
    lock_jobs,
    new_jobs,
    one_off_stays,
    parse_job,
)
from scheduling.definitions.differences import differences
from scheduling.exceptions import InvalidJob
from scheduling.models import ScheduledJob

from .file import Definitions, JobEntry, SpiderEntry
from .report import LoadReport, Outcome
from .spiders import ORDERED, lock_spiders, state_of


@dataclass(frozen=True, slots=True)
class Ground:
    """What was read, by what changes with it: as long as it is the same, what was worked out from it is right."""

    spiders: Mapping[str, tuple[object, ...]]
    """Of those that the definitions name."""
    jobs: Mapping[str, int]
    """The versions of those that the definitions name."""
    categories: Mapping[str, str]
    """Of every spider by its name: what crawls may be asked of. Empty where no job is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A load that is ready to be written."""

    report: LoadReport
    """Of a dry run."""
    at: datetime
    ground: Ground
    spiders: Sequence[SpiderEntry]
    """Those that are new, or that change."""
    new_jobs: Sequence[NewJob]
    changed_jobs: Sequence[JobValues]


def prepare(definitions: Definitions) -> Prepared:
    """Raises `InvalidDefinitions` with all that is wrong, in the order of the lines."""
    problems = list(definitions.problems)
    spiders, seen = _compared(sorted(definitions.spiders, key=lambda entry: entry.definition.name))
    categories = _categories() if definitions.jobs else {}
    given = {entry.definition.name: entry.definition for entry in definitions.spiders}
    with supposing(SpidersToBe(categories, given)):
        jobs = _Jobs(_read_jobs(definitions, problems), problems)
    if problems:
        raise InvalidDefinitions(in_order(problems))
    now = timezone.now()
    return Prepared(
        report=LoadReport(
            dry_run=True,
            outcomes=(*(outcome for _entry, outcome in spiders), *jobs.outcomes),
            warnings=(*definitions.warnings, *_missing_secrets(definitions.spiders)),
        ),
        at=now,
        ground=Ground(seen, jobs.versions, categories),
        spiders=[entry for entry, outcome in spiders if outcome.state != "unchanged"],
        new_jobs=new_jobs(jobs.new, now=now),
        changed_jobs=jobs.changed,
    )


def locked_ground(definitions: Definitions) -> Ground:
    """The same as it is now; what the definitions name stays locked until the caller's transaction ends."""
    spiders = lock_spiders(entry.definition.name for entry in definitions.spiders)
    jobs = lock_jobs(str(entry.document.get("job_id")) for entry in definitions.jobs)
    return Ground(spiders, jobs, _categories() if definitions.jobs else {})


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """File by file, from the first line to the last; what has no line comes first."""
    files = {source: number for number, source in enumerate(dict.fromkeys(problem.source for problem in problems))}
    return sorted(problems, key=lambda problem: (files[problem.source], problem.line or 0))


def _categories() -> dict[str, str]:
    return dict(Spider.objects.order_by().values_list("name", "category"))


def _compared(
    entries: Sequence[SpiderEntry],
) -> tuple[list[tuple[SpiderEntry, Outcome]], dict[str, tuple[object, ...]]]:
    """Each with what would become of it, and what was read for that."""
    found: list[tuple[SpiderEntry, Outcome]] = []
    seen: dict[str, tuple[object, ...]] = {}
    for part in batched(entries):
        names = [entry.definition.name for entry in part]
        stored = {spider.name: spider for spider in Spider.objects.filter(name__in=names)}
        seen |= {name: state_of(spider) for name, spider in stored.items()}
        for entry in part:
            name = entry.definition.name
            before = stored.get(name)
            changes = () if before is None else differences(before.definition, entry.document, name, ordered=ORDERED)
            outcome = Outcome(kind="spider", name=name, is_new=before is None, differences=tuple(changes))
            found.append((entry, outcome))
    return found, seen


def _missing_secrets(entries: Sequence[SpiderEntry]) -> Iterator[Problem]:
    """Secrets may be set after the documents that name them, but a crawl before then would fail."""
    stored = set(Secret.objects.values_list("name", flat=True))
    for entry in sorted(entries, key=lambda entry: entry.definition.name):
        for place, name in missing_secrets(entry.definition, stored=stored).items():
            yield entry.origin.problem(
                place, said('no secret is stored under "{name}" yet; set it in the admin', name=name)
            )


def _read_jobs(definitions: Definitions, problems: list[Problem]) -> list[tuple[JobEntry, JobValues]]:
    """The jobs in the order of their ids; their handlers look at the spiders that there would be."""
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


class _Jobs:
    """The jobs of the definitions, compared with those that there are."""

    def __init__(self, entries: list[tuple[JobEntry, JobValues]], problems: list[Problem]) -> None:
        self.outcomes: list[Outcome] = []
        self.versions: dict[str, int] = {}
        self.new: list[JobValues] = []
        self.changed: list[JobValues] = []
        for part in batched(entries):
            ids = [values.job_id for _entry, values in part]
            stored = {job.job_id: job for job in ScheduledJob.objects.filter(job_id__in=ids)}
            planned = set(DjangoJob.objects.filter(pk__in=ids).values_list("pk", flat=True))
            self.versions |= {job_id: job.version for job_id, job in stored.items()}
            for entry, values in part:
                before = stored.get(values.job_id)
                if before is not None and before.one_time:
                    problems.append(entry.origin.problem("job_id", str(one_off_stays(values.job_id))))
                    continue
                self._take(values, before, is_planned=values.job_id in planned)

    def _take(self, values: JobValues, before: ScheduledJob | None, *, is_planned: bool) -> None:
        name = values.job_id
        changes = () if before is None else differences(dump_job(before), dump_values(values), name)
        self.outcomes.append(Outcome(kind="job", name=name, is_new=before is None, differences=tuple(changes)))
        if before is None and not is_planned:
            self.new.append(values)
        elif changes or before is None or before.problem or not is_planned:
            # Also where it says the same: saving clears its problem, and gives it back what it has lost.
            self.changed.append(values)
