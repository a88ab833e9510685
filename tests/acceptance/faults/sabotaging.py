"""Schedulers that fail at a chosen point (`tests/acceptance/app/sabotage.py`), seen from outside."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from tests.acceptance.product import Product, Running, wait_for


def sabotaged(product: Product, plan: str) -> Running:
    """Start a scheduler that will fail as planned."""
    note(product).unlink(missing_ok=True)
    product.environment |= {"SABOTAGE": plan, "SABOTAGE_NOTE": str(note(product))}
    scheduler = product.start("runscheduler", name="sabotaged")
    for name in ("SABOTAGE", "SABOTAGE_NOTE"):
        product.environment.pop(name)
    return scheduler


def note(product: Product) -> Path:
    return product.folder / "sabotage.txt"


def wait_for_kill(product: Product, scheduler: Running, plan: str) -> dict[str, object]:
    """Where the process was when it was killed."""
    try:
        code = scheduler.process.wait(timeout=120)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it was not killed at {plan}:\n{scheduler.output()[-2000:]}") from None
    assert code == -signal.SIGKILL, scheduler.output()[-2000:]
    where: dict[str, object] = json.loads(note(product).read_text(encoding="utf-8"))
    wait_for(lambda: no_back_ends(product), what="the end of the killed process's back ends")
    return where


def no_back_ends(product: Product) -> bool:
    """PostgreSQL notices only after its statement that nobody waits for the answer."""
    if product.database_url.startswith("sqlite"):
        return True
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    return product.one(others) == 0


def wait_for_death(scheduler: Running) -> None:
    assert scheduler.process.wait(timeout=60) == -signal.SIGKILL, scheduler.output()[-2000:]
