"""Which schedules crawl a spider: those that name it, its category, or all spiders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import Q

from scheduling.exceptions import InvalidJobData
from scheduling.models import ScheduledJob
from scheduling.planned import with_following

from .crawl_data import CrawlRequest, read_request
from .models import CrawlTask, Spider
from .receivers import HANDLER_NAMES

MOST = 1_000
"""Schedules that are looked at."""
Type = CrawlTask.Type


def schedules_of(spiders: Iterable[Spider]) -> Mapping[int, list[ScheduledJob]]:
    """By the spiders' keys, those that name the spider first, each with when it fires next. One query."""
    asked = list(spiders)
    names = [spider.name for spider in asked]
    several = Q(job_data__type__in=[Type.ALL.value, Type.CATEGORY.value])
    own = Q(job_data__target__in=names) | Q(job_data__spider__in=names)
    jobs = ScheduledJob.objects.filter(several | own, handler__in=HANDLER_NAMES, one_time=False).order_by("job_id")
    read = [(job, request) for job in with_following(jobs)[:MOST] if (request := _request(job)) is not None]
    read.sort(key=lambda one: one[1].is_fan_out)
    return {spider.pk: [job for job, request in read if _crawls(request, spider)] for spider in asked}


def _request(job: ScheduledJob) -> CrawlRequest | None:
    try:
        return read_request(job.job_data)
    except (InvalidJobData, AttributeError):  # a hand spoilt it: its page says so
        return None


def _crawls(request: CrawlRequest, spider: Spider) -> bool:
    if not request.is_fan_out:
        return request.spider == spider.name
    return spider.enabled and (request.type == Type.ALL or request.targets[0] == spider.category)
