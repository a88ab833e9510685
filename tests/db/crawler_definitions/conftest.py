"""A site on loopback, and leave to crawl it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .documents import LIST, PRODUCT


@pytest.fixture
def site(tmp_path: Path, settings: Settings) -> Iterator[SiteServer]:
    """A list of two books, one page that is not allowed, one that moved."""
    settings.CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    folder = tmp_path / "site"
    folder.mkdir()
    server = SiteServer(folder)
    server.replace("/", LIST.encode())
    server.replace("/book/1", PRODUCT.format(title="One", price="26.10").encode())
    server.replace("/book/2", PRODUCT.format(title="Two \u202e\x9b2J", price="cheap").encode())
    server.replace("/private", b"<h1>No</h1>")
    server.replace("/robots.txt", b"User-agent: *\nDisallow: /private\n", content_type="text/plain")
    server.redirect("/moved", "/book/1")
    with serve_in_thread(server):
        yield server
