"""From one page's address to an expression for those of its kind: ``/product/12`` to ``/product/\\d+$``."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_MAX_SEGMENTS = 12


def like(url: str) -> str:
    """What is found in the addresses of pages like this one; empty where nothing of it looks as if it varied.

    Digits vary, and so do words in a row (``a-light-in-the-attic_1000``) and the last part of a longer path.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    segments = [part for part in parts.path.split("/") if part]
    if not segments or len(segments) > _MAX_SEGMENTS:
        return ""
    written = [_segment(part, is_last=index == len(segments) - 1) for index, part in enumerate(segments)]
    is_index = re.fullmatch(r"(?:index|default)\.\w+", segments[-1]) is not None
    if is_index:
        written[-1] = _literal(segments[-1])
    varies = [text != _literal(part) for text, part in zip(written, segments, strict=True)]
    if not any(varies) and len(segments) > 1:
        place = len(segments) - (2 if is_index else 1)
        if place == 0:
            return ""
        written[place] = _any(segments[place])
        varies[place] = True
    if not any(varies):
        return ""
    # Words in front of what varies say enough; the host is the spider's own anyway.
    first = max(0, varies.index(True) - 2)
    end = "/" if parts.path.endswith("/") else ""
    return "/" + "/".join(written[first:]) + end + ("$" if not parts.query else r"\?")


def _segment(text: str, *, is_last: bool) -> str:
    if re.fullmatch(r"\d+", text):
        return r"\d+"
    if re.search(r"\d", text) or text.count("-") + text.count("_") >= (1 if is_last else 3):
        return _any(text)
    return _literal(text)


def _any(text: str) -> str:
    """Any segment with the same extension, and a number at the end where there is one."""
    stem, dot, extension = text.rpartition(".")
    tail = rf"\.{extension}" if dot and extension.isalpha() and len(extension) <= 5 else ""
    body = stem if tail else text
    number = re.search(r"[-_.]\d+$", body)
    return (rf"[^/]+{_literal(number[0][0])}\d+" if number else "[^/]+") + tail


def _literal(text: str) -> str:
    return re.sub(r"([\\.+*?()\[\]{}|^$])", r"\\\1", text)
