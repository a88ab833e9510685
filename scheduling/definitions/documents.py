"""A job's document as values, and back: `dump(parse(document))` is the document with its defaults filled in."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scheduling import registry, triggers
from scheduling.conf import SchedulerSettings
from scheduling.exceptions import InvalidJob, InvalidJobData, UnknownHandler
from scheduling.models import ScheduledJob
from scheduling.models.jobs import validate_job_id

KEYS = ("job_id", "name", "handler", "job_data", "enabled", "trigger", "policies")
POLICIES = ("coalesce", "max_instances", "misfire_grace_time", "max_retries", "timeout", "jitter", "overlap")
NAME_LENGTH = 200
YEAR = 366 * 86_400
"""Seconds: the most that a policy may wait."""

Problems = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobValues:
    """All that can be edited of a job. Durations are in seconds."""

    job_id: str
    handler: str
    trigger: Mapping[str, object]
    name: str = ""
    """Empty: the job's id."""
    job_data: Mapping[str, object] = field(default_factory=dict)
    enabled: bool = True
    coalesce: bool = False
    max_instances: int = 1
    misfire_grace_time: int | None = 30
    """None: however late."""
    max_retries: int = 3
    timeout: float | None = None
    jitter: int | None = None
    overlap: str = "skip"


def parse_job(document: Mapping[str, object]) -> JobValues:
    """The values of a document, checked against handlers, triggers and ranges.

    Raises:
        InvalidJob: every problem that was found, each with its place (``policies.timeout``).
    """
    if not isinstance(document, Mapping):
        raise InvalidJob([("", _("A job is a mapping such as {job_id: …, handler: …, trigger: {…}}."))])
    problems: Problems = list(_unknown(document, KEYS, ""))
    job_id = _job_id(document.get("job_id"), problems)
    name = _name(document.get("name"), problems) or job_id
    enabled = document.get("enabled", True)
    if not isinstance(enabled, bool):
        problems.append(("enabled", _("Write true or false.")))
    trigger = _trigger(document.get("trigger"), problems)
    policies = _policies(document.get("policies"), problems)
    handler, job_data = _work(document, problems)
    if problems:
        raise InvalidJob(problems)
    return JobValues(
        job_id=job_id,
        name=name,
        handler=handler,
        job_data=job_data,
        enabled=bool(enabled),
        trigger=trigger,
        coalesce=bool(policies["coalesce"]),
        max_instances=cast(int, policies["max_instances"]),
        misfire_grace_time=cast("int | None", policies["misfire_grace_time"]),
        max_retries=cast(int, policies["max_retries"]),
        timeout=cast("float | None", policies["timeout"]),
        jitter=cast("int | None", policies["jitter"]),
        overlap=str(policies["overlap"]),
    )


def dump_values(values: JobValues) -> dict[str, object]:
    """The document of values, every key written out."""
    return _document(values)


def dump_job(job: ScheduledJob) -> dict[str, object]:
    """The document of a stored job, every key written out."""
    return _document(job)


def values_of(job: ScheduledJob) -> JobValues:
    """A stored job's values, unchecked: also those of a job whose handler is gone."""
    fields = JobValues.__dataclass_fields__
    return JobValues(**{name: getattr(job, name) for name in fields})


def _document(source: JobValues | ScheduledJob) -> dict[str, object]:
    return {
        "job_id": source.job_id,
        "name": source.name or source.job_id,
        "handler": source.handler,
        "job_data": _copied(source.job_data),
        "enabled": source.enabled,
        "trigger": _copied(source.trigger),
        "policies": {name: getattr(source, name) for name in POLICIES},
    }


def _copied(value: object) -> object:
    """A mapping's copy. What a hand put into the row instead stays as it is: it is shown, and refused when saved."""
    return dict(value) if isinstance(value, Mapping) else value


def _unknown(document: Mapping[str, object], known: Iterable[str], prefix: str) -> Iterable[tuple[str, str]]:
    known = list(known)
    for key in document:
        if key in known:
            continue
        near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
        if near:
            message = _("This key is not known; the nearest is “%(near)s”.") % {"near": near[0]}
        else:
            message = _("This key is not known; known are %(known)s.") % {"known": ", ".join(known)}
        yield f"{prefix}{key}", message


