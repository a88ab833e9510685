"""What happened in a period: a first useful report, made by a handful of aggregates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db.models import Avg, Count, Max, Q
from django.utils.translation import gettext as _

from .models import JobRun
from .recent import HasEnded
from .signals import ReportSection, report_made
from .storable import utc_text
from .wording import in_a_row

PERIODS: Mapping[str, timedelta] = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
_WORST = 10

State = JobRun.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of one period. Rates are fractions of the runs that were executed; None where there were none."""

    period: str
    since: datetime
    until: datetime
    counts: Mapping[str, int]
    """Ended runs by state."""
    success_rate: float | None
    error_rate: float | None
    mean_seconds: float | None
    longest_seconds: float | None
    retries: int
    queued: int
    """Runs that wait now, and are due."""
    running: int
    failing: tuple[Mapping[str, object], ...]
    """The jobs with the most failures: job, failed, runs."""
    sections: tuple[ReportSection, ...] = ()
    """What others add: see `signals.report_made`."""

    def document(self) -> dict[str, object]:
        """Return it as JSON holds it; each section under its name."""
        own = {**asdict(self), "since": utc_text(self.since), "until": utc_text(self.until)}
        del own["sections"]
        return {**own, **{section.name: section.data for section in self.sections}}


def make(period: str, until: datetime) -> Report:
    """Report on the period that ends at `until`."""
    since = until - PERIODS[period]
    # "Ended" is spelled as in the index `run_finished`, so that the period is read from it.
    ended = JobRun.objects.filter(HasEnded("state"), finished_at__gt=since, finished_at__lte=until)
    ended = ended.order_by()
    by_state = dict(ended.values_list("state").annotate(count=Count("pk")))
    times = ended.aggregate(
        mean=Avg("execution_time"), longest=Max("execution_time"), retries=Count("pk", filter=Q(retry_count__gt=0))
    )
    failing = (
        ended.values("job_key")
        .annotate(failed=Count("pk", filter=Q(state=State.FAILED)), runs=Count("pk"))
        .filter(failed__gt=0)
        .order_by("-failed", "job_key")[:_WORST]
    )
    # Two questions: each has a partial index of its own, one for both would read the whole history.
    queued = JobRun.objects.filter(state=State.QUEUED, available_at__lte=until).count()
    running = JobRun.objects.filter(state=State.RUNNING).count()
    succeeded, failed = by_state.get(State.SUCCEEDED, 0), by_state.get(State.FAILED, 0)
    executed = succeeded + failed
    return Report(
        period=period,
        since=since,
        until=until,
        counts={state: by_state.get(state, 0) for state in JobRun.TERMINAL},
        success_rate=succeeded / executed if executed else None,
        error_rate=failed / executed if executed else None,
        mean_seconds=times["mean"],
        longest_seconds=times["longest"],
        retries=times["retries"],
        queued=queued,
        running=running,
        sections=_sections(since, until),
        failing=tuple({"job": row["job_key"], "failed": row["failed"], "runs": row["runs"]} for row in failing),
    )


def _sections(since: datetime, until: datetime) -> tuple[ReportSection, ...]:
    answers: list[object] = [answer for _receiver, answer in report_made.send(Report, since=since, until=until)]
    return tuple(answer for answer in answers if isinstance(answer, ReportSection))


def in_words(report: Report) -> str:
    """Say the report in a line."""
    sentences = [_of_runs(report), *(section.sentence for section in report.sections)]
    return in_a_row(sentences)


def _of_runs(report: Report) -> str:
    executed = report.counts[State.SUCCEEDED] + report.counts[State.FAILED]
    if report.success_rate is None:
        return _("No run was executed; %d wait.") % report.queued
    return _("%(executed)d runs executed, %(rate).1f %% succeeded, %(mean).1f s on average, %(queued)d wait.") % {
        "executed": executed,
        "rate": report.success_rate * 100,
        "mean": report.mean_seconds or 0.0,
        "queued": report.queued,
    }
