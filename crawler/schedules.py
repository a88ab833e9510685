"""Which schedules crawl a spider (those that name it, its category, or all spiders), and what each schedule crawls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling.exceptions import InvalidJobData
from scheduling.models import ScheduledJob
from scheduling.planned import with_following
from scheduling.signals import Work

from .crawl_data import CrawlRequest, read_request
from .models import CrawlTask, Spider
from .receivers import HANDLER_NAMES

MOST = 1_000
"""Schedules that are looked at."""
Type = CrawlTask.Type


def schedules_of(spiders: Iterable[Spider]) -> Mapping[int, list[ScheduledJob]]:
    """By the spiders' keys, those that name the spider first, and those that recur, each with when it fires next.

    One that fires once is among them until it has. One query.
    """
    asked = list(spiders)
    names = [spider.name for spider in asked]
    several = Q(job_data__type__in=[Type.ALL.value, Type.CATEGORY.value])
    own = Q(job_data__target__in=names) | Q(job_data__spider__in=names)
    jobs = with_following(ScheduledJob.objects.filter(several | own, handler__in=HANDLER_NAMES))
    jobs = jobs.filter(Q(one_time=False) | Q(following__isnull=False)).order_by("one_time", "job_id")
    read = [(job, request) for job in jobs[:MOST] if (request := _request(job)) is not None]
    read.sort(key=lambda one: one[1].is_fan_out)
    return {spider.pk: [job for job, request in read if _crawls(request, spider)] for spider in asked}


def work_of(jobs: Iterable[ScheduledJob], user: User | AnonymousUser) -> dict[int, Work]:
    """What each of these crawls, by the schedules' keys; with links for those who may see spiders. One query."""
    asked = {job.pk: request for job in jobs if (request := _request(job)) is not None}
    names = {request.spider for request in asked.values() if request.spider}
    may_see = user.has_perm("crawler.view_spider")
    keys = dict(Spider.objects.filter(name__in=names).values_list("name", "pk")) if may_see and names else {}
    return {pk: _work(request, keys, may_see=may_see) for pk, request in asked.items()}


def spider_address(pk: int, *, page: str = "change") -> str:
    """Of a page of a spider."""
    return reverse(f"admin:crawler_spider_{page}", args=[pk])


def _work(request: CrawlRequest, keys: Mapping[str, int], *, may_see: bool) -> Work:
    """`keys`: those of the spiders whose pages there are to be seen."""
    if request.spider:
        url = spider_address(keys[request.spider]) if request.spider in keys else ""
        if request.type == Type.SPIDER:
            return Work(text=request.spider, url=url)
        count = len(request.targets)
        text = ngettext("%(spider)s: %(count)d address", "%(spider)s: %(count)d addresses", count)
        return Work(text=text % {"spider": request.spider, "count": count}, url=url)
    if request.type == Type.ALL:
        text, query = _("All spiders that are enabled"), {"enabled__exact": "1"}
    else:
        [category] = request.targets
        text, query = _("Category “%(name)s”") % {"name": category}, {"category": category}
    url = f"{reverse('admin:crawler_spider_changelist')}?{urlencode(query)}" if may_see else ""
    return Work(text=text, url=url)


def _request(job: ScheduledJob) -> CrawlRequest | None:
    try:
        return read_request(job.job_data)
    except (InvalidJobData, AttributeError):  # a hand spoilt it: its page says so
        return None


def _crawls(request: CrawlRequest, spider: Spider) -> bool:
    if not request.is_fan_out:
        return request.spider == spider.name
    return spider.enabled and (request.type == Type.ALL or request.targets[0] == spider.category)
