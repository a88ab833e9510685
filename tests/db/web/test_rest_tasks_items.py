"""`/api/crawl/tasks` and `/api/crawl/items`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from crawler.models import CrawlTask, TaskFailure

from .making import make_item, make_page, make_run, make_spider, make_task, make_version
from .problems import assert_problem

pytestmark = pytest.mark.django_db


def ids(answer: object) -> list[object]:
    return [row["task_id"] for row in answer.json()["results"]]  # type: ignore[attr-defined]


# --- tasks ------------------------------------------------------------------------------------------------------------
def test_a_task_tells_status_progress_counts_and_reasons(api: APIClient) -> None:
    spider = make_spider()
    run = make_run(state="succeeded", cause="fanout")
    task = make_task(
        spider, run=run, spider_version=4, pages=9, pages_failed=1, items=7, items_new=7, reasons={"http_404": 1}
    )
    body = api.get(f"/api/crawl/tasks/{task.task_id}").json()
    assert body["status"] == body["scheduler_status"] == "completed"
    assert (body["spider"], body["spider_version"]) == ("books", 4)
    assert (body["counts"]["pages"], body["counts"]["items_new"]) == (9, 7)
    assert body["reasons"] == {"http_404": 1}
    assert body["progress"]["fraction"] == 1.0


def test_tasks_are_listed_the_newest_first(api: APIClient) -> None:
    spider = make_spider()
    tasks = [make_task(spider).task_id for _number in range(3)]
    assert ids(api.get("/api/crawl/tasks")) == tasks[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=failed", ["bad"]),
        ("spider=books", ["bad", "good"]),
        ("type=all", ["all"]),
        ("parent=all", ["good"]),
        ("status=failed&spider=books", ["bad"]),
    ],
)
def test_tasks_are_filtered(api: APIClient, query: str, expected: list[str]) -> None:
    spider = make_spider()
    parent = make_task(task_id="all")
    make_task(spider, task_id="good", parent=parent)
    make_task(spider, task_id="bad", status="failed")
    assert sorted(map(str, ids(api.get(f"/api/crawl/tasks/?{query}")))) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=failed", "state"),
        ("status=bad", "status"),
        ("ordering=task_id", "ordering"),
        ("page_size=1000000000", "page_size"),
        ("page_size=0", "page_size"),
        ("page_size=ten", "page_size"),
        (f"page_size={'9' * 5000}", "page_size"),
        ("page=-1", "page"),
        ("page=last", "page"),
        ("status=failed&status=completed", "status"),
        ("page=1&page=2", "page"),
    ],
)
def test_a_list_refuses_what_it_does_not_offer(api: APIClient, query: str, field: str) -> None:
    assert_problem(api.get(f"/api/crawl/tasks?{query}"), 400, field=field)


def test_a_filter_of_tasks_says_what_there_is(api: APIClient) -> None:
    says = "Give one of pending, running, completed, failed, cancelled, not “nope”."
    assert_problem(api.get("/api/crawl/tasks?status=nope"), 400, field="status", says=says)


def test_a_page_beyond_the_last_is_not_found(api: APIClient) -> None:
    assert_problem(api.get("/api/crawl/tasks?page=2"), 404, says="no page 2")


def test_a_waiting_task_is_cancelled_at_once(api: APIClient) -> None:
    task_id = api.post("/api/crawl/all").json()["task_id"]
    answer = api.post(f"/api/crawl/tasks/{task_id}/cancel")
    assert answer.status_code == 202
    assert answer.json()["status"] == answer.json()["scheduler_status"] == "cancelled"
    assert api.get(f"/api/schedule/jobs/{task_id}").status_code == 404
    assert_problem(api.post(f"/api/crawl/tasks/{task_id}/cancel/"), 409, says="has ended")


def test_an_unknown_task_is_not_found(api: APIClient) -> None:
    for path in ("nobody", "nobody/pages"):
        assert_problem(api.get(f"/api/crawl/tasks/{path}"), 404)
    assert_problem(api.post("/api/crawl/tasks/nobody/cancel"), 404)


def test_the_pages_of_a_task_by_state(api: APIClient) -> None:
    spider = make_spider()
    task = make_task(spider)
    make_page(spider, "good", task=task)
    make_page(spider, "bad", task=task, state="failed", reason="http_500", status_code=500)
    make_page(spider, "elsewhere", state="failed")
    every = api.get(f"/api/crawl/tasks/{task.task_id}/pages").json()
    failed = api.get(f"/api/crawl/tasks/{task.task_id}/pages/?state=failed").json()
    assert every["count"] == 2
    assert [(page["url"], page["status_code"], page["reason"]) for page in failed["results"]] == [
        ("https://shop.example/bad", 500, "http_500")
    ]
    assert_problem(api.get(f"/api/crawl/tasks/{task.task_id}/pages?state=broken"), 400, field="state", says="failed")
    assert_problem(api.get(f"/api/crawl/tasks/{task.task_id}/pages?status=failed"), 400, field="status", says="state")


def test_pages_that_a_newer_crawl_came_by_are_told_of(api: APIClient) -> None:
    spider = make_spider()
    older = make_task(spider, pages=10)
    path = f"/api/crawl/tasks/{older.task_id}/pages"
    assert "note" not in api.get(path).json()
    make_task(spider, status="pending", started_at=None)
    assert "note" not in api.get(path).json(), "it has come by nothing yet"
    newer = make_task(spider)
    make_page(spider, "good", task=newer)
    assert (api.get(path).json()["count"], "newest crawl" in api.get(path).json()["note"]) == (0, True)
    assert "note" not in api.get(f"/api/crawl/tasks/{newer.task_id}/pages").json()
    several = make_task()
    assert f"parent={several.task_id}" in api.get(f"/api/crawl/tasks/{several.task_id}/pages").json()["note"]


def test_a_list_of_tasks_costs_the_same_for_many(
    api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    spider = make_spider()
    parent = make_task(status="running", children_left=9)
    for number in range(20):
        child = make_spider(f"child-{number}")
        task = make_task(child, status="running", parent=parent, run=make_run(state="succeeded", cause="fanout"))
        make_page(child, task=task, state="pending")
        make_page(child, task=task, state="pending")
    make_task(spider)
    with django_assert_max_num_queries(4):
        body = api.get("/api/crawl/tasks").json()
    assert body["count"] == 22
    assert {row["progress"].get("pages_waiting") for row in body["results"] if row["status"] == "running"} == {2, None}
    assert [row["progress"] for row in body["results"] if row["type"] == "all"] == [
        {"spiders": 20, "spiders_done": 11, "fraction": 11 / 20}
    ]


# --- items ------------------------------------------------------------------------------------------------------------
def test_an_item_tells_its_value_and_where_it_came_from(api: APIClient) -> None:
    item = make_item(make_spider(), "A book")
    body = api.get(f"/api/crawl/items/{item.pk}").json()
    assert body["spider"] == "books"
    assert body["data"] == {"title": "A book", "price": "1.00"}
    assert body["url"].startswith("https://shop.example/")
    assert (body["version"], body["complete"], body["gone_at"]) == (1, True, None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["bad", "gone", "new", "other"]),
        ("spider=books", ["bad", "gone", "new"]),
        ("type=cd", ["other"]),
        ("complete=false", ["bad"]),
        ("gone=true", ["gone"]),
        ("gone=false&complete=true", ["new", "other"]),
        ("changed_since=2020-01-01T00:00:00Z", ["bad", "gone", "new"]),
    ],
)
def test_items_are_filtered(api: APIClient, query: str, expected: list[str]) -> None:
    books, music = make_spider(), make_spider("music")
    make_item(books, "new")
    make_item(books, "bad", complete=False, problems=[{"field": "price", "reason": "unreadable"}])
    make_item(books, "gone", gone_at=timezone.now())
    make_item(music, "other", type="cd", changed_at="2019-01-01T00:00:00Z")
    body = api.get(f"/api/crawl/items?{query}").json()
    assert sorted(item["data"]["title"] for item in body["results"]) == expected
    assert body["count"] == len(expected), "what is left out is not counted"
    assert [row["data"]["title"] for row in body["results"] if row["gone_at"]] == [n for n in expected if n == "gone"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("complete=maybe", "complete"),
        ("gone=1", "gone"),
        ("changed_since=yesterday", "changed_since"),
        ("data__title=x", "data__title"),
        ("spider__definition=x", "spider__definition"),
        ("spider=nobody", "spider"),
        ("type=nothing", "type"),
    ],
)
def test_items_refuse_vague_and_unknown_filters(api: APIClient, query: str, field: str) -> None:
    assert_problem(api.get(f"/api/crawl/items?{query}"), 400, field=field)


def test_a_name_that_means_nothing_is_refused_with_those_that_are_near(api: APIClient) -> None:
    books, _zebras = make_spider(category="shops"), make_spider("zebras", items=[], category="shops")
    make_spider("music", items=[{"type": "cd", "fields": {"x": {"css": "b"}}}], category="papers")
    make_item(books, type="magazine")
    for query, field, says in (
        ("items?spider=boks", "spider", "There is no spider “boks”. Did you mean “books”?"),
        ("items?spider=nope", "spider", "There is no spider “nope”. There are “books”, “music”, “zebras”."),
        ("items?type=bok", "type", "There are no items of the type “bok”. Did you mean “book”?"),
        ("items?type=cd&spider=books", "type", "“books” has no items of the type “cd”. There are “book”."),
        ("tasks?spider=boks", "spider", "Did you mean “books”?"),
        ("tasks?parent=nope", "parent", "There is no crawl task “nope” (any more)."),
        ("spiders?category=shop", "category", "There is no spider of the category “shop”. Did you mean “shops”?"),
        ("items/changes?spider=boks", "spider", "Did you mean “books”?"),
        ("items/changes?type=bok", "type", "Did you mean “book”?"),
        ("items/export?spider=boks&format=csv", "spider", "Did you mean “books”?"),
        (
            "items/export?spider=books&format=csv&state=lost",
            "state",
            "Give one of complete, incomplete, gone, not “lost”.",
        ),
    ):
        assert_problem(api.get(f"/api/crawl/{query}"), 400, field=field, says=says)
    for query in ("items?type=cd", "items?type=magazine", "items?spider=music&type=cd", "items/changes?type=cd"):
        assert api.get(f"/api/crawl/{query}").status_code == 200


def test_versions_begin_with_the_present_one(api: APIClient) -> None:
    item = make_item(make_spider(), version=4, data={"price": "4"})
    now = timezone.now()
    for number in (1, 2, 3):
        make_version(item, number, now - timedelta(hours=4 - number), price=str(number))
    path = f"/api/crawl/items/{item.pk}/versions"
    body = api.get(path).json()
    assert body["count"] == 4
    assert [(row["number"], row["data"]["price"], row["valid_to"] is None) for row in body["results"]] == [
        (4, "4", True),
        (3, "3", False),
        (2, "2", False),
        (1, "1", False),
    ]
    pages = [api.get(f"{path}?page_size=3&page={page}").json()["results"] for page in (1, 2)]
    assert [[row["number"] for row in page] for page in pages] == [[4, 3, 2], [1]]


def test_an_unknown_item_is_not_found(api: APIClient) -> None:
    for number in ("1", "9" * 18):
        assert_problem(api.get(f"/api/crawl/items/{number}"), 404)
    assert_problem(api.get("/api/crawl/items/1/versions"), 404)
    assert_problem(api.get(f"/api/crawl/items/{'9' * 30}"), 404)


def test_nobody_writes_items_or_tasks_over_rest(api: APIClient) -> None:
    item = make_item(make_spider())
    for method in (api.put, api.patch, api.delete):
        assert_problem(method(f"/api/crawl/items/{item.pk}", {}), 405)
    assert_problem(api.post("/api/crawl/items", {}), 405)
    assert_problem(api.post("/api/crawl/tasks", {}), 405)
    assert not CrawlTask.objects.exists()


def test_a_list_of_items_costs_the_same_for_many(
    api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    spider = make_spider()
    for _number in range(20):
        make_item(spider)
    with django_assert_max_num_queries(2):
        assert len(api.get("/api/crawl/items").json()["results"]) == 20


# --- causes and manners -----------------------------------------------------------------------------------------------
def test_a_crawl_tells_its_causes(api: APIClient) -> None:
    task = make_task(make_spider(), pages=10, items=3, reasons={"http_500": 4, "out_of_scope": 9})
    TaskFailure.objects.create(
        task=task, url="https://shop.example/x", reason="http_500", status_code=500, at=timezone.now()
    )
    body = api.get(f"/api/crawl/tasks/{task.task_id}/causes").json()
    assert (body["task_id"], body["verdict"], body["comparison"]) == (task.task_id, "lacking", None)
    first, second = body["causes"]
    assert (first["key"], first["severity"], first["count"], first["unit"]) == ("server_error", "trouble", 4, "pages")
    assert first["share"] == 0.4
    assert first["examples"] == [{"url": "https://shop.example/x", "status_code": 500, "detail": ""}]
    assert all(first[name] for name in ("title", "what", "remedy"))
    assert (second["key"], second["share"]) == ("out_of_scope", None)


def test_a_crawl_tells_how_it_treated_its_hosts(api: APIClient) -> None:
    task = make_task(make_spider(), hosts={"shop.example": {"requests": 12, "peak_rate": 3, "robots_refused": 2}})
    body = api.get(f"/api/crawl/tasks/{task.task_id}/politeness/").json()
    assert body["total"]["requests"] == 12
    assert [host["host"] for host in body["hosts"]] == ["shop.example"]
    assert body["hosts"][0]["sentences"]


@pytest.mark.parametrize("what", ["causes", "politeness"])
def test_an_account_of_no_crawl_is_not_found(api: APIClient, what: str) -> None:
    assert_problem(api.get(f"/api/crawl/tasks/none/{what}"), 404)
    task = make_task(make_spider())
    assert_problem(api.get(f"/api/crawl/tasks/{task.task_id}/{what}?state=failed"), 400, field="state")
