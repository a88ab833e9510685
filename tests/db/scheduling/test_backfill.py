"""Filling in moments of the past: what is offered, what is refused, and that it is one code path with the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from scheduling import claims, definitions
from scheduling.definitions import backfilling
from scheduling.exceptions import JobNotFound, RunConflict
from scheduling.models import JobRun

from .test_account import MINUTE, START, Clock, at, clock, end, make_job, make_scheduler, only_run, tick

__all__ = ["clock"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]


def make_past(clock: Clock) -> None:
    """:10 ran, :20 was skipped, :30 and :40 were missed, :50 is in a pause that goes on; it is :55."""
    make_job()
    make_scheduler()
    tick(clock.go(minutes=10))
    first = only_run()
    tick(clock.go(minutes=10))
    end(first)
    clock.go(minutes=21)
    tick(clock.now)
    definitions.pause_job("job")
    clock.go(minutes=14)


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("backfill", *arguments, stdout=out)
    return out.getvalue()


def test_offers_say_what_stands_at_each_moment(clock: Clock) -> None:
    make_past(clock)
    offers = definitions.backfill_offers("job", START - 60 * MINUTE, clock.now + 60 * MINUTE)
    told = [(offer.moment, offer.state, offer.suggested) for offer in offers]
    before = [(START.replace(microsecond=0) - minutes * MINUTE, "none", False) for minutes in range(50, -10, -10)]
    assert told == [
        *[(moment, state, suggested) for moment, state, suggested in before if moment <= START],
        (at(10), "succeeded", False),
        (at(20), "skipped", True),
        (at(30), "missed", True),
        (at(40), "missed", True),
        (at(50), "none", True),
    ]
    assert all(offer.sentence for offer in offers)
    assert offers[-1].sentence.startswith("Paused since")


@pytest.mark.parametrize(
    ("hold", "says"),
    [
        (lambda: definitions.pause_all(by="ann"), "The whole scheduler is paused since"),
        (lambda: make_job(enabled=False), "Disabled"),
        (lambda: definitions.pause_job("job", by="ann"), "Paused since"),
    ],
)
def test_offers_tell_what_holds_them_up_now(clock: Clock, hold: Callable[[], object], says: str) -> None:
    """What is held has no row until it goes on."""
    make_job()
    hold()
    clock.go(minutes=11)
    [offer] = definitions.backfill_offers("job", at(1), clock.now)
    assert offer.sentence.startswith(says)


def test_coalesced_and_filled_moments_are_not_suggested(clock: Clock) -> None:
    make_job(policies={"coalesce": True, "misfire_grace_time": 1500})
    tick(clock.go(minutes=40))
    definitions.backfill("job", [at(10)])
    offers = definitions.backfill_offers("job", at(1), at(59))
    assert [(offer.state, offer.suggested) for offer in offers] == [
        ("already", False),
        ("coalesced", False),
        ("coalesced", False),
        ("queued", False),
    ]


def test_offers_tell_who_paused_and_when_no_scheduler_was_alive(clock: Clock) -> None:
    make_job()
    make_scheduler(until=at(5))
    clock.go(minutes=11)
    make_scheduler(since=clock.now)
    tick(clock.now)
    definitions.pause_job("job", by="ann")
    clock.go(minutes=14)
    definitions.resume_job("job")
    down, paused = definitions.backfill_offers("job", at(1), clock.now)
    assert "no scheduler was alive from 2026-03-02 20:05:03" in down.sentence
    assert paused.sentence.endswith("by ann.")


def test_due_moment_is_not_suggested(clock: Clock) -> None:
    """The next tick will look at it."""
    make_job()
    clock.go(minutes=11)
    [offer] = definitions.backfill_offers("job", at(5), at(15))
    assert (offer.state, offer.suggested) == ("none", False)


def test_offers_are_the_newest_up_to_the_limit(clock: Clock) -> None:
    make_job()
    tick(clock.go(hours=3))
    offers = definitions.backfill_offers("job", START, clock.now, limit=4)
    assert [offer.moment for offer in offers] == [at(30) + 2 * 60 * MINUTE + n * 10 * MINUTE for n in range(4)]


def test_moments_of_the_rule_of_that_time_are_offered_after_an_edit(clock: Clock) -> None:
    make_job(trigger={"type": "interval", "minutes": 7})
    tick(clock.go(minutes=16))
    make_job(trigger={"type": "interval", "minutes": 30})
    offers = definitions.backfill_offers("job", START, clock.now)
    assert [offer.moment for offer in offers] == [START + 7 * MINUTE, START + 14 * MINUTE]


@pytest.mark.parametrize(
    ("which", "moments"),
    [("none", []), ("latest", [50]), ("all", [20, 30, 40, 50]), ("selected", [10, 30])],
)
def test_range_is_filled_in_as_it_was_chosen(clock: Clock, which: str, moments: list[int]) -> None:
    make_past(clock)
    selected = [at(10), at(30)]
    runs = definitions.backfill_range("job", at(5), clock.now, which, moments=selected, by="ann")
    assert [run.scheduled_time for run in runs] == [at(minute) for minute in moments]
    assert {(run.cause, run.state, run.requested_by) for run in runs} <= {("backfill", "queued", "ann")}
    assert definitions.backfill_range("job", at(5), clock.now, which, moments=selected) == [] or which == "latest"


def test_range_that_cannot_be_looked_through_is_refused(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What did not run lies before the moments that are looked at: that is not “nothing to fill in”."""
    make_job()
    tick(clock.go(minutes=20))
    for _run in range(4):
        tick(clock.go(minutes=10))
        JobRun.objects.filter(state="queued").update(state="succeeded", finished_at=clock.now)
    monkeypatch.setattr(backfilling, "MOST_LOOKED_AT", 3)
    for which in ("all", "latest"):
        with pytest.raises(RunConflict, match="more than 3 moments"):
            definitions.backfill_range("job", START, clock.now, which)
    runs = definitions.backfill_range("job", START, at(20), "all")
    assert [run.scheduled_time for run in runs] == [at(10)]


