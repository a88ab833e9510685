"""Where a crawl may not connect it does not connect: judged at listening sockets that count what they accept."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .product import Product, wait_for
from .web import site_of

pytestmark = [pytest.mark.process, pytest.mark.any_database]

SETTING = "CRAWLER_ALLOWED_NETWORKS"
DISGUISES = {
    "by-address": "127.0.0.1",
    "by-name": "localhost",
    "mapped": "[::ffff:127.0.0.1]",
    "by-version-six": "[::1]",
    "as-a-number": "2130706433",
    "in-octal": "0177.0.0.1",
    "short": "127.1",
}


class Listener:
    """One port of several addresses; whoever connects is counted and sent away."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.accepted = 0
        self.port = 0
        self.sockets: list[socket.socket] = []
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                self.sockets.append(socket.create_server((address, self.port), family=family))
            except OSError:  # a machine without IPv6, or with 127.0.0.1 alone
                continue
            self.port = self.sockets[0].getsockname()[1]
        self.threads = [threading.Thread(target=self._accept, args=(each,)) for each in self.sockets]

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            self.accepted += 1
            connection.close()


@contextmanager
def listening(*addresses: str) -> Iterator[Listener]:
    listener = Listener(addresses)
    assert listener.sockets
    for thread in listener.threads:
        thread.start()
    try:
        yield listener
    finally:
        for each in listener.sockets:
            each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in listener.threads:
            thread.join(5)


def test_loopback_is_refused_in_every_disguise_and_the_task_says_why(product: Product) -> None:
    del product.environment[SETTING]
    with listening("127.0.0.1", "::1") as listener:
        product.load(
            spiders=[
                {"name": name, "start_urls": [f"http://{host}:{listener.port}/"]} for name, host in DISGUISES.items()
            ]
        )
        with site_of(product) as base_url, product.client(base_url) as client:
            parent = client.post("/api/crawl/all").raise_for_status().json()["task_id"]
            wait_for(
                lambda: client.get(f"/api/crawl/tasks/{parent}").json()["status"] not in ("pending", "running"),
                what="the end of all crawls",
            )
            tasks = client.get("/api/crawl/tasks", params={"parent": parent}).raise_for_status().json()["results"]
            assert {task["spider"] for task in tasks} == set(DISGUISES)
            for task in tasks:
                assert (task["status"], task["reasons"]) == ("failed", {"address_refused": 1}), task
                assert SETTING in task["message"], task
                assert "loopback" in task["message"], task
                [page] = client.get(f"/api/crawl/tasks/{task['task_id']}/pages?state=refused").json()["results"]
                assert page["reason"] == "address_refused"
        # Every failure tells its reason, as the task's page shows it.
        failures = product.sql("SELECT reason, detail FROM crawler_taskfailure")
        assert len(failures) == len(DISGUISES)
        assert all(reason == "address_refused" and SETTING in str(detail) for reason, detail in failures)
        assert listener.accepted == 0

        # That socket can be reached: with the network allowed the same spider comes by.
        product.environment[SETTING] = "127.0.0.0/8"
        product.manage("crawl", "mapped", "--json", check=False)
        assert listener.accepted > 0


def test_an_allowed_server_leads_no_crawl_to_another_address(product: Product, tmp_path: Path) -> None:
    """By a redirect and by a link; the start page's own address is the only one that is allowed."""
    product.environment[SETTING] = "127.0.0.1/32"
    folder = tmp_path / "site"
    folder.mkdir()
    with ExitStack() as stack:
        listener = stack.enter_context(listening("127.0.0.2", "::1"))
        forbidden = [f"http://{host}:{listener.port}" for host in ("127.0.0.2", "[::1]", "[::ffff:7f00:2]")]
        site = SiteServer(folder)
        links = "".join(
            f"<a href='/redirect/{number}'>there</a> <a href='{origin}/linked'>there</a>"
            for number, origin in enumerate(forbidden)
        )
        (folder / "index.html").write_text(links)
        url = stack.enter_context(serve_in_thread(site))
        for number, origin in enumerate(forbidden):
            site.redirect(f"/redirect/{number}", f"{origin}/redirected")
        product.load(
            spiders=[
                {
                    "name": "led",
                    "start_urls": [f"{url}/index.html"],
                    "allowed_domains": ["127.0.0.1", "127.0.0.2", "[::1]", "[::ffff:7f00:2]"],
                    "follow": [{"css": "a"}],
                }
            ]
        )

        printed = json.loads(product.manage("crawl", "led", "--json").stdout.splitlines()[-1])

        assert {"/redirect/0", "/redirect/1", "/redirect/2"} <= set(site.targets())
        assert (printed["status"], printed["pages"]) == ("completed", 1)
        assert printed["reasons"] == {"address_refused": 2 * len(forbidden)}
        assert listener.accepted == 0
        failures = product.sql("SELECT url, detail FROM crawler_taskfailure WHERE reason = 'address_refused'")
        assert {str(address) for address, _detail in failures} == {
            f"{origin}/{path}" for origin in forbidden for path in ("linked", "redirected")
        }
        assert all(SETTING in str(detail) for _address, detail in failures)
