"""Slow names: looked up by blocking questions to a real name server, as the system's resolver asks them."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from crawler.engine.errors import AddressRefused, DnsError
from crawler.engine.fetching.guard import STALE, Guard
from crawler.engine.fetching.names import Lookup, ThreadedResolver
from crawler.engine.memory import MemoryStorage
from crawler.engine.records import Ending
from crawler.engine.visit import RetryRule
from tests.servers.names import Name, NameServer
from tests.unit.engine.crawling import LOOPBACK, finish, make_crawler, make_definition
from tests.unit.engine.site import Site, page

NXDOMAIN = 3
WAIT = 120.0
"""Seconds that a question waits for its answer."""


def asking(server: NameServer) -> Lookup:
    """What `getaddrinfo` does, of this server: a question by UDP, and a thread that waits."""
    port = server.port

    def lookup(host: str, _port: int) -> Sequence[str]:
        question = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0)
        question += b"".join(bytes([len(label)]) + label.encode() for label in host.split(".")) + b"\0\0\1\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(WAIT)
            asker.sendto(question, ("127.0.0.1", port))
            answer = asker.recv(512)
        code = answer[3] & 15
        if code:
            raise socket.gaierror(socket.EAI_NONAME if code == NXDOMAIN else socket.EAI_AGAIN, f"code {code}")
        return [socket.inet_ntoa(answer[-4:])] if answer[7] else []

    return lookup


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.01)


async def test_two_hundred_lost_names_hold_up_no_other_name_and_no_other_page() -> None:
    """Half of the pages are on hosts whose names nobody answers for: what the others cost is counted in turns."""
    lost = {f"h{number}.lost.test": Name(delay=-1) for number in range(200)}
    async with (
        NameServer(lost | {f"h{number}.quick.test": Name("127.0.0.1") for number in range(20)}) as server,
        Site() as site,
    ):
        links = [f"http://{name}:{site.port}/" for name in server.names]
        site.pages = {"/hub": page(*links), "/": page(*(f"/{n}" for n in range(20)))}
        site.pages |= {f"/{number}": page() for number in range(20)}
        resolver = ThreadedResolver(lookup=asking(server))
        guard = Guard(LOOPBACK, resolver, timeout=WAIT)
        storage = MemoryStorage()
        definition = make_definition(
            f"http://127.0.0.1:{site.port}/hub", allowed_domains=["127.0.0.1", "lost.test", "quick.test"]
        )
        async with make_crawler(guard=guard) as crawler:
            crawl = crawler.crawl(definition, storage, retry=RetryRule(times=0))
            running = asyncio.create_task(crawl.run())
            # All pages of the twenty hosts are there while not one of the two hundred names has been given up.
            await until(lambda: sum(site.asked.values()) == 1 + 20 * 21)
            assert len(server.asked) == 220
            assert max(server.asked.values()) == 1
            assert not any(result.reason for result in storage.pages.values())
            # And nobody waits for them at the end.
            crawl.request_stop()
            outcome = await asyncio.wait_for(running, WAIT / 2)
            assert (outcome.ending, outcome.counts.pages_done) == (Ending.STOPPED, 1 + 20 * 21)
        resolver.close()


async def test_a_name_server_that_fails_is_told_from_one_that_does_not_know() -> None:
    async with NameServer(
        {"failing.test": Name(fails=True), "empty.test": Name(), "ok.test": Name("127.0.0.1")}
    ) as server:
        guard = Guard(LOOPBACK, ThreadedResolver(lookup=asking(server)))
        for host, why in (("failing.test", "code 2"), ("unknown.test", "code 3"), ("empty.test", "no address")):
            with pytest.raises(DnsError, match=why):
                await guard.resolve(host, 80)
        assert await guard.resolve("ok.test", 80) == ["127.0.0.1"]
        guard.close()


async def test_pages_on_names_without_an_address_are_counted_and_the_rest_is_crawled() -> None:
    async with NameServer({"ok.test": Name("127.0.0.1")}) as server, Site() as site:
        site.pages = {
            "/": page(*(f"http://gone{number}.test:{site.port}/" for number in range(30)), "/a"),
            "/a": page(),
        }
        storage = MemoryStorage()
        definition = make_definition(
            f"http://ok.test:{site.port}/", allowed_domains=["test"], manners={"obey_robots": False}
        )
        async with make_crawler(guard=Guard(LOOPBACK, ThreadedResolver(lookup=asking(server)))) as crawler:
            outcome = await finish(crawler.crawl(definition, storage, retry=RetryRule(times=1, delay=0.01)))
    assert (outcome.counts.pages_done, outcome.counts.reasons["dns_error"]) == (2, 30)


async def test_names_that_were_slow_leave_half_of_the_threads_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.engine.fetching.names.SLOW_SECONDS", 0.02)
    gate = threading.Event()

    def lookup(host: str, port: int) -> Sequence[str]:
        if host.startswith("slow"):
            time.sleep(0.03)
            gate.wait(WAIT)
        return ["127.0.0.1"]

    resolver = ThreadedResolver(threads=4, lookup=lookup)
    gate.set()
    await asyncio.gather(*(resolver(f"slow{number}", 80) for number in range(8)))
    gate.clear()
    waiting = [asyncio.create_task(resolver(f"slow{number}", 80)) for number in range(8)]
    await asyncio.sleep(0)
    for number in range(20):
        assert await asyncio.wait_for(resolver(f"quick{number}", 80), WAIT / 2) == ["127.0.0.1"]
    assert not any(task.done() for task in waiting)
    gate.set()
    assert len(await asyncio.gather(*waiting)) == 8
    assert resolver.threads <= 4
    resolver.close()


async def test_two_names_at_once_do_not_wait_for_one_idle_thread() -> None:
    gate = threading.Event()

    def lookup(host: str, port: int) -> Sequence[str]:
        if host == "slow.test":
            gate.wait(WAIT)
        return ["127.0.0.1"]

    resolver = ThreadedResolver(lookup=lookup)
    await resolver("first.test", 80)
    await until(lambda: resolver._idle == 1)
    with resolver._changed:  # the idle thread cannot take the first before the second is there
        slow, quick = (asyncio.wrap_future(resolver._job(name, 80)) for name in ("slow.test", "quick.test"))
    assert await asyncio.wait_for(quick, WAIT / 4) == ["127.0.0.1"]
    assert not slow.done()
    gate.set()
    assert await slow == ["127.0.0.1"]
    assert resolver.threads == 2
    resolver.close()


async def test_a_name_that_is_given_up_and_asked_for_again_holds_one_thread() -> None:
    gate = threading.Event()
    asked: list[str] = []

    def lookup(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        gate.wait(WAIT)
        return ["8.8.8.8"]

    resolver = ThreadedResolver(lookup=lookup)
    guard = Guard(resolver=resolver, timeout=0.05, ttl=0.0)
    for _ in range(4):
        with pytest.raises(DnsError, match="no answer within"):
            await guard.resolve("slow.test", 80)
    assert (asked, resolver.threads) == (["slow.test"], 1)
    gate.set()
    await until(lambda: not resolver._running)
    assert await guard.resolve("slow.test", 80) == ["8.8.8.8"]
    guard.close()
    resolver.close()


async def test_a_known_name_goes_on_with_its_addresses_while_it_is_slow_to_confirm_them() -> None:
    gate = threading.Event()
    gate.set()
    answers = [["8.8.8.8"], ["10.0.0.1"]]

    def lookup(host: str, port: int) -> Sequence[str]:
        gate.wait(WAIT)
        return answers.pop(0)

    resolver = ThreadedResolver(lookup=lookup)
    guard = Guard(resolver=resolver, ttl=0.05)
    assert await guard.resolve("known.test", 80) == ["8.8.8.8"]
    await asyncio.sleep(0.06)
    gate.clear()
    assert await guard.resolve("known.test", 80) == ["8.8.8.8"]
    gate.set()
    await until(lambda: not answers)
    with pytest.raises(Exception, match=r"leads to 10\.0\.0\.1"):
        await guard.resolve("known.test", 80)
    guard.close()
    resolver.close()


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock of the test's own loop on."""
    passed = 0.0

    def move(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: time.monotonic() + passed)

    return move


