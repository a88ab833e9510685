"""`/healthz` (this process answers) and `/readyz` (the service can do its work)."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from scheduling.lateness import overdue_seconds
from scheduling.liveness import beat_age, live_processes
from scheduling.models import Process


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as soon as this process serves requests. Touches nothing else."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 if the database answers, its migrations are those of this code, and a scheduler is alive and in time.

    Else 503. Each check says `ok` or what is wrong, without names of hosts: the address needs no log-in.
    """
    checks: dict[str, str] = {"database": _database()}
    figures: dict[str, float | None] = {}
    if checks["database"] == "ok":
        checks["migrations"] = _migrations()
        if checks["migrations"] == "ok":
            checks["scheduler"], figures = _scheduler()
        else:
            checks["scheduler"] = "unknown"
    ready = all(value == "ok" for value in checks.values())
    answer = {"status": "ok" if ready else "unavailable", "checks": checks, **figures}
    return JsonResponse(answer, status=200 if ready else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"{type(error).__name__}: the database does not answer"
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "ok" if not missing else f"{len(missing)} migrations are not applied: run manage.py migrate"


def _scheduler() -> tuple[str, dict[str, float | None]]:
    """Whether one is alive and in time, with how late the most overdue job is and how old the newest beat is."""
    ages = [beat_age(process) for process in live_processes() if process.kind == Process.Kind.SCHEDULER]
    late, limit = overdue_seconds(), float(settings.SCHEDULER_LATE_SECONDS)
    figures = {"lateness_seconds": round(late, 1), "beat_seconds": min(ages, default=None)}
    if not ages:
        return "no scheduler is alive: run manage.py runscheduler", figures
    if late > limit:
        return f"late: a job has been due for {late:.0f} s (SCHEDULER_LATE_SECONDS is {limit:g})", figures
    return "ok", figures
