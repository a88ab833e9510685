"""``<meta http-equiv="refresh">``: a page that sends its readers elsewhere after a moment."""

from __future__ import annotations

import re
from collections.abc import Iterable

from turbohtml import Element

from crawler.engine.errors import UrlError
from crawler.engine.urls import resolve

from .page import PageTree

MAX_SECONDS = 5
"""A page that sends its readers on later than this is one to be read, and perhaps only reloads itself."""

_CONTENT = re.compile(r"\s*(\d+)?(\.[\d.]*)?(?:\s*[;,]|\s+|$)\s*(.*)", re.DOTALL)
_URL = re.compile(r"url\s*=\s*", re.IGNORECASE)


def refresh_target(page: PageTree, elements: Iterable[Element]) -> str:
    """The normalised URL that the page sends its readers to; empty where it sends nobody, or to itself.

    `elements` are those of its ``<meta>`` elements with a content that may say so, in document order. What stands in
    ``noscript`` is for readers without scripts, and would lead away from the page itself.
    """
    element = next((element for element in elements if _is_refresh(element)), None)
    href = "" if element is None else _target_of(element.attr("content") or "")
    if not href:
        return ""
    try:
        url = resolve(page.encoded(href), page.base)
    except UrlError:
        return ""
    return "" if url == page.url else url


def _is_refresh(element: Element) -> bool:
    return (element.attr("http-equiv") or "").lower() == "refresh" and element.closest("noscript") is None


def _target_of(content: str) -> str:
    found = _CONTENT.match(content)
    if found is None or (found[1] is None and found[2] is None) or int((found[1] or "0")[:9]) > MAX_SECONDS:
        return ""
    text = found[3]
    named = _URL.match(text)
    if named is not None:
        text = text[named.end() :]
    quote = text[:1]
    return text[1:].partition(quote)[0] if quote and quote in "'\"" else text
