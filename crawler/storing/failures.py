"""Examples of what went wrong in a crawl: a page or a value each, with the reason. The counts stand elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from crawler import rawsql
from crawler.engine.errors import Reason
from crawler.engine.records import Batch, Notice, PageResult, PageState
from crawler.models import TaskFailure

MAX_FAILURES = 1_000
"""Rows a task; what is beyond is counted by reason."""
MAX_FAILURES_OF_REASON = 200
"""So that a thousand dead links leave room for an example of everything else."""
_NO_FAILURE = (
    Reason.PAGE_LIMIT.value,
    Reason.TIME_LIMIT.value,
    Reason.DEPTH_LIMIT.value,
)


def add_failures(task_id: int, batch: Batch, known: Counter[str], *, now: datetime) -> list[TaskFailure]:
    """Write what failed, as far as there is room; returns what was written."""
    rows: list[TaskFailure] = []
    added: Counter[str] = Counter()
    room = MAX_FAILURES - known.total()
    found = chain(
        (_notice_row(task_id, notice, now) for notice in batch.notices),
        chain.from_iterable(_failures_of(task_id, result, now) for result in batch.results if _may_fail(result)),
    )
    if room > 0:
        for row in found:
            if len(rows) < room and known[row.reason] + added[row.reason] < MAX_FAILURES_OF_REASON:
                added[row.reason] += 1
                rows.append(row)
    if rows:
        TaskFailure.objects.bulk_create(rows)
    return rows


def _notice_row(task_id: int, notice: Notice, now: datetime) -> TaskFailure:
    return TaskFailure(
        task_id=task_id,
        url=rawsql.text(notice.url),
        reason=rawsql.text(notice.reason, 50),
        status_code=notice.status_code,
        detail=rawsql.text(notice.detail, 500),
        at=now,
    )


def _may_fail(result: PageResult) -> bool:
    return bool(result.reason or result.detail or result.problems or any(item.problems for item in result.items))


def _failures_of(task_id: int, result: PageResult, now: datetime) -> Iterator[TaskFailure]:
    def failure(reason: str, detail: str) -> TaskFailure:
        return TaskFailure(
            task_id=task_id,
            url=rawsql.text(result.page.url),
            reason=rawsql.text(reason, 50),
            status_code=result.status_code,
            detail=rawsql.text(detail, 500),
            at=now,
        )

    is_failure = result.state in (PageState.FAILED, PageState.REFUSED) and result.reason not in _NO_FAILURE
    # A page that was read and says why it gave nothing is told of too.
    if is_failure or (result.state is PageState.DONE and result.detail):
        yield failure(result.reason, result.detail)
    problems = [*result.problems, *(problem for item in result.items for problem in item.problems)]
    for problem in problems:
        found = f": {problem.value}" if problem.value else ""
        yield failure(problem.reason, f"{problem.type}.{problem.field}{found}" if problem.field else problem.type)
