"""`manage.py runscheduler`: tick and execute, with the site beside it where it is wanted."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser, SystemCheckError
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from scheduling import registry, schema
from scheduling.companions import cores, keep_running
from scheduling.dispatch import executor_problem
from scheduling.exceptions import DatabaseMismatch
from scheduling.scheduler import TaskScheduler

if TYPE_CHECKING:
    from crawlproject.web.server import WebServer

END_SECONDS = 5.0
"""How long an ending process waits for threads that handlers began."""
GIVE_UP_SECONDS = 60.0
"""How long it waits, beyond the drain limit, for a database that does not answer."""

logger = logging.getLogger("scheduling.runscheduler")


class Command(BaseCommand):
    help = "Run what is scheduled. SIGTERM or Ctrl-C lets running handlers end first; a second one ends at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--web", metavar="HOST:PORT", help="serve the site too, from a thread")
        parser.add_argument(
            "--processes",
            type=_processes,
            default=1,
            metavar="N",
            help="run N processes, each with worker places of its own (default 1; auto: one for each core)",
        )
        parser.add_argument("--once", action="store_true", help="one tick and the runs due now, then exit")
        # A further process of `--processes`: it ends when the first one closes its standard input, or is gone.
        parser.add_argument("--follow", action="store_true", help=argparse.SUPPRESS)

    def handle(
        self, *args: object, web: str | None, processes: int, once: bool, follow: bool, **options: object
    ) -> None:
        if once and (web is not None or processes > 1):
            raise CommandError("--once goes with neither --web nor --processes.", returncode=2)
        if problem := executor_problem() or database_problem():
            raise CommandError(problem, returncode=2)
        # Before the site's threads, which load some of the same: two threads that import each other's half can fail.
        registry.load()
        server = self._serve(web) if web is not None else None
        # What was asked for so far was asked in this thread, which is going to be the loop's: it keeps no connection.
        connections.close_all()
        if once:
            asyncio.run(run_once())
            return
        try:
            asyncio.run(run(further=processes - 1, follow=follow))
        except DatabaseMismatch as error:
            raise CommandError(str(error), returncode=2) from error
        finally:
            if server is not None:
                server.close()
        if not follow:
            self.stdout.write("Stopped.")

    def get_check_kwargs(self, options: dict[str, object]) -> Mapping[str, object]:  # type: ignore[override]
        """A further process serves no pages: it loads none to check them, which the first one has done."""
        if options["follow"]:
            return {"tags": ["scheduling"]}
        return cast(Mapping[str, object], super().get_check_kwargs(options))

    def check(self, *args: object, **kwargs: object) -> None:
        """Wrong settings are wrong usage, here as in every other refusal to start: exit code 2."""
        try:
            super().check(*args, **kwargs)  # type: ignore[arg-type]
        except SystemCheckError as error:
            error.returncode = 2
            raise

    def _serve(self, address: str) -> WebServer:
        from crawlproject.firstrun import setup_link
        from crawlproject.web.server import AddressInUse, WebServer, parse_address

        try:
            server = WebServer(*parse_address(address))
        except (ValueError, AddressInUse) as error:
            raise CommandError(str(error), returncode=2) from error
        server.start()
        self.stdout.write(f"Serving on {server.url} (Ctrl-C ends)")
        if link := setup_link(server.url):
            self.stdout.write(f"Make the first administrator here (the link works for an hour): {link}")
        self.stdout.flush()
        return server


def _processes(text: str) -> int:
    """Read the number of processes; `auto` is one for each core."""
    if text == "auto":
        return cores()
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, or “auto” (for one a core), not “{text}”.")
    return int(text)


def database_problem() -> str:
    """Say in one sentence why nothing can be started on this database; empty: nothing."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        unknown = schema.unknown_migrations()
    except DatabaseError as error:
        return f"The database does not answer ({error}): check DATABASE_URL and that its server runs."
    if missing:
        return f"{len(missing)} migrations are not applied: run `manage.py migrate` first."
    if unknown:
        return f"The database belongs to a later release (it has {unknown[-1]}): start that one."
    return ""


async def run(*, further: int = 0, follow: bool = False) -> None:
    """Schedule until a signal comes (or, following, standard input ends), then drain."""
    loop = asyncio.get_running_loop()
    stop = _set_by_signal()
    if follow:
        loop.add_reader(sys.stdin.fileno(), _read_end, loop, stop)

    scheduler = TaskScheduler(companions=further)
    companions = [asyncio.create_task(keep_running(stop), name=f"companion-{n}") for n in range(further)]
    starting = asyncio.create_task(scheduler.start())
    stopping = asyncio.create_task(stop.wait())
    # A database that does not answer is waited for; a signal ends the waiting.
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
    else:
        await starting
    # What is loaded now stays: the collector need not look at it again with every tick.
    gc.freeze()
    logger.info("Scheduler started", extra={"action": "scheduler_started", "processes": further + 1})
    await stop.wait()
    logger.info("Scheduler stopping", extra={"action": "scheduler_stopping"})
    _give_up_in_time()
    await asyncio.gather(scheduler.shutdown(), *companions)
    _end_surely()


async def run_once() -> None:
    """Do what is due now; a signal ends that, and drains."""
    stop = _set_by_signal()
    working = asyncio.create_task(TaskScheduler().run_once())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not stop.is_set():
        await working
        return
    logger.info("Scheduler stopping", extra={"action": "scheduler_stopping"})
    _give_up_in_time()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    _end_surely()


def _set_by_signal() -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets; a second one ends the process.

    Signals come to the main thread alone: who calls the command in another one sends none.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    caught = (signal.SIGTERM, signal.SIGINT)

    def first_signal() -> None:
        stop.set()
        for number in caught:
            loop.remove_signal_handler(number)

    for number in caught:
        with suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, first_signal)
    return stop


def _end_surely() -> None:
    """End the process soon, whatever still runs in it: all that must be stored is stored.

    Python waits at its end for every thread, so that one in which a handler hangs would keep the process for ever.
    """
    _end_after(END_SECONDS, 0, "A thread does not end: the process ends without it")


def _give_up_in_time() -> None:
    """End the process some time after its drain limit, though the database does not answer: nothing can be stored.

    What it held is taken over by the others, as after a crash.
    """
    text = "The database does not answer: the process ends without handing back its runs, which others will take over"
    _end_after(settings.SCHEDULER_DRAIN_SECONDS + GIVE_UP_SECONDS, 1, text)


def _end_after(seconds: float, status: int, text: str) -> None:
    def end() -> None:
        logger.warning(text, extra={"action": "ended_by_force", "status": status})
        os._exit(status)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _read_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        loop.remove_reader(sys.stdin.fileno())
        stop.set()
