"""A fetched page as it is shown for pointing: harmless, loading nothing, each element with its number.

The page is written anew from the engine's own tree, as XHTML: an XML parser makes of it the very tree that was written,
where one of HTML would mend what it finds odd. So a click in the browser names, by the number, the element on which
selectors are computed: elements are counted in document order (`elements_of`).

What is written is chosen from lists of harmless elements and attributes; all else becomes a box that keeps its number,
and its name in ``data-tag``. Scripts cannot run and nothing can be loaded: the policy with which the page is served
(`POLICY`) and the frame's sandbox say so too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from turbohtml import Element, Namespace, Node, Text

from crawler.engine.content_types import is_readable
from crawler.engine.pages.bounds import Bounds, Outgrown
from crawler.engine.pages.page import PageTree, ReadingFailed
from crawler.engine.records import Answer

from .features import attribute

POLICY = (
    "sandbox allow-same-origin; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
CONTENT_TYPE = "application/xhtml+xml; charset=utf-8"
BOUNDS = Bounds(seconds=3.0, characters=32_000_000, elements=50_000, narrow_elements=50_000, is_hasty=True)
"""Of a page that may be pointed at; the site's threads read it."""
MAX_BYTES = 4_000_000
MAX_SHOWN = 25_000
"""Elements; what comes after them is left out."""
MAX_CHARACTERS = 3_000_000
MAX_DEPTH = 220
"""Elements deeper down are a part of what is around them: browsers draw no deeper than some hundreds."""
MAX_ATTRIBUTES = 100
"""Of one element that are looked at."""
MAX_VALUE = 2_000
"""Characters of an attribute; of a picture in one `MAX_PICTURE`."""
MAX_PICTURE = 200_000

