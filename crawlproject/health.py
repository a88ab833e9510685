"""`/healthz` (this process answers) and `/readyz` (the service can do its work)."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from scheduling.liveness import live_processes


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 as soon as this process serves requests. Touches nothing else."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 if the database answers, its migrations are those of this code, and a scheduler is alive; else 503.

    Each check says `ok` or what is wrong, without names of hosts: the address needs no log-in.
    """
    checks: dict[str, str] = {"database": _database()}
    if checks["database"] == "ok":
        checks["migrations"] = _migrations()
        checks["scheduler"] = _scheduler() if checks["migrations"] == "ok" else "unknown"
    ready = all(value == "ok" for value in checks.values())
    return JsonResponse({"status": "ok" if ready else "unavailable", "checks": checks}, status=200 if ready else 503)


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


def _scheduler() -> str:
    return "ok" if live_processes() else "no scheduler is alive: run manage.py runscheduler"
