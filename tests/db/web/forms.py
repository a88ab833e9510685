"""What a browser sends."""

from __future__ import annotations

FORM: dict[str, object] = {
    "job_id": "nightly",
    "name": "",
    "handler": "maintenance",
    "job_data": '{"action": "check"}',
    "enabled": "on",
    "kind": "interval",
    "every": "60",
    "unit": "seconds",
    "minute": "0",
    "at": "02:00",
    "cron": "",
    "run_date": "",
    "zone": "Asia/Shanghai",
    "start": "",
    "end": "",
    "trigger_document": "",
    "overlap": "skip",
    "max_instances": "1",
    "misfire_grace_time": "30",
    "jitter": "",
    "max_retries": "3",
    "timeout": "",
}
"""A schedule's form, filled in; a check every minute."""
