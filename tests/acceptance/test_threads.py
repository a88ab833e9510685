"""No database call on the event loop's thread: a whole scheduler at work, with every such call noted and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .product import Product, wait_for
from .web import site_of

pytestmark = [pytest.mark.process, pytest.mark.any_database]

ONCE: dict[str, object] = {"type": "date", "run_date": "2026-01-01T00:00:00"}
"""Due at once, however late."""
ANY: dict[str, object] = {"misfire_grace_time": None}


def test_no_database_call_is_made_on_the_loops_thread(product: Product, tmp_path: Path) -> None:
    note = tmp_path / "on-loop"
    threads = note.with_suffix(".threads")
    product.environment |= {
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.settings",
        "NOTE_DATABASE_ON_LOOP": str(note),
        "SCHEDULER_DRAIN_SECONDS": "1",
        "CRAWLER_CHECKPOINT_PAGES": "5",
    }
    with serve_in_thread(site_of_twenty_pages(tmp_path / "site")) as url:
        product.load(
            spiders=[{"name": "twenty", "start_urls": [f"{url}/0.html"], "follow": [{"css": "a"}], "items": [ITEM]}],
            jobs=[
                job("ticks", "nothing", {"type": "interval", "seconds": 1}),
                job("fails", "sleepy", ONCE) | {"job_data": {"seconds": "no number"}},
                job("crawls", "crawl", ONCE) | {"job_data": {"type": "spider", "target": "twenty"}},
                job("drains", "sleepy", ONCE) | {"job_data": {"seconds": 600}},
                job("keeps", "maintenance", ONCE) | {"job_data": {"action": "check"}},
                job("reports", "report", ONCE) | {"job_data": {"period": "day"}},
            ],
        )
        with site_of(product) as base_url, product.client(base_url) as client:
            wait_for(
                lambda: (
                    states(product, "crawls") == ["succeeded"]
                    and states(product, "fails") == ["failed"]
                    and states(product, "drains") == ["running"]
                    and states(product, "keeps") == ["succeeded"]
                    and states(product, "reports") == ["succeeded"]
                    and states(product, "ticks").count("succeeded") > 1
                ),
                seconds=60,
                what="all that was planned",
            )
            assert client.get("/api/schedule/status").status_code == 200
    assert states(product, "drains") == ["queued"]  # handed back
    assert product.one("SELECT items_new FROM crawler_crawltask") == 20
    assert not note.exists(), note.read_text()
    assert {"lane-control", "lane-storage"} <= set(threads.read_text().split())


def test_a_careless_handler_is_noted_so_that_the_claim_above_can_fail(product: Product, tmp_path: Path) -> None:
    note = tmp_path / "on-loop"
    product.environment |= {
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.settings",
        "NOTE_DATABASE_ON_LOOP": str(note),
    }
    product.load(jobs=[job("careless", "careless", ONCE)])
    product.start_scheduler()

    wait_for(note.exists, what="the note")

    wait_for(lambda: "ensure_connection in MainThread" in note.read_text(), what="the call's name")


ITEM = {"type": "page", "fields": {"title": {"css": "h1"}}}


def job(job_id: str, handler: str, trigger: dict[str, object]) -> dict[str, object]:
    return {"job_id": job_id, "handler": handler, "trigger": trigger, "policies": ANY | {"max_retries": 0}}


def states(product: Product, job_id: str) -> list[object]:
    return [state for (state,) in product.sql("SELECT state FROM scheduling_jobrun WHERE job_key = ?", [job_id])]


def site_of_twenty_pages(folder: Path) -> SiteServer:
    folder.mkdir()
    for number in range(20):
        link = f"<a href='{number + 1}.html'>on</a>" if number < 19 else ""
        (folder / f"{number}.html").write_text(f"<h1>{number}</h1>{link}")
    return SiteServer(folder)
