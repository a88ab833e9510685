"""Rows of processes, for all tests that need one to be there."""

from __future__ import annotations

from django.utils import timezone

from scheduling.models import Process


def make_process(**fields: object) -> Process:
    """A scheduler that is alive, unless told otherwise."""
    now = timezone.now()
    values: dict[str, object] = {
        "kind": Process.Kind.SCHEDULER,
        "host": "h/b/n",
        "pid": 1,
        "pid_created": 1.0,
        "started_at": now,
        "beat_at": now,
    }
    return Process.objects.create(**values | fields)
