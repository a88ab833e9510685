"""A DNS server on loopback whose names are slow, lost, unknown or change their minds.

    async with NameServer({"quick.test": Name("127.0.0.1")}) as server: …

Queries for other names are answered with NXDOMAIN. UDP alone; of a question all but its name and type is ignored.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast

_A, _AAAA = 1, 28
_SERVFAIL, _NXDOMAIN = 2, 3


@dataclass(frozen=True, slots=True)
class Name:
    """What is said of a name: an address for each time it is asked for, the last one for ever; none: no address."""

    address: str | tuple[str, ...] = ()
    delay: float = 0.0
    """Seconds before an answer; negative: none at all."""
    fails: bool = False
    """SERVFAIL."""
    ttl: int = 0


class NameServer(asyncio.DatagramProtocol):
    """`asked` counts the questions for IPv4 addresses by name."""

    def __init__(self, names: Mapping[str, Name]) -> None:
        self.names = dict(names)
        self.asked: Counter[str] = Counter()
        self._transport: asyncio.DatagramTransport
        self._timers: set[asyncio.TimerHandle] = set()

    @property
    def port(self) -> int:
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for timer in self._timers:
            timer.cancel()
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, end = _read_name(data)
        (kind,) = struct.unpack_from("!H", data, end)
        known = self.names.get(name)
        if kind == _A:
            self.asked[name] += 1
        if known is None:
            self._send(_answer(data, end, code=_NXDOMAIN), addr)
            return
        answer = _answer(data, end, code=_SERVFAIL if known.fails else 0, found=self._addresses(name, known, kind))
        if known.delay == 0:
            self._send(answer, addr)
        elif known.delay > 0:
            self._timers.add(asyncio.get_running_loop().call_later(known.delay, self._send, answer, addr))

    def _addresses(self, name: str, known: Name, kind: int) -> list[tuple[int, bytes]]:
        if kind != _A or not known.address:
            return []
        each = (known.address,) if isinstance(known.address, str) else known.address
        return [(known.ttl, socket.inet_aton(each[min(self.asked[name], len(each)) - 1]))]

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(answer, addr)


def _read_name(data: bytes) -> tuple[str, int]:
    """The question's name, and where its type stands."""
    labels = []
    place = 12
    while length := data[place]:
        labels.append(data[place + 1 : place + 1 + length].decode("ascii").lower())
        place += length + 1
    return ".".join(labels), place + 1


def _answer(data: bytes, end: int, *, code: int, found: list[tuple[int, bytes]] | None = None) -> bytes:
    records = found or []
    header = data[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0)
    question = data[12 : end + 4]
    return (
        header
        + question
        + b"".join(b"\xc0\x0c" + struct.pack("!HHIH", _A, 1, ttl, len(address)) + address for ttl, address in records)
    )
