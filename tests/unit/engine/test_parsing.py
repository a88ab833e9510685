"""Pages that may hold up the loop are read in a helper process, which may be ended."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from crawler.engine.documents.definition import parse
from crawler.engine.errors import ReadingEnded, Reason
from crawler.engine.pages import parsing
from crawler.engine.pages.extractor import Extractor
from crawler.engine.pages.frames import read_record
from crawler.engine.pages.parsing import Helpers, PageParser
from crawler.engine.pages.steepness import css_degrees
from crawler.engine.records import Extraction
from tests.servers.hostile_html import PAGES
from tests.unit.engine.test_hostile_pages import URL

PLAIN: dict[str, object] = {
    "name": "plain",
    "start_urls": [URL],
    "follow": [{}],
    "items": [{"type": "page", "each": "p", "key": ["text"], "fields": {"text": {"css": "*"}}}],
}
BIG = (
    b"<title>Big</title>"
    + b"".join(b"<p>%d<a href=/%d>x</a>" % (n, n) for n in range(4_000))
    + b"<!--"
    + b"x" * 2_100_000
)
"""More than half a MiB of a real page's kind."""
HANGING = PLAIN | {
    "name": "hanging",
    "items": [{"type": "page", "fields": {"n": {"xpath": "count(//p/preceding::p)"}}}],
}
"""The cube of a page's paragraphs: 15 s for 2,000."""


@pytest.fixture
async def helpers() -> AsyncIterator[Helpers]:
    made = Helpers()
    yield made
    pids = made.pids
    await made.close()
    assert not any(map(psutil.pid_exists, pids))


async def read(parser: PageParser, body: bytes, url: str = URL) -> Extraction:
    result = parser.extract(url, body, "utf-8", "text/html")
    return result if isinstance(result, Extraction) else await result


async def test_a_big_page_gives_what_it_would_give_in_the_loop(helpers: Helpers) -> None:
    definition = parse(PLAIN)
    parser = PageParser(definition, helpers)

    for _ in range(2):
        assert await read(parser, BIG) == Extractor(definition).extract(URL, BIG, "utf-8", "text/html")
    assert len(helpers.pids) == 1


async def test_an_ordinary_page_starts_no_process(helpers: Helpers) -> None:
    extraction = PageParser(parse(PLAIN), helpers).extract(URL, b"<p>a<a href=/b>b", "utf-8", "text/html")

    assert isinstance(extraction, Extraction)
    assert extraction.links == ["http://shop.example/b"]
    assert helpers.pids == []


async def test_what_cannot_be_read_at_all_needs_no_process(helpers: Helpers) -> None:
    extraction = PageParser(parse(PLAIN), helpers).extract(URL, b"x" * 3_000_000, "", "image/png")

    assert isinstance(extraction, Extraction)
    assert extraction.reasons == {Reason.NOT_HTML: 1}


WORSE = b"<p>" + b"".join(b"<b a=%d>" % n for n in range(500)) + b"</p>" + b"<p>x" * 100_000
"""400 KB: fifty million elements, twelve gigabytes."""


MEASURING = """
import gc, json, time
from crawler.engine.documents.definition import parse
from crawler.engine.pages.parsing import Helpers, PageParser
from tests.unit.engine.test_parsing import HANGING, PAGES, PLAIN, URL, WORSE
from tests.unit.engine.test_hostile_pages import SPIDER

helpers = Helpers()
spent = {}
gc.disable()
for spider in (SPIDER, HANGING, PLAIN):
    parser = PageParser(parse(spider), helpers)
    for name, make in (PAGES | {"worse": lambda: WORSE}).items():
        body = make()
        for size in (2_097_152, 500_000, 100_000, 20_000):
            piece = body[:size]
            before = time.thread_time()
            result = parser.extract(URL, piece, "utf-8", "text/html")
            spent[f"{spider['name']}: {name}, {len(piece)} bytes"] = time.thread_time() - before
            if hasattr(result, "close"):
                result.close()
print(json.dumps(spent))
"""


