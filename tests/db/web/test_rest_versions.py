"""`…/versions` of schedules and spiders: who changed what, and back again."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from crawler import definitions as spiders
from crawler.models import Spider
from scheduling import definitions as jobs
from scheduling.models import DefinitionVersion, ScheduledJob

from .making import job_document, make_job, make_spider, make_user, spider_document
from .problems import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
JOB = "/api/schedule/jobs/nightly"
SPIDER = "/api/crawl/spiders/books"


def change_job(**changes: object) -> None:
    jobs.save_job(jobs.parse_job(job_document(**changes)))


def client_of(*permissions: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user("viewer", *permissions))
    return client


# --- schedules --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", [f"{JOB}/versions", f"{JOB}/versions/"])
def test_versions_tell_who_changed_what_the_newest_first(api: APIClient, root: User, path: str) -> None:
    make_job()
    api.patch(JOB, {"policies": {"max_retries": 9}})
    body = api.get(path).json()
    assert body["count"] == 2
    newest, first = body["results"]
    assert (newest["number"], newest["user"], newest["before"]) == (2, root.get_username(), 1)
    assert newest["changes"] == [{"place": "policies.max_retries", "before": 3, "after": 9}]
    assert (first["number"], first["user"], first["before"], first["changes"]) == (1, "", None, [])
    assert first["at"].endswith("Z")
    assert "document" not in first


def test_a_version_is_told_with_its_document(api: APIClient) -> None:
    make_job()
    change_job(name="Otherwise")
    body = api.get(f"{JOB}/versions/1").json()
    assert (body["number"], body["document"]["name"]) == (1, "Every night")
    assert api.get(f"{JOB}/versions/2/").json()["changes"][0]["after"] == "Otherwise"


def test_versions_are_paged_at_a_constant_cost(
    api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_job()
    for retries in range(10, 20):
        change_job(policies={"max_retries": retries})
    with django_assert_max_num_queries(3):
        body = api.get(f"{JOB}/versions?page=2&page_size=4").json()
    assert body["count"] == 11
    assert [(one["number"], one["before"]) for one in body["results"]] == [(7, 6), (6, 5), (5, 4), (4, 3)]


def test_a_schedule_is_restored_as_a_new_version(api: APIClient) -> None:
    make_job()
    change_job(name="Otherwise")
    answer = api.post(f"{JOB}/versions/1/restore")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["name"], answer.json()["version"]) == ("Every night", 3)
    newest = api.get(f"{JOB}/versions").json()["results"][0]
    assert (newest["user"], newest["comment"]) == ("root", "Version 1 restored.")


def test_a_deleted_schedule_comes_back(api: APIClient) -> None:
    make_job()
    assert api.delete(JOB).status_code == 204
    assert api.get(f"{JOB}/versions").json()["count"] == 1
    assert api.post(f"{JOB}/versions/1/restore/").status_code == 200
    assert api.get(JOB).json()["name"] == "Every night"


def test_a_schedule_whose_spider_is_gone_says_so_when_it_is_restored(api: APIClient) -> None:
    make_spider()
    make_job(handler="crawl", job_data={"type": "spider", "target": "books"})
    api.delete(JOB)
    api.delete(SPIDER)
    answer = api.post(f"{JOB}/versions/1/restore")
    assert_problem(answer, 409, field="job_data.target", says="books")
    assert "cannot be restored" in answer.json()["detail"]
    assert not ScheduledJob.objects.exists()


def test_a_one_off_of_the_id_is_in_the_way_of_a_restore(api: APIClient) -> None:
    make_job()
    api.delete(JOB)
    jobs.create_one_off(job_id="nightly", handler="maintenance", job_data={"action": "check"})
    assert_problem(api.post(f"{JOB}/versions/1/restore"), 409, says="one-off")


def test_a_one_off_has_no_versions(api: APIClient) -> None:
    jobs.create_one_off(job_id="once", handler="maintenance", job_data={"action": "check"})
    assert api.get("/api/schedule/jobs/once/versions").json()["results"] == []


# --- spiders ----------------------------------------------------------------------------------------------------------
def test_a_spider_tells_its_versions_and_goes_back(api: APIClient) -> None:
    make_spider()
    api.patch(SPIDER, {"start_urls": ["https://other.example/"]})
    newest, first = api.get(f"{SPIDER}/versions").json()["results"]
    assert newest["changes"] == [
        {"place": "start_urls", "before": ["https://shop.example/"], "after": ["https://other.example/"]}
    ]
    assert (newest["user"], first["before"]) == ("root", None)
    assert api.get(f"{SPIDER}/versions/1").json()["document"]["start_urls"] == ["https://shop.example/"]
    answer = api.post(f"{SPIDER}/versions/1/restore")
    assert (answer.status_code, answer.json()["version"]) == (200, 3)
    assert answer.json()["start_urls"] == ["https://shop.example/"]


def test_a_deleted_spider_comes_back(api: APIClient) -> None:
    make_spider()
    assert api.delete(SPIDER).status_code == 204
    removed = api.get(f"{SPIDER}/versions/").json()["results"][0]
    assert (removed["number"], removed["removed_by"], removed["removed_at"][-1]) == (1, "root", "Z")
    assert api.post(f"{SPIDER}/versions/1/restore").json()["version"] == 2
    assert Spider.objects.get().name == "books"


def test_a_spider_that_this_release_does_not_take_says_so_when_it_is_restored(api: APIClient) -> None:
    make_spider()
    DefinitionVersion.objects.update(document=spider_document(start_urls=["gopher://shop.example/"]))
    assert_problem(api.post(f"{SPIDER}/versions/1/restore"), 409, field="start_urls[0]", says="gopher")
    assert Spider.objects.get().definition["start_urls"] == ["https://shop.example/"]


# --- both -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("base", [JOB, SPIDER])
def test_what_is_not_there_is_not_found(api: APIClient, base: str) -> None:
    for make in (None, make_job, make_spider):
        if make is not None:
            make()
        assert_problem(api.get(f"{base}/versions/2"), 404)
        assert_problem(api.post(f"{base}/versions/2/restore"), 404)
    assert_problem(api.get(f"{base}x/versions"), 404, says=base.rpartition("/")[2])
    assert_problem(api.get(f"{base}/versions/x"), 404)
    assert_problem(api.get(f"{base}/versions/{'9' * 30}"), 404)


@pytest.mark.parametrize("base", [JOB, SPIDER])
def test_what_is_not_offered_is_refused_by_name(api: APIClient, base: str) -> None:
    make_job()
    make_spider()
    assert_problem(api.get(f"{base}/versions?pages=2"), 400, field="pages", says="page")
    assert_problem(api.get(f"{base}/versions?page_size=501"), 400, field="page_size")
    assert_problem(api.get(f"{base}/versions/1?full=1"), 400, field="full")
    assert_problem(api.post(f"{base}/versions/1/restore", {"comment": "x"}), 400, field="comment")
    assert_problem(api.put(f"{base}/versions/1", {}), 405)


@pytest.mark.parametrize(("base", "model"), [(JOB, "scheduling.{}_scheduledjob"), (SPIDER, "crawler.{}_spider")])
def test_a_viewer_reads_versions_and_restores_none(base: str, model: str) -> None:
    make_job()
    make_spider()
    viewer = client_of(model.format("view"))
    assert viewer.get(f"{base}/versions").status_code == viewer.get(f"{base}/versions/1").status_code == 200
    assert_problem(viewer.post(f"{base}/versions/1/restore"), 403)
    for path in ("versions", "versions/1", "versions/1/restore"):
        assert_problem(APIClient().get(f"{base}/{path}"), 401)


@pytest.mark.parametrize(("base", "model"), [(JOB, "scheduling.{}_scheduledjob"), (SPIDER, "crawler.{}_spider")])
def test_bringing_back_what_is_deleted_asks_for_the_right_to_add_too(base: str, model: str) -> None:
    make_job()
    make_spider()
    jobs.delete_job("nightly")
    spiders.delete_spider("books")
    editor = client_of(model.format("change"))
    assert_problem(editor.post(f"{base}/versions/1/restore"), 403)
    editor.force_authenticate(make_user("maker", model.format("change"), model.format("add")))
    assert editor.post(f"{base}/versions/1/restore").status_code == 200
