"""Versions of definitions: who, when, what; and back again."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries

from scheduling import definitions
from scheduling.definitions.versions import version, versions
from scheduling.exceptions import InvalidJob, VersionNotFound
from scheduling.models import DefinitionVersion

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
        with pytest.raises(VersionNotFound, match=f"no version {number} of the {kind} '{key}'"):
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
    with pytest.raises(InvalidJob, match="handler: There is no handler 'gone'"):
        definitions.restore_version("probe", 1)
