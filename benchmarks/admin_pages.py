"""Pages of the admin over a million rows of each table: how many queries, and how long does the database work?

    python -m benchmarks.admin_pages [--rows 1000000] [--rounds 3] [--postgres]

A scratch database is filled by plain SQL: runs, crawl tasks, pages and items over 90 days, of 50 schedules and spiders.
Each page is asked for by Django's client, as somebody who may see everything and is no superuser (whose rights are one
query more). Timed is what the driver takes for each statement and for fetching its rows (SQLite works as they are
fetched); the median of the rounds is told. The peer is the stock admin's list of the same table: `ModelAdmin` with the
same columns, filters and search, whose paginator counts the table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .measuring import closing_line, median
from .tick import in_scratch_database, server

DAYS = 90
NAMES = 50
"""Schedules and spiders."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL (TEST_DATABASE_URL, or from the wheel)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--again", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure(0 if options.again else options.rows, options.rounds)))
        return
    command = ["benchmarks.admin_pages", "--inside", "--rows", str(options.rows), "--rounds", str(options.rounds)]
    with server() if options.postgres else nullcontext("") as url:
        found: Mapping[str, object] = in_scratch_database(command, url)
    closing_line(
        "admin_pages", database="postgresql" if options.postgres else "sqlite", rows=options.rows,
        rounds=options.rounds, **found,
    )  # fmt: skip


def measure(rows: int, rounds: int) -> dict[str, object]:
    """Fill the database (`rows` 0: it is as it was left), then ask for every page."""
    import django

    django.setup()
    _be_quiet()
    begin = time.perf_counter()
    if rows:
        fill(rows)
    filled = time.perf_counter() - begin
    print(f"{rows:,} rows of each table in {filled:.0f} s", file=sys.stderr)
    asked = dict(pages())
    peers = dict(stock_lists())
    results = []
    for name, ask in asked.items():
        row: dict[str, object] = {"page": name, **_figures(ask, rounds)}
        if name in peers:
            row["peer"] = _figures(peers[name], rounds)
        results.append(row)
        print(json.dumps(row), file=sys.stderr)
    return {
        "filled_seconds": round(filled, 1),
        "most_queries": max(int(str(row["queries"])) for row in results),
        "most_database_ms": max(float(str(row["database_ms"])) for row in results),
        "results": results,
    }


