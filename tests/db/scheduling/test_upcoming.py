"""`manage.py upcoming`: the next firings of saved jobs and of triggers that are not saved yet."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django_apscheduler.models import DjangoJob

from scheduling import definitions
from scheduling.models import JobRun, ScheduledJob
from scheduling.upcoming import report

pytestmark = pytest.mark.django_db(transaction=True)

BERLIN: dict[str, object] = {"type": "cron", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}


def upcoming(*arguments: str) -> str:
    out = StringIO()
    call_command("upcoming", *arguments, stdout=out)
    return out.getvalue()


def make_job(job_id: str, trigger: dict[str, object] = BERLIN, **changes: object) -> ScheduledJob:
    document = {"job_id": job_id, "handler": "report", "job_data": {"period": "day"}, "trigger": trigger, **changes}
    return definitions.create_job(definitions.parse_job(document))


def test_unsaved_line_is_shown_with_both_clock_changes() -> None:
    lines = upcoming(
        "--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--from", "2027-03-27T12:00", "--count", "2"
    )
    assert [line.strip() for line in lines.splitlines()] == [
        "30 2 * * *: Every day at 02:30 (Europe/Berlin)",
        "2027-03-28T03:00:00+02:00  2027-03-28T01:00:00Z",
        "2027-03-29T02:30:00+02:00  2027-03-29T00:30:00Z",
        "Firings: 1 in the next 24 hours, 30 in 30 days, 365 in 365 days.",
        "2027-03-28: clocks go from 02:00 to 03:00; 02:30 runs at 03:00",
        "2027-10-31: clocks go back from 03:00 to 02:00; 02:30 runs once, the first time",
    ]


@pytest.mark.parametrize(
    ("line", "forward", "back"),
    [
        ("0 12 * * *", "no firing falls into it", "no firing falls into it"),
        ("0,30 2 * * *", "02:00, 02:30 run once, at 03:00", "02:00, 02:30 run once each, the first time"),
        ("30 * * * *", "02:30 does not come and does not run", "02:30 runs both times"),
        ("*/5 * * * *", "02:00, 02:05, 02:10, 02:15, … do not come", "02:00, 02:05, 02:10, 02:15, … run both times"),
    ],
)
def test_clock_changes_say_what_they_do_to_the_line(line: str, forward: str, back: str) -> None:
    text = upcoming("--cron", line, "--timezone", "Europe/Berlin", "--from", "2027-01-01", "--count", "1")
    spring, autumn = text.splitlines()[-2:]
    assert f"to 03:00; {forward}" in spring
    assert f"to 02:00; {back}" in autumn


def test_the_page_shows_what_the_command_says() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "schedules.md").read_text(encoding="utf-8")
    asked, shown = page.split("$ manage.py upcoming ", 1)[1].split("```", 1)[0].split("\n", 1)
    assert upcoming(*shlex.split(asked)) == shown


def test_firings_are_counted_for_a_day_a_month_and_a_year() -> None:
    arguments = ("--cron", "*/5 2 * * mon", "--timezone", "Europe/Berlin", "--from", "2027-03-28", "--count", "1")
    [report] = json.loads(upcoming(*arguments, "--json"))["jobs"]
    assert report["counts"] == {"1d": 0, "30d": 60, "365d": 624}
    assert report["how_often"] in upcoming(*arguments)


@pytest.mark.parametrize(
    ("trigger", "warned"),
    [
        ({"type": "cron", "cron": "* 2 * * *"}, True),
        ({"type": "cron", "minute": "*", "hour": 2}, True),
        ({"type": "cron", "cron": "0 2 * * *"}, False),
        ({"type": "cron", "cron": "* * * * *"}, False),
        ({"type": "cron", "cron": "* */2 * * *"}, False),
        ({"type": "interval", "hours": 2}, False),
    ],
    ids=str,
)
def test_sixty_firings_where_one_was_meant_are_warned_of(trigger: dict[str, object], warned: bool) -> None:
    assert ("write a 0 for the minute" in upcoming("--trigger", json.dumps(trigger))) is warned


def test_intervals_say_what_clock_changes_do_to_them() -> None:
    trigger = '{"type": "interval", "days": 1, "timezone": "Europe/Berlin"}'
    spring, autumn = upcoming("--trigger", trigger, "--from", "2027-01-01").splitlines()[-2:]
    assert "elapsed time goes on; its local times are 1 hour later from then on" in spring
    assert "1 hour earlier" in autumn


def test_day_that_is_skipped_is_told_with_its_date() -> None:
    arguments = ("--cron", "0 12 * * *", "--timezone", "Pacific/Apia", "--from", "2011-12-01", "--count", "1")
    assert "2011-12-30: clocks go from 00:00 to 2011-12-31 00:00; 12:00 runs at 2011-12-31 00:00" in upcoming(
        *arguments
    )


@pytest.mark.parametrize("after", [datetime.min, datetime(1600, 2, 29), datetime(3000, 1, 1), datetime.max], ids=str)
@pytest.mark.parametrize(
    "trigger",
    [BERLIN, {"type": "interval", "days": 9}, {"type": "date", "run_date": "2027-01-01", "timezone": "Pacific/Apia"}],
    ids=lambda trigger: str(trigger["type"]),
)
def test_no_moment_is_too_early_or_too_late_to_ask_from(trigger: dict[str, object], after: datetime) -> None:
    told = report(trigger, after=after.replace(tzinfo=UTC), count=3, anchor=datetime(2027, 1, 1, tzinfo=UTC))
    assert told.in_words
    assert all(firing.utc.replace(tzinfo=None) > after for firing in told.firings)
    assert bool(told.firings) is (after.year < 2000)


def test_zone_without_clock_changes_says_so() -> None:
    assert "The clocks of Asia/Shanghai are not changed." in upcoming("--cron", "@daily")


def test_unsaved_interval_counts_from_the_given_moment() -> None:
    text = upcoming("--trigger", '{"type": "interval", "hours": 2}', "--from", "2027-01-01T00:00:00Z", "--json")
    [report] = json.loads(text)["jobs"]
    assert [firing["utc"][11:16] for firing in report["firings"]] == ["02:00", "04:00", "06:00", "08:00", "10:00"]
    assert report["in_words"] == "Every 2 hours"


def test_saved_jobs_are_shown_by_id_or_all() -> None:
    make_job("first", name="The first")
    job = make_job("second", {"type": "interval", "hours": 1})
    assert "first (The first): Every day at 02:30 (Europe/Berlin)" in upcoming()
    [report] = json.loads(upcoming("second", "--count", "1", "--json"))["jobs"]
    planned = DjangoJob.objects.get(pk="second").next_run_time
    assert datetime.fromisoformat(report["firings"][0]["utc"]) == planned
    assert report["job_id"] == job.job_id


def test_held_jobs_say_that_they_do_not_run() -> None:
    make_job("paused")
    make_job("disabled", enabled=False)
    make_job("broken")
    ScheduledJob.objects.filter(job_id="broken").update(problem="no such handler")
    definitions.pause_job("paused", by="ann", note="the site is rebuilt")
    assert "by ann: these do not run until it is resumed. Note: “the site is rebuilt”" in upcoming("paused")
    [report] = json.loads(upcoming("paused", "--json"))["jobs"]
    assert (report["hold"], report["held_since"][:2]) == ("paused", "20")
    assert "these fail until it is saved without the problem (no such handler)" in upcoming("broken")
    assert "Disabled" in upcoming("disabled")
    definitions.resume_job("paused")
    definitions.pause_all("ann", note="the disk is changed")
    assert "The whole scheduler is paused since" in upcoming("paused")
    assert "by ann: these do not run until it is resumed. Note: “the disk is changed”" in upcoming("paused")


def test_date_that_is_over_fires_no_more() -> None:
    make_job("over", {"type": "date", "run_date": "2020-01-01"})
    assert "It does not fire any more." in upcoming("over")


def test_spoilt_job_is_shown_with_its_problem_beside_the_others() -> None:
    make_job("good")
    spoilt = make_job("spoilt")
    ScheduledJob.objects.filter(pk=spoilt.pk).update(trigger={"type": "cron", "cron": "nonsense"})
    text = upcoming()
    assert "spoilt: trigger.cron: “nonsense”: a line has five fields" in text
    assert "good: Every day at 02:30" in text


def test_numbers_of_weekdays_are_warned_of() -> None:
    text = upcoming("--trigger", '{"type": "cron", "day_of_week": 0, "hour": 2}')
    assert "APScheduler would say 0 is Monday" in text


def test_nothing_is_stored() -> None:
    upcoming("--cron", "@daily")
    assert not ScheduledJob.objects.exists()
    assert not JobRun.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "no job “nobody”"),
        (["--cron", "0 0 31 2 *"], "This never fires: no month of “2” has a day “31”"),
        (["--cron", "0 0 */31 2 1#5"], "no day of the months “2” is both “*/31” and “1#5”"),
        (["--cron", "0 25 * * *"], "The hour “25” cannot be read"),
        (["--trigger", '{"type": "cron", "hour": 2, "timezone": "Berlin"}'], "Europe/Berlin"),
        (["--cron", "@daily", "--timezone", "Asia/Shangai"], "Asia/Shanghai"),
        (["--trigger", "{"], "not JSON"),
        (["--trigger", "[1]"], "must be an object"),
        (["--trigger", '{"type": "interval", "seconds": 0}'], "more than 0"),
        (["--cron", "@daily", "--count", "0"], "--count"),
        (["--cron", "@daily", "--count", "100000"], "--count"),
        (["--cron", "@daily", "--from", "never"], "never"),
        (["--cron", "@daily", "--from", "9999-12-31"], "out of range"),
        (["job", "--cron", "@daily"], "not both"),
    ],
    ids=str,
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError) as error:
        upcoming(*arguments)
    assert error.value.returncode == 2
    assert words in str(error.value)
    assert "\n" not in str(error.value)
