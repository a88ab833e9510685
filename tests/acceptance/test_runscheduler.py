"""`manage.py runscheduler` as a process: `--once`, `--processes`, and its refusals."""

from __future__ import annotations

import psutil
import pytest

from .product import Product, Running, wait_for

pytestmark = [pytest.mark.process, pytest.mark.any_database]

PROCESSES = "SELECT state FROM scheduling_process ORDER BY id"


def start_two(product: Product) -> tuple[Running, int]:
    """A scheduler of two processes: the first of them, and the pid of the second."""
    first = product.start("runscheduler", "--processes", "2")
    wait_for(lambda: len(product.alive()) == 2, what="two processes")
    [second] = [int(str(pid)) for _id, pid in product.alive() if pid != first.pid]
    return first, second


def test_once_runs_what_is_due_and_ends(product: Product) -> None:
    product.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"
    once = {"type": "date", "run_date": "2026-01-01T00:00:00"}
    later = {"type": "interval", "hours": 1}
    product.load(
        jobs=[
            {"job_id": "due", "handler": "nothing", "trigger": once, "policies": {"misfire_grace_time": None}},
            {"job_id": "late", "handler": "nothing", "trigger": once},
            {"job_id": "later", "handler": "nothing", "trigger": later},
        ]
    )
    done = product.manage("runscheduler", "--once")

    assert done.returncode == 0
    runs = product.sql("SELECT job_key, state FROM scheduling_jobrun ORDER BY job_key")
    assert runs == [("due", "succeeded"), ("late", "missed")]
    assert product.sql(PROCESSES) == [("stopped",)]


def test_once_drains_on_sigterm_too(product: Product) -> None:
    product.environment |= {"DJANGO_SETTINGS_MODULE": "tests.acceptance.settings", "SCHEDULER_DRAIN_SECONDS": "1"}
    at_once = {"trigger": {"type": "date", "run_date": "2026-01-01T00:00:00"}, "policies": {"misfire_grace_time": None}}
    product.load(jobs=[{"job_id": "endless", "handler": "sleepy", "job_data": {"seconds": 600}, **at_once}])
    once = product.start("runscheduler", "--once")
    wait_for(lambda: product.sql("SELECT state FROM scheduling_jobrun") == [("running",)], what="the run")

    assert once.terminate() == 0, once.output()
    assert product.sql("SELECT state, recoveries FROM scheduling_jobrun") == [("queued", 0)]
    assert product.sql(PROCESSES) == [("stopped",)]


def test_unapplied_migrations_are_one_sentence(product: Product) -> None:
    product.sql("DELETE FROM django_migrations WHERE app = 'crawler'")
    done = product.manage("runscheduler", check=False, seconds=30)

    assert done.returncode == 2
    [sentence] = done.stderr.strip().splitlines()
    assert sentence.startswith("CommandError: ")
    assert "manage.py migrate" in sentence
    assert product.sql(PROCESSES) == []


def test_a_time_zone_that_does_not_exist_is_named_once(product: Product) -> None:
    product.environment["SCHEDULER_TIMEZONE"] = "Asia/Shangai"
    done = product.manage("runscheduler", check=False, seconds=30)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if "Shangai" in line] == [
        "?: (scheduling.E001) SCHEDULER_TIMEZONE: There is no time zone “Asia/Shangai”; the nearest is “Asia/Shanghai”."
    ]


def test_two_processes_end_with_the_first(product: Product) -> None:
    first, second = start_two(product)

    assert first.terminate() == 0, first.output()
    assert not psutil.pid_exists(second)
    assert product.sql(PROCESSES) == [("stopped",), ("stopped",)]


def test_a_killed_first_process_takes_the_second_along(product: Product) -> None:
    first, second = start_two(product)
    first.kill()

    wait_for(lambda: not psutil.pid_exists(second), what="the second process's end")
    assert sorted(product.sql(PROCESSES)) in ([("alive",), ("stopped",)], [("lost",), ("stopped",)])


def test_a_killed_second_process_is_started_anew(product: Product) -> None:
    first, second = start_two(product)
    psutil.Process(second).kill()

    wait_for(lambda: {pid for _id, pid in product.alive()} - {first.pid, second}, what="another second process")
    assert first.terminate() == 0, first.output()


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_processes_is_named(product: Product, wrong: str) -> None:
    done = product.manage("runscheduler", f"--processes={wrong}", check=False, seconds=30)

    assert done.returncode == 2
    assert f"must be a number from 1 on, or “auto” (for one a core), not “{wrong}”." in done.stderr
