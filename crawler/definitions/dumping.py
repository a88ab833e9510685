"""Dumping: what is defined, as a file whose loading changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import yaml

from crawler.models import Spider
from scheduling.conf import SchedulerSettings
from scheduling.definitions import JobValues, dump_job
from scheduling.definitions.differences import same
from scheduling.models import ScheduledJob

from .scalars import MISREAD
from .spiders import dump_spider

_TRIGGER_ORDER = (
    *("type", "cron", "second", "minute", "hour", "day", "month", "day_of_week", "year"),
    *("weeks", "days", "hours", "minutes", "seconds", "run_date", "timezone", "start", "end"),
)
_DATA_ORDER = ("type", "action", "period", "target", "spider")


def dump(*, spiders: Collection[str] | None = None, jobs: Collection[str] | None = None) -> dict[str, object]:
    """All spiders and all schedules but one-offs, or those that are named, in the order of their names."""
    defaults = _safe_defaults()
    found_spiders = Spider.objects.order_by("name").iterator()
    found_jobs = ScheduledJob.objects.filter(one_time=False).order_by("job_id").iterator()
    return {
        "spiders": [dump_spider(spider) for spider in found_spiders if spiders is None or spider.name in spiders],
        "jobs": [_short(dump_job(job), defaults) for job in found_jobs if jobs is None or job.job_id in jobs],
    }


def to_yaml(document: Mapping[str, object]) -> str:
    """Block style, nothing folded, every text in quotes that could be taken for something else."""
    return yaml.dump(
        dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=10**9
    )


def _short(document: dict[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    """A job's document without what its absence says as well."""
    policies = document["policies"]
    assert isinstance(policies, Mapping)  # noqa: S101  # dump_job says so
    short = document | {
        "trigger": _ordered(document["trigger"], _TRIGGER_ORDER),
        "job_data": _ordered(document["job_data"], _DATA_ORDER),
        "policies": {
            key: value for key, value in policies.items() if key not in defaults or not same(value, defaults[key])
        },
    }
    if short["name"] == short["job_id"]:
        del short["name"]
    if short["enabled"] is True:
        del short["enabled"]
    return {key: value for key, value in short.items() if value != {} or key == "trigger"}


def _safe_defaults() -> dict[str, object]:
    """Policies that mean the same here and on a machine without settings of its own: only those may be left out."""
    fields = JobValues.__dataclass_fields__
    settings = SchedulerSettings().job_defaults
    return {key: value for key, value in settings.items() if key in fields and same(fields[key].default, value)}


def _ordered(value: object, order: tuple[str, ...]) -> object:
    """PostgreSQL forgets the order of keys: the known ones first, then what a handler of somebody's own takes."""
    if not isinstance(value, Mapping):
        return value
    return {key: value[key] for key in order if key in value} | {key: value[key] for key in sorted(value)}


class _Dumper(yaml.SafeDumper):
    """Lists indented under their key, no anchors, and no plain text that our reader would refuse."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:
        return True


for _pattern in MISREAD:
    _Dumper.add_implicit_resolver("tag:yaml.org,2002:int", _pattern, list("-+0123456789"))
