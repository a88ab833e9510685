"""The same function in several threads at once, each with its own connection: the constraints decide."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from django.db import OperationalError, connections, transaction
from django_apscheduler.models import DjangoJob

from scheduling import claims, definitions, endings
from scheduling.claims import Claimed
from scheduling.endings import Outcome
from scheduling.exceptions import ClaimLost
from scheduling.models import JobRun, Process, ScheduledJob

from .making import NOW, make_job, make_process, make_run

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
THREADS = 6


def at_once(calls: list[Callable[[], T]]) -> list[T]:
    """Call all in threads that begin together; a deadlock that the database ended is tried again, as lanes do."""
    start = threading.Barrier(len(calls))

    def call(function: Callable[[], T]) -> T:
        start.wait()
        try:
            while True:
                try:
                    return function()
                except OperationalError:
                    continue
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(120) for future in [pool.submit(call, function) for function in calls]]


def claim_all(process: Process) -> Callable[[], list[Claimed]]:
    def claim() -> list[Claimed]:
        mine: list[Claimed] = []
        while more := claims.claim(process, NOW, 5):
            mine += more
        return mine

    return claim


def test_a_run_is_claimed_once_whoever_asks() -> None:
    runs = [make_run() for _ in range(60)]
    processes = [make_process() for _ in range(THREADS)]

    claimed = [one for mine in at_once([claim_all(process) for process in processes]) for one in mine]

    assert Counter(one.run_id for one in claimed) == Counter(run.pk for run in runs)
    assert set(JobRun.objects.values_list("state", "claim")) == {("running", 1)}


def test_slots_and_keys_hold_whoever_asks() -> None:
    jobs = [make_job(max_instances=2) for _ in range(5)]
    for _ in range(4):
        for number, job in enumerate(jobs):
            make_run(job, exclusive_key="shared" if number == 0 else "")
    processes = [make_process() for _ in range(THREADS)]

    at_once([claim_all(process) for process in processes])
    # Who came second got nothing then; the next look fills what is free.
    claim_all(processes[0])()

    held = Counter(JobRun.objects.filter(state="running").values_list("job_id", flat=True))
    assert held == {jobs[0].pk: 1, **{job.pk: 2 for job in jobs[1:]}}
    slots = JobRun.objects.filter(state="running", job__in=jobs[1:]).values_list("job_id", "slot")
    assert set(slots) == {(job.pk, slot) for job in jobs[1:] for slot in (0, 1)}


def test_a_run_that_is_recovered_while_it_ends_ends_once() -> None:
    for _ in range(10):
        process = make_process()
        run = make_run()
        [claimed] = claims.claim(process, NOW, 1)
        Process.objects.filter(pk=process.pk).update(state=Process.State.LOST)

        def end(claimed: Claimed = claimed) -> str:
            try:
                endings.finish(claimed, Outcome(state="succeeded"), NOW, ["end"])
            except ClaimLost:
                return "lost"
            return "finished"

        def recover() -> str:
            return "recovered" if endings.recover(NOW) else "nothing"

        said = set(at_once([end, recover]))

        run.refresh_from_db()
        assert (said, run.state) in [({"finished", "nothing"}, "succeeded"), ({"lost", "recovered"}, "queued")]
        JobRun.objects.filter(pk=run.pk).delete()


def test_two_reapers_recover_a_run_once() -> None:
    process = make_process(beat=3)
    for _ in range(20):
        make_run()
    claims.claim(process, NOW, 20)

    def reap() -> tuple[bool, int]:
        return endings.mark_lost(process.pk, 3), len(endings.recover(NOW))

    said = at_once([reap] * 4)
    endings.recover(NOW)

    assert sum(marked for marked, _count in said) == 1
    assert set(JobRun.objects.values_list("state", "recoveries")) == {("queued", 1)}


def test_a_one_off_goes_with_the_end_of_its_run_while_others_touch_it() -> None:
    for number in range(5):
        job = make_job(f"once-{number}", one_time=True)
        DjangoJob.objects.create(id=job.job_id, next_run_time=None, job_state=b"x")
        make_run(job)
        [claimed] = claims.claim(make_process(), NOW, 1)

        def touch(job_id: str = job.job_id) -> None:
            with transaction.atomic():
                list(DjangoJob.objects.select_for_update().filter(pk=job_id))
                list(ScheduledJob.objects.select_for_update().filter(job_id=job_id))
                JobRun.objects.filter(job_key=job_id).update(cancel_requested_at=datetime.now(UTC))

        def end(claimed: Claimed = claimed) -> None:
            endings.finish(claimed, Outcome(state="succeeded"), NOW)

        calls: list[Callable[[], None]] = [end, touch, touch]
        at_once(calls)

        run = JobRun.objects.get(pk=claimed.run_id)
        assert (run.state, run.job_id, run.job_key) == ("succeeded", None, job.job_id)
    assert not ScheduledJob.objects.exists()
    assert not DjangoJob.objects.exists()


@pytest.mark.parametrize("asked", [False, True], ids=["recovered", "cancel asked"])
def test_a_lost_one_off_stays_until_its_run_ends(asked: bool) -> None:
    job = definitions.create_one_off(job_id="once", handler="maintenance", job_data={"action": "check"})
    make_run(job)
    process = make_process()
    claims.claim(process, NOW, 1)
    Process.objects.filter(pk=process.pk).update(state=Process.State.LOST)
    if asked:
        JobRun.objects.update(cancel_requested_at=NOW)

    endings.recover(NOW)

    assert ScheduledJob.objects.exists() is not asked
    assert DjangoJob.objects.exists() is not asked


def test_claimers_with_overlapping_slots_and_keys_do_not_deadlock() -> None:
    """Each takes several runs at once, whose slots and keys others want in another order."""
    jobs = [make_job(max_instances=3) for _ in range(6)]
    for number in range(120):
        job = jobs[number % 6] if number % 4 else jobs[5 - number % 6]
        make_run(job, exclusive_key=f"key-{number % 5}" if number % 3 == 0 else "")
    refused: list[OperationalError] = []
    done: list[int] = []

    def work(process: Process) -> Callable[[], None]:
        def claim_and_finish() -> None:
            while len(done) < 120 and not refused:
                try:
                    claimed = claims.claim(process, NOW, 6)
                except OperationalError as error:
                    refused.append(error)
                    return
                for one in claimed:
                    endings.finish(one, Outcome(state="succeeded"), NOW)
                    done.append(one.run_id)

        return claim_and_finish

    at_once([work(make_process()) for _ in range(8)])

    assert refused == []
    assert sorted(done) == sorted(JobRun.objects.filter(state="succeeded").values_list("pk", flat=True))


@pytest.mark.parametrize("count", [30, pytest.param(1_000, marks=pytest.mark.soak)])
def test_of_max_instances_3_never_4_run_though_8_claim_at_once(count: int) -> None:
    job = make_job(max_instances=3)
    at = [NOW - timedelta(seconds=number) for number in range(count, 0, -1)]
    JobRun.objects.bulk_create(
        JobRun(
            job=job, job_key=job.job_id, job_name=job.name, cause="schedule", scheduled_time=moment,
            available_at=moment, queued_at=moment,
        )
        for moment in at
    )  # fmt: skip
    free = threading.Condition()
    held, seen, done = set[int](), Counter[int](), list[int]()

    def work(process: Process) -> Callable[[], None]:
        def claim_and_finish() -> None:
            while len(done) < count:
                claimed = claims.claim(process, NOW, 4)
                # Between claim and end as the claimer sees them, which is within what the database holds.
                with free:
                    held.update(one.run_id for one in claimed)
                    seen[len(held)] += 1
                    if not claimed and held:
                        free.wait(1)
                for one in claimed:
                    if one.run_id % 10 == 0:
                        seen[JobRun.objects.filter(state="running").count()] += 1
                    with free:
                        held.remove(one.run_id)
                    endings.finish(one, Outcome(state="succeeded"), NOW)
                    with free:
                        done.append(one.run_id)
                        free.notify()

        return claim_and_finish

    at_once([work(make_process()) for _ in range(8)])

    assert len(done) == len(set(done)) == count, "each ran once"
    assert set(JobRun.objects.values_list("state", "claim")) == {("succeeded", 1)}
    assert max(seen) == 3, "all places were used, and never more"