_XHTML, _SVG = "http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"
_LEFT_OUT = frozenset({"script", "template", "link", "meta", "base", "noembed", "noframes", "param", "source", "track"})
_PLAIN = """
    a abbr acronym address article aside b bdi bdo big blockquote body br button caption center cite code col colgroup
    data dd del details dfn dir div dl dt em fieldset figcaption figure font footer h1 h2 h3 h4 h5 h6 head header hgroup
    hr html i img input ins kbd label legend li main mark menu meter nav noscript ol optgroup option output p picture
    pre progress q rp rt ruby s samp search section select small span strike strong style sub summary sup table tbody td
    textarea tfoot th thead time title tr tt u ul var wbr
"""
_TAGS = frozenset(_PLAIN.split())
_CUSTOM = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+", re.ASCII)
_BOXES = frozenset({"form", "iframe", "frame", "frameset", "object", "embed", "video", "audio", "canvas", "dialog"})
"""What becomes a `div`; anything else that is not known, a `span`."""
_PLAIN_ATTRIBUTES = """
    align alt aria-label bgcolor border cellpadding cellspacing checked class color colspan cols datetime dir face
    headers height hidden id itemprop lang max min nowrap open placeholder rel reversed role rows rowspan scope selected
    size span start style title valign value width
"""
_ATTRIBUTES = frozenset(_PLAIN_ATTRIBUTES.split())
_INPUTS = frozenset({"button", "checkbox", "hidden", "radio", "reset", "search", "submit"})
_DRAWN_TAGS = "svg g path circle rect line polyline polygon ellipse text tspan title desc foreignObject"
_DRAWN = frozenset(_DRAWN_TAGS.split())
_DRAWING = """
    class id style d points x y x1 x2 y1 y2 cx cy r rx ry dx dy width height viewBox fill stroke stroke-width
    stroke-linecap stroke-linejoin transform opacity fill-rule clip-rule preserveAspectRatio
"""
_DRAWING_ATTRIBUTES = frozenset(_DRAWING.split())
_FOREIGN = re.compile(
    r"@import[^;}]*;?|@font-face\s*\{[^}]*\}?|@namespace[^;]*;?|(?:url|image-set|src)\((?:[^()\"']|\"[^\"]*\"|'[^']*')*\)",
    re.IGNORECASE,
)
"""In styles what would be asked of others: the policy refuses it, and browsers complain. What is never closed is taken
to the end, as browsers do: to look for the end from each beginning takes the square of them."""
_PICTURE = re.compile(r"data:image/(?:png|gif|jpeg|webp|avif|bmp|x-icon|svg\+xml)[;,]", re.IGNORECASE)
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML holds."""
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_TEXT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})

# Nothing hangs before anything else: veils and banners go to their places in the text, so that what is behind can be
# pointed at. What styles write is no text of the page.
_STYLE = """
html{font:15px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
body [data-ll]{position:static!important;pointer-events:auto!important}
body [data-ll]::before,body [data-ll]::after{content:none!important}
html,body{display:block!important;visibility:visible!important;opacity:1!important;animation:none!important}
[data-ll]{cursor:crosshair!important}
a[data-ll]{color:#0b57a4;text-decoration:underline}
img[data-ll]{min-width:20px;min-height:20px;background:#dde3ea;color:#333;font-size:12px}
[data-tag]{outline:1px dotted #8a94a3}
noscript[data-ll]{display:inline}
[data-seen=over]{outline:2px solid #0b66c3!important;outline-offset:1px!important}
[data-mark=also]{outline:2px dashed #b36b00!important;outline-offset:1px!important}
[data-mark=hit]{outline:3px solid #0b66c3!important;outline-offset:1px!important;background-color:#0b66c31a!important}
"""


class CannotPoint(Exception):
    """The answer is no page, or too large a one. Its text says which, as a code: ``kind``, ``size``."""


def tree_of(answer: Answer) -> PageTree:
    """The page as the engine's extractor sees it. Raises `CannotPoint`."""
    if not is_readable(answer.content_type, b""):
        raise CannotPoint("kind")
    if len(answer.body) > MAX_BYTES:
        raise CannotPoint("size")
    try:
        return PageTree(answer.url, answer.body, answer.charset, BOUNDS)
    except (Outgrown, ReadingFailed, MemoryError) as error:
        raise CannotPoint("size") from error


def elements_of(page: PageTree) -> list[Element]:
    """All elements; their places in the list are their numbers."""
    return list(page.document.iter_elements())


def written(page: PageTree) -> str:
    """The page for the frame, served as `CONTENT_TYPE` under `POLICY`."""
    root = page.document.root
    if root is None:
        return f'<html xmlns="{_XHTML}"><head><style>{_STYLE}</style></head><body></body></html>'
    return "".join(_Writer(page).write(root))


class _Writer:
    def __init__(self, page: PageTree) -> None:
        self._numbers = {element: number for number, element in enumerate(page.document.iter_elements())}
        self._left = MAX_CHARACTERS
        self._shown = 0
        self._has_style = False

    def write(self, root: Element) -> Iterator[str]:
        # A stack of iterators, not recursion: pages nest 100,000 deep.
        yield self._opened(root, around="")
        open_nodes: list[tuple[Iterator[Node], Element, str]] = [(iter(root), root, self._name(root)[0])]
        while open_nodes:
            children, parent, tag = open_nodes[-1]
            for child in children:
                if isinstance(child, Text):
                    yield self._text(child.data, tag)
                elif isinstance(child, Element) and self._is_written(child):
                    name = self._name(child)[0] if len(open_nodes) < MAX_DEPTH else ""
                    if name:
                        yield self._opened(child, around=_space(parent))
                    open_nodes.append((iter(child), child if name else parent, name))
                    break
            else:
                open_nodes.pop()
                if tag in ("head", "html") and not self._has_style:
                    self._has_style = True
                    yield f"<style>{_STYLE}</style>"
                if tag:
                    yield f"</{tag}>"

    def _is_written(self, element: Element) -> bool:
        return element.tag not in _LEFT_OUT and self._shown < MAX_SHOWN and self._left > 0

    def _opened(self, element: Element, *, around: str) -> str:
        self._shown += 1
        tag, is_itself = self._name(element)
        pieces = [f'<{tag} data-ll="{self._numbers[element]}"']
        if _space(element) != around:
            pieces.append(f' xmlns="{_space(element)}"')
        if not is_itself:
            pieces.append(f' data-tag="{_attribute_text(element.tag[:60])}"')
        pieces += self._attributes(element, tag)
        pieces.append(">")
        return "".join(pieces)

    def _name(self, element: Element) -> tuple[str, bool]:
        """The tag that is written, and whether it is the element's own."""
        tag = element.tag
        if element.namespace is Namespace.SVG:
            return (tag, True) if tag in _DRAWN else ("g", False)
        if element.namespace is Namespace.HTML and (tag in _TAGS or _CUSTOM.fullmatch(tag)):
            return tag, True
        return ("div", False) if tag in _BOXES else ("span", False)

    def _attributes(self, element: Element, tag: str) -> Iterator[str]:
        is_drawing = element.namespace is Namespace.SVG
        known = _DRAWING_ATTRIBUTES if is_drawing else _ATTRIBUTES
        # Hostile pages have elements with a hundred thousand of them, and each look-up walks through all.
        for name in islice(element.attrs, MAX_ATTRIBUTES):
            value = attribute(element, name) or ""
            if name == "src" and tag == "img":
                if _PICTURE.match(value) and len(value) <= MAX_PICTURE:
                    yield from self._pair(name, value)
                continue
            if name == "type" and tag in ("input", "button"):
                # No others: browsers fill in passwords, and open what chooses colours, files and dates.
                yield from self._pair(name, value.lower() if value.lower() in _INPUTS else "text")
                continue
            if name not in known or len(value) > MAX_VALUE:
                continue
            if name == "style":
                value = _FOREIGN.sub("", value)
            if is_drawing and "url(" in value.lower():
                continue
            yield from self._pair(name, value)

    def _pair(self, name: str, value: str) -> Iterator[str]:
        self._left -= len(value)
        yield f' {name}="{_attribute_text(value)}"'

    def _text(self, text: str, tag: str) -> str:
        if self._left <= 0:
            return ""
        text = text[: self._left]
        self._left -= len(text)
        if tag == "style":
            text = _FOREIGN.sub("", text)
        return _UNWRITABLE.sub("\ufffd", text).translate(_TEXT_ESCAPES)


def _space(element: Element) -> str:
    """The namespace in which the element is written: what is no drawing is a box of HTML."""
    return _SVG if element.namespace is Namespace.SVG else _XHTML


def _attribute_text(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text).translate(_ESCAPES)
