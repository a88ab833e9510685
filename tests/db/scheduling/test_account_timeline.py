"""A job's time line, and when no scheduler was alive."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from scheduling import account, definitions
from scheduling.account import latest, reason_in_words
from scheduling.models import JobRun

from .test_account import MINUTE, SECOND, START, Clock, at, clock, end, make_job, make_scheduler, only_run, tick

__all__ = ["clock"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]


def test_past_is_told_newest_first_with_reasons_and_counts(clock: Clock) -> None:
    make_job()
    make_scheduler(until=at(12))
    tick(clock.go(minutes=10))
    run = end(only_run())
    clock.go(minutes=25)
    make_scheduler(since=clock.now)
    tick(clock.now)
    definitions.pause_job("job", by="ann", note="holiday")
    clock.go(minutes=10)
    definitions.resume_job("job")
    told = account.timeline("job", now=clock.now)
    paused, missed, ran = told.past
    assert (ran.run, ran.count, ran.first, ran.last) == (run, 1, at(10), at(10))
    assert (missed.count, missed.first, missed.last) == (2, at(20), at(30))
    assert "no scheduler was alive from 2026-03-02 20:12:03 to 2026-03-02 20:35" in missed.sentence
    assert paused.sentence.endswith("by ann. Note: “holiday”.")
    assert told.next_before_id is None


def test_future_is_the_rule_s_next_moments(clock: Clock) -> None:
    make_job()
    future = account.timeline("job", now=clock.now).future
    assert [planned.moment for planned in future[:3]] == [at(10), at(20), at(30)]
    assert {planned.note for planned in future} == {""}


def test_future_says_why_it_will_not_run(clock: Clock) -> None:
    make_job()
    definitions.pause_job("job", by="ann")
    future = account.timeline("job", now=clock.now).future
    assert future[0].moment == at(10)
    assert "by ann: these do not run until it is resumed" in future[0].note


def test_due_moment_comes_first_in_the_future(clock: Clock) -> None:
    make_job()
    clock.go(minutes=11)
    future = account.timeline("job", now=clock.now).future
    assert (future[0].moment, future[0].note != "", future[1].moment) == (at(10), True, at(20))


def test_removed_job_has_a_past_and_no_future(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=10))
    definitions.delete_job("job")
    told = account.timeline("job", now=clock.now)
    assert (len(told.past), told.future) == (1, [])


def test_pages_follow_each_other(clock: Clock) -> None:
    make_job(policies={"overlap": "wait", "misfire_grace_time": None})
    tick(clock.go(minutes=50))
    first = account.timeline("job", limit=2, now=clock.now)
    assert first.next_before_id is not None
    second = account.timeline("job", limit=10, before_id=first.next_before_id, now=clock.now)
    moments = [entry.first for entry in (*first.past, *second.past)]
    assert moments == [at(50), at(40), at(30), at(20), at(10)]
    assert (second.next_before_id, second.future) == (None, [])


def test_gap_says_how_many_of_its_moments_were_filled_in(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=45))
    [gap] = account.timeline("job", now=clock.now).past
    assert (gap.count, gap.filled) == (4, 0)

    definitions.backfill("job", [at(20), at(30)])

    *filled, gap = account.timeline("job", now=clock.now).past
    assert (gap.count, gap.filled, [entry.filled for entry in filled]) == (4, 2, [0, 0])


def test_queries_do_not_grow_with_the_rows(clock: Clock) -> None:
    make_job(policies={"misfire_grace_time": 300})
    counts = []
    for _round in range(2):
        for _number in range(5):
            tick(clock.go(minutes=25))
            definitions.pause_job("job", by="ann")
            clock.go(minutes=10)
            definitions.resume_job("job")
        with CaptureQueriesContext(connection) as queries:
            told = account.timeline("job", now=clock.now)
            shown = [(entry.sentence, str(entry.run.owner)) for entry in told.past]
            assert all(sentence for sentence, _owner in shown)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 11


def test_large_fields_are_not_fetched(clock: Clock) -> None:
    make_job()
    tick(clock.go(minutes=10))
    end(only_run(), error="x" * 1000, data={"items": 3})
    [entry] = account.timeline("job", now=clock.now).past
    assert entry.run.get_deferred_fields() == {"data", "error", "work"}


def test_words_are_in_the_language_of_the_reader(clock: Clock) -> None:
    """What is stored in the run's message has the language of who caused it; what is shown has not."""
    make_job()
    with translation.override("zh-hans"):
        tick(clock.go(minutes=11))
    assert reason_in_words(only_run()).startswith("It did not run: a scheduler came to it only at")


