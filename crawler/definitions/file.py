"""A definitions file: its spiders, judged by the engine, and its jobs as they are written; all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from crawler.engine.documents.definition import SpiderDefinition, dump, parse_with_warnings
from crawler.engine.documents.document import Problems, Section, as_section, shown
from crawler.engine.errors import DefinitionError, DefinitionProblem
from crawler.exceptions import CrawlerError
from crawler.problems import InvalidDefinitions, Problem
from scheduling.definitions.differences import join

from .reading import Reading, read

KEYS = ("spiders", "jobs")
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"})
"""Headers whose values are secrets more often than not."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an entry stands: its place in the document, its file and its line."""

    place: str = ""
    source: str = ""
    line_of: Callable[[str], int | None] = field(default=lambda place: None, repr=False, compare=False)

    def problem(self, place: str, message: str) -> Problem:
        """A problem at `place`, as seen from this entry."""
        whole = join(self.place, place)
        return Problem(place=whole, message=message, source=self.source, line=self.line_of(whole))


@dataclass(frozen=True, slots=True)
class SpiderEntry:
    definition: SpiderDefinition
    document: Mapping[str, object]
    """Canonical: what is stored."""
    origin: Origin = Origin()


@dataclass(frozen=True, slots=True)
class JobEntry:
    """A job as it is written. Its handler judges it by what is stored, so that happens when it is loaded."""

    document: Mapping[str, object]
    origin: Origin = Origin()


@dataclass(frozen=True, slots=True)
class Definitions:
    """What one or several files hold; every name once."""

    spiders: tuple[SpiderEntry, ...] = ()
    jobs: tuple[JobEntry, ...] = ()
    warnings: tuple[Problem, ...] = ()
    """What is allowed but probably not meant."""
    problems: tuple[Problem, ...] = ()
    """What was found wrong so far: `load` adds what is wrong with the jobs, and raises all of it."""
    refused: tuple[Mapping[str, object], ...] = ()
    """Spiders among `problems`: a job that crawls one of them is not blamed for it."""


class TooManyDefinitions(CrawlerError):
    """More spiders, or more jobs, than are taken at once: `count` of them; none was looked at."""

    def __init__(self, count: int, most: int) -> None:
        super().__init__(f"{count} definitions of a kind are too many; at most {most} are taken at once")
        self.count = count


def parse_file(text: str, *, source: str = "", most: int | None = None) -> Definitions:
    """The definitions that a YAML or JSON text holds, and what is wrong with them.

    Raises:
        TooManyDefinitions: more than `most` spiders, or jobs.
    """
    return parse_files([(source, text)], most=most)


def parse_files(files: Iterable[tuple[str, str]], *, most: int | None = None) -> Definitions:
    """As `parse_file`, of several (name, text) together: nothing may stand twice among them."""
    collector = _Collector(most)
    for source, text in files:
        try:
            reading = read(text, source=source)
        except InvalidDefinitions as error:
            collector.problems.extend(error.problems)
            continue
        collector.take(reading)
    return collector.result()


class _Collector:
    def __init__(self, most: int | None) -> None:
        self._most = most
        self.problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._spiders: dict[str, SpiderEntry] = {}
        self._jobs: dict[object, JobEntry] = {}
        self._refused: list[Mapping[str, object]] = []

    def result(self) -> Definitions:
        return Definitions(
            spiders=tuple(self._spiders.values()),
            jobs=tuple(self._jobs.values()),
            warnings=tuple(self._warnings),
            problems=tuple(self.problems),
            refused=tuple(self._refused),
        )

    def take(self, reading: Reading) -> None:
        found = Problems()
        top = as_section(reading.value, "", found)
        top.allow(KEYS)
        whole = Origin("", reading.source, reading.line_of)
        spiders, jobs = (list(_mappings(top, key)) for key in KEYS)
        if self._most is not None and max(len(spiders), len(jobs)) > self._most:
            raise TooManyDefinitions(max(len(spiders), len(jobs)), self._most)
        self._complain(whole, found.errors)
        for place, document in spiders:
            self._take_spider(document, replace(whole, place=place))
        for place, document in jobs:
            self._take_job(document, replace(whole, place=place))

    def _take_spider(self, document: Mapping[str, object], origin: Origin) -> None:
        try:
            definition, warnings = parse_with_warnings(document)
        except DefinitionError as error:
            self._complain(origin, error.problems)
            self._refused.append(document)
            return
        self._warnings.extend(origin.problem(warning.place, warning.message) for warning in warnings)
        self._warnings.extend(
            origin.problem(f"manners.headers.{name}", "is stored where people can read it; write {secret: name}")
            for name, value in definition.manners.headers.items()
            if isinstance(value, str) and name.lower() in CREDENTIALS
        )
        if self._is_new("name", definition.name, origin, self._spiders.get(definition.name)):
            self._spiders[definition.name] = SpiderEntry(definition, dump(definition), origin)

    def _take_job(self, document: Mapping[str, object], origin: Origin) -> None:
        job_id = document.get("job_id")
        # What is no text is refused when the job is read.
        key = job_id if isinstance(job_id, str) else object()
        if self._is_new("job_id", str(job_id), origin, self._jobs.get(key)):
            self._jobs[key] = JobEntry(document, origin)

    def _is_new(self, key: str, name: str, origin: Origin, earlier: SpiderEntry | JobEntry | None) -> bool:
        if earlier is None:
            return True
        first = earlier.origin.problem(key, "")
        where = " ".join(part for part in (first.source, first.place) if part)
        self.problems.append(origin.problem(key, f'"{name}" stands twice; the first is {where}'))
        return False

    def _complain(self, origin: Origin, problems: Iterable[DefinitionProblem]) -> None:
        self.problems.extend(origin.problem(problem.place, problem.message) for problem in problems)


def _mappings(section: Section, key: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The place and the document of each entry of a list of mappings; what is none is noted and left out."""
    for place, value in section.entries(key):
        if isinstance(value, Mapping):
            yield place, value
        else:
            section.problems.error(place, f"{shown(value)} is not a mapping of keys to values")
