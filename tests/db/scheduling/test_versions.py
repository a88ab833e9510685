"""Versions of definitions: who, when, what; and back again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from scheduling import definitions
from scheduling.definitions.versions import KEPT, remove_versions, version, versions
from scheduling.exceptions import InvalidJob, VersionNotFound
from scheduling.models import DefinitionVersion, JobRun

pytestmark = pytest.mark.django_db


def make_values(name: str = "Probe", retries: int = 3) -> definitions.JobValues:
    document: dict[str, object] = {
        "job_id": "probe",
        "name": name,
        "handler": "maintenance",
        "job_data": {"action": "check"},
        "trigger": {"type": "interval", "hours": 1},
        "policies": {"max_retries": retries},
    }
    return definitions.parse_job(document)


def lines(number: int) -> list[str]:
    return [str(change) for change in version("job", "probe", number).changes]


def test_versions_are_told_the_newest_first_with_what_each_changed() -> None:
    ada = User.objects.create_user("ada")
    definitions.create_job(make_values("First"))
    definitions.save_job(make_values("Second", retries=5), user=ada, comment="More patience.")
    newest, first = versions("job", "probe")
    assert (newest.number, newest.user, newest.comment, newest.before) == (2, "ada", "More patience.", 1)
    assert [str(change) for change in newest.changes] == ['name: "First" → "Second"', "policies.max_retries: 3 → 5"]
    assert (first.number, first.user, first.before, first.changes) == (1, "", None, ())
    assert first.at <= newest.at


def test_a_page_of_versions_costs_the_same_for_many(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    definitions.create_job(make_values(retries=0))
    for retries in range(1, 12):
        definitions.save_job(make_values(retries=retries), user=User.objects.create_user(f"user-{retries}"))
    with django_assert_max_num_queries(2):
        page = versions("job", "probe")[4:8]
    assert [(one.number, one.user, str(one.changes[0])) for one in page] == [
        (number, f"user-{number - 1}", f"policies.max_retries: {number - 2} → {number - 1}") for number in (8, 7, 6, 5)
    ]
    assert versions("job", "probe")[-1].number == 1
    assert versions("job", "probe")[12:] == []
    with pytest.raises(IndexError):
        versions("job", "probe")[12]


def test_a_version_is_compared_with_the_one_before_that_is_kept() -> None:
    definitions.create_job(make_values("First"))
    definitions.save_job(make_values("Second"))
    definitions.save_job(make_values("Third"))
    assert lines(3) == ['name: "Second" → "Third"']
    DefinitionVersion.objects.get(key="probe", number=2).delete()
    assert lines(3) == ['name: "First" → "Third"']


def test_versions_of_another_kind_and_key_are_others() -> None:
    definitions.create_job(make_values())
    assert list(versions("spider", "probe")) == list(versions("job", "nobody")) == []
    for kind, key, number in (("job", "probe", 2), ("job", "nobody", 1), ("spider", "probe", 1)):
        with pytest.raises(VersionNotFound, match=f"no version {number} of the {kind} “{key}”"):
            version(kind, key, number)


def test_a_removed_job_comes_back_as_it_last_was() -> None:
    definitions.create_job(make_values("First"))
    definitions.save_job(make_values("Second", retries=9))
    definitions.delete_job("probe", user=User.objects.create_user("ada"))
    removed = versions("job", "probe")[0]
    assert (removed.number, removed.removed_by, removed.removed_at is None) == (2, "ada", False)
    job = definitions.restore_version("probe", 2)
    assert (job.name, job.max_retries) == ("Second", 9)
    newest = versions("job", "probe")[0]
    assert (newest.number, newest.changes) == (job.version, ()) == (3, ())
    assert (newest.comment, newest.removed_at) == ("Version 2 restored.", None)


def test_a_version_whose_handler_is_gone_is_refused_and_says_so() -> None:
    definitions.create_job(make_values())
    DefinitionVersion.objects.update(document=definitions.dump_values(make_values()) | {"handler": "gone"})
    with pytest.raises(InvalidJob, match="handler: There is no handler “gone”"):
        definitions.restore_version("probe", 1)


# --- retention --------------------------------------------------------------------------------------------------------
NOW = timezone.now()


def make_versions(count: int, key: str = "probe", kind: str = "job") -> None:
    """One a day, the last of them today."""
    DefinitionVersion.objects.bulk_create(
        DefinitionVersion(kind=kind, key=key, number=number, document={"n": number}, at=days_ago(count - number))
        for number in range(1, count + 1)
    )


def make_run(number: int, queued_at: datetime, key: str = "probe") -> None:
    moment = {"scheduled_time": queued_at, "available_at": queued_at, "queued_at": queued_at, "finished_at": NOW}
    JobRun.objects.create(
        job_key=key, job_name=key, cause="schedule", state="succeeded", definition_version=number, **moment
    )


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def numbers(key: str = "probe", kind: str = "job") -> list[int]:
    return [one.number for one in reversed(list(versions(kind, key)))]


def test_the_newest_versions_stay_whatever_their_age() -> None:
    make_versions(KEPT)
    make_versions(KEPT + 3, "crowded")
    assert remove_versions(NOW + timedelta(days=1), limit=500) == 3
    assert numbers() == list(range(1, KEPT + 1))
    assert numbers("crowded") == list(range(4, KEPT + 4))


def test_a_version_that_was_in_force_since_then_stays() -> None:
    make_versions(KEPT + 50)
    # Number 20 was saved 130 days ago, number 21 a day later.
    assert remove_versions(days_ago(129.5), limit=500) == 19
    assert numbers()[0] == 20
    assert remove_versions(days_ago(400), limit=500) == 0


def test_a_version_that_a_run_names_stays() -> None:
    make_versions(KEPT + 20)
    make_run(5, days_ago(115))
    make_run(KEPT + 10, days_ago(10))
    make_run(7, days_ago(1), key="other")
    assert remove_versions(days_ago(90), limit=500) == 19
    assert numbers() == [5, *range(21, KEPT + 21)]


def test_versions_go_in_batches_and_those_of_spiders_stay() -> None:
    for key in ("a", "b"):
        make_versions(KEPT + 3, key)
    make_versions(KEPT + 3, kind="spider")
    assert [remove_versions(NOW, limit=4) for _batch in range(3)] == [4, 2, 0]
    assert numbers("a") == numbers("b") == list(range(4, KEPT + 4))
    assert len(numbers(kind="spider")) == KEPT + 3
