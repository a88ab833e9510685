"""`manage.py explaincrawl TASK_ID|SPIDER`: how a crawl went, what is missing and why, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crawler.account import politeness
from crawler.account.explaining import explain
from crawler.management.plain import plain_errors
from crawler.management.telling import story
from crawler.models import CrawlTask, Spider
from crawler.tasks import begun
from scheduling.terminal import printable

MOST_HOSTS = 10
"""Of the politeness report, the busiest; --json has all."""


class Command(BaseCommand):
    help = (
        "Explain a crawl: how it ended, what is missing and why, with examples and what to do, and how it treated its "
        "hosts. A spider's name means its newest crawl."
    )
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("crawl", metavar="TASK_ID|SPIDER")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: object, crawl: str, json: bool, **options: object) -> None:
        with plain_errors():
            task = find_task(crawl)
            explanation, manners = explain(task), politeness.report(task)
            if json:
                self.stdout.write(_to_json({**explanation.to_json(), "politeness": manners.to_json()}))
                return
            for line in (*story(explanation), *_manners(manners)):
                self.stdout.write(printable(line))


def find_task(name: str) -> CrawlTask:
    """By its id, or the newest of a spider. Raises `CommandError` naming the nearest."""
    tasks = CrawlTask.objects.select_related("spider")
    task = tasks.filter(task_id=name).first() or begun(tasks.filter(spider__name=name)).order_by("-pk").first()
    if task is not None:
        return task
    spiders = list(Spider.objects.values_list("name", flat=True))
    if name in spiders:
        raise CommandError(f'spider "{name}" has not been crawled yet: manage.py crawl {name}', returncode=2)
    near = get_close_matches(name, spiders, n=1)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    raise CommandError(f'There is no crawl task and no spider "{name}".{hint}', returncode=2)


def _manners(report: politeness.PolitenessReport) -> Iterator[str]:
    if not report.hosts:
        return
    yield ""
    yield "Manners:"
    for host in report.hosts[:MOST_HOSTS]:
        yield f"  {host.host or 'all other hosts'}: {' '.join(host.sentences)}"
    if len(report.hosts) > MOST_HOSTS:
        yield f"  and {len(report.hosts) - MOST_HOSTS:,} more hosts: --json shows them"


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
