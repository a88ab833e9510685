"""`manage.py crawl SPIDER`: crawl now, in the foreground, by the same path as a schedule."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crawler.account.explaining import explain
from crawler.management.plain import find_spider, plain_errors
from crawler.management.telling import closing
from crawler.models import CrawlTask
from scheduling import registry
from scheduling.exceptions import InvalidJobData, RunBusy, RunStopped
from scheduling.models import JobRun
from scheduling.runner import run_in_foreground
from scheduling.terminal import printable

STATUS = {JobRun.State.SUCCEEDED: "completed"}
"""A run's state as a crawl's status; the others have the same name."""
_COUNTS = ("pages", "items", "items_new", "items_changed", "items_gone", "items_returned")
_SELDOM = (("items_gone", "gone"), ("items_returned", "came back"))
"""Counts that are told where they are not 0."""
_STEPS = 1_000
"""Of a bar whose end is known."""


class Command(BaseCommand):
    help = (
        "Crawl a spider now, in the foreground; the run is recorded like a scheduled one; a live scheduler takes it "
        "over should this process be killed. Exit code 0: completed; 1: failed, cancelled or busy; 2: wrong usage."
    )

    # What concerns pages (addresses, admin, API) is not loaded for a crawl, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("spider", metavar="SPIDER")
        parser.add_argument(
            "--url", action="append", default=[], metavar="URL", help="read this page alone, follow nothing; repeatable"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object last")
        parser.add_argument(
            "--wait", action="store_true", help="where the spider is being crawled already, wait for that to end"
        )

    def handle(self, *args: object, spider: str, url: list[str], json: bool, wait: bool, **options: object) -> None:
        job_data: dict[str, object] = {"type": "spider", "target": spider}
        if url:
            job_data = {"type": "urls", "target": url, "spider": spider}
        with plain_errors():
            find_spider(spider)
            # What is loaded now stays: the collector need not look at it again and again.
            registry.get("crawl").load()
            gc.freeze()
            try:
                with _progress_bar(spider) as show:
                    run = run_in_foreground("crawl", job_data, wait=wait, on_progress=show)
            except InvalidJobData as error:
                place = "--url" if error.place.startswith("target") and url else error.place
                raise CommandError(f"{place}: {error.message}", returncode=2) from error
            except RunBusy as error:
                message = f'spider "{spider}" is being crawled by run #{error.run_id}; --wait waits for its end'
                raise CommandError(message, returncode=1) from error
            except RunStopped as error:
                raise CommandError(str(error), returncode=1) from error
            task = CrawlTask.objects.select_related("spider").filter(run=run).first()
            result, explanation = summary(run, task), explain(task) if task is not None else None
            if json:
                causes = [] if explanation is None else [found.to_json() for found in explanation.causes]
                self.stdout.write(_to_json({**result, "causes": causes}))
            else:
                for line in (sentence(result), *closing(explanation)):
                    self.stdout.write(printable(line))
        if result["status"] != "completed":
            sys.exit(1)


def summary(run: JobRun, task: CrawlTask | None) -> dict[str, object]:
    """What a crawl came to, for programs; zeros where it did not begin."""
    ended, begun = run.finished_at, run.started_at
    return {
        "status": STATUS.get(JobRun.State(run.state), run.state),
        **{name: getattr(task, name) if task else 0 for name in _COUNTS},
        "errors": task.pages_failed if task else 0,
        "bytes": task.bytes if task else 0,
        "seconds": round((ended - begun).total_seconds(), 3) if ended and begun else 0.0,
        "reasons": task.reasons if task else {},
        "message": run.message or run.error,
        "notes": result.get("notes", "") if isinstance(result := run.data, dict) else "",
        "run": run.pk,
        "task_id": task.task_id if task else None,
    }


def sentence(result: dict[str, object]) -> str:
    """The same for people; what was counted as missing follows in `closing`, by its causes."""
    changes = [f"{result['items_new']:,} new", f"{result['items_changed']:,} changed"]
    changes += [f"{result[name]:,} {words}" for name, words in _SELDOM if result[name]]
    counts = (
        f"{_several(result, 'pages')}, {_several(result, 'items')} ({', '.join(changes)}), "
        f"{_several(result, 'errors')}, {_several(result, 'bytes')}"
    )
    why = result["notes"] if result["status"] == "completed" else result["message"]
    first = str(why).strip().partition("\n")[0]
    told = f"{str(result['status']).capitalize()} in {result['seconds']} s: {counts}."
    return f"{told} {first}" if first else told


def _several(result: dict[str, object], name: str) -> str:
    """``1 page``, ``2,000 pages``."""
    count = result[name]
    return f"{count:,} {name.removesuffix('s') if count == 1 else name}"


@contextmanager
def _progress_bar(spider: str) -> Iterator[Callable[[float | None, str], None] | None]:
    """A bar on a terminal, nothing elsewhere. Where the end is not known, the words and the time alone."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm  # not loaded for nobody

    with tqdm(total=_STEPS, desc=spider, bar_format="{desc} [{elapsed}]", file=sys.stderr) as bar:

        def show(fraction: float | None, message: str) -> None:
            if fraction is not None:
                bar.bar_format = "{desc} |{bar}| {percentage:3.0f}% [{elapsed}<{remaining}]"
                bar.n = int(fraction * _STEPS)
            bar.set_description_str(printable(f"{spider}: {message}"))

        yield show


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