async def test_no_page_of_two_megabytes_holds_up_the_loop() -> None:
    """Whatever is not read at once is left to a helper: what is judged is the processor time of the loop's thread.

    In a process of its own: what other tests left in this one's heap would be filled before any limit is met.
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", MEASURING, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    spent = json.loads(output)

    assert len(spent) > 3 * len(PAGES)
    assert {what: seconds for what, seconds in spent.items() if seconds > 0.1} == {}


async def test_a_page_that_hangs_an_xpath_ends_its_process_and_no_other_page(
    helpers: Helpers, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = parse(HANGING)
    parser = PageParser(definition, helpers)
    quick = Helpers(seconds=0.5)
    hasty = PageParser(definition, quick)

    with pytest.raises(ReadingEnded, match=r"longer than 0\.5 s") as caught:
        await read(hasty, b"<p>" * 3_000)
    assert caught.value.reason is Reason.READING_TIMEOUT
    assert quick.pids == []
    assert (await read(hasty, b"<p>" * 300)).items[0].data == {"n": "299"}
    assert (await read(parser, b"<p>" * 300)).items[0].data == {"n": "299"}
    await quick.close()


async def test_the_kernel_ends_a_reading_that_takes_too_much_processor_time() -> None:
    helpers = Helpers(cpu_seconds=0.3)
    parser = PageParser(parse(HANGING), helpers)
    with pytest.raises(ReadingEnded, match=r"0\.3 s of processor time") as caught:
        await read(parser, b"<p>" * 3_000)
    assert caught.value.reason is Reason.READING_TIMEOUT
    await helpers.close()


async def test_a_page_that_takes_too_much_memory_fails_alone(helpers: Helpers) -> None:
    parser = PageParser(parse(PLAIN), helpers)

    with pytest.raises(ReadingEnded, match="more memory than one may have") as caught:
        await read(parser, WORSE)
    assert caught.value.reason is Reason.READING_DIED
    assert (await read(parser, BIG)).items


async def test_a_helper_that_dies_is_replaced(helpers: Helpers) -> None:
    parser = PageParser(parse(HANGING), helpers)
    reading = asyncio.create_task(read(parser, b"<p>" * 3_000))
    await until(lambda: bool(helpers.pids))
    [first] = helpers.pids
    os.kill(first, signal.SIGABRT)
    with pytest.raises(ReadingEnded, match="SIGABRT") as caught:
        await reading
    assert caught.value.reason is Reason.READING_DIED

    assert (await read(parser, b"<p>" * 300)).items
    [second] = helpers.pids
    os.kill(second, signal.SIGKILL)
    assert (await read(parser, b"<p>" * 300)).items  # it died without work: no page suffers
    assert not {first, second} & set(helpers.pids)
    assert not psutil.pid_exists(first)
    assert not psutil.pid_exists(second)


PARENT = """
import asyncio, sys
from crawler.engine.documents.definition import parse
from crawler.engine.pages.parsing import Helpers, PageParser
from crawler.engine.pages.steepness import css_degrees
from tests.unit.engine.test_parsing import HANGING, URL

async def main():
    helpers = Helpers(cpu_seconds=3.0)
    busy, idle = (PageParser(parse(HANGING), helpers) for _ in range(2))
    hanging = asyncio.create_task(busy.extract(URL, b"<p>" * 3_000, "", "text/html"))
    await idle.extract(URL, b"<p>" * 300, "", "text/html")
    while len(helpers.pids) < 2:
        await asyncio.sleep(0.01)
    print(*helpers.pids, flush=True)
    await hanging

asyncio.run(main())
"""


async def test_helpers_end_with_a_parent_that_is_killed() -> None:
    """The idle one at once, the busy one when its processor time is over."""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pids = list(map(int, (await parent.stdout.readline()).split()))
    assert len(pids) == 2
    parent.kill()
    await parent.wait()

    await until(lambda: not any(map(is_running, pids)), seconds=60)


def is_running(pid: int) -> bool:
    """Orphans are somebody else's to bury."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_the_third_costly_page_of_a_host_in_a_row_is_the_last_that_is_tried() -> None:
    helpers = Helpers(seconds=0.3)
    parser = PageParser(parse(HANGING), helpers)
    for _ in range(3):
        with pytest.raises(ReadingEnded, match="longer than"):
            await read(parser, b"<p>" * 3_000)
    with pytest.raises(ReadingEnded, match="was not tried"):
        await read(parser, b"<p>" * 3_000)

    other = await read(parser, b"<p>" * 300, "http://other.example/")
    assert other.items
    assert (await read(parser, b"<p>" * 100)).items  # what is read in the loop is read as ever
    await helpers.close()


async def test_a_helper_that_cannot_be_started_is_no_fault_of_a_host(helpers: Helpers, tmp_path: Path) -> None:
    parser = PageParser(parse(HANGING), helpers)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(sys, "executable", str(tmp_path / "no-python"))
        for _ in range(parsing.STRIKES):
            with pytest.raises(ReadingEnded, match="could not be started") as caught:
                await read(parser, b"<p>" * 300)
            assert caught.value.reason is Reason.READING_DIED

    assert (await read(parser, b"<p>" * 300)).items


async def test_a_reading_that_is_given_up_ends_its_process(helpers: Helpers) -> None:
    parser = PageParser(parse(HANGING), helpers)
    reading = asyncio.create_task(read(parser, b"<p>" * 3_000))
    await until(lambda: bool(helpers.pids))
    [pid] = helpers.pids
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert helpers.pids == []
    assert not psutil.pid_exists(pid)