async def test_a_known_name_keeps_its_addresses_for_a_while_when_its_servers_fail(
    wait: Callable[[float], None],
) -> None:
    async with NameServer({"known.test": Name("127.0.0.1")}) as server:
        guard = Guard(LOOPBACK, resolver=ThreadedResolver(lookup=asking(server)), ttl=30.0)
        assert await guard.resolve("known.test", 80) == ["127.0.0.1"]
        server.names["known.test"] = Name(fails=True)
        wait(31.0)
        for _ in range(3):
            assert await guard.resolve("known.test", 80) == ["127.0.0.1"]
        assert server.asked["known.test"] == 2, "a failure is remembered, too"
        wait(6.0)
        assert await guard.resolve("known.test", 80) == ["127.0.0.1"]
        assert server.asked["known.test"] == 3
        wait(30.0 * STALE)
        with pytest.raises(DnsError, match="cannot be resolved"):
            await guard.resolve("known.test", 80)
        server.names["known.test"] = Name("127.0.0.2")
        wait(6.0)
        assert await guard.resolve("known.test", 80) == ["127.0.0.2"]
        guard.close()


async def test_that_there_is_no_such_name_any_more_holds_at_once(wait: Callable[[float], None]) -> None:
    async with NameServer({"gone.test": Name("127.0.0.1"), "empty.test": Name("127.0.0.1")}) as server:
        guard = Guard(LOOPBACK, resolver=ThreadedResolver(lookup=asking(server)), ttl=30.0)
        for name in ("gone.test", "empty.test"):
            assert await guard.resolve(name, 80) == ["127.0.0.1"]
        del server.names["gone.test"]
        server.names["empty.test"] = Name()
        wait(31.0)
        for name in ("gone.test", "empty.test"):
            with pytest.raises(DnsError, match="cannot be resolved"):
                await guard.resolve(name, 80)
        guard.close()


