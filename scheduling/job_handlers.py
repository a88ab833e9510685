"""The handlers that come with the scheduler: maintenance and report. Spiders' own is in `crawler.job_handlers`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from . import report
from .contract import FormField, InvalidJobData, JobContext, JobHandler, JobResult, register

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

P = ParamSpec("P")
T = TypeVar("T")


@register
class MaintenanceJobHandler(JobHandler):
    """`{"action": "retention"}` removes what is older than the settings say; `{"action": "check"}` looks around."""

    description = "Removes old runs (retention), or checks database, disk, clock and processes (check)."
    predefined_jobs = (
        {
            "job_id": "nightly-retention",
            "handler": "maintenance",
            "job_data": {"action": "retention"},
            "trigger": {"type": "cron", "cron": "30 3 * * *"},
            "policies": {"coalesce": True, "misfire_grace_time": 21_600},
        },
    )

    def load(self) -> None:
        from . import maintenance  # noqa: F401

    def form(self, user: User | AnonymousUser) -> Iterable[FormField]:
        choices = (("retention", gettext_lazy("Remove old rows")), ("check", gettext_lazy("Check that all is well")))
        return (FormField(key="action", label=gettext_lazy("What is done"), choices=choices),)

    def validate(self, job_data: Mapping[str, object]) -> None:
        _only(job_data, {"action"})
        action = job_data.get("action")
        if action == "backup":
            raise InvalidJobData("action", _("“backup” is not in this release; there are “retention” and “check”."))
        if action not in ("retention", "check"):
            text = _("Give one of %(known)s, not “%(given)s”.")
            raise InvalidJobData("action", text % {"known": "retention, check", "given": action})

    def exclusive_key(self, job_data: Mapping[str, object]) -> str:
        return f"maintenance:{job_data.get('action')}"

    async def execute(self, context: JobContext) -> JobResult:
        from . import maintenance

        self.validate(context.job_data)
        if context.job_data["action"] == "check":
            findings = await _read(maintenance.check)()
            problems = [finding for finding in findings if not finding.ok]
            message = "; ".join(finding.message for finding in problems) or _("All is well.")
            return JobResult(
                success=not problems, message=message, data={finding.name: finding.message for finding in findings}
            )
        removed = await maintenance.retain(context)
        recounted = await maintenance.recount(context)
        message = _("%d old rows removed.") % sum(removed.values())
        return JobResult(success=True, message=message, data=removed | {"recounted": recounted})


@register
class ReportJobHandler(JobHandler):
    """`{"period": "day" | "week" | "month"}`: counts, rates and times of the runs that ended in it, as the result."""

    description = "Reports counts, success rate, mean time, error rate and queue of a day, a week or a month."
    predefined_jobs = (
        {
            "job_id": "weekly-report",
            "handler": "report",
            "job_data": {"period": "week"},
            "trigger": {"type": "cron", "cron": "0 8 * * 1"},
            "policies": {"coalesce": True, "misfire_grace_time": 21_600},
        },
    )

    def form(self, user: User | AnonymousUser) -> Iterable[FormField]:
        choices = (("day", gettext_lazy("a day")), ("week", gettext_lazy("a week")), ("month", gettext_lazy("a month")))
        return (FormField(key="period", label=gettext_lazy("Of the last"), choices=choices),)

    def validate(self, job_data: Mapping[str, object]) -> None:
        _only(job_data, {"period"})
        period = job_data.get("period", "day")
        if period not in report.PERIODS:
            known = ", ".join(report.PERIODS)
            raise InvalidJobData(
                "period", _("Give one of %(known)s, not “%(given)s”.") % {"known": known, "given": period}
            )

    async def execute(self, context: JobContext) -> JobResult:
        self.validate(context.job_data)
        period = str(context.job_data.get("period", "day"))
        made = await _read(report.make)(period, context.trigger_time)
        return JobResult(success=True, message=report.in_words(made), data=made.document())


def _read(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Call `function` in the run's thread outside of a transaction: behind the guard it would keep SQLite's writers,
    the tick among them, waiting for as long as it reads."""
    return sync_to_async(function, thread_sensitive=True)


def _only(job_data: Mapping[str, object], known: set[str]) -> None:
    for key in job_data:
        if key not in known:
            raise InvalidJobData(key, _("There is no such key; known: %s.") % ", ".join(sorted(known)))
