"""A trigger's document as the fields of a form: what they cannot say to the letter stays a document."""

from __future__ import annotations

from datetime import time

import pytest

from scheduling.admin import rules


@pytest.mark.parametrize(
    ("trigger", "kind"),
    [
        ({"type": "interval", "seconds": 5}, "interval"),
        ({"type": "interval", "minutes": 5}, "interval"),
        (
            {"type": "interval", "days": 2, "timezone": "Europe/Berlin", "start": "2027-01-01T08:00:00"},
            "interval",
        ),
        ({"type": "cron", "cron": "15 * * * *"}, "hourly"),
        ({"type": "cron", "cron": "0 2 * * *", "timezone": "Europe/Berlin"}, "daily"),
        ({"type": "cron", "cron": "0 2 * * *", "end": "2027-01-01T08:00"}, "daily"),
        ({"type": "cron", "cron": "30 8 * * 1-5"}, "weekly"),
        ({"type": "cron", "cron": "30 8 * * 0,6"}, "weekly"),
        ({"type": "cron", "cron": "30 8 * * 3"}, "weekly"),
        ({"type": "cron", "cron": "*/5 * * * *"}, "cron"),
        ({"type": "cron", "cron": "@daily"}, "cron"),
        ({"type": "cron", "cron": "02 2 * * *"}, "cron"),  # not the form's spelling
        ({"type": "cron", "cron": "0 2 * * 1,2,3"}, "cron"),
        ({"type": "cron", "cron": "0 2 * * 5-1"}, "cron"),
        ({"type": "cron", "cron": "0 2 * * 1,"}, "cron"),
        ({"type": "cron", "cron": "99 2 * * *"}, "cron"),
        ({"type": "date", "run_date": "2027-01-01T12:00:00", "timezone": "UTC"}, "date"),
        ({"type": "interval", "seconds": 1.5}, "document"),
        ({"type": "interval", "hours": 1, "minutes": 30}, "document"),
        ({"type": "interval", "hours": 1, "timezone": "UTC"}, "document"),
        ({"type": "cron", "hour": 2, "day_of_week": "mon-fri"}, "document"),
        ({"type": "cron", "cron": "0 2 * * *", "start": "2027-01-01T08:00:00+01:00"}, "document"),
        ({"type": "cron", "cron": "0 2 * * *", "timezone": None}, "document"),
        ({"type": "date", "run_date": "2027-01-01T12:00:00Z"}, "document"),
        ({"type": "date", "run_date": "2027-01-01"}, "document"),
        ({"type": "date", "run_date": "2027-01-01T12:00:00", "end": "2028-01-01T12:00:00"}, "document"),
        ({"type": "gone"}, "document"),
        ({}, "document"),
    ],
)
def test_every_document_comes_back_as_it_was(trigger: dict[str, object], kind: str) -> None:
    values = rules.fields_of(trigger)
    assert values["kind"] == kind
    assert rules.trigger_of(values) == trigger


@pytest.mark.parametrize(
    ("days", "field"),
    [
        (["1", "2", "3", "4", "5"], "1-5"),
        (["6", "0"], "0,6"),
        (["1", "2", "4", "5", "6"], "1,2,4-6"),
        (["0", "1", "2", "3", "4", "5", "6"], "*"),
        ([], ""),
    ],
)
def test_weekdays_are_written_as_cron_writes_them(days: list[str], field: str) -> None:
    values: dict[str, object] = {"kind": "weekly", "at": time(8, 30), "weekdays": days}
    assert rules.trigger_of(values)["cron"] == f"30 8 * * {field}"


def test_what_a_kind_needs_is_named_once_each() -> None:
    assert [name for name, _message in rules.missing({"kind": "weekly", "at": None, "weekdays": []})] == [
        "at",
        "weekdays",
    ]
    assert rules.missing({"kind": "hourly", "minute": 0}) == []


@pytest.mark.parametrize(
    ("place", "kind", "field"),
    [
        ("trigger.cron", "daily", "at"),
        ("trigger.cron", "cron", "cron"),
        ("trigger.minutes", "interval", "every"),
        ("trigger.timezone", "daily", "zone"),
        ("trigger.end", "interval", "end"),
        ("trigger.run_date", "date", "run_date"),
        ("trigger.end", "document", "trigger_document"),
        ("trigger", "nonsense", "trigger_document"),
    ],
)
def test_a_problem_is_shown_at_a_field_that_is_seen(place: str, kind: str, field: str) -> None:
    assert rules.field_of(place, kind) == field
    assert field not in rules.unused(kind)
