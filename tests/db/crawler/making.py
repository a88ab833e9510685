"""Hand-made crawls: a spider, its tasks, batches of pages and items as the engine would give them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import count
from typing import TypeVar

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from crawler.engine.documents.definition import parse
from crawler.engine.errors import Reason
from crawler.engine.pages.values import canonical_json, cleaned
from crawler.engine.records import (
    Batch,
    CheckpointAnswer,
    CrawlOutcome,
    ItemRecord,
    Json,
    Link,
    Opening,
    PageResult,
    PageState,
    PendingPage,
    ValueProblem,
)
from crawler.engine.urls import hash_url
from crawler.manager import get_manager
from crawler.models import CrawlTask, Item, ItemVersion, Page, Spider
from crawler.rawsql import pack
from crawler.storing.storage import DatabaseStorage
from scheduling.lanes import Lane

T = TypeVar("T")

ROOM = 50_000
SITE = "https://shop.example"


def url_of(path: str) -> str:
    return SITE + path


def make_spider(name: str = "books", **fields: object) -> Spider:
    document = {"name": name, "start_urls": [url_of("/")]} | fields
    return Spider.objects.create(name=name, category=str(fields.get("category", "")), definition=document)


def make_task(spider: Spider | None, task_id: str, **fields: object) -> CrawlTask:
    return CrawlTask.objects.create(task_id=task_id, spider=spider, task_type="spider", **fields)


def make_link(path: str, depth: int = 0, hops: int = 0) -> Link:
    return Link(url_of(path), hash_url(url_of(path)), depth, hops)


def make_item(key: str, *, kind: str = "book", problems: Sequence[ValueProblem] = (), **data: Json) -> ItemRecord:
    values: dict[str, Json] = {name: cleaned(value) for name, value in {"key": key, **data}.items()}
    data_json = canonical_json(values)
    key_json = json.dumps([key], ensure_ascii=False)
    return ItemRecord(
        type=kind,
        key=key_json,
        key_hash=hash_url(key_json),
        data=values,
        data_json=data_json,
        data_hash=blake2b(data_json.encode(), digest_size=16).digest(),
        problems=list(problems),
    )


def nobody_else() -> None:
    """A guard that always finds the run to be ours."""


def lose_answers(monkeypatch: pytest.MonkeyPatch, *, is_committed: bool) -> None:
    """The connection breaks at every other commit from now on: before the database has it, or with its answer."""
    commit, calls = BaseDatabaseWrapper.commit, count()

    def losing(self: BaseDatabaseWrapper) -> None:
        is_lost = not next(calls) % 2
        if is_committed or not is_lost:
            commit(self)
        if is_lost:
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(BaseDatabaseWrapper, "commit", losing)


class Site(dict[str, tuple[list[ItemRecord], list[str]]]):
    """What each path gives now: its items and its links."""


class Crawl:
    """One attempt of one task: what the engine would do, in the order that the test wants."""

    def __init__(
        self,
        spider: Spider,
        lane: Lane,
        *,
        task: CrawlTask | None = None,
        guard: Callable[[], None] = nobody_else,
        max_depth: int | None = None,
        follows_links: bool = True,
    ) -> None:
        self.spider = spider
        number = CrawlTask.objects.count() + 1
        self.task = task or make_task(spider, f"crawl_spider_{number}")
        self.frontier: dict[str, PendingPage] = {}
        self.seen: set[int] = set()
        self.storage = DatabaseStorage(
            task=self.task,
            spider=spider,
            spider_version=spider.version,
            guard=guard,
            lane_run=lane.run,
            max_depth=max_depth,
            follows_links=follows_links,
        )

    def open(self, *paths: str, room: int = ROOM) -> Opening:
        opening = wait(self.storage.open([make_link(path) for path in paths or ("/",)], room=room))
        self._expect(opening.pending)
        self.seen = set(opening.seen)
        return opening

    def read(
        self,
        path: str,
        items: Sequence[ItemRecord] = (),
        links: Sequence[str] = (),
        *,
        version: str = "",
        problems: Sequence[ValueProblem] = (),
    ) -> PageResult:
        """A page that was fetched and extracted."""
        page = self._take(path)
        body = version or repr((path, [item.data_json for item in items], list(links)))
        new = [make_link(link, page.depth + 1) for link in links if hash_url(url_of(link)) not in self.seen]
        self.seen.update(link.url_hash for link in new)
        return PageResult(
            page=page,
            state=PageState.DONE,
            status_code=200,
            etag=f'"{hash_url(body)}"',
            content_hash=blake2b(body.encode("utf-8", "replace"), digest_size=16).digest(),
            wire_bytes=100,
            extracted=True,
            items=list(items),
            problems=list(problems),
            links=new,
            link_hashes=pack([hash_url(url_of(link)) for link in links]),
        )

    def unchanged(self, path: str) -> PageResult:
        page = self._take(path)
        assert page.may_revalidate, f"{path} would be extracted"
        return PageResult(
            page=page,
            state=PageState.UNCHANGED,
            status_code=304,
            etag=page.etag,
            last_modified=page.last_modified,
            content_hash=page.content_hash,
        )

    def failed(self, path: str, status_code: int | None, reason: str = "http_404") -> PageResult:
        return PageResult(
            page=self._take(path), state=PageState.FAILED, status_code=status_code, reason=reason, detail="no"
        )

    def refused(self, path: str, reason: Reason = Reason.ROBOTS_DISALLOWED) -> PageResult:
        return PageResult(page=self._take(path), state=PageState.REFUSED, reason=reason.value)

    def redirected(self, path: str, target: str) -> PageResult:
        page = self._take(path)
        return PageResult(
            page=page,
            state=PageState.REDIRECTED,
            status_code=301,
            redirected_to=url_of(target),
            links=[make_link(target, page.depth, page.hops + 1)],
        )

    def store(self, *results: PageResult, room: int = ROOM) -> CheckpointAnswer:
        answer = wait(self.storage.checkpoint(Batch(results=list(results)), room=room))
        self._expect(answer.pending)
        return answer

    def walk(self, site: Site, order: Sequence[str] = (), *, one_by_one: bool = True, start: str = "/") -> int:
        """Crawl a whole `site`, paths of `order` first once they are pending; returns how many items are gone.

        A page whose content hash is what it was is "unchanged" wherever that is allowed, as a 304 would make it.
        """
        self.open(start)
        rank = {path: number for number, path in enumerate(order)}
        while self.frontier:
            paths = sorted(self.frontier, key=lambda path: rank.get(path, len(rank)))
            batch = paths[:1] if one_by_one else paths
            self.store(*[self._visit(site, path) for path in batch])
        return wait(self.storage.mark_gone())

    def mark_gone(self) -> int:
        return wait(self.storage.mark_gone())

    def step(self, site: Site, path: str) -> None:
        """Read one page of `site` and store it."""
        self.store(self._visit(site, path))

    def _visit(self, site: Site, path: str) -> PageResult:
        if path not in site:
            return self.failed(path, 404)
        items, links = site[path]
        page = self.frontier[path]
        known = page.content_hash
        result = self.read(path, items, links)
        if page.may_revalidate and known == result.content_hash:
            self.frontier[path] = page
            self.seen.difference_update(link.url_hash for link in result.links)
            return self.unchanged(path)
        return result

    def _expect(self, pages: Sequence[PendingPage]) -> None:
        for page in pages:
            self.frontier[page.url.removeprefix(SITE)] = page
            self.seen.add(page.url_hash)

    def _take(self, path: str) -> PendingPage:
        return self.frontier.pop(path)


def wait(coroutine: Coroutine[object, object, T]) -> T:
    """Run a coroutine of the storage to its end."""
    return asyncio.run(coroutine)


@contextmanager
def storage_lane() -> Iterator[Lane]:
    lane = Lane("storage")
    try:
        yield lane
    finally:
        lane.close()


def get_item(key: str) -> Item:
    return Item.objects.get(key=json.dumps([key], ensure_ascii=False))


def versions_of(key: str) -> list[object]:
    """The superseded values of an item's field `price`, oldest first."""
    return [version.data["price"] for version in ItemVersion.objects.filter(item=get_item(key)).order_by("number")]


def owner_of(key: str) -> str | None:
    page = get_item(key).page
    return page.url.removeprefix(SITE) if page else None


def states() -> dict[str, str]:
    return {page.url.removeprefix(SITE): page.state for page in Page.objects.order_by("id")}


def attempt(task: CrawlTask, *, checkpoint_pages: int = 1) -> CrawlOutcome:
    """One attempt at a task's crawl, as the handler makes it, with a checkpoint for so many pages."""
    spider = task.spider
    assert spider is not None
    definition = parse(spider.definition)

    async def run() -> CrawlOutcome:
        manager = await get_manager()
        storage = DatabaseStorage(
            task=task, spider=spider, spider_version=1, guard=nobody_else, lane_run=manager.lane.run_patiently
        )
        return await manager.crawl(
            definition=definition, storage=storage, stopping=asyncio.Event(), checkpoint_pages=checkpoint_pages
        )

    return asyncio.run(run())