def test_range_may_begin_long_before_the_schedule(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    make_job()
    tick(clock.go(minutes=20))
    monkeypatch.setattr(backfilling, "MOST_LOOKED_AT", 3)
    runs = definitions.backfill_range("job", START - 100 * MINUTE, clock.now, "all")
    assert [run.scheduled_time for run in runs] == [at(10)]


def test_filled_in_runs_are_claimed_like_all_others(clock: Clock) -> None:
    make_past(clock)
    runs = definitions.backfill("job", [at(20), at(30)])
    scheduler = make_scheduler(since=clock.now)
    [claimed] = claims.claim(scheduler, clock.now, 10)
    assert (claimed.run_id, claimed.cause, claimed.scheduled_time) == (runs[0].pk, "backfill", at(20))


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (at(0) + timedelta(days=1), "2026-03-03 20:00 lies in the future"),
        (at(13), "2026-03-02 20:13 is no moment of this schedule"),
    ],
    ids=["future", "no moment"],
)
def test_what_is_no_moment_of_the_past_is_refused_by_name(clock: Clock, moment: object, words: str) -> None:
    make_past(clock)
    with pytest.raises(RunConflict, match=words):
        definitions.backfill("job", [at(20), moment])  # type: ignore[list-item]
    assert not JobRun.objects.filter(cause="backfill").exists()


def test_present_rule_may_be_filled_in_from_before_the_job_existed(clock: Clock) -> None:
    make_job()
    [run] = definitions.backfill("job", [at(0) - 7 * 24 * 60 * MINUTE])
    assert run.scheduled_time == at(0) - timedelta(days=7)


def test_more_than_a_thousand_are_refused(clock: Clock) -> None:
    make_job(trigger={"type": "interval", "seconds": 1})
    definitions.pause_job("job")
    clock.go(seconds=1001.2)
    with pytest.raises(RunConflict, match="1001 moments are too many"):
        definitions.backfill_range("job", START, clock.now, "all")
    assert len(definitions.backfill_range("job", START + 2 * MINUTE / 60, clock.now, "all")) == 1000


def test_unknown_choice_and_job_are_refused(clock: Clock) -> None:
    make_job()
    with pytest.raises(ValueError, match="some"):
        definitions.backfill_range("job", START, clock.now, "some")
    with pytest.raises(JobNotFound):
        definitions.backfill_offers("nobody", START, clock.now)


