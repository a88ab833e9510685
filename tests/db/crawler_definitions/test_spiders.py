"""Spiders are saved by one path, which keeps every version."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from crawler import definitions
from crawler.engine.errors import DefinitionError
from crawler.models import CrawlTask, Item, ItemVersion, Page, Spider, TaskFailure
from scheduling.models import DefinitionVersion, JobRun, ScheduledJob

from .documents import make_spider

pytestmark = pytest.mark.django_db


def versions(name: str = "books") -> list[tuple[int, str]]:
    kept = DefinitionVersion.objects.filter(kind="spider", key=name).order_by("number")
    return [(version.number, version.document["start_urls"][0]) for version in kept]


def make_job(job_data: dict[str, object]) -> ScheduledJob:
    return ScheduledJob.objects.create(job_id="nightly", name="n", handler="crawl", job_data=job_data, trigger={})


def test_a_saved_spider_has_its_columns_in_step() -> None:
    spider = definitions.save_spider(make_spider(enabled=False))
    stored = Spider.objects.get(name="books")
    assert (stored.pk, stored.category, stored.enabled, stored.version) == (spider.pk, "shops", False, 1)
    definitions.save_spider(make_spider(category="other"))
    stored.refresh_from_db()
    assert (stored.category, stored.enabled, stored.version) == ("other", True, 2)


def test_a_new_spider_never_changes_one_that_is_there() -> None:
    definitions.save_spider(make_spider(), is_new=True)
    for document in (make_spider(), make_spider(category="other")):
        with pytest.raises(definitions.SpiderExists, match='already a spider "books"'):
            definitions.save_spider(document, is_new=True)
    assert Spider.objects.get().category == "shops"


def test_the_version_grows_only_when_the_document_changes() -> None:
    definitions.save_spider(make_spider())
    definitions.save_spider(make_spider())
    # the same written otherwise: a default given, a URL not yet normalised
    definitions.save_spider(make_spider(enabled=True, start_urls=["https://SHOP.example"]))
    assert versions() == [(1, "https://shop.example/")]
    spider = definitions.save_spider(make_spider(start_urls=["https://other.example/"]))
    assert spider.version == 2
    assert versions() == [(1, "https://shop.example/"), (2, "https://other.example/")]


def test_fields_keep_the_order_that_a_person_gave_them() -> None:
    fields = {name: {"css": name} for name in ("zeta", "a", "bb", "c")}
    for order in (fields, dict(reversed(fields.items()))):
        definitions.save_spider(make_spider(items=[{"type": "book", "fields": order}]))
        spider = Spider.objects.get(name="books")
        assert list(definitions.dump_spider(spider)["items"][0]["fields"]) == list(order)  # type: ignore[index]
        assert spider.version == 1
    kept = DefinitionVersion.objects.get(key="books").document
    assert list(kept["items"][0]["fields"]) == list(fields)


def test_a_version_says_who_and_why() -> None:
    user = User.objects.create_user("ann")
    definitions.save_spider(make_spider(), user=user, comment="first")
    kept = DefinitionVersion.objects.get(key="books")
    assert (kept.user, kept.comment) == (user, "first")


def test_what_cannot_be_honoured_is_refused_whole() -> None:
    with pytest.raises(DefinitionError) as caught:
        definitions.save_spider(make_spider(start_urls=[], categry="x"))
    assert {problem.place for problem in caught.value.problems} == {"start_urls", "categry"}
    assert not Spider.objects.exists()
    assert versions() == []


def test_a_spider_keeps_its_name() -> None:
    definitions.save_spider(make_spider())
    with pytest.raises(DefinitionError, match='a spider keeps its name: it is "books"'):
        definitions.save_spider(make_spider(name="tomes"), name="books")
    assert list(Spider.objects.values_list("name", flat=True)) == ["books"]


def test_an_older_version_comes_back_as_a_new_one() -> None:
    definitions.save_spider(make_spider())
    definitions.save_spider(make_spider(start_urls=["https://other.example/"]))
    spider = definitions.restore_spider_version("books", 1)
    assert (spider.version, spider.definition["start_urls"]) == (3, ["https://shop.example/"])
    assert DefinitionVersion.objects.get(key="books", number=3).comment == "Version 1 restored."


def test_a_deleted_spider_can_be_restored_and_its_numbers_go_on() -> None:
    definitions.save_spider(make_spider())
    definitions.save_spider(make_spider(category="x"))
    definitions.delete_spider("books")
    assert definitions.restore_spider_version("books", 1).version == 3


@pytest.mark.parametrize(("name", "number"), [("books", 9), ("nobody", 1)])
def test_a_version_that_never_was_is_named(name: str, number: int) -> None:
    definitions.save_spider(make_spider())
    with pytest.raises(definitions.SpiderNotFound, match=f'spider "{name}" has no version {number}'):
        definitions.restore_spider_version(name, number)


def test_deleting_a_spider_takes_all_that_it_found_and_nothing_else() -> None:
    now = timezone.now()
    for name in ("books", "other"):
        spider = definitions.save_spider(make_spider(name=name))
        task = CrawlTask.objects.create(task_id=name, spider=spider, task_type="spider")
        TaskFailure.objects.create(task=task, url="u", reason="r", at=now)
        page = Page.objects.create(spider=spider, url="u", url_hash=1, task=task, state="done")
        item = Item.objects.create(
            spider=spider, type="t", key="[1]", key_hash=1, data={}, data_hash=b"", page=page, task=task,
            first_seen_at=now, changed_at=now,
        )  # fmt: skip
        ItemVersion.objects.create(item=item, number=1, data={}, task=task, valid_from=now, valid_to=now)
    definitions.delete_spider("books")
    assert list(Spider.objects.values_list("name", flat=True)) == ["other"]
    for model in (CrawlTask, TaskFailure, Page, Item, ItemVersion):
        assert model.objects.count() == 1


def test_a_spider_that_is_not_there_cannot_be_deleted() -> None:
    with pytest.raises(definitions.SpiderNotFound):
        definitions.delete_spider("books")


@pytest.mark.parametrize(
    "job_data",
    [
        {"type": "spider", "target": "books"},
        {"type": "urls", "target": ["https://shop.example/x"], "spider": "books"},
    ],
)
def test_a_spider_that_a_schedule_crawls_is_not_deleted(job_data: dict[str, object]) -> None:
    definitions.save_spider(make_spider())
    make_job(job_data)
    with pytest.raises(definitions.SpiderInUse, match='"nightly"'):
        definitions.delete_spider("books")
    assert Spider.objects.exists()


def test_a_spider_that_is_being_crawled_is_not_deleted() -> None:
    definitions.save_spider(make_spider())
    now = timezone.now()
    run = JobRun.objects.create(
        job_key="x", job_name="x", cause="manual", scheduled_time=now, available_at=now, queued_at=now,
        exclusive_key="spider:books",
    )  # fmt: skip
    with pytest.raises(definitions.SpiderInUse, match=f"#{run.pk}"):
        definitions.delete_spider("books")


def test_a_document_of_another_release_is_shown_as_it_is() -> None:
    spider = Spider.objects.create(name="old", definition={"start_urls": [], "name": "old", "teleport": True})
    assert definitions.dump_spider(spider) == {"name": "old", "start_urls": [], "teleport": True}
