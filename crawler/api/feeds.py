"""What changed, as feeds that readers know: JSON Feed 1.1 and Atom (RFC 4287)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as Xml

from django.utils.translation import gettext as _

from crawler.items.browsing import shown, title_of
from crawler.items.changes import ItemChange, Kind

ATOM = "http://www.w3.org/2005/Atom"
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A page of changes with its addresses, each of them whole."""

    title: str
    home: str
    here: str
    following: str
    """Of the next, older page; empty for the last."""
    entries: Sequence[ItemChange]
    address_of: Callable[[ItemChange], str]
    """Of the item in the API; with what became of it behind it no two entries have the same."""


def as_json(feed: Feed) -> bytes:
    document: dict[str, object] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.here,
        **({"next_url": feed.following} if feed.following else {}),
        "items": [_json_entry(entry, feed) for entry in feed.entries],
    }
    return json.dumps(document, ensure_ascii=False).encode()


def as_atom(feed: Feed) -> bytes:
    Xml.register_namespace("", ATOM)
    root = Xml.Element(f"{{{ATOM}}}feed")
    _text(root, "title", feed.title)
    _text(root, "id", feed.home)
    _text(root, "updated", _moment(feed.entries[0].at if feed.entries else datetime(1970, 1, 1, tzinfo=UTC)))
    _link(root, "self", feed.here)
    _link(root, "alternate", feed.home)
    if feed.following:
        _link(root, "next", feed.following)
    _text(Xml.SubElement(root, f"{{{ATOM}}}author"), "name", "Lamplighter")
    for entry in feed.entries:
        _atom_entry(root, entry, feed)
    written: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


FORMATS: Mapping[str, tuple[str, Callable[[Feed], bytes]]] = {
    "json": ("application/feed+json; charset=utf-8", as_json),
    "atom": ("application/atom+xml; charset=utf-8", as_atom),
}
"""By the name behind `format=`."""


def _json_entry(entry: ItemChange, feed: Feed) -> dict[str, object]:
    item, address = entry.item, _address(entry, feed)
    return {
        "id": address,
        "url": address if item.page is None else item.page.url,
        "title": _title(entry),
        "content_text": _content(entry),
        "date_published": _moment(item.first_seen_at),
        "date_modified": _moment(entry.at),
        "tags": [item.spider.name, item.type, entry.kind.value],
        "_lamplighter": {
            "item": item.pk,
            "spider": item.spider.name,
            "type": item.type,
            "key": item.key,
            "kind": entry.kind.value,
            "version": item.version,
            "data": item.data,
            "changes": [
                {"field": change.name, "before": change.before, "after": change.after} for change in entry.changes
            ],
        },
    }


def _atom_entry(root: Xml.Element, entry: ItemChange, feed: Feed) -> None:
    item, address = entry.item, _address(entry, feed)
    element = Xml.SubElement(root, f"{{{ATOM}}}entry")
    _text(element, "title", _title(entry))
    _text(element, "id", address)
    _text(element, "published", _moment(item.first_seen_at))
    _text(element, "updated", _moment(entry.at))
    _link(element, "alternate", address if item.page is None else item.page.url)
    for term in (item.spider.name, item.type, entry.kind.value):
        Xml.SubElement(element, f"{{{ATOM}}}category", term=_writable(term))
    _text(element, "content", _content(entry)).set("type", "text")


def _address(entry: ItemChange, feed: Feed) -> str:
    """No reader has seen it before: an item goes, and comes back, more than once with one and the same version."""
    part = f"v{entry.item.version}"
    if entry.kind is Kind.GONE and entry.item.returned_at is None:
        part = "gone"  # for the first time: without the moment, as entries are known that were read long ago
    elif entry.kind in (Kind.GONE, Kind.RETURNED):
        part = f"{entry.kind.value}-{entry.at.astimezone(UTC):%Y%m%dT%H%M%S}"
    return f"{feed.address_of(entry)}#{part}"


def _title(entry: ItemChange) -> str:
    words = {
        Kind.NEW: _("New: %(item)s"),
        Kind.CHANGED: _("Changed: %(item)s"),
        Kind.GONE: _("Gone: %(item)s"),
        Kind.RETURNED: _("Came back: %(item)s"),
    }
    return words[entry.kind] % {"item": title_of(entry.item)}


def _content(entry: ItemChange) -> str:
    """A line a field: of one that changed, what it was and what it is."""
    if entry.changes:
        lines = (f"{change.name}: {shown(change.before)} → {shown(change.after)}" for change in entry.changes)
    else:
        lines = (f"{name}: {shown(value)}" for name, value in entry.item.data.items())
    return "\n".join(lines)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)


def _text(parent: Xml.Element, name: str, text: str) -> Xml.Element:
    element = Xml.SubElement(parent, f"{{{ATOM}}}{name}")
    element.text = _writable(text)
    return element


def _link(parent: Xml.Element, relation: str, address: str) -> None:
    Xml.SubElement(parent, f"{{{ATOM}}}link", rel=relation, href=_writable(address))
