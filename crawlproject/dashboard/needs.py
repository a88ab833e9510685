"""What needs somebody: a line for each matter with what, since when, why, and the way to the remedy; no query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawler.account.explanation import Explanation, Found, Verdict
from crawler.models import CrawlTask
from crawlproject.web.admin import day_of
from scheduling import wording
from scheduling.alerts import FailureAlert
from scheduling.durations import duration

from .pulse import Pulse
from .schedules import ROUNDS, Schedule
from .spiders import Crawled

WORTH = 0.1
"""Of a crawl's pages or items: where a cause takes less, the crawl is left to its own page."""

ORDER = ("problem", "failed", "lacking")
"""Of single schedules; the gravest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that somebody should look at."""

    state: str
    """Of the badge."""
    name: str
    what: str
    why: str
    action: str
    """What the link does."""
    url: str
    is_schedule: bool = False
    """Whether it counts as one of the schedules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the needs are read from."""

    now: datetime
    pulse: Pulse
    schedules: Sequence[Schedule]
    spiders: Sequence[Crawled]
    alert: FailureAlert | None
    overdue_since: datetime | None
    """Of the most overdue job."""


def needs_of(sight: Sight) -> list[Need]:
    """The gravest first: of everything, then of single schedules, then of spiders that no schedule crawls."""
    crawled = {spider.name: spider for spider in sight.spiders}
    of_schedules: list[Need] = []
    told: set[str] = set()
    for schedule in sight.schedules:
        spider = crawled.get(schedule.spider)
        need = _of_schedule(schedule, spider, sight.now)
        if need is not None:
            of_schedules.append(need)
        if spider is not None:
            told.add(spider.name)
    of_schedules.sort(key=lambda need: ORDER.index(need.state))
    others = [need for spider in sight.spiders if spider.name not in told for need in _of_spider(spider)]
    return [*_of_everything(sight), *of_schedules, *others]


# --- of everything ----------------------------------------------------------------------------------------------------


def _of_everything(sight: Sight) -> Iterator[Need]:
    since = sight.overdue_since if sight.pulse.alive and not sight.pulse.paused_at else None
    late = (sight.now - since).total_seconds() if since is not None else 0.0
    if late > settings.SCHEDULER_LATE_SECONDS:
        yield Need(
            state="late",
            name=_("The scheduler is late"),
            what=_("a job has been due for %(duration)s") % {"duration": duration(late)},
            why="",
            action=_("Look at the processes"),
            url=reverse("admin:scheduling_process_changelist"),
        )
    if sight.alert is not None:
        values = {"failed": sight.alert.failed, "executed": sight.alert.executed}
        yield Need(
            state="failed",
            name=_("Many runs fail"),
            what=_("%(failed)d of the last hour's %(executed)d runs") % values,
            why="",
            action=_("See the failed runs"),
            url=reverse("admin:scheduling_jobrun_changelist") + "?state=failed",
        )


# --- of one schedule --------------------------------------------------------------------------------------------------


def _of_schedule(schedule: Schedule, spider: Crawled | None, now: datetime) -> Need | None:
    job = schedule.job
    if job.problem:
        return Need(
            state="problem",
            name=job.name,
            what=_since(_("cannot be read"), _("cannot be read since %(since)s"), job.problem_at, now),
            why=job.problem,
            action=_("Open the schedule"),
            url=reverse("admin:scheduling_scheduledjob_change", args=[job.pk]),
            is_schedule=True,
        )
    failures = schedule.failures
    if failures and not _is_mended(failures[-1].run, spider):
        why, action, url = _why_failed(schedule, spider)
        count = len(failures)
        many = ngettext(
            "failed %(count)d time, at %(since)s", "failed %(count)d times in a row, since %(since)s", count
        )
        if count >= ROUNDS:
            many = _("failed %(count)d times in a row or more, at least since %(since)s")
        what = many % {"count": count, "since": _at(failures[0].due, now)}
        return Need(state="failed", name=job.name, what=what, why=why, action=action, url=url, is_schedule=True)
    if spider is not None:
        return next(iter(_of_spider(spider, name=job.name, is_schedule=True)), None)
    return None


def _is_mended(run: int, spider: Crawled | None) -> bool:
    """Whether a crawl of the spider has succeeded since that run failed, whoever asked for it."""
    task = spider.task if spider is not None else None
    if task is None or task.run_id is None:
        return False
    return task.status == CrawlTask.Status.COMPLETED and task.run_id > run


def _why_failed(schedule: Schedule, spider: Crawled | None) -> tuple[str, str, str]:
    """Why the last run failed: by the account of its crawl, else by its message."""
    last = schedule.failures[-1]
    task = spider.task if spider is not None else None
    if spider is not None and task is not None and task.run_id == last.run and spider.account is not None:
        worst = _worst(spider.account)
        why = str(worst.cause.title) if worst is not None else spider.account.sentence
        return wording.labelled(why), _("See the remedy"), reverse("admin:crawler_crawltask_change", args=[task.pk])
    why = wording.shown(schedule.message.partition("\n")[0])
    return why, _("See the run"), reverse("admin:scheduling_jobrun_change", args=[last.run])


# --- of one spider ----------------------------------------------------------------------------------------------------


def _of_spider(spider: Crawled, *, name: str = "", is_schedule: bool = False) -> Iterator[Need]:
    """Its newest crawl failed, or found far less than it should. A spider that is switched off needs nobody."""
    account, task = spider.account, spider.task
    if account is None or task is None or not spider.enabled:
        return
    worst = _worst(account)
    address = reverse("admin:crawler_crawltask_change", args=[task.pk])
    if account.verdict is Verdict.FAILED:
        why = str(worst.cause.title) if worst is not None else ""
        yield Need(
            state="failed",
            name=name or spider.name,
            what=_("its last crawl failed"),
            why=wording.labelled(why or account.sentence),
            action=_("See the remedy"),
            url=address,
            is_schedule=is_schedule,
        )
    elif account.verdict is Verdict.LACKING and _is_worth(account, worst):
        fallen = account.comparison.sentences[0] if account.comparison and account.comparison.sentences else ""
        why = f"{worst.cause.title} · {worst.amount}" if worst is not None else ""
        yield Need(
            state="lacking",
            name=name or spider.name,
            what=fallen or _("something is missing of its last crawl"),
            why=why,
            action=_("See what is missing"),
            url=address,
            is_schedule=is_schedule,
        )


def _worst(account: Explanation) -> Found | None:
    return account.troubles[0] if account.troubles else None


def _is_worth(account: Explanation, worst: Found | None) -> bool:
    if account.comparison is not None and account.comparison.is_bad:
        return True
    return worst is not None and (worst.share is None or worst.share >= WORTH)


# --- words ------------------------------------------------------------------------------------------------------------


def _since(bare: str, sentence: str, moment: datetime | None, now: datetime) -> str:
    return bare if moment is None else sentence % {"since": _at(moment, now)}


def _at(moment: datetime, now: datetime) -> str:
    """“20:00”, with the day where it is another."""
    zone = timezone.get_default_timezone()
    local, today = timezone.localtime(moment, zone), timezone.localtime(now, zone)
    return f"{local:%H:%M}" if local.date() == today.date() else f"{day_of(local)} {local:%H:%M}"
