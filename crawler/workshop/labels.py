"""Labels beside a value: what people read it by, and what outlives most changes of a page's looks.

``//dt[normalize-space()='UPC']/following-sibling::dd[1]``: CSS knows no texts, so these are XPaths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from turbohtml import Element, Node, Text

from .features import Hold

MAX_LABEL = 40
"""Characters."""
_LEVELS = 4
_MOST_LOOKED_AT = 300
_MOST_LABELS = 20
"""Of one text, where one of them is to tell its value from others."""
_LABEL_TAGS = frozenset({"th", "dt", "label", "b", "strong"})
"""Elements that are labels by nature."""
_HEADINGS = frozenset({"h2", "h3", "h4", "h5", "h6"})
_NO_LABELS = frozenset({"head", "h1", "script", "style", "title", "option", "nav", "header", "svg", "img"})
"""What stands on top of a page is its name, and another one on the next."""
_TAG = re.compile(r"[a-z][a-z0-9-]*")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_PREFIX = re.compile(r"\s*([^\W\d_][^:：\d]{1,30}[:：])\s*\S")


def labelled(target: Element, home: Node, *, attribute: str = "", is_relative: bool = False) -> Iterator[Hold]:
    """XPaths that find `target` by a label; `is_relative` to the item that it stands in."""
    begin = ".//" if is_relative else "//"
    end = f"/@{attribute}" if attribute else ""
    if not attribute:
        yield from _inside(target, begin)
    inner = ""
    node = target
    for level in range(_LEVELS):
        if not _TAG.fullmatch(node.tag):
            return
        for label, cost in _labels_before(node, home):
            # `dd[1]` is the first that follows; what else follows must do so at once, or it is another label's.
            next_one = f"{node.tag}[1]" if node.tag in ("dd", "td") else f"*[1][self::{node.tag}]"
            yield Hold(f"{begin}{label}/following-sibling::{next_one}{inner}{end}", cost + 2.5 * level)
        parent = node.parent
        if not isinstance(parent, Element) or parent == home:
            return
        inner = f"//{target.tag}"
        node = parent


def text_label(element: Element) -> str:
    """The text of an element that may be a label; empty where it is none."""
    text = " ".join(element.text[: 4 * MAX_LABEL].split())
    if not text or len(text) > MAX_LABEL or not _LETTERS.search(text) or re.search(r"\d", text):
        return ""
    return text


def literal(text: str) -> str:
    """An XPath text; empty where both kinds of quotes stand in it."""
    if "'" not in text:
        return f"'{text}'"
    return f'"{text}"' if '"' not in text else ""


def _labels_before(node: Element, home: Node) -> Iterator[tuple[str, float]]:
    before = next((one for one in node.previous_siblings if isinstance(one, Element)), None)
    if before is None or before.tag in _NO_LABELS or not _TAG.fullmatch(before.tag):
        return
    text = text_label(before)
    written = literal(text)
    if text and written:
        is_label = before.tag in _LABEL_TAGS or text.endswith((":", "："))
        if (is_label or before.tag in _HEADINGS or len(text.split()) <= 2) and _is_rare(before, text, home):
            yield f"{before.tag}[normalize-space()={written}]", 4.0 if is_label else 9.0
        return
    # `<p>Price: £10.66</p><p>In stock</p>`: what goes before is a pair of its own.
    found = _PREFIX.match(before.text[: 4 * MAX_LABEL])
    written = literal(found[1]) if found else ""
    if written:
        yield f"{before.tag}[starts-with(normalize-space(), {written})]", 11.0


def _is_rare(label: Element, text: str, home: Node) -> bool:
    """What stands everywhere says nothing; and to look behind each of thousands takes the square of them."""
    same = 0
    for one in home.select(f":is({label.tag})")[:_MOST_LOOKED_AT]:
        same += " ".join(one.text[: 4 * MAX_LABEL].split()) == text
        if same > _MOST_LABELS:
            return False
    return True


def _inside(target: Element, begin: str) -> Iterator[Hold]:
    """The label and the value in one element: ``<p>Price: £51.77</p>``, ``<li><b>Author:</b> Jane</li>``."""
    if not _TAG.fullmatch(target.tag):
        return
    children = [
        child
        for child in target.children
        if isinstance(child, Element) or (isinstance(child, Text) and child.data.strip())
    ]
    if len(children) > 1 and isinstance(children[0], Element) and isinstance(children[1], Text):
        label = text_label(children[0])
        written = literal(label)
        if label and written and _TAG.fullmatch(children[0].tag):
            yield Hold(f"{begin}{children[0].tag}[normalize-space()={written}]/following-sibling::text()[1]", 4.5)
    found = _PREFIX.match(target.text[: 4 * MAX_LABEL])
    written = literal(found[1]) if found else ""
    if written:
        yield Hold(f"{begin}{target.tag}[starts-with(normalize-space(), {written})]", 7.0)