def _job_id(value: object, problems: Problems) -> str:
    if not isinstance(value, str) or not value:
        problems.append(("job_id", _("Write the job's id, such as “books-nightly”.")))
        return ""
    try:
        validate_job_id(value)
    except ValidationError as error:
        problems.extend(("job_id", message) for message in error.messages)
    return value


def _name(value: object, problems: Problems) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > NAME_LENGTH or not _storable(value):
        message = _("Write a text of at most %(most)d characters, without NUL and lone surrogates.")
        problems.append(("name", message % {"most": NAME_LENGTH}))
        return ""
    return value.strip()


def _trigger(value: object, problems: Problems) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        problems.append(("trigger", _("Write when it runs, such as {type: cron, cron: “0 2 * * *”}.")))
        return {}
    problems.extend(triggers.problems(value))
    return dict(value)


def _work(document: Mapping[str, object], problems: Problems) -> tuple[str, dict[str, object]]:
    """The handler's short name and its job_data, which it has looked at itself."""
    name, job_data = document.get("handler"), document.get("job_data")
    if job_data is None:
        job_data = {}
    data_is_right = _check_job_data(job_data, problems)
    if not isinstance(name, str) or not name:
        message = _("Write one of %(known)s.") % {"known": ", ".join(registry.names())}
        problems.append(("handler", message))
        return "", {}
    try:
        handler = registry.get(name)
    except UnknownHandler as error:
        problems.append(("handler", str(error)))
        return name, {}
    if not data_is_right:
        return handler.name, {}
    data = dict(cast("Mapping[str, object]", job_data))
    try:
        handler.validate(data)
    except InvalidJobData as error:
        place = error.place or "job_data"
        problems.append((place if place.startswith("job_data") else f"job_data.{place}", error.message))
    return handler.name, data


def _check_job_data(value: object, problems: Problems) -> bool:
    if not isinstance(value, Mapping):
        problems.append(("job_data", _("Write a mapping of the handler's arguments.")))
        return False
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        problems.append(("job_data", _("Only what JSON can hold: texts, numbers (no NaN), true, false, null, lists.")))
        return False
    # A NUL is escaped in JSON text: PostgreSQL refuses it in that form too.
    if "\\u0000" in text or not _storable(text):
        problems.append(("job_data", _("Texts may not hold NUL or lone surrogates.")))
        return False
    return True


def _storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _policies(value: object, problems: Problems) -> dict[str, object]:
    policies = {name: SchedulerSettings().job_defaults[name] for name in POLICIES}
    if value is None:
        return policies
    if not isinstance(value, Mapping):
        problems.append(("policies", _("Write a mapping such as {max_retries: 3}.")))
        return policies
    problems.extend(_unknown(value, POLICIES, "policies."))
    for name in POLICIES:
        if name in value:
            complaint = CHECKS[name](value[name])
            if complaint:
                more = (_("Write null for none."),) if name in MAY_BE_NULL else ()
                problems.append((f"policies.{name}", " ".join((complaint, *more))))
            policies[name] = value[name]
    return policies


def _boolean(value: object) -> str:
    return "" if isinstance(value, bool) else _("Write true or false.")


def _overlap(value: object) -> str:
    return "" if value in ScheduledJob.Overlap.values else _("Write skip or wait.")


def _whole(least: int, most: int, *, nullable: bool = False) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value is None and nullable:
            return ""
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return ""
        return _("Write a whole number from %(least)d to %(most)d.") % {"least": least, "most": most}

    return check


def _seconds(value: object) -> str:
    if value is None:
        return ""
    # NaN compares as false; 10^400 compares well as a whole number.
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= YEAR:
        return ""
    return _("Write seconds, more than 0 and at most %(most)d.") % {"most": YEAR}


CHECKS: Mapping[str, Callable[[object], str]] = {
    "coalesce": _boolean,
    "max_instances": _whole(1, 1000),
    "misfire_grace_time": _whole(1, 10 * YEAR, nullable=True),
    "max_retries": _whole(0, 1000),
    "timeout": _seconds,
    "jitter": _whole(0, 7 * 86_400, nullable=True),
    "overlap": _overlap,
}
"""What is wrong with a policy's value; empty: nothing is."""
MAY_BE_NULL = ("misfire_grace_time", "timeout", "jitter")
"""Policies that a document may give as null. A form is left empty instead, and its help says so."""
