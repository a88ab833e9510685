"""The main job, over REST alone: a spider, a crawl of all, its task to its end, exact items."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.servers.corpora import corpus
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer
from tests.spiders import Data, differences, shop_spider, shop_truth

from .product import Product, wait_for
from .web import site_of

pytestmark = [pytest.mark.process, pytest.mark.corpora, pytest.mark.any_database]


@pytest.fixture
def client(product: Product) -> Iterator[httpx.Client]:
    with site_of(product) as base_url, product.client(base_url) as client:
        yield client


def items_over_rest(client: httpx.Client, spider: str) -> dict[str, Data]:
    """Data by key of every item, page by page."""
    found: dict[str, Data] = {}
    address: str | None = f"/api/crawl/items?spider={spider}&page_size=300"
    while address:
        page = client.get(address).raise_for_status().json()
        found |= {item["key"]: item["data"] for item in page["results"]}
        address = page["next"]
    return found


def test_a_crawl_of_all_is_followed_to_its_end(client: httpx.Client) -> None:
    corpus("shop")
    # Slow enough for each state to be seen.
    with serve_in_thread(SiteServer.of_corpus("shop", delay=0.005)) as site:
        assert client.post("/api/crawl/spiders", json=shop_spider(site)).status_code == 201
        answer = client.post("/api/crawl/all", follow_redirects=False)
        assert answer.status_code == 202
        assert set(answer.json()) == {"task_id", "message"}
        task_path = f"/api/crawl/tasks/{answer.json()['task_id']}"
        seen: list[tuple[str, str]] = []

        def ended() -> dict[str, object] | None:
            task: dict[str, object] = client.get(task_path).raise_for_status().json()
            state = (str(task["status"]), str(task["scheduler_status"]))
            if state not in seen:
                seen.append(state)
            return task if task["status"] in ("completed", "failed", "cancelled") else None

        task = wait_for(ended, seconds=90, what="the task's end")
        assert task is not None
        statuses = [status for status, _scheduler in seen]
        assert statuses == sorted(statuses, key=["pending", "running", "completed"].index), seen
        assert {"running", "completed"} <= set(statuses)
        assert seen[-1] == ("completed", "completed")
        assert differences(shop_truth(), items_over_rest(client, "shop")) == []
    check_what_stays(client, str(task["task_id"]))


def check_what_stays(client: httpx.Client, task_id: str) -> None:
    """The one-off's schedule is gone; its run, its task and the child's stay, with the counts of the child."""
    gone = client.get(f"/api/schedule/jobs/{task_id}")
    assert (gone.status_code, gone.headers["content-type"]) == (404, "application/problem+json")
    [run] = client.get(f"/api/schedule/runs?job_id={task_id}").json()["results"]
    assert run["state"] == "succeeded"
    [child] = client.get(f"/api/crawl/tasks?parent={task_id}").json()["results"]
    parent = client.get(f"/api/crawl/tasks/{task_id}").json()
    assert (child["spider"], child["status"], child["scheduler_status"]) == ("shop", "completed", "completed")
    assert (parent["counts"]["pages"], parent["counts"]["items_new"]) == (1159, 1000)
    assert parent["counts"] == child["counts"]
    assert parent["progress"] == {"spiders": 1, "spiders_done": 1, "fraction": 1.0}


def test_a_bad_body_is_refused_by_the_fields_name(client: httpx.Client) -> None:
    answer = client.post("/api/crawl/urls", json={"urls": [], "spider": "nobody", "runat": "x"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [(error["field"], "run_at" in error["message"]) for error in answer.json()["errors"]] == [("runat", True)]


def test_bodies_far_above_the_limit_are_refused_by_the_server(client: httpx.Client) -> None:
    for megabytes in (6, 30):
        body = b'{"run_at": "' + b"x" * (megabytes * 1024 * 1024) + b'"}'
        answer = client.post("/api/crawl/all", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
