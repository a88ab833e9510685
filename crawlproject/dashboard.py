"""The admin's first page: is all well, what needs somebody, what ran last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling.account import Teller, did_not_run
from scheduling.alerts import failure_alert
from scheduling.durations import duration
from scheduling.lateness import overdue_seconds
from scheduling.models import JobRun, ScheduledJob, SchedulerState
from scheduling.recent import HasEnded
from scheduling.rounds import last_rounds

RECENT = 12
MOST_SCHEDULES = 500
"""Whose last firing is looked at."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Need:
    """Something that somebody should look at."""

    state: str
    name: str
    what: str
    url: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the last 24 hours, but for the queue, which is now."""

    succeeded: int
    failed: int
    not_run: int
    queued: int
    running: int

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed

    @property
    def rate(self) -> str:
        return f"{self.succeeded / self.ended:.1%}" if self.ended else "–"


def dashboard(request: HttpRequest, *, is_alive: bool) -> dict[str, object]:
    """What the page shows to this user; empty for one who may not see runs and schedules."""
    user = request.user
    if not (user.has_perm("scheduling.view_jobrun") and user.has_perm("scheduling.view_scheduledjob")):
        return {}
    jobs = list(ScheduledJob.objects.filter(one_time=False, enabled=True).order_by("job_id")[:MOST_SCHEDULES])
    needs = [*_needs_of_all(is_alive=is_alive), *_needs_of_jobs(jobs)]
    return {
        "verdict": _verdict(needs, len(jobs)),
        "needs": needs,
        "figures": _figures(),
        "recent": _recent(),
        "has_spiders": apps.get_model("crawler", "Spider")._default_manager.exists(),
    }


def _verdict(needs: list[Need], jobs: int) -> str:
    if needs:
        return ngettext("%(count)d matter needs you", "%(count)d matters need you", len(needs)) % {"count": len(needs)}
    return _("All lamps are lit") if jobs else _("Nothing is scheduled yet")


def _needs_of_all(*, is_alive: bool) -> Iterator[Need]:
    if not is_alive:
        what = _("nothing fires until one runs: manage.py runscheduler")
        yield Need("lost", _("No scheduler is alive"), what, reverse("admin:scheduling_process_changelist"))
    state = SchedulerState.objects.filter(paused_at__isnull=False).first()
    if state is not None:
        what = _("by %(who)s; nothing fires until somebody resumes") % {"who": state.paused_by or "–"}
        yield Need("paused", _("Everything is paused"), what, reverse("admin:scheduling_scheduledjob_changelist"))
    late = overdue_seconds() if is_alive else 0.0
    if late > settings.SCHEDULER_LATE_SECONDS:
        what = _("a job has been due for %(duration)s") % {"duration": duration(late)}
        yield Need("late", _("The scheduler is late"), what, reverse("admin:scheduling_process_changelist"))
    alert = failure_alert()
    if alert is not None:
        what = _("%(failed)d of the last hour's %(executed)d runs") % {
            "failed": alert.failed,
            "executed": alert.executed,
        }
        url = reverse("admin:scheduling_jobrun_changelist") + "?state=failed"
        yield Need("failed", _("Many runs fail"), what, url)


def _needs_of_jobs(jobs: list[ScheduledJob]) -> Iterator[Need]:
    letters = last_rounds([job.pk for job in jobs])
    for job in jobs:
        url = reverse("admin:scheduling_scheduledjob_change", args=[job.pk])
        if job.problem:
            yield Need("problem", job.name, job.problem, url)
        elif letters.get(job.pk, "").endswith("f"):
            runs = reverse("admin:scheduling_jobrun_changelist")
            yield Need("failed", job.name, _("its last run failed"), f"{runs}?job={job.job_id}")


def _recent() -> list[tuple[JobRun, str]]:
    """The last runs with their message; of a moment that did not run: why, in the reader's language."""
    runs = list(JobRun.objects.defer("data", "error", "work").order_by("-id")[:RECENT])
    teller = Teller(runs, now=timezone.now())
    return [(run, teller.sentence(run) if did_not_run(run) else run.message) for run in runs]


def _figures() -> Figures:
    State = JobRun.State
    ended = JobRun.objects.filter(HasEnded("state"), finished_at__gte=timezone.now() - DAY)
    count = dict(ended.order_by().values_list("state").annotate(Count("pk")))
    active = dict(JobRun.objects.filter(state__in=JobRun.ACTIVE).order_by().values_list("state").annotate(Count("pk")))
    return Figures(
        succeeded=count.get(State.SUCCEEDED, 0),
        failed=count.get(State.FAILED, 0),
        not_run=count.get(State.MISSED, 0) + count.get(State.SKIPPED, 0),
        queued=active.get(State.QUEUED, 0),
        running=active.get(State.RUNNING, 0),
    )
