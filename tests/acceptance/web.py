"""The product's site, and a browser's session on it without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from .product import Product, wait_for


@contextmanager
def site_of(product: Product) -> Iterator[str]:
    """`runscheduler --web` on a free port."""
    product.collect_static()
    process = product.start_scheduler("--web", "127.0.0.1:0")
    [base_url] = wait_for(lambda: re.findall(r"Serving on (\S+)", process.output()), what="the site")
    yield base_url
    assert process.terminate() == 0, process.output()


def log_in(client: httpx.Client) -> None:
    """Trade the token for a browser's session."""
    client.headers.pop("Authorization")
    form = client.get("/admin/login/").raise_for_status().text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token is not None
    answer = client.post(
        "/admin/login/",
        data={"csrfmiddlewaretoken": token[1], "username": "ada", "password": "a-long-enough-pass"},
        headers={"Referer": str(client.base_url)},
    )
    assert answer.status_code == 302, answer.text
