"""`/api/crawl/spiders`."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from crawler import secrets
from crawler.models import Spider
from crawler.workshop.samples import Samples
from scheduling.models import DefinitionVersion

from .making import make_job, make_spider, spider_document
from .problems import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
PATH = "/api/crawl/spiders"


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_a_spider_is_created_by_its_document(api: APIClient, path: str) -> None:
    answer = api.post(path, spider_document())
    assert answer.status_code == 201, answer.content
    assert (answer.json()["name"], answer.json()["version"]) == ("books", 1)
    assert Spider.objects.get().category == "shops"


def test_a_spider_answers_with_the_document_it_was_given(api: APIClient) -> None:
    make_spider()
    body = api.get(f"{PATH}/books").json()
    assert {key: body[key] for key in spider_document()} == spider_document()


def test_a_second_spider_of_a_name_is_a_conflict(api: APIClient) -> None:
    make_spider()
    assert_problem(api.post(PATH, spider_document(category="other")), 409, says="books")
    assert Spider.objects.get().category == "shops"


@pytest.mark.parametrize(
    ("document", "field", "says"),
    [
        (spider_document(start_url=["https://x.example/"]), "start_url", "start_urls"),
        (spider_document(name="no good"), "name", ""),
        (spider_document(name=7), "name", ""),
        (spider_document(start_urls="https://x.example/"), "start_urls", ""),
        (spider_document(start_urls=["ftp://x.example/"]), "start_urls[0]", "ftp"),
        (spider_document(follow=[{"css": "a["}]), "follow[0].css", ""),
        (
            spider_document(items=[{"type": "a", "fields": {"x": {"css": "a", "typ": "text"}}}]),
            "items[0].fields.x.typ",
            "type",
        ),
        ({}, "name", ""),
    ],
)
def test_a_bad_document_is_refused_by_the_place(
    api: APIClient, document: dict[str, object], field: str, says: str
) -> None:
    assert_problem(api.post(PATH, document), 400, field=field, says=says)
    assert not Spider.objects.exists()


def test_put_replaces_and_patch_changes(api: APIClient) -> None:
    make_spider(manners={"delay": 1})
    answer = api.patch(f"{PATH}/books/", {"category": "best"})
    assert (answer.status_code, answer.json()["category"], answer.json()["version"]) == (200, "best", 2)
    assert answer.json()["manners"]["delay"] == 1
    answer = api.put(f"{PATH}/books", spider_document())
    assert (answer.json()["category"], answer.json()["version"]) == ("shops", 3)
    assert "delay" not in answer.json().get("manners", {})
    assert DefinitionVersion.objects.filter(kind="spider", key="books").count() == 3


def test_a_spider_keeps_its_name(api: APIClient) -> None:
    make_spider()
    assert_problem(api.put(f"{PATH}/books", spider_document(name="other")), 400, field="name")
    assert_problem(api.patch(f"{PATH}/books", {"name": "other"}), 400, field="name")


def test_a_spider_that_a_schedule_crawls_is_not_deleted(api: APIClient) -> None:
    make_spider()
    make_job(handler="crawl", job_data={"type": "spider", "target": "books"})
    assert_problem(api.delete(f"{PATH}/books"), 409, says="nightly")
    assert Spider.objects.exists()


def test_a_spider_is_deleted(api: APIClient) -> None:
    make_spider()
    assert api.delete(f"{PATH}/books/").status_code == 204
    assert not Spider.objects.exists()


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_an_unknown_spider_is_not_found(api: APIClient, method: str) -> None:
    assert_problem(getattr(api, method)(f"{PATH}/nobody"), 404)


def test_spiders_are_listed_and_filtered(api: APIClient) -> None:
    make_spider("a")
    make_spider("b", category="music", enabled=False)
    assert [spider["name"] for spider in api.get(PATH).json()["results"]] == ["a", "b"]
    assert [spider["name"] for spider in api.get(f"{PATH}?category=music").json()["results"]] == ["b"]
    assert [spider["name"] for spider in api.get(f"{PATH}?enabled=true").json()["results"]] == ["a"]
    assert_problem(api.get(f"{PATH}?enabled=yes"), 400, field="enabled")


def test_a_list_of_spiders_costs_the_same_for_many(
    api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(15):
        make_spider(f"spider-{number}")
    with django_assert_max_num_queries(2):
        assert len(api.get(PATH).json()["results"]) == 15


@pytest.mark.parametrize(
    ("body", "field"), [({}, "url"), ({"url": 5}, "url"), ({"url": "no url"}, "url"), ({"uri": "x"}, "uri")]
)
def test_a_preview_needs_an_address(api: APIClient, body: dict[str, object], field: str) -> None:
    make_spider()
    assert_problem(api.post(f"{PATH}/books/preview", body), 400, field=field)


def test_a_preview_of_a_page_on_loopback_says_why_it_was_not_fetched(api: APIClient) -> None:
    make_spider(start_urls=["http://127.0.0.1:9/"])
    answer = api.post(f"{PATH}/books/preview/", {"url": "http://127.0.0.1:9/"})
    assert answer.status_code == 200
    assert answer.json()["reason"]
    assert answer.json()["items"] == []


def test_a_preview_outside_of_the_spiders_domains_says_what_to_do(api: APIClient) -> None:
    make_spider()
    found = api.post(f"{PATH}/books/preview/", {"url": "https://other.example/x"}).json()
    assert found["reason"] == "out_of_scope"
    assert (
        found["detail"]
        == found["what"]
        == ("The spider's allowed_domains (shop.example) do not cover “other.example”: the page was not asked for.")
    )
    assert found["remedy"].startswith("Add “other.example” to allowed_domains")


def test_so_many_previews_at_once_and_no_more(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Samples(places=1)
    monkeypatch.setattr("crawler.api.spiders.SAMPLES", kept)
    make_spider()
    with kept.places.one():
        answer = api.post(f"{PATH}/books/preview", {"url": "https://shop.example/"})
    assert_problem(answer, 429, says="try again in a moment")
    assert answer["Retry-After"] == "5"


def test_a_secret_is_named_and_never_shown(api: APIClient) -> None:
    secrets.set_secret("shop-token", "s3cr3t-value")
    document = spider_document(manners={"headers": {"Authorization": {"secret": "shop-token"}}})
    answers = [api.post(PATH, document), api.get(PATH), api.get(f"{PATH}/books"), api.patch(f"{PATH}/books", {})]
    for answer in answers:
        assert answer.status_code in (200, 201)
        assert "shop-token" in answer.content.decode()
        assert "s3cr3t-value" not in answer.content.decode()