@dataclass
class Statements:
    """How long each statement takes, with its rows: a wrapper of what executes, and of what fetches."""

    seconds: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def execute(self, execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # Django's protocol
        self.seconds.append(0.0)
        self.texts.append(" ".join(sql.split()))
        return self._timed(execute, sql, params, many, context)

    def _timed(self, function, *arguments):  # type: ignore[no-untyped-def]  # any function
        begin = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self.seconds[-1] += time.perf_counter() - begin

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note what is executed and fetched meanwhile."""
        from django.db import connection
        from django.db.backends.utils import CursorWrapper

        plain = CursorWrapper.__getattr__

        def watched(cursor, name):  # type: ignore[no-untyped-def]  # Django's wrapper gives anything
            found = plain(cursor, name)
            is_fetch = name.startswith("fetch") and self.seconds
            return (lambda *arguments: self._timed(found, *arguments)) if is_fetch else found

        CursorWrapper.__getattr__ = watched  # type: ignore[method-assign]
        try:
            with connection.execute_wrapper(self.execute):
                yield
        finally:
            CursorWrapper.__getattr__ = plain  # type: ignore[method-assign]


def _figures(ask: Callable[[], None], rounds: int) -> dict[str, object]:
    ask()
    taken: list[Statements] = []
    for _round in range(rounds):
        statements = Statements()
        with statements.watching():
            ask()
        taken.append(statements)
    seconds, text = max(zip(taken[-1].seconds, taken[-1].texts, strict=True), default=(0.0, ""))
    print(f"    {seconds * 1_000:.0f} ms: {text[:150]}", file=sys.stderr)
    return {
        "queries": max(len(each.seconds) for each in taken),
        "database_ms": round(median(sum(each.seconds) * 1_000 for each in taken), 1),
        "longest_ms": round(median(max(each.seconds, default=0.0) * 1_000 for each in taken), 1),
    }


def _be_quiet() -> None:
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["testserver"]
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}


# --- what is asked for ------------------------------------------------------------------------------------------------


def pages() -> Iterator[tuple[str, Callable[[], None]]]:
    """Name and question of each page."""
    from django.contrib.auth.models import Permission, User
    from django.test import Client

    from crawler.models import CrawlTask, Item, Page
    from scheduling.models import DefinitionVersion, JobRun, Process, ScheduledJob

    reader = User.objects.get_or_create(username="reader", is_staff=True)[0]
    reader.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(reader)

    def ask(path: str) -> Callable[[], None]:
        def question() -> None:
            answer = client.get(path)
            if answer.status_code != 200:
                raise SystemExit(f"{path} answered {answer.status_code}")

        return question

    run, task = JobRun.objects.order_by("-pk")[:1].get(), CrawlTask.objects.order_by("-pk")[:1].get()
    item, page = Item.objects.order_by("-pk")[:1].get(), Page.objects.order_by("-pk")[:1].get()
    job = ScheduledJob.objects.filter(job_id="job-7").get()
    day = (run.finished_at or run.queued_at).date() - timedelta(days=3)
    hour_ago, month_ago = item.changed_at - timedelta(hours=1), item.changed_at - timedelta(days=30)
    for name, path in {
        "dashboard": "/admin/",
        "live: now": "/admin/live/now/",
        "live: figures": "/admin/live/figures/",
        "live: lamp": "/admin/live/lamp/",
        "runs": _list(JobRun),
        "runs, page 100": f"{_list(JobRun)}?p=100",
        "runs that failed": f"{_list(JobRun)}?state=failed",
        "runs of a schedule": f"{_list(JobRun)}?job=job-7",
        "runs that ended on a day": f"{_list(JobRun)}?ended={day.isoformat()}",
        "runs that are queued": f"{_list(JobRun)}?state=queued",
        "runs due in a day": f"{_list(JobRun)}?due=day",
        "runs due in a week that failed": f"{_list(JobRun)}?due=week&state=failed",
        "runs by hand": f"{_list(JobRun)}?cause__exact=manual",
        "runs found": f"{_list(JobRun)}?q=job-7",
        "run": f"{_list(JobRun)}{run.pk}/change/",
        "live: log of a run": f"{_list(JobRun)}{run.pk}/live/log/",
        "crawl tasks": _list(CrawlTask),
        "crawl tasks that failed": f"{_list(CrawlTask)}?status__exact=failed",
        "crawl task": f"{_list(CrawlTask)}{task.pk}/change/",
        "live: progress of a crawl": f"{_list(CrawlTask)}{task.pk}/live/progress/",
        "two crawls": f"{_list(CrawlTask)}compare/?a={task.pk - NAMES}&b={task.pk}",
        "two crawls, far apart": f"{_list(CrawlTask)}compare/?a={task.pk % NAMES + NAMES}&b={task.pk}",
        "pages": _list(Page),
        "pages that failed": f"{_list(Page)}?state__exact=failed",
        "pages found": f"{_list(Page)}?q={page.url}",
        "pages found by a part that many have": f"{_list(Page)}?q=catalogue",
        "pages found by a part that none has": f"{_list(Page)}?q=nothing",
        "pages of a spider found by a part": f"{_list(Page)}?spider__id__exact={page.spider_id}&q=thing-77",
        "pages of a spider that failed, found": f"{_list(Page)}?spider__id__exact=2&state__exact=failed&q=77",
        "page": f"{_list(Page)}{page.pk}/change/",
        "items": _list(Item),
        "items found": f"{_list(Item)}?q=key-77",
        "item": f"{_list(Item)}{item.pk}/change/",
        "REST: items changed within an hour": f"/api/crawl/items?changed_since={hour_ago:%Y-%m-%dT%H:%M:%SZ}",
        "REST: items of a spider changed within an hour": (
            f"/api/crawl/items?spider=spider-7&changed_since={hour_ago:%Y-%m-%dT%H:%M:%SZ}"
        ),
        "REST: items changed within a month": f"/api/crawl/items?changed_since={month_ago:%Y-%m-%dT%H:%M:%SZ}",
        "spiders": "/admin/crawler/spider/",
        "spider": f"/admin/crawler/spider/{task.spider_id}/change/",
        "schedules": _list(ScheduledJob),
        "schedule": f"{_list(ScheduledJob)}{job.pk}/change/",
        "schedule's time line": f"{_list(ScheduledJob)}{job.pk}/timeline/",
        "versions": _list(DefinitionVersion),
        "processes": _list(Process),
    }.items():
        yield name, ask(path)


def _list(model) -> str:  # type: ignore[no-untyped-def]  # a model of any kind
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def stock_lists() -> Iterator[tuple[str, Callable[[], None]]]:
    """The stock admin's lists of the four great tables."""
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.test import RequestFactory

    from crawler.models import CrawlTask, Item, Page
    from scheduling.models import JobRun

    class Runs(admin.ModelAdmin):  # type: ignore[type-arg]
        list_display = ("id", "job_key", "state", "cause", "scheduled_time", "started_at", "execution_time", "message")
        list_filter = ("state", "cause")
        search_fields = ("job_key", "job_name")

    class Tasks(admin.ModelAdmin):  # type: ignore[type-arg]
        list_display = ("task_id", "spider", "status", "started_at", "pages", "items", "message")
        list_filter = ("status", "task_type", "spider")
        search_fields = ("task_id", "spider__name")

    class Pages(admin.ModelAdmin):  # type: ignore[type-arg]
        list_display = ("url", "spider", "state", "status_code", "reason", "depth", "checked_at")
        list_filter = ("state", "spider")
        search_fields = ("url",)

    class Items(admin.ModelAdmin):  # type: ignore[type-arg]
        list_display = ("key", "type", "spider", "version", "changed_at", "first_seen_at")
        list_filter = ("spider", "type", "complete")
        search_fields = ("key",)

    user = User.objects.get_or_create(username="stock", is_superuser=True, is_staff=True)[0]

    def ask(model_admin: admin.ModelAdmin, query: str) -> Callable[[], None]:  # type: ignore[type-arg]
        def question() -> None:
            request = RequestFactory().get(f"/admin/{query}")
            request.user = user
            model_admin.changelist_view(request).render()  # type: ignore[attr-defined]  # a template's answer

        return question

    site = admin.AdminSite()
    for name, model, kind, query in (
        ("runs", JobRun, Runs, ""),
        ("runs that failed", JobRun, Runs, "?state__exact=failed"),
        ("runs found", JobRun, Runs, "?q=job-7"),
        ("crawl tasks", CrawlTask, Tasks, ""),
        ("crawl tasks that failed", CrawlTask, Tasks, "?status__exact=failed"),
        ("pages", Page, Pages, ""),
        ("pages that failed", Page, Pages, "?state__exact=failed"),
        ("items", Item, Items, ""),
        ("items found", Item, Items, "?q=key-77"),
    ):
        yield name, ask(kind(model, site), query)


# --- the rows ---------------------------------------------------------------------------------------------------------


def fill(rows: int) -> None:
    """Runs and their tasks, pages, items with some versions, and the sums that the product keeps of them."""
    from django.db import connection, transaction
    from django.utils import timezone

    from scheduling import hours

    now = timezone.now()
    is_in_a_hurry = _hurry()
    with transaction.atomic():
        _define(now)
        with connection.cursor() as cursor:
            for statement in _statements(rows, now):
                cursor.execute(statement)
    with connection.cursor() as cursor:
        # A live PostgreSQL does so by itself.
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
            if is_in_a_hurry:
                cursor.execute("SET session_replication_role = origin")  # the pool keeps the connection
    connection.close()  # the next one has the product's own settings again
    hours.fill(now, seconds=600)


def _hurry() -> bool:
    """No journal on the disk, and no look for the other end of each reference; returns whether PostgreSQL let us."""
    from django.db import connection

    connection.disable_constraint_checking()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA journal_mode = MEMORY")
            cursor.execute("PRAGMA synchronous = OFF")
            cursor.execute("PRAGMA cache_size = -500000")
            return False
        cursor.execute("SELECT usesuper FROM pg_user WHERE usename = current_user")
        [(is_superuser,)] = cursor.fetchall()
        if is_superuser:
            cursor.execute("SET session_replication_role = replica")
        return bool(is_superuser)


def _define(now: datetime) -> None:
    from django_apscheduler.models import DjangoJob

    from crawler.models import Spider
    from scheduling.models import DefinitionVersion, Process, ScheduledJob

    names = [f"spider-{number}" for number in range(1, NAMES + 1)]
    documents: list[dict[str, object]] = [
        {
            "name": name,
            "start_urls": [f"https://{name}.example/"],
            "items": [
                {"type": "thing", "key": ["sku"], "fields": {"sku": {"css": ".sku"}, "price": {"css": ".price"}}}
            ],
        }
        for name in names
    ]
    Spider.objects.bulk_create(
        Spider(pk=number, name=name, category="shops", definition=document)
        for number, (name, document) in enumerate(zip(names, documents, strict=True), 1)
    )
    ScheduledJob.objects.bulk_create(
        ScheduledJob(
            pk=number + 1_000,
            job_id=f"job-{number}",
            name=f"Crawl of spider-{number}",
            handler="crawl",
            job_data={"type": "spider", "target": f"spider-{number}"},
            trigger={"type": "cron", "cron": f"{number} {number % 24} * * *"},
        )
        for number in range(1, NAMES + 1)
    )
    DjangoJob.objects.bulk_create(
        DjangoJob(id=f"job-{number}", next_run_time=now + timedelta(minutes=25 * number), job_state=b"")
        for number in range(1, NAMES + 1)
    )
    DefinitionVersion.objects.bulk_create(
        DefinitionVersion(kind="spider", key=name, number=number, document=document, at=now)
        for name, document in zip(names, documents, strict=True)
        for number in range(1, 201)
    )
    Process.objects.bulk_create(
        Process(kind="scheduler", host="h/b/p", pid=number, pid_created=1.0, started_at=now, beat_at=now,
                state="alive" if number == 1 else "stopped", max_workers=4)
        for number in range(1, 1_001)
    )  # fmt: skip


def _statements(rows: int, now: datetime) -> Iterator[str]:
    """Plain SQL of either database; `n` counts from 1 to `rows`, the last one now."""
    from django.db import connection

    is_sqlite = connection.vendor == "sqlite"
    text = now.strftime("%Y-%m-%d %H:%M:%S")
    step = DAYS * 86_400 / rows

    def ago(seconds: str) -> str:
        if is_sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%f000', '{text}', '-' || ({seconds}) || ' seconds')"
        return f"(TIMESTAMPTZ '{text}+00' - ({seconds}) * INTERVAL '1 second')"

    numbers = (
        f"(WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {rows}) SELECT n FROM r) numbers"
        if is_sqlite
        else f"generate_series(1, {rows}) numbers(n)"
    )
    blob, json_type, true, false = ("x''", "", "1", "0") if is_sqlite else ("''::bytea", "::jsonb", "true", "false")
    age = f"({rows} - n) * {step}"
    state = "CASE WHEN n % 50 = 7 THEN 'failed' WHEN n % 97 = 3 THEN 'missed' ELSE 'succeeded' END"
    job = f"n % {NAMES} + 1"
    yield f"""
INSERT INTO scheduling_jobrun (id, job_id, job_key, job_name, cause, scheduled_time, available_at, state, code_version,
    claim, exclusive_key, retry_count, recoveries, cancel_requested_by, queued_at, started_at, attempt_at, finished_at,
    execution_time, message, error_type, error, coalesced_count, reason, requested_by)
SELECT n, {job} + 1000, 'job-' || ({job}), 'Crawl of spider-' || ({job}), 'schedule', {ago(age)}, {ago(age)}, {state},
    '', 1, '', 0, 0, '', {ago(age)}, {ago(age)}, {ago(age)}, {ago(age)}, n % 600,
    'Some words about this run', '', '', 0, '', '' FROM {numbers}"""
    status = "CASE WHEN n % 50 = 7 THEN 'failed' ELSE 'completed' END"
    reasons = """CASE WHEN n % 5 = 0 THEN '{"http_403": 3, "timeout": 2}' ELSE '{}' END"""
    counts = ("pages_unchanged", "pages_failed", "pages_refused", "pages_redirected", "items_gone", "items_rejected",
              "items_incomplete", "conflicts", "requests", "bytes", "children_left")  # fmt: skip
    yield f"""
INSERT INTO crawler_crawltask (id, task_id, spider_id, task_type, targets, status, message, run_id, spider_version,
    pages, items, items_new, items_changed, reasons, rules, hosts, created_at, started_at, finished_at,
    {", ".join(counts)})
SELECT n, 'task-' || n, {job}, 'spider', '[]'{json_type}, {status}, '', n, 1, 100, 90, 1, 2, ({reasons}){json_type},
    '{{}}'{json_type}, '{{}}'{json_type}, {ago(age)}, {ago(age)}, {ago(age)}, {", ".join("0" for _name in counts)}
FROM {numbers}"""
    url = "'https://shop.example/catalogue/thing-' || n || '/index.html'"
    page_state = "CASE WHEN n % 40 = 1 THEN 'failed' ELSE 'done' END"
    yield f"""
INSERT INTO crawler_page (id, spider_id, url, url_hash, task_id, state, depth, attempts, etag, last_modified,
    content_hash, links, redirected_to, hops, chain, checked_at, reason)
SELECT n, {job}, {url}, n, n, {page_state}, 1, 1, '', '', {blob}, {blob}, '', 0, {blob},
    {ago(age)}, '' FROM {numbers}"""
    value = """'{"sku": "key-' || n || '", "price": "1.00"}'"""
    # Some went, and some came back, when half of the time since was over.
    gone, returned = (f"CASE WHEN n % 30 = {rest} THEN {ago(age + ' / 2')} END" for rest in (4, 5))
    yield f"""
INSERT INTO crawler_item (id, spider_id, type, key, key_hash, data, data_hash, version, complete, problems, page_id,
    task_id, first_seen_at, changed_at, gone_at, returned_at)
SELECT n, {job}, 'thing', '["key-' || n || '"]', n, ({value}){json_type}, {blob}, 2,
    CASE WHEN n % 25 = 5 THEN {false} ELSE {true} END, '[]'{json_type}, n, n, {ago(age)}, {ago(age)}, {gone}, {returned}
FROM {numbers}"""
    yield f"""
INSERT INTO crawler_itemversion (item_id, number, data, task_id, valid_from, valid_to)
SELECT n, 1, '{{}}'{json_type}, n, {ago(age)}, {ago(age)} FROM {numbers} WHERE n % 10 = 0"""
    yield f"""
INSERT INTO crawler_taskfailure (task_id, url, reason, detail, at)
SELECT n, {url}, 'http_403', '', {ago(age)} FROM {numbers} WHERE n % 5 = 0"""
    yield """
INSERT INTO crawler_itemstock (spider_id, present)
SELECT spider_id, count(*) FROM crawler_item WHERE gone_at IS NULL GROUP BY spider_id"""
    yield f"""
INSERT INTO crawler_itemhour (spider_id, start_at, added, changed, gone, returned)
SELECT {job}, {ago("3600 * (n / " + str(NAMES) + ")")}, 40, 12, 3, 1 FROM {numbers} WHERE n <= {24 * 60 * NAMES}"""
    if not is_sqlite:
        for table in ("scheduling_jobrun", "crawler_crawltask", "crawler_page", "crawler_item"):
            yield f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {rows})"


if __name__ == "__main__":
    main()
