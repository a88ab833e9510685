"""What people do wrong is a line of the log, and no traceback; an error of ours has one."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

import pytest
from django.test import Client

from .making import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What the console's handler has written."""
    written = io.StringIO()
    [console] = [one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler and one.filters]
    monkeypatch.setattr(console, "stream", written)
    return lambda: written.getvalue().splitlines()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/admin/crawler/item/export/", 403),
        ("/admin/crawler/item/export/x/", 403),
        ("/admin/crawler/crawltask/1/live/odd/", 403),
        ("/admin/nowhere/", 404),
        ("/api/crawl/items", 403),
    ],
)
def test_what_is_not_allowed_is_one_line_of_the_log(
    client: Client, lines: Callable[[], list[str]], path: str, status: int
) -> None:
    client.force_login(make_user("eve"))
    assert client.get(path).status_code == status
    [line] = lines()
    assert path in line


@pytest.mark.parametrize("body", [b"--x\r\nodd", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n" * 2_000])
def test_a_body_that_cannot_be_read_is_one_line_too(
    client: Client, lines: Callable[[], list[str]], body: bytes
) -> None:
    client.force_login(make_user("eve", superuser=True))
    answer = client.post("/admin/crawler/item/export/", data=body, content_type="multipart/form-data; boundary=")
    assert answer.status_code == 400
    assert len(lines()) == 1


def test_an_error_of_ours_keeps_its_traceback(
    client: Client, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("crawler.admin.exporting._check", broken)
    client.force_login(make_user("eve", superuser=True))
    client.raise_request_exception = False
    assert client.get("/admin/crawler/item/export/").status_code == 500
    assert "RuntimeError: ours" in lines()