async def test_addresses_that_are_kept_are_checked_each_time_and_a_new_answer_replaces_them(
    wait: Callable[[float], None],
) -> None:
    """Whoever lets his name servers fail gains no inner address, neither before nor after."""
    async with NameServer({"in.test": Name("10.0.0.1"), "turns.test": Name("8.8.8.8")}) as server:
        guard = Guard(resolver=ThreadedResolver(lookup=asking(server)), ttl=30.0)
        with pytest.raises(AddressRefused):
            await guard.resolve("in.test", 80)
        assert await guard.resolve("turns.test", 80) == ["8.8.8.8"]
        server.names = dict.fromkeys(server.names, Name(fails=True))
        wait(31.0)
        with pytest.raises(AddressRefused):
            await guard.resolve("in.test", 80)
        assert await guard.resolve("turns.test", 80) == ["8.8.8.8"]
        server.names["turns.test"] = Name("10.0.0.1")
        wait(6.0)
        with pytest.raises(AddressRefused):
            await guard.resolve("turns.test", 80)
        guard.close()


async def test_where_the_system_starts_no_further_thread_those_that_there_are_look_all_names_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A container's limit on processes must not end a crawl."""
    gate = threading.Event()

    def lookup(host: str, port: int) -> Sequence[str]:
        gate.wait(WAIT)
        return ["8.8.8.8"]

    start, left = threading.Thread.start, [0]

    def limited(thread: threading.Thread) -> None:
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    resolver = ThreadedResolver(lookup=lookup)
    guard = Guard(resolver=resolver, ttl=0.0)
    with pytest.raises(DnsError, match="no thread"):
        await guard.resolve("none.test", 80)
    left[0] = 1
    waiting = [asyncio.create_task(guard.resolve(f"h{number}.test", 80)) for number in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.wait_for(asyncio.gather(*waiting), WAIT / 4) == [["8.8.8.8"]] * 5
    assert resolver.threads == 1
    guard.close()
    resolver.close()


async def test_a_lookup_that_breaks_is_told_to_who_waits_and_costs_no_thread() -> None:
    def lookup(host: str, port: int) -> Sequence[str]:
        if host == "odd.test":
            raise ValueError("what nobody thought of")
        return ["8.8.8.8"]

    resolver = ThreadedResolver(threads=1, lookup=lookup)
    for _ in range(2):
        with pytest.raises(ValueError, match="nobody thought of"):
            await asyncio.wait_for(resolver("odd.test", 80), WAIT / 4)
    assert await asyncio.wait_for(resolver("even.test", 80), WAIT / 4) == ["8.8.8.8"]
    resolver.close()
