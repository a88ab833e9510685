"""Which answers are read, by what their servers say that they are."""

from __future__ import annotations

from .pages.feeds import is_json_feed

READABLE = frozenset({"", "text/html", "application/xhtml+xml", "text/plain", "text/xml", "application/xml"})
"""Content types that are read, beside all that end in ``+xml``; no type at all is taken for HTML."""
JSON = frozenset({"application/json", "text/json", "application/x-json"})
"""Content types that say JSON, beside all that end in ``+json``."""
SCRIPTS = frozenset({"text/javascript", "application/javascript", "application/x-javascript"})
"""Content types under which some servers send JSON."""


def is_readable(content_type: str, body: bytes = b"") -> bool:
    """Whether a body of this type is handed to the extractor. (JSON is where it is a feed.)"""
    if content_type in READABLE:
        return True
    if content_type.endswith("json"):
        return is_json_feed(content_type, body)
    return content_type.endswith("+xml") and not content_type.startswith("image/")


def names_json(content_type: str) -> bool:
    return content_type in JSON or content_type.endswith("+json")


def may_be_json(content_type: str) -> bool:
    """Whether a spider with rules for JSON looks into such an answer: many servers send JSON as text or script."""
    return is_readable(content_type) or names_json(content_type) or content_type in SCRIPTS