async def test_a_helper_without_work_ends() -> None:
    helpers = Helpers(idle_seconds=0.05)
    parser = PageParser(parse(HANGING), helpers)
    await read(parser, b"<p>" * 300)
    await until(lambda: not helpers.pids)

    assert (await read(parser, b"<p>" * 300)).items
    await helpers.close()


async def test_two_crawls_have_a_helper_each(helpers: Helpers) -> None:
    first, second, third = (PageParser(parse(HANGING), helpers) for _ in range(3))
    hanging = [asyncio.create_task(read(first, b"<p>" * 3_000)) for _ in range(3)]
    await until(lambda: bool(helpers.pids))

    assert (await read(second, b"<p>" * 300)).items
    assert (await read(third, b"<p>" * 300)).items
    assert len(helpers.pids) == 2
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


async def test_more_spiders_than_a_helper_keeps_are_read_rightly(
    helpers: Helpers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "MAX_SPIDERS", 2)
    parsers = [
        PageParser(
            parse(HANGING | {"items": [{"type": f"t{n}", "fields": {"n": {"xpath": "count(//p/preceding::p)"}}}]}),
            helpers,
        )
        for n in range(3)
    ]
    for _ in range(2):
        for number, parser in enumerate(parsers):
            [item] = (await read(parser, b"<p>" * 300)).items
            assert item.type == f"t{number}"
    assert len(helpers.pids) == 1


async def test_thousands_of_items_leave_the_loop_its_turns(helpers: Helpers) -> None:
    """Their records come in pieces, with other work between."""
    rule = {"type": "page", "each": "p", "key": ["n"], "fields": {"n": {"xpath": "."}}}
    parser = PageParser(parse(PLAIN | {"items": [rule]}), helpers)
    body = b"".join(b"<p>%d" % number for number in range(12_000))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    extraction = await read(parser, body)
    counting.cancel()
    assert len(extraction.items) > 5_000
    assert turns > len(extraction.items) / 200


class Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/never",)


@pytest.mark.parametrize(
    ("css", "degree"),
    [
        (".a > .b ~ p", 1),
        ("p:has(.x)", 1),
        ("p:not( :has(.x .y) ), .a .b", 1),
        (":is(p:has( .x ), .a .b):first-child", 1),
        ("p[title='a:has(b) c']", 1),
        ("p:has(.x):has(.y)", 2),
        ("body:has(.x) p", 3),
        (".a, body:HAS(> .x)\n> p", 3),
        (":is(p:has(.x), .a) ~ p", 3),
        ("p:not(body:has(.x) p)", 3),
        ("div:has(.x) div:has(.y)", 4),
        ("p:nth-child(2 of .x)", 2),
    ],
)
def test_how_steep_a_selector_may_be_is_read_from_its_text(css: str, degree: int) -> None:
    assert css_degrees(css) == (degree, degree)


def test_many_selectors_that_look_at_all_parents_do_not_hold_up_the_loop() -> None:
    fields = {f"a{number}": {"css": f".a{number} span"} for number in range(8)}
    rules = ({"items": [{"type": "page", "fields": fields}]}, {"follow": list(fields.values())})
    for rule in rules:
        before = time.thread_time()
        result = PageParser(parse(PLAIN | rule), Helpers()).extract(URL, b"<span>" * 20_000, "utf-8", "text/html")

        assert not isinstance(result, Extraction)
        assert time.thread_time() - before < 0.3
        result.close()


async def test_a_condition_that_is_asked_anew_for_each_element_does_not_hold_up_the_loop(helpers: Helpers) -> None:
    """In the loop it takes 0.12 s for 4,000 paragraphs, and four times that for twice as many."""
    body = b"<p>x" * 4_000
    fields = {"all": {"css": "p"}, "one": {"css": "body:has(.x) p"}}
    parser = PageParser(parse(PLAIN | {"items": [{"type": "page", "fields": fields}]}), helpers)

    result = parser.extract(URL, body, "utf-8", "text/html")

    assert not isinstance(result, Extraction)
    assert (await result).items[0].data == {"all": "x", "one": None}


@pytest.mark.parametrize("record", [Exploit(), [Exploit()], parse, os.system, PageParser])
def test_a_helper_that_was_taken_over_sends_no_code(record: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="no record"):
        read_record(pickle.dumps(record))


async def test_a_helper_has_no_secrets(helpers: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "very secret")
    await read(PageParser(parse(HANGING), helpers), b"<p>" * 300)

    [pid] = helpers.pids
    assert "SECRET_KEY" not in psutil.Process(pid).environ()


async def until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
