"""How late the scheduler is, by its ticks and by the database."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from scheduling import definitions
from scheduling.lateness import TickLateness, overdue_seconds
from scheduling.models import ScheduledJob

from .ticking import NOON, make_job, make_one_off, make_timer, plan

SECOND = timedelta(seconds=1)


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def known_for_long() -> None:
    ScheduledJob.objects.update(updated_at=ago(86_400))


class TestOfTicks:
    def test_the_most_overdue_moment_of_any_tick_counts_until_it_is_taken(self) -> None:
        lateness = TickLateness()
        lateness.clear(NOON)
        lateness.committed(NOON + SECOND, NOON + 4 * SECOND, all_done=False)
        lateness.committed(NOON + 2 * SECOND, NOON + 4 * SECOND, all_done=True)

        assert lateness.ticked_at == NOON + 4 * SECOND
        assert lateness.take_worst() == 3.0
        assert lateness.take_worst() == 0.0

    def test_a_past_moment_that_is_saved_now_makes_no_tick_late(self) -> None:
        lateness = TickLateness()
        lateness.clear(NOON)
        lateness.committed(NOON - timedelta(days=300), NOON + SECOND, all_done=True)

        assert lateness.take_worst() == 1.0

    def test_a_held_row_stays_late_though_others_are_done(self) -> None:
        lateness = TickLateness()
        lateness.clear(NOON)
        lateness.committed(NOON + 5 * SECOND, NOON + 5 * SECOND, all_done=False)
        lateness.committed(NOON + SECOND, NOON + 9 * SECOND, all_done=True)

        assert lateness.take_worst() == 8.0

    @pytest.mark.django_db
    @pytest.mark.usefixtures("handlers")
    def test_a_tick_notes_the_most_overdue_of_its_jobs(self) -> None:
        make_job("a", due=timezone.now() + timedelta(milliseconds=1))
        make_job("b", due=timezone.now() + 20 * SECOND)
        timer, _rung = make_timer()
        timer.lateness.clear(ago(0))

        report = timer.tick(timezone.now() + 30 * SECOND)

        assert report.jobs == 2
        assert report.most_overdue is not None
        assert report.most_overdue < timezone.now()
        assert 0 < timer.lateness.take_worst() < 10


@pytest.mark.django_db
@pytest.mark.usefixtures("handlers")
class TestByTheDatabase:
    def test_the_most_overdue_job_counts(self) -> None:
        make_job("a", due=ago(20))
        make_job("b", due=ago(70))
        make_job("c", due=timezone.now() + timedelta(hours=1))
        make_job("d", due=None)
        known_for_long()

        assert overdue_seconds() == pytest.approx(70, abs=10)

    def test_nothing_is_late_where_nothing_is_due(self) -> None:
        make_job(due=timezone.now() + timedelta(hours=1))

        assert overdue_seconds() == 0.0

    def test_nothing_is_late_while_all_is_paused(self) -> None:
        make_job(due=ago(70))
        known_for_long()
        definitions.pause_all(by="ada")

        assert overdue_seconds() == 0.0

    def test_a_past_moment_counts_from_when_it_was_saved(self) -> None:
        make_one_off(due=NOON)
        make_job(due=ago(30))
        ScheduledJob.objects.filter(job_id="job").update(updated_at=ago(86_400))

        assert overdue_seconds() == pytest.approx(30, abs=10)

    def test_a_row_without_a_definition_counts_too(self) -> None:
        make_job(due=None)
        plan("job", ago(40))
        ScheduledJob.objects.all().delete()

        assert overdue_seconds() == pytest.approx(40, abs=10)
