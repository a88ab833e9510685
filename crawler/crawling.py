"""What the handler `crawl` does: a crawl as a run of the scheduler."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduling.contract import JobContext, JobResult, RunStopped

from .account.amounts import amount, readings
from .account.explaining import falls_short
from .causes import Unit
from .crawl_data import CrawlRequest, read_request
from .crawl_log import CrawlLog
from .engine.documents.definition import parse
from .engine.errors import DefinitionError
from .engine.fetching.session import SessionValues
from .engine.records import CrawlCounts, CrawlOutcome, Ending
from .engine.spider import Limits, SpiderDefinition
from .fan_out import fan_out
from .manager import get_manager
from .models import CrawlTask, Spider
from .reading_version import reading_version
from .secrets import SecretError, resolve_headers, resolve_session
from .storing.storage import DatabaseStorage
from .tasks import counts, take_task

UNVERIFIED = gettext_lazy("TLS certificates were not checked: the spider says session.verify_tls = false.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What one attempt of a crawl needs from the database."""

    task: CrawlTask
    spider: Spider
    definition: SpiderDefinition
    headers: Mapping[str, str] = field(repr=False)
    session: SessionValues


async def crawl(context: JobContext) -> JobResult:
    """Crawl, or go on with a crawl that an earlier attempt began."""
    request = read_request(context.job_data)
    if request.is_fan_out:
        return await _fan_out(context, request)
    # A transaction of its own: what is wrong with the spider is told of a task that is there.
    task = await context.effects(take_task, context.run_id, context.job_id, request)
    try:
        prepared = await context.effects(_prepare, task, request)
    except (SecretError, DefinitionError) as error:
        return JobResult(success=False, message=str(error), exception=error)
    if not prepared.definition.session.verify_tls:
        context.log(str(UNVERIFIED))
    outcome, goes_on_from = await _crawl(context, request, prepared)
    if outcome.ending is Ending.STOPPED:
        raise RunStopped(outcome.message)
    data, lacks = await context.effects(_result, prepared.task.pk)
    notes = _notes(outcome, prepared.definition, goes_on_from)
    return JobResult(
        success=outcome.ending is not Ending.FAILED,
        message=_sentence(outcome, data, notes),
        falls_short=lacks,
        data=data | {"seconds": round(outcome.seconds, 3), "notes": notes},
    )


async def _fan_out(context: JobContext, request: CrawlRequest) -> JobResult:
    task_id, children = await context.effects(_begin_children, context.run_id, context.job_id, request)
    message = _("%d crawls begun.") % children if children else _("No spider is enabled: nothing to crawl.")
    context.log(message)
    return JobResult(success=True, message=message, data={"task_id": task_id, "children": children})


async def _crawl(context: JobContext, request: CrawlRequest, prepared: Prepared) -> tuple[CrawlOutcome, str]:
    """How the crawl went; and the task that had left what it went on with."""
    manager = await get_manager()
    log = CrawlLog(context.log)
    log.begin(prepared.task, prepared.spider, prepared.definition)
    storage = DatabaseStorage(
        task=prepared.task,
        spider=prepared.spider,
        spider_version=reading_version(prepared.spider.version),
        guard=context.guard,
        lane_run=manager.lane.run_patiently,
        max_depth=prepared.definition.limits.max_depth,
        max_pages=prepared.definition.limits.max_pages,
        follows_links=request.type != CrawlTask.Type.URLS,
        lasting=frozenset(rule.type for rule in prepared.definition.items if not rule.may_be_empty),
        on_failures=log.failures,
    )
    max_pages = prepared.definition.limits.max_pages

    def show(done: CrawlCounts) -> None:
        log.progress(done)
        whole = log.whole(done)
        fraction = None if max_pages is None else min(whole.pages / max_pages, 1.0)
        context.progress(fraction, f"{amount(Unit.PAGES, whole.pages)}, {readings(whole.items)}")

    outcome = await manager.crawl(
        definition=prepared.definition,
        storage=storage,
        stopping=context.stopping,
        headers=prepared.headers,
        session=prepared.session,
        on_progress=show,
    )
    log.end(outcome)
    return outcome, storage.goes_on_from


def _prepare(task: CrawlTask, request: CrawlRequest) -> Prepared:
    """Read the task's spider. Raises `DefinitionError`, `SecretError`: what is wrong with its document or secrets."""
    spider = Spider.objects.get(name=request.spider)
    if task.spider_version != spider.version:
        CrawlTask.objects.filter(pk=task.pk).update(spider_version=spider.version)
    definition = parse(spider.definition)
    headers, session = resolve_headers(definition), resolve_session(definition)
    if request.type == CrawlTask.Type.URLS:
        definition = only(definition, request.targets)
    return Prepared(task=task, spider=spider, definition=definition, headers=headers, session=session)


def only(definition: SpiderDefinition, urls: tuple[str, ...]) -> SpiderDefinition:
    """The same spider reading `urls` and nothing else: its item rules and manners, no links, no limits of a crawl."""
    limits = Limits(max_bytes_per_page=definition.limits.max_bytes_per_page)
    return dataclasses.replace(definition, given_urls=urls, sitemaps=(), follow=(), limits=limits)


def _begin_children(run_id: int, job_id: str, request: CrawlRequest) -> tuple[str, int]:
    task = take_task(run_id, job_id, request)
    return task.task_id, fan_out(task.pk, run_id)


def _result(task_id: int) -> tuple[dict[str, object], bool]:
    """The totals of all attempts, as the run keeps them, and whether something is missing of them."""
    task = CrawlTask.objects.get(pk=task_id)
    task.falls_short = falls_short(task)
    task.save(update_fields=["falls_short"])
    return {
        "task_id": task.task_id,
        **counts(task),
        "errors": task.pages_failed,
        "reasons": task.reasons,
    }, task.falls_short


def _notes(outcome: CrawlOutcome, definition: SpiderDefinition, goes_on_from: str) -> str:
    """What no count says: what ended the crawl, until when a host is closed, what was not checked."""
    went_on = _("It went on with what %s had left.") % goes_on_from if goes_on_from else ""
    unverified = "" if definition.session.verify_tls else str(UNVERIFIED)
    told = f"{outcome.message}." if outcome.message and unverified else outcome.message
    return " ".join(part for part in (went_on, told, unverified) if part)


def _sentence(outcome: CrawlOutcome, data: Mapping[str, object], notes: str) -> str:
    if outcome.ending is Ending.FAILED:
        return notes
    template = _("%(pages)s, %(same)d unchanged; %(items)s read, %(new)d new, %(changed)d changed.")
    if data["items_returned"]:
        template = _(
            "%(pages)s, %(same)d unchanged; %(items)s read, %(new)d new, %(changed)d changed, %(returned)d came back."
        )
    found = template % {
        "pages": amount(Unit.PAGES, cast(int, data["pages"])),
        "same": data["pages_unchanged"],
        "items": amount(Unit.ITEMS, cast(int, data["items"])),
        "new": data["items_new"],
        "changed": data["items_changed"],
        "returned": data["items_returned"],
    }
    lost = [
        text % {"items": amount(Unit.ITEMS, count)}
        for text, count in (
            (_("Gone: %(items)s."), cast(int, data["items_gone"])),
            (_("Not stored: %(items)s."), cast(int, data["items_rejected"])),
        )
        if count
    ]
    return " ".join(part for part in (found, *lost, notes) if part)
