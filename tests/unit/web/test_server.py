from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable

import httpx
import pytest

from crawlproject.web.server import AddressInUse, WebServer, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("[::1]:80", ("::1", 80)),
        (":9000", ("127.0.0.1", 9000)),
        ("9000", ("127.0.0.1", 9000)),
    ],
)
def test_addresses_are_read(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "localhost", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:99999", "1:²"])
def test_what_is_no_address_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is no address: give HOST:PORT"):
        parse_address(text)


def test_a_taken_port_is_refused_naming_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUse, match=rf"127\.0\.0\.1:{port} cannot be listened on .*PORT={port + 1}"):
            WebServer("127.0.0.1", port)


def test_port_0_is_a_free_one_and_the_address_says_which() -> None:
    server = WebServer(*parse_address("127.0.0.1:0"), application=lambda environ, start: [])
    try:
        assert int(server.url.rpartition(":")[2]) > 0
    finally:
        server.close()


def test_it_closes_in_the_midst_of_answers_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    failed: list[threading.ExceptHookArgs] = []
    begun, hook = threading.Semaphore(0), threading.excepthook

    def answer(environ: object, start: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
        begun.release()
        ended.wait(0.2)
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    def ask(url: str) -> None:
        try:
            httpx.get(url, trust_env=False, timeout=10)
        except httpx.TransportError:
            return  # it was closed before its turn

    threading.excepthook = failed.append
    try:
        with caplog.at_level(logging.WARNING):
            for _round in range(5):
                ended = threading.Event()
                server = WebServer("127.0.0.1", 0, application=answer)
                server.start()
                askers = [threading.Thread(target=ask, args=(server.url,)) for _ in range(3)]
                for asker in askers:
                    asker.start()
                begun.acquire()
                server.close()
                for asker in askers:
                    asker.join()
    finally:
        threading.excepthook = hook
    assert failed == []
    assert [record for record in caplog.records if record.exc_info] == []
