"""Jobs are deleted, paused and re-timed by several people while two schedulers tick them."""

from __future__ import annotations

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.acceptance.moments import assert_gapless
from tests.acceptance.product import Product, Running, wait_for
from tests.acceptance.web import site_of

from .outages import EACH_SECOND, SECOND
from .sabotaging import sabotaged
from .table import Witness

pytestmark = pytest.mark.process

PEOPLE = 4
JOBS_EACH = 10
SLOW_MILLISECONDS = 15
"""Before each statement of a tick, so that a tick takes a good part of each second."""
LATER = datetime(2031, 1, 1, tzinfo=UTC)
BYSTANDER = "bystander"


@dataclass
class Editor:
    """One person, with jobs of their own: what each must be like is known."""

    client: httpx.Client
    chance: random.Random
    jobs: list[str]
    expected: dict[str, str | None] = field(default_factory=dict)
    """When a job is planned next; "second" for within a second of now, None for not at all, "gone" for deleted."""
    done: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def edit(self) -> None:
        job_id = self.chance.choice(self.jobs)
        self.check(job_id)
        if self.expected.get(job_id) == "gone":
            what = "create"
        else:
            what = self.chance.choice(["pause", "resume", "later", "later", "second", "delete"])
        getattr(self, what)(job_id)
        self.done[what] += 1
        self.check(job_id)

    def create(self, job_id: str) -> None:
        document: dict[str, object] = {"job_id": job_id, "handler": "nothing", "trigger": EACH_SECOND}
        self._ask("POST", "/api/schedule/jobs", document)
        self.expected[job_id] = "second"

    def pause(self, job_id: str) -> None:
        self._ask("POST", f"/api/schedule/jobs/{job_id}/pause", {})
        self.expected[job_id] = None

    def resume(self, job_id: str) -> None:
        self._ask("POST", f"/api/schedule/jobs/{job_id}/resume", {})
        document = self._ask("GET", f"/api/schedule/jobs/{job_id}").json()
        self.expected[job_id] = document["trigger"].get("start") if "2031" in str(document["trigger"]) else "second"

    def later(self, job_id: str) -> None:
        start = LATER + timedelta(seconds=self.chance.randrange(10**6))
        self._retime(job_id, {"type": "interval", "seconds": 1, "start": start.isoformat()})

    def second(self, job_id: str) -> None:
        self._retime(job_id, EACH_SECOND)

    def delete(self, job_id: str) -> None:
        self._ask("DELETE", f"/api/schedule/jobs/{job_id}")
        self.expected[job_id] = "gone"

    def check(self, job_id: str) -> None:
        """What was asked for last stands, however many ticks came since."""
        expected = self.expected.get(job_id, "second")
        answer = self.client.get(f"/api/schedule/jobs/{job_id}")
        if expected == "gone" or answer.status_code != 200:
            if (expected == "gone") is not (answer.status_code == 404):
                self.broken.append(f"{job_id}: expected {expected}, answered {answer.status_code}")
            return
        planned = answer.json()["next_run_time"]
        found = None if planned is None else datetime.fromisoformat(planned)
        if expected is None or found is None:
            good = expected is None and found is None
        elif expected == "second":
            good = abs(found - datetime.now(UTC)) < timedelta(seconds=20)
        else:
            good = found == datetime.fromisoformat(expected)
        if not good:
            self.broken.append(f"{job_id}: expected {expected}, planned for {planned}")

    def _retime(self, job_id: str, trigger: dict[str, object]) -> None:
        self._ask("PATCH", f"/api/schedule/jobs/{job_id}", {"trigger": trigger})
        is_paused = self.expected.get(job_id, "second") is None
        planned = "second" if trigger == EACH_SECOND else str(trigger["start"])
        self.expected[job_id] = None if is_paused else planned

    def _ask(self, method: str, path: str, document: dict[str, object] | None = None) -> httpx.Response:
        answer = self.client.request(method, path, json=document)
        if answer.status_code >= 400:
            self.broken.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer


def edit_while_ticking(product: Product, witness: Witness, *, edits: int) -> None:
    slow = sabotaged(product, f"slow:{SLOW_MILLISECONDS}")
    wait_for(lambda: product.alive(), what="the slow scheduler")
    with site_of(product) as base_url, product.client(base_url) as client:
        jobs = [f"job-{number}" for number in range(PEOPLE * JOBS_EACH)]
        every = [BYSTANDER, *jobs]
        product.load(jobs=[{"job_id": job_id, "handler": "nothing", "trigger": EACH_SECOND} for job_id in every])
        editors = [
            Editor(client, random.Random(number), jobs[number * JOBS_EACH : (number + 1) * JOBS_EACH])
            for number in range(PEOPLE)
        ]
        fired = "SELECT count(*) FROM scheduling_jobrun WHERE job_key = ?"
        wait_for(lambda: product.one(fired, [BYSTANDER]), what="the first firing")

        def work(editor: Editor) -> None:
            for _ in range(edits // PEOPLE):
                editor.edit()

        with ThreadPoolExecutor(PEOPLE) as pool:
            list(pool.map(work, editors))
        before = int(str(product.one(fired, [BYSTANDER])))
        wait_for(lambda: int(str(product.one(fired, [BYSTANDER]))) > before + 2, what="ticks after the last edit")
        for editor in editors:
            for job_id in editor.jobs:
                editor.check(job_id)
    assert slow.terminate() == 0
    report(product, witness, editors, [slow, *product.started])


def report(product: Product, witness: Witness, editors: list[Editor], schedulers: list[Running]) -> None:
    done = sum((editor.done for editor in editors), Counter())
    broken = [line for editor in editors for line in editor.broken]
    output = "".join(scheduler.output() for scheduler in schedulers)
    deadlocks = output.count("deadlock") + count_deadlocks(product)
    kinds = ", ".join(f"{count} {what}" for what, count in done.most_common())
    witness.did(f"{done.total()} edits over REST by {PEOPLE} at once ({kinds}), two schedulers, 41 jobs a second")
    assert_gapless(product, BYSTANDER, interval=SECOND, at_least=3)
    twice = product.sql(
        "SELECT job_key, scheduled_time FROM scheduling_jobrun WHERE cause = 'schedule' AND state <> 'missed' "
        "AND job_id IS NOT NULL GROUP BY job_key, scheduled_time HAVING count(*) > 1"
    )
    witness.saw(f"{deadlocks} deadlocks, {len(broken)} edits overwritten or refused, {len(twice)} moments doubled")
    assert broken == []
    assert deadlocks == 0
    assert twice == []
    assert "Traceback" not in output, output[output.index("Traceback") - 300 :][:3000]


def count_deadlocks(product: Product) -> int:
    if product.database_url.startswith("sqlite"):
        return 0
    return int(str(product.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")))


@pytest.mark.any_database
@pytest.mark.fault(6, "edits during ticks", "0 deadlocks, 0 overwritten edits, none refused; nothing doubled")
def test_edits_during_ticks_stand(faulty: Product, witness: Witness) -> None:
    edit_while_ticking(faulty, witness, edits=40)


@pytest.mark.soak
@pytest.mark.fault(6, "edits during ticks", "0 deadlocks, 0 overwritten edits, none refused; nothing doubled")
def test_a_thousand_edits_during_ticks_stand(faulty: Product, witness: Witness) -> None:
    edit_while_ticking(faulty, witness, edits=int(os.environ.get("SOAK_EDITS", "1000")))
