"""The disk of the database is full for a while, or cannot be written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.product import Product, Template

from .disks import Disk, small_disk, writes_refused
from .outages import Bounds, live_through
from .servers import product_on_own_server
from .table import Witness

pytestmark = [pytest.mark.process, pytest.mark.soak]

EXPECTED = (
    "nobody ends; it is said in the log; firing again within 5 s of there being space; each moment has its row; "
    "a run that ended meanwhile is stored once"
)
SECONDS = 20
HANDLERS = {"DJANGO_SETTINGS_MODULE": "tests.acceptance.settings"}


@contextmanager
def sqlite_on(disk: Disk, folder: Path) -> Iterator[Product]:
    with Template(disk.folder, None).product(folder, HANDLERS) as product:
        yield product


@pytest.mark.only_on("SQLite")
@pytest.mark.fault(15, "disk full", EXPECTED)
def test_a_full_disk_under_sqlite_is_waited_for(tmp_path: Path, witness: Witness) -> None:
    witness.did(f"each byte of the database's file system taken for {SECONDS} s")
    with small_disk(megabytes=24) as disk, sqlite_on(disk, tmp_path) as product:
        live_through(product, disk.full(), Bounds(seconds=SECONDS, says="disk is full"), witness)


@pytest.mark.only_on("SQLite")
@pytest.mark.fault(15, "disk fails", EXPECTED.replace("it is said in the log; ", ""))
def test_a_disk_that_refuses_to_write_under_sqlite_is_waited_for(faulty: Product, witness: Witness) -> None:
    witness.did(f"each write to a file refused with an error for {SECONDS} s (the log's too)")
    live_through(faulty, writes_refused(faulty), Bounds(seconds=SECONDS), witness)


@pytest.mark.only_on("PostgreSQL")
@pytest.mark.fault(15, "disk full", EXPECTED)
def test_a_full_disk_under_postgresql_is_waited_for(tmp_path: Path, witness: Witness) -> None:
    witness.did(f"each byte of the tables' file system (a table space) taken for {SECONDS} s")
    with small_disk(megabytes=64) as disk, product_on_own_server(tmp_path) as (product, server):
        space = disk.folder / "space"
        space.mkdir()
        shutil.chown(space, server.account)
        name = product.database_url.partition("?")[0].rpartition("/")[2]
        server.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        server.execute(f'ALTER DATABASE "{name}" SET TABLESPACE small')
        live_through(product, disk.full(), Bounds(seconds=SECONDS, says="No space left on device"), witness)
        server.execute(f'ALTER DATABASE "{name}" SET TABLESPACE pg_default')
        server.execute("DROP TABLESPACE small")
