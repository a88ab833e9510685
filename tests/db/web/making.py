"""People, documents and rows for the tests of REST and the admin; every argument has a sensible default."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import count

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from crawler import definitions as spiders
from crawler.engine.urls import hash_url
from crawler.models import CrawlTask, Item, ItemVersion, Page, Spider
from scheduling import definitions as jobs
from scheduling.models import JobRun, ScheduledJob

SPIDER: dict[str, object] = {
    "name": "books",
    "category": "shops",
    "start_urls": ["https://shop.example/"],
    "follow": [{"css": "a[href]"}],
    "items": [{"type": "book", "key": ["title"], "fields": {"title": {"css": "h1"}, "price": {"css": ".price"}}}],
}
JOB: dict[str, object] = {
    "job_id": "nightly",
    "name": "Every night",
    "handler": "maintenance",
    "job_data": {"action": "check"},
    "trigger": {"type": "cron", "cron": "0 2 * * *", "timezone": "Asia/Shanghai"},
}
_numbers = count(1)


def make_user(name: str = "ada", *permissions: str, superuser: bool = False, staff: bool = True) -> User:
    """`permissions` as `app.codename`."""
    user = User.objects.create_user(name, password="pass", is_staff=staff, is_superuser=superuser)
    for permission in permissions:
        app, _dot, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return User.objects.get(pk=user.pk)


def spider_document(**changes: object) -> dict[str, object]:
    return deepcopy(SPIDER) | changes


def job_document(**changes: object) -> dict[str, object]:
    return deepcopy(JOB) | changes


def make_spider(name: str = "books", **changes: object) -> Spider:
    return spiders.save_spider(spider_document(name=name, **changes))


def make_job(job_id: str = "nightly", **changes: object) -> ScheduledJob:
    return jobs.create_job(jobs.parse_job(job_document(job_id=job_id, **changes)))


def make_run(job: ScheduledJob | None = None, *, state: str = "succeeded", **fields: object) -> JobRun:
    """A run that has ended, unless `state` says otherwise."""
    at = timezone.now() - timedelta(days=1) + timedelta(seconds=next(_numbers))
    values: dict[str, object] = {
        "job": job,
        "job_key": job.job_id if job else "gone",
        "job_name": job.name if job else "A schedule that is gone",
        "cause": "schedule",
        "state": state,
        "scheduled_time": at,
        "available_at": at,
        "queued_at": at,
        "started_at": None if state == "queued" else at,
        "finished_at": None if state in ("queued", "running") else at + timedelta(seconds=2),
        "execution_time": None if state in ("queued", "running") else 2.0,
    }
    return JobRun.objects.create(**values | fields)


def make_task(spider: Spider | None = None, *, status: str = "completed", **fields: object) -> CrawlTask:
    values: dict[str, object] = {
        "task_id": f"crawl_spider_{next(_numbers)}",
        "spider": spider,
        "task_type": "spider" if spider else "all",
        "status": status,
        "started_at": timezone.now(),
    }
    return CrawlTask.objects.create(**values | fields)


def make_page(spider: Spider, path: str = "", **fields: object) -> Page:
    url = f"https://shop.example/{path or next(_numbers)}"
    values: dict[str, object] = {"spider": spider, "url": url, "url_hash": hash_url(url), "state": "done"}
    return Page.objects.create(**values | fields)


def make_item(spider: Spider, key: str = "", **fields: object) -> Item:
    key = key or f"key-{next(_numbers)}"
    now = timezone.now()
    values: dict[str, object] = {
        "spider": spider,
        "type": "book",
        "key": f'["{key}"]',
        "key_hash": hash_url(key),
        "data": {"title": key, "price": "1.00"},
        "data_hash": blake2b(key.encode(), digest_size=16).digest(),
        "page": make_page(spider),
        "first_seen_at": now,
        "changed_at": now,
    }
    return Item.objects.create(**values | fields)


def make_version(item: Item, number: int, until: datetime | None = None, **data: object) -> ItemVersion:
    """A superseded value."""
    until = until or timezone.now()
    return ItemVersion.objects.create(
        item=item, number=number, data=data, valid_from=until - timedelta(hours=1), valid_to=until
    )
