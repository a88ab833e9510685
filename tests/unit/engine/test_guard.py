from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest

from crawler.engine.errors import AddressRefused, DnsError, UrlError
from crawler.engine.fetching.guard import Guard
from crawler.engine.urls import host_of, normalise
from tests.servers.corpora import cases, corpus
from tests.unit.engine.network import resolves_to

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001:0:7f00:1::1",
    "2001:db8::1",
    "2001:2::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
    "nonsense",
    "",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "192.0.3.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("address", REFUSED)
def test_address_that_the_public_cannot_reach_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused, match="CRAWLER_ALLOWED_NETWORKS"):
        Guard().check(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_passes(address: str) -> None:
    Guard().check(address)


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("127.0.0.1", ["127.0.0.1", "loopback"]),
        ("2002:7f00:1::", ["2002:7f00:1::", "127.0.0.1", "loopback"]),
        ("64:ff9b::a00:1", ["64:ff9b::a00:1", "10.0.0.1", "private"]),
        ("169.254.169.254", ["link-local"]),
        ("239.1.1.1", ["multicast"]),
        ("255.255.255.255", ["broadcast"]),
    ],
)
def test_refusal_names_address_and_kind(address: str, named: list[str]) -> None:
    with pytest.raises(AddressRefused) as caught:
        Guard().check(address)

    for part in named:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("networks", "allowed", "refused"),
    [
        (["127.0.0.0/8"], ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"], ["10.0.0.1", "::1"]),
        (["10.1.0.0/16", "::1/128"], ["10.1.2.3", "::1"], ["10.2.0.1", "127.0.0.1"]),
        (["fd00::/8"], ["fd00::1"], ["fc00::1", "fe80::1"]),
    ],
)
def test_allowed_network_opens_what_it_names_and_no_more(
    networks: list[str], allowed: list[str], refused: list[str]
) -> None:
    guard = Guard([ip_network(network) for network in networks])

    for address in allowed:
        guard.check(address)
    for address in refused:
        with pytest.raises(AddressRefused):
            guard.check(address)


async def test_name_that_leads_inside_is_refused_by_what_it_leads_to() -> None:
    guard = Guard(resolver=resolves_to("10.0.0.7", "::1"))

    with pytest.raises(AddressRefused, match=r"intranet\.example leads to 10\.0\.0\.7 .*; ::1"):
        await guard.resolve("intranet.example", 80)


async def test_only_the_public_ones_of_a_mixed_answer_are_used() -> None:
    guard = Guard(resolver=resolves_to("127.0.0.1", "8.8.8.8", "10.0.0.1", "1.1.1.1"))

    assert await guard.resolve("mixed.example", 80) == ["8.8.8.8", "1.1.1.1"]


@pytest.mark.parametrize("literal", ["8.8.8.8", "2606:4700:4700::1111"])
async def test_literal_address_asks_no_resolver(literal: str) -> None:
    guard = Guard(resolver=_fails)

    assert await guard.resolve(literal, 80) == [literal]


@pytest.mark.parametrize("literal", ["127.0.0.1", "::1"])
async def test_literal_address_is_checked(literal: str) -> None:
    with pytest.raises(AddressRefused):
        await Guard(resolver=_fails).resolve(literal, 80)


async def test_localhost_is_refused_through_the_real_resolver() -> None:
    guard = Guard()
    try:
        with pytest.raises(AddressRefused, match="loopback"):
            await guard.resolve("localhost", 80)
    finally:
        guard.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64 + ".example"])
async def test_name_without_an_address_is_a_dns_error(host: str) -> None:
    guard = Guard(timeout=5)
    try:
        with pytest.raises(DnsError, match="cannot be resolved"):
            await guard.resolve(host, 80)
    finally:
        guard.close()


async def test_slow_resolver_ends_by_its_time_limit_and_stalls_no_other_host() -> None:
    async def resolver(host: str, port: int) -> Sequence[str]:
        if host == "slow.example":
            await asyncio.Event().wait()
        return ["8.8.8.8"]

    guard = Guard(resolver=resolver, timeout=0.2)
    slow = asyncio.create_task(guard.resolve("slow.example", 80))

    assert await guard.resolve("quick.example", 80) == ["8.8.8.8"]
    assert not slow.done()
    with pytest.raises(DnsError, match="no answer within"):
        await slow


async def test_host_is_looked_up_once_for_all_who_ask() -> None:
    asked: list[str] = []
    gate = asyncio.Event()

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        await gate.wait()
        return ["8.8.8.8"]

    guard = Guard(resolver=resolver)
    waiting = [asyncio.create_task(guard.resolve("a.example", 80)) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    gate.set()

    assert await asyncio.gather(*waiting[1:]) == [["8.8.8.8"]] * 4
    assert await guard.resolve("a.example", 80) == ["8.8.8.8"]
    assert asked == ["a.example"]


@pytest.mark.parametrize("fails", [True, False])
async def test_answer_is_kept_for_its_time_only(fails: bool) -> None:
    asked: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        if fails:
            raise OSError("no such host")
        return ["8.8.8.8"]

    guard = Guard(resolver=resolver, ttl=0.0)
    for _ in range(2):
        try:
            await guard.resolve("a.example", 80)
        except DnsError:
            assert fails
    assert len(asked) == 2


async def test_failure_is_remembered_for_a_while() -> None:
    asked: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        raise OSError("no such host")

    guard = Guard(resolver=resolver)
    for _ in range(3):
        with pytest.raises(DnsError, match="no such host"):
            await guard.resolve("a.example", 80)
    assert len(asked) == 1


async def test_ssrf_cases_are_refused_by_the_url_or_by_the_address() -> None:
    """Names are given the address that the payload hides behind them: what the fetch would connect to."""
    corpus("cases")
    guard = Guard(resolver=resolves_to("127.0.0.1"))
    judged = 0
    for case in cases("ssrf_urls"):
        if case["expected"] == "allow":
            continue
        judged += 1
        with pytest.raises((UrlError, AddressRefused)):
            await guard.resolve(host_of(normalise(str(case["input"]))), 80)
    assert judged > 600


async def test_ssrf_cases_to_refuse_need_no_resolver() -> None:
    """Where the case says "refuse" the literal in the URL is enough; names are judged by their answers."""
    corpus("cases")
    guard = Guard(resolver=resolves_to("8.8.8.8"))
    reached: set[str] = set()
    for case in cases("ssrf_urls"):
        if case["expected"] != "refuse":
            continue
        try:
            host = host_of(normalise(str(case["input"])))
            await guard.resolve(host, 80)
        except (UrlError, AddressRefused):
            continue
        reached.add(host)
    assert reached == {"metadata.google.internal", "localhost", "ip6-localhost", "ip6-loopback"}


def test_networks_of_both_families_may_be_allowed_at_once() -> None:
    guard = Guard([IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")])

    guard.check("127.0.0.1")
    guard.check("::1")


async def _fails(host: str, port: int) -> Sequence[str]:
    raise AssertionError(f"{host} was looked up")


async def test_the_answers_that_are_remembered_are_bounded_and_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.engine.fetching.guard.MAX_ANSWERS", 20)
    asked: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.216.34"]

    guard = Guard(resolver=resolver)
    names = [f"h{number}.example" for number in range(70)]
    for name in names:
        await guard.resolve(name, 80)
        assert len(guard._answers) <= 20
    for name in names[-10:]:
        await guard.resolve(name, 80)
    assert asked == names
    guard.close()
