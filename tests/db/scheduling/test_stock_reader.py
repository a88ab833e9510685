"""A stock `DjangoJobStore` reads every row that we write."""

from __future__ import annotations

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from django.utils import timezone
from django_apscheduler.jobstores import DjangoJobStore
from django_apscheduler.models import DjangoJob

from scheduling import definitions

pytestmark = pytest.mark.django_db(transaction=True)

TRIGGERS: dict[str, dict[str, object]] = {
    "cron": {"type": "cron", "cron": "30 2 * * 5L", "timezone": "Europe/Berlin", "start": "2026-01-01"},
    "fields": {"type": "cron", "hour": 2, "day_of_week": "mon-fri"},
    "interval": {"type": "interval", "minutes": 5},
    "date": {"type": "date", "run_date": "2030-03-31T02:30:00", "timezone": "Europe/Berlin"},
}


@pytest.fixture
def store() -> DjangoJobStore:
    """As a stock scheduler holds it; the scheduler's thread is not started."""
    store = DjangoJobStore()
    store.start(BackgroundScheduler(), "default")
    return store


def test_stock_store_reads_every_row_and_deletes_none(store: DjangoJobStore) -> None:
    for job_id, trigger in TRIGGERS.items():
        document = {"job_id": job_id, "handler": "report", "job_data": {"period": "day"}, "trigger": trigger}
        definitions.create_job(definitions.parse_job(document))
    definitions.create_one_off(job_id="once", handler="report", job_data={"period": "day"})
    definitions.pause_job("fields")
    written = dict(DjangoJob.objects.values_list("id", "next_run_time"))
    jobs = {job.id: job for job in store.get_all_jobs()}
    assert set(jobs) == {*TRIGGERS, "once"} == set(DjangoJob.objects.values_list("id", flat=True))
    now = timezone.now()
    for job_id, job in jobs.items():
        assert job.func_ref == "scheduling.jobstore:stored_firing"
        assert job.args == (job_id,)
        if job_id not in ("once", "fields"):
            # Stock triggers are asked exactly so.
            assert job.trigger.get_next_fire_time(None, now) == written[job_id]
            assert job.next_run_time == written[job_id]


def test_saved_edit_is_what_a_stock_store_reads(store: DjangoJobStore) -> None:
    document = {"job_id": "j", "handler": "report", "job_data": {"period": "day"}, "trigger": TRIGGERS["interval"]}
    definitions.create_job(definitions.parse_job(document))
    definitions.save_job(definitions.parse_job({**document, "name": "New", "policies": {"coalesce": True}}))
    job = store.lookup_job("j")
    assert (job.name, job.coalesce) == ("New", True)
