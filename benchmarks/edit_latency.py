"""From a saved schedule to its first firing, across processes: `serve`, `runscheduler`, and a client of the site.

    python -m benchmarks.edit_latency [--edits 100] [--postgres]

The client saves schedules that are due at once, over REST and by the admin's form, at random distances in time;
nothing else goes on. Counted from the moment that the save wrote into the schedule's row, before its own commit:

- `ticked`: until the moment of the tick that fired it (the run's `queued_at`);
- `seen`: until the client saw the committed run in the database, asking every 2 ms once it had the site's answer;
- `started`: until a handler began to work on it.

Every clock is the same machine's.
"""

from __future__ import annotations

import argparse
import random
import re
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg

from tests.acceptance.product import Product, Template, wait_for

from .measuring import closing_line
from .schedule_load import percentile
from .tick import server

Times = Mapping[str, list[float]]
Save = Callable[[str], None]
FORM = {
    "handler": "maintenance",
    "job_data": '{"action": "check"}',
    "enabled": "on",
    "kind": "date",
    "zone": "UTC",
    "every": "60",
    "unit": "seconds",
    "minute": "0",
    "at": "02:00",
    "overlap": "skip",
    "max_instances": "1",
    "misfire_grace_time": "30",
    "max_retries": "3",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=100)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL (TEST_DATABASE_URL, or from the wheel)")
    options = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    with (
        server(fsync=True) if options.postgres else nullcontext(None) as url,
        tempfile.TemporaryDirectory() as folder,
        installation(Path(folder), url) as (product, site),
        product.client(site) as client,
    ):
        product.start_scheduler()
        results["rest"] = measure(product, "rest", lambda job_id: by_rest(client, job_id), options.edits)
        log_in(client)
        results["admin"] = measure(product, "admin", lambda job_id: by_form(client, job_id), options.edits)
    closing_line(
        "edit_latency",
        database="postgresql" if options.postgres else "sqlite",
        edits=options.edits,
        milliseconds=results,
    )


@contextmanager
def installation(folder: Path, server_url: str | None) -> Iterator[tuple[Product, str]]:
    """An installation whose site is served by a process of its own; and its address."""
    template = Template(folder, server_url)
    try:
        with template.product(folder) as product:
            product.manage("collectstatic", "--noinput", "-v", "0")
            process = product.start("serve", "127.0.0.1:0")
            [address] = wait_for(lambda: re.findall(r"Serving on (\S+)", process.output()), what="the site")
            yield product, address
    finally:
        template.drop()


def by_rest(client: httpx.Client, job_id: str) -> None:
    document = {
        "job_id": job_id,
        "handler": "maintenance",
        "job_data": {"action": "check"},
        "trigger": {"type": "date", "run_date": datetime.now(UTC).isoformat()},
    }
    answer = client.post("/api/schedule/jobs", json=document)
    assert answer.status_code == 201, answer.text


def log_in(client: httpx.Client) -> None:
    """Trade the token for a browser's session."""
    client.headers.pop("Authorization")
    client.headers["Referer"] = str(client.base_url)
    client.get("/admin/login/").raise_for_status()
    answer = client.post(
        "/admin/login/",
        data={
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
            "username": "ada",
            "password": "a-long-enough-pass",
        },
    )
    assert answer.status_code == 302, answer.text


def by_form(client: httpx.Client, job_id: str) -> None:
    fields = {
        "csrfmiddlewaretoken": client.cookies["csrftoken"],
        "job_id": job_id,
        "run_date": datetime.now(UTC).replace(tzinfo=None).isoformat(),
    }
    answer = client.post("/admin/scheduling/scheduledjob/add/", data=FORM | fields)
    assert answer.status_code == 302, answer.text


def measure(product: Product, name: str, save: Save, edits: int) -> dict[str, dict[str, float]]:
    seen: dict[str, float] = {}
    with asking(product) as is_there:
        for number in range(edits + 5):
            job_id = f"{name}-{number:04}"
            save(job_id)
            while not is_there(job_id):
                time.sleep(0.002)
            seen[job_id] = time.time()
            time.sleep(random.uniform(0.1, 0.4))
    rows = product.sql(
        "SELECT s.job_id, s.created_at, r.queued_at, r.started_at FROM scheduling_scheduledjob s "
        "JOIN scheduling_jobrun r ON r.job_key = s.job_id WHERE s.job_id LIKE ? ORDER BY s.job_id",
        [f"{name}-%"],
    )
    assert len(rows) == edits + 5, f"{len(rows)} runs of {edits + 5} schedules"
    times: dict[str, list[float]] = {"ticked": [], "seen": [], "started": []}
    # The first few warm up the processes.
    for job_id, *moments in rows[5:]:
        created, queued, started = (_seconds(moment) for moment in moments)
        times["ticked"].append(queued - created)
        times["seen"].append(seen[str(job_id)] - created)
        times["started"].append(started - created)
    return {name: _distribution(sorted(values)) for name, values in times.items()}


def _distribution(ordered: list[float]) -> dict[str, float]:
    return {name: percentile(ordered, share) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}


@contextmanager
def asking(product: Product) -> Iterator[Callable[[str], bool]]:
    """Whether a schedule has a committed run, on one connection."""
    query = "SELECT 1 FROM scheduling_jobrun WHERE job_key = {}"
    if product.database_url.startswith("sqlite"):
        sqlite = sqlite3.connect(product.database_url.removeprefix("sqlite:///"), timeout=30, isolation_level=None)
        yield lambda job_id: sqlite.execute(query.format("?"), [job_id]).fetchone() is not None
        sqlite.close()
        return
    with psycopg.connect(product.database_url, autocommit=True) as postgres:
        yield lambda job_id: postgres.execute(query.format("%s").encode(), [job_id]).fetchone() is not None


def _seconds(moment: object) -> float:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert isinstance(moment, datetime), "A schedule's run did not start."
    return moment.timestamp()


if __name__ == "__main__":
    main()
