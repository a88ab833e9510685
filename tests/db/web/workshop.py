"""The workshop's form as a browser sends it, and its answers as plain text."""

from __future__ import annotations

import re
from html import unescape

from django.test import Client

from crawler import definitions

PREVIEW = "/admin/crawler/spider/workshop/preview/"


def form_of(document: dict[str, object] | str, url: str = "", **buttons: object) -> dict[str, object]:
    """With the draft as YAML, and the page to try."""
    text = document if isinstance(document, str) else definitions.to_yaml(document)
    return {"_view": "yaml", "text": text, "url": url, **buttons}


def look(web: Client, document: dict[str, object] | str, url: str, *, fetch: bool = False, path: str = PREVIEW) -> str:
    """The fragment of the preview as plain text."""
    buttons = {"_preview": "fetch"} if fetch else {}
    answer = web.post(path, form_of(document, url, **buttons))
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "<html" not in page
    return plain(page)


def plain(page: str) -> str:
    """Tags out, white space folded."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.replace("<wbr>", ""))).split())
