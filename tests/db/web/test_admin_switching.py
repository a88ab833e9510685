"""Several schedules, or spiders, enabled or disabled at once from their list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_apscheduler.models import DjangoJob

from crawler.models import Spider
from crawler.tasks import request_crawl
from scheduling.models import DefinitionVersion, ScheduledJob

from .answers import messages_of
from .making import make_job, make_spider, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
SCHEDULES, SPIDERS = "/admin/scheduling/scheduledjob/", "/admin/crawler/spider/"


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


def choose(web: Client, path: str, action: str, *rows: ScheduledJob | Spider) -> list[str]:
    """The messages of an action on these rows."""
    return messages_of(web.post(path, {"action": action, "_selected_action": [row.pk for row in rows]}))


def versions(kind: str) -> list[tuple[str, int, str | None]]:
    rows = DefinitionVersion.objects.filter(kind=kind).order_by("key", "number")
    return list(rows.values_list("key", "number", "user__username"))


def test_schedules_are_disabled_and_enabled_with_a_version_of_each_that_changes(web: Client) -> None:
    jobs = [make_job("a"), make_job("b"), make_job("c", enabled=False)]
    assert choose(web, SCHEDULES, "disable", *jobs) == ["Disabled: 2. Disabled already: 1."]
    assert versions("job") == [("a", 1, None), ("a", 2, "root"), ("b", 1, None), ("b", 2, "root"), ("c", 1, None)]
    assert not DjangoJob.objects.filter(next_run_time__isnull=False).exists()
    assert choose(web, SCHEDULES, "enable", jobs[0])[-1] == "Enabled: 1. Enabled already: 0."
    assert DjangoJob.objects.get(next_run_time__isnull=False).pk == "a"
    job = ScheduledJob.objects.get(job_id="a")
    assert (job.enabled, job.version, job.trigger) == (True, 3, jobs[0].trigger)


def test_a_schedule_that_cannot_be_saved_holds_up_no_other(web: Client) -> None:
    one_off = ScheduledJob.objects.get(job_id=request_crawl("all", run_at=timezone.now() + timedelta(days=1)).task_id)
    good, orphan = make_job("good"), make_job("orphan")
    ScheduledJob.objects.filter(pk=orphan.pk).update(handler="gone")
    told = choose(web, SCHEDULES, "disable", one_off, good, orphan)
    assert told[-1] == "Disabled: 1. Disabled already: 0."
    assert [message.partition(":")[0] for message in told[:-1]] == [one_off.job_id, "orphan"]
    assert "one-off" in told[0]
    assert ScheduledJob.objects.filter(enabled=False).get() == good


def test_spiders_are_disabled_and_enabled_with_a_version_of_each_that_changes(web: Client) -> None:
    spiders = [make_spider("a"), make_spider("b", enabled=False)]
    assert choose(web, SPIDERS, "disable", *spiders) == ["Disabled: 1. Disabled already: 1."]
    assert versions("spider") == [("a", 1, None), ("a", 2, "root"), ("b", 1, None)]
    assert Spider.objects.get(name="a").definition == {**spiders[0].definition, "enabled": False}
    assert choose(web, SPIDERS, "enable", *spiders)[-1] == "Enabled: 2. Enabled already: 0."
    a = Spider.objects.get(name="a")
    assert (a.enabled, a.definition) == (True, spiders[0].definition)


def test_a_spider_that_this_release_does_not_take_holds_up_no_other(web: Client) -> None:
    old, good = make_spider("a"), make_spider("b")
    Spider.objects.filter(pk=old.pk).update(definition={"name": "a", "start_urls": 5})
    told = choose(web, SPIDERS, "disable", old, good)
    assert (len(told), told[0][:3], told[-1]) == (2, "a: ", "Disabled: 1. Disabled already: 0.")


def test_who_may_not_change_them_is_not_offered_it(client: Client) -> None:
    job, spider = make_job(), make_spider()
    client.force_login(
        make_user("ada", "scheduling.view_scheduledjob", "scheduling.operate_scheduledjob", "crawler.view_spider")
    )
    for path, row in ((SCHEDULES, job), (SPIDERS, spider)):
        assert 'value="disable"' not in client.get(path).content.decode()
        choose(client, path, "disable", row)
        row.refresh_from_db()
        assert row.enabled, path
