from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import cast

import pytest

from tests.servers.corpora import REPOSITORY, corpus
from tests.servers.misbehaving import PAGE, MisbehavingServer
from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower-case) and body by the standard library's client."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        response = cast("HTTPResponse", _OPENER.open(urllib.request.Request(url, headers=named), timeout=10))
    except urllib.error.HTTPError as error:
        response = cast("HTTPResponse", error)
    with response:
        return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "index.html").write_text("<h1>Home</h1>")
    (tmp_path / "docs" / "index.html").write_text("<h1>Docs</h1>")
    (tmp_path / "docs" / "a page.html").write_text("<h1>A page</h1>")
    (tmp_path / "style.css").write_text("h1 {}")
    return tmp_path


@pytest.fixture
def site(tree: Path) -> Iterator[SiteServer]:
    server = SiteServer(tree)
    with serve_in_thread(server):
        yield server


@pytest.mark.parametrize(
    ("target", "status", "kind", "body"),
    [
        ("/", 200, "text/html", b"<h1>Home</h1>"),
        ("/index.html?x=1", 200, "text/html", b"<h1>Home</h1>"),
        ("/docs/", 200, "text/html", b"<h1>Docs</h1>"),
        ("/docs/a%20page.html", 200, "text/html", b"<h1>A page</h1>"),
        ("/style.css", 200, "text/css", b"h1 {}"),
        ("/missing", 404, "text/html; charset=utf-8", b"<h1>Not found</h1>"),
        ("/../../etc/passwd", 404, "text/html; charset=utf-8", b"<h1>Not found</h1>"),
        ("/%2e%2e/%2e%2e/etc/passwd", 404, "text/html; charset=utf-8", b"<h1>Not found</h1>"),
    ],
)
def test_tree_is_served_as_it_lies(site: SiteServer, target: str, status: int, kind: str, body: bytes) -> None:
    answer = get(site.url + target)

    assert (answer[0], answer[1]["content-type"], answer[2]) == (status, kind, body)


def test_folder_without_its_slash_is_a_redirect(site: SiteServer) -> None:
    status, headers, _ = get(site.url + "/docs")

    assert (status, headers["location"]) == (301, site.url + "/docs/")


def test_unchanged_page_is_a_304_until_it_is_replaced(site: SiteServer) -> None:
    _, first, _ = get(site.url + "/")
    by_etag = get(site.url + "/", If_None_Match=first["etag"])
    by_date = get(site.url + "/", If_Modified_Since=first["last-modified"])
    site.replace("/", b"<h1>New</h1>")
    after = get(site.url + "/", If_None_Match=first["etag"], If_Modified_Since=first["last-modified"])

    assert (by_etag[0], by_etag[2]) == (by_date[0], by_date[2]) == (304, b"")
    assert (after[0], after[2]) == (200, b"<h1>New</h1>")
    assert after[1]["etag"] != first["etag"]
    assert [logged.status for logged in site.log] == [200, 304, 304, 200]


def test_without_validators_nothing_is_ever_a_304(site: SiteServer) -> None:
    _, first, _ = get(site.url + "/")
    site.validators = False
    status, headers, body = get(site.url + "/", If_None_Match=first["etag"])

    assert (status, body) == (200, b"<h1>Home</h1>")
    assert not {"etag", "last-modified"} & headers.keys()


def test_page_can_be_removed_redirected_and_delayed(site: SiteServer) -> None:
    site.remove("/style.css")
    site.redirect("/old", "/docs/")
    site.delays["/"] = 0.2

    begin = time.monotonic()
    assert get(site.url + "/")[0] == 200
    assert time.monotonic() - begin >= 0.2
    assert get(site.url + "/style.css")[0] == 404
    assert get(site.url + "/old")[:2][1]["location"] == "/docs/"
    assert site.targets() == ["/", "/style.css", "/old"]


@pytest.mark.parametrize("name", ["shop", "quotes"])
def test_recorded_site_is_served_by_its_manifest(name: str) -> None:
    folder = corpus(name) / "site"
    manifest = json.loads((folder / "manifest.json").read_text())
    server = SiteServer.of_corpus(name)
    with serve_in_thread(server) as url:
        for target, entry in manifest.items():
            status, headers, body = get(url + target)
            assert (status, body) == (entry["status"], (folder / entry["file"]).read_bytes()), target
            assert headers.get("content-type") == entry["headers"].get("content-type")
            if "location" in entry["headers"]:
                assert headers["location"].startswith(url + "/")
        assert get(url + "/no-such-page")[0] == 404


def test_site_runs_as_a_process_that_prints_its_url_and_logs(tree: Path, tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    command = [sys.executable, "-m", "tests.servers.sites", "--folder", str(tree), "--log", str(log)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = get(url + "/docs/")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0

    assert (answer[0], answer[2]) == (200, b"<h1>Docs</h1>")
    assert log.read_text().split()[1:] == ["GET", "/docs/", "200"]


def test_misbehaving_server_runs_in_a_thread_too() -> None:
    server = MisbehavingServer()
    with serve_in_thread(server) as url:
        assert get(url + "/failing/503/1")[0] == 503
        assert get(url + "/failing/503/1")[::2] == (200, PAGE)

    assert server.connections == 2
    assert server.targets() == ["/failing/503/1"] * 2