class TestCommand:
    def test_shows_what_could_be_filled_in(self, clock: Clock) -> None:
        make_past(clock)
        told = command("job", "--from", "2026-03-02T12:05Z")
        assert "2026-03-02 20:20  skipped" in told
        assert "Nothing was queued." in told
        assert not JobRun.objects.filter(cause="backfill").exists()

    def test_queues_what_was_chosen(self, clock: Clock) -> None:
        make_past(clock)
        told = json.loads(command("job", "--from", "2026-03-02T20:05", "--which", "all", "--json"))
        assert [queued["moment"] for queued in told["queued"]] == [f"2026-03-02T12:{n}:00Z" for n in (20, 30, 40, 50)]
        assert set(JobRun.objects.filter(cause="backfill").values_list("requested_by")) == {("manage.py backfill",)}

    def test_dry_run_queues_nothing(self, clock: Clock) -> None:
        make_past(clock)
        told = command("job", "--which", "latest", "--dry-run")
        assert "2026-03-02 20:50" in told
        assert "2026-03-02 20:20" not in told
        assert not JobRun.objects.filter(cause="backfill").exists()

    def test_moment_in_whole_seconds_is_that_of_the_schedule(self, clock: Clock) -> None:
        make_job(trigger={"type": "interval", "minutes": 7})
        tick(clock.go(minutes=16))
        assert "1 run was queued." in command("job", "--moment", "2026-03-02T20:07:00")
        assert JobRun.objects.get(cause="backfill").scheduled_time == START + 7 * MINUTE

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["jop"], "There is no job “jop”; the nearest is “job”."),
            (["job", "--from", "yesterday"], "--from: “yesterday” is not a date and time"),
            (["job", "--from", "2026-03-03", "--until", "2026-03-01"], "--from lies after --until."),
            (["job", "--moment", "2026-03-02T20:13"], "2026-03-02 20:13 is no moment of this schedule."),
            (["job", "--moment", "2026-03-02T20:10", "--which", "all"], "Give either moments"),
        ],
    )
    def test_wrong_usage_is_one_sentence_and_code_2(self, clock: Clock, arguments: list[str], words: str) -> None:
        make_past(clock)
        with pytest.raises(CommandError, match=words.replace("(", r"\(")) as error:
            command(*arguments)
        assert error.value.returncode == 2


class TestWhyCommand:
    def why(self, *arguments: str) -> str:
        out = StringIO()
        call_command("why", *arguments, stdout=out)
        return out.getvalue()

    def test_answers_for_a_moment_with_its_remedy(self, clock: Clock) -> None:
        make_past(clock)
        first, second = self.why("job", "2026-03-02T20:20").splitlines()
        assert first.startswith("job, 2026-03-02 20:20: It was skipped: run #")
        assert second == "→ Raise “Runs at the same time”, or set “If a run is still going” to “wait”."

    def test_what_a_run_was_told_by_others_spoils_no_terminal(self, clock: Clock) -> None:
        make_past(clock)
        run = JobRun.objects.filter(state=JobRun.State.SUCCEEDED, scheduled_time__isnull=False).latest("pk")
        JobRun.objects.filter(pk=run.pk).update(state="failed", message="No page: \x1b[2J\u202egpj.exe")
        assert run.scheduled_time is not None
        text = self.why("job", run.scheduled_time.isoformat())
        assert r"\x1b[2J\u202egpj.exe" in text
        assert all(line.isprintable() for line in text.splitlines())

    def test_answers_for_the_last_without_a_moment(self, clock: Clock) -> None:
        make_past(clock)
        assert json.loads(self.why("job", "--json"))["verdict"] == "paused"

    def test_says_that_all_ran(self, clock: Clock) -> None:
        make_job()
        assert self.why("job") == "All that was planned and is on record ran.\n"
        assert json.loads(self.why("job", "--json"))["verdict"] is None

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["jop"], "There is no job “jop”; the nearest is “job”."),
            (["job", "noon"], "MOMENT: “noon” is not a date and time"),
        ],
    )
    def test_wrong_usage_is_one_sentence_and_code_2(self, clock: Clock, arguments: list[str], words: str) -> None:
        make_job()
        with pytest.raises(CommandError, match=words) as error:
            self.why(*arguments)
        assert error.value.returncode == 2