@pytest.mark.parametrize(("message", "words"), [("paused", "was paused"), ("Later than …", "later than the schedule")])
def test_rows_of_an_older_release_are_told_by_their_message(clock: Clock, message: str, words: str) -> None:
    make_job()
    tick(clock.go(minutes=11))
    JobRun.objects.update(reason="", data=None, message=message)
    assert words in reason_in_words(only_run())


def test_manual_run_names_who_asked(clock: Clock) -> None:
    make_job()
    run = definitions.run_now("job", by="ann")
    assert run.requested_by == "ann"
    assert reason_in_words(run).endswith("It was asked for by ann.")


class TestDowntimes:
    def test_are_the_gaps_between_lives(self, clock: Clock) -> None:
        make_scheduler(since=at(0), until=at(10))
        make_scheduler(since=at(8), until=at(20))
        make_scheduler(since=at(40), until=at(50))
        found = account.Schedulers(since=at(5), until=at(59), now=at(59)).downtimes
        assert found == [(at(20, 3), at(40)), (at(50, 3), at(59))]

    def test_are_all_of_it_without_any_scheduler(self, clock: Clock) -> None:
        assert account.Schedulers(since=at(5), until=at(10)).downtimes == [(at(5), at(10))]

    def test_one_that_is_alive_is_not_down_up_to_now(self, clock: Clock) -> None:
        make_scheduler(since=at(10))
        now = clock.now + 10 * SECOND
        since = START - MINUTE
        assert account.Schedulers(since=since, until=now + MINUTE, now=now).downtimes == [(since, now)]
        make_scheduler(since=START)
        assert account.Schedulers(since=START, until=now + MINUTE, now=now).downtimes == []

    def test_workers_and_commands_do_not_count(self, clock: Clock) -> None:
        make_scheduler(since=at(0), kind="command")
        assert account.Schedulers(since=at(0), until=at(10)).downtimes == [(at(0), at(10))]


class TestLast:
    def test_is_none_where_all_ran(self, clock: Clock) -> None:
        make_job()
        tick(clock.go(minutes=10))
        end(only_run())
        assert account.explain_last("job", now=clock.now) is None

    def test_is_the_newest_that_did_not_run(self, clock: Clock) -> None:
        make_job()
        tick(clock.go(minutes=25))
        told = account.explain_last("job", now=clock.now)
        assert told is not None
        assert (told.moment, told.verdict) == (at(20), "missed_down")

    def test_is_what_a_pause_swallows_now(self, clock: Clock) -> None:
        make_job()
        definitions.pause_job("job")
        clock.go(minutes=25)
        told = account.explain_last("job", now=clock.now)
        assert told is not None
        assert (told.moment, told.verdict) == (at(20), "paused")

    def test_is_what_is_due_and_not_looked_at(self, clock: Clock) -> None:
        make_job()
        clock.now = at(10) + timedelta(seconds=30)
        told = account.explain_last("job", now=clock.now)
        assert told is not None
        assert (told.moment, told.verdict) == (at(10), "due_no_scheduler")


def test_nothing_found_does_not_claim_what_was_not_looked_at(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    make_job(policies={"overlap": "wait", "misfire_grace_time": None})
    tick(clock.go(minutes=30))
    assert account.nothing_found("job") == "All that was planned and is on record ran."
    monkeypatch.setattr(latest, "MOST_ROWS", 2)
    assert account.nothing_found("job").startswith("All of the newest 2 runs on record ran")


def test_outage_begins_when_the_last_scheduler_ended_however_long_ago(clock: Clock) -> None:
    make_job(trigger={"type": "cron", "cron": "0 0 * * mon", "timezone": "UTC"})
    make_scheduler(until=at(12))
    make_scheduler(since=clock.go(days=8))
    tick(clock.now)
    (missed,) = account.timeline("job", now=clock.now).past
    assert "no scheduler was alive from 2026-03-02 20:12:03 to 2026-03-10" in missed.sentence
    assert missed.sentence == account.explain("job", missed.first, now=clock.now).sentence
