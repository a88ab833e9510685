"""What the crawls of schedules ask for: hosts with their connections, and spiders, of which one crawl runs at a time.

Hosts are those that a spider's document begins with; where links lead to is not known before. One query.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidJobData
from scheduling.models import ScheduledJob
from scheduling.signals import Reach

from .crawl_data import CrawlRequest, read_request
from .engine.spider import Manners
from .models import CrawlTask, Spider

MOST_HOSTS = 20
"""Of one schedule."""
MOST_SPIDERS = 2_000
Type = CrawlTask.Type


def reach_of(jobs: Iterable[ScheduledJob]) -> dict[int, Reach]:
    """By the keys of the schedules; `jobs` are those that crawl."""
    requests = {job.pk: request for job in jobs if (request := _request(job)) is not None}
    if not requests:
        return {}
    spiders = _spiders(requests.values())
    named = _("spider “%(name)s”")
    reaches = {name: _of_spider(named % {"name": name}, document) for name, (_category, document) in spiders.items()}
    return {key: _of_request(request, spiders, reaches) for key, request in requests.items()}


def _request(job: ScheduledJob) -> CrawlRequest | None:
    try:
        return read_request(job.job_data)
    except (InvalidJobData, AttributeError):  # a hand spoilt it: its page says so
        return None


def _spiders(requests: Iterable[CrawlRequest]) -> dict[str, tuple[str, Mapping[str, object]]]:
    asked = list(requests)
    rows = Spider.objects.order_by("name").values_list("name", "category", "definition", "enabled")
    several = any(request.is_fan_out for request in asked)
    if not several:
        rows = rows.filter(name__in={request.spider for request in asked})
    return {
        name: (category, document)
        for name, category, document, enabled in rows[:MOST_SPIDERS]
        if isinstance(document, Mapping) and (enabled or not several or any(name == one.spider for one in asked))
    }


def _of_spider(alone: str, document: Mapping[str, object]) -> Reach:
    """`alone`: what one of its crawls alone may hold."""
    manners = document.get("manners")
    given = manners.get("concurrency_per_host") if isinstance(manners, Mapping) else None
    connections = given if isinstance(given, int) else Manners().concurrency_per_host
    hosts = hosts_of(document)[:MOST_HOSTS]
    return Reach(hosts=dict.fromkeys(hosts, connections), alone=frozenset({alone}))


def hosts_of(document: object) -> list[str]:
    """The hosts that a spider begins with, each once."""
    return list(dict.fromkeys(_hosts(document))) if isinstance(document, Mapping) else []


def _hosts(document: Mapping[str, object]) -> Iterator[str]:
    """As a host is told from others: with its port where that is not the usual one."""
    starts, sitemaps = document.get("start_urls"), document.get("sitemaps")
    for start in (*_listed(starts), *_listed(sitemaps)):
        url = start.get("url") if isinstance(start, Mapping) else start
        if isinstance(url, str) and "://" in url:
            with suppress(ValueError):  # a hand spoilt it
                yield urlsplit(url).netloc.rpartition("@")[2].casefold()


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _of_request(
    request: CrawlRequest, spiders: Mapping[str, tuple[str, Mapping[str, object]]], reaches: Mapping[str, Reach]
) -> Reach:
    if not request.is_fan_out:
        return reaches.get(request.spider, Reach())
    names = [
        name
        for name, (category, _document) in spiders.items()
        if request.type == Type.ALL or category == request.targets[0]
    ]
    hosts: dict[str, int] = {}
    for name in names:
        for host, connections in reaches[name].hosts.items():
            if len(hosts) < MOST_HOSTS or host in hosts:
                hosts[host] = max(hosts.get(host, 0), connections)
    alone = frozenset().union(*(reaches[name].alone for name in names)) if names else frozenset()
    return Reach(hosts=hosts, runs=max(1, len(names)), alone=alone)
