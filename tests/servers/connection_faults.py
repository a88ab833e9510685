"""Faults of connections, of the protocol and of time."""

from __future__ import annotations

import asyncio

from .exchange import Exchange, fault


@fault("")
async def root(exchange: Exchange) -> bool:
    exchange.answer()
    return True


@fault("ok")
async def ok(exchange: Exchange) -> bool:
    exchange.answer()
    return True


# the connection


@fault("reset")
async def reset(exchange: Exchange) -> None:
    """RST before a byte."""
    exchange.reset()


@fault("reset-in-body")
async def reset_in_body(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf")
    await exchange.writer.drain()
    await asyncio.sleep(0.02)
    exchange.reset()


@fault("close")
async def close(exchange: Exchange) -> None:
    """FIN before a byte."""


@fault("close-in-headers")
async def close_in_headers(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Ty")


@fault("flaky")
async def flaky(exchange: Exchange) -> bool | None:
    """Resets ``/flaky/N`` N times, then answers."""
    if exchange.counts[exchange.path] <= int(exchange.argument):
        exchange.reset()
        return None
    exchange.answer()
    return True


@fault("close-idle")
async def close_idle(exchange: Exchange) -> None:
    """Promises keep-alive, then closes its half of the connection behind the answer."""
    exchange.answer(connection="keep-alive")
    await exchange.writer.drain()
    if exchange.writer.can_write_eof():
        exchange.writer.write_eof()
    await exchange.hang()


@fault("close-on-reuse")
async def close_on_reuse(exchange: Exchange) -> bool | None:
    """Answers the first request of a connection; the second one ends it without a byte."""
    if exchange.earlier:
        return None
    exchange.answer()
    return True


@fault("second-answer")
async def second_answer(exchange: Exchange) -> bool:
    """Sends an answer that nobody asked for behind the right one, in the same segment."""
    exchange.answer()
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil")
    return True


@fault("late-answer")
async def late_answer(exchange: Exchange) -> bool:
    """The same, but a moment later, when the connection rests."""
    exchange.answer()
    await exchange.writer.drain()
    await asyncio.sleep(0.05)
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil")
    return True


# not HTTP, or too much of it


@fault("garbage")
async def garbage(exchange: Exchange) -> None:
    exchange.send(b"\x16\x03\x01 this is no HTTP \x00\xff\r\n\r\n")


@fault("bad-status")
async def bad_status(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 abc OK\r\n\r\n")


@fault("two-lengths")
async def two_lengths(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 8\r\n\r\nbodybody")


@fault("length-and-chunks")
async def length_and_chunks(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")


@fault("switch-protocol")
async def switch_protocol(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    await exchange.hang()


@fault("offer-upgrade")
async def offer_upgrade(exchange: Exchange) -> bool:
    """What Apache sends: an offer of HTTP/2 in an ordinary answer."""
    exchange.answer(upgrade="h2,h2c", connection="Upgrade, Keep-Alive")
    return True


@fault("huge-header")
async def huge_header(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Huge: " + b"a" * int(exchange.number("bytes", 1_000_000)))
    exchange.send(b"\r\nContent-Length: 0\r\n\r\n")


@fault("many-headers")
async def many_headers(exchange: Exchange) -> None:
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(int(exchange.number("count", 2000))))
    exchange.send(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n")


@fault("endless-headers")
async def endless_headers(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        exchange.send(b"X-More: and more\r\n" * 500)
        await exchange.writer.drain()


@fault("informational")
async def informational(exchange: Exchange) -> bool:
    """``/informational/N``: N times 103 before the answer."""
    exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" * int(exchange.argument or 1))
    exchange.answer()
    return True


@fault("cookies")
async def cookies(exchange: Exchange) -> bool:
    lines = b"".join(b"Set-Cookie: c%d=%s\r\n" % (number, b"v" * 100) for number in range(100))
    exchange.send(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\nok")
    return True


# time


@fault("stall")
async def stall(exchange: Exchange) -> None:
    """Not a byte."""
    await exchange.hang()


@fault("stall-in-body")
async def stall_in_body(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    await exchange.hang()


@fault("drip")
async def drip(exchange: Exchange) -> None:
    """A byte of the body every ``?seconds=``."""
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    await exchange.slowly((b"x" for _ in range(100_000)), exchange.number("seconds", 1.0))


@fault("slow-headers")
async def slow_headers(exchange: Exchange) -> None:
    """A byte of the headers every ``?seconds=``."""
    head = b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 100_000
    await exchange.slowly((head[index : index + 1] for index in range(len(head))), exchange.number("seconds", 1.0))


@fault("delay")
async def delay(exchange: Exchange) -> bool:
    """``/delay/SECONDS`` before a correct answer."""
    await asyncio.sleep(float(exchange.argument))
    exchange.answer()
    return True
