"""`meta: "og:title"`: what `<meta>` elements say about a page, OpenGraph among it."""

from __future__ import annotations

from collections.abc import Sequence

from turbohtml import Element, Node

from crawler.engine.messages import said

from .page import PageTree


class MetaSelector:
    """The `content` of the `<meta>` elements with a name. They are the page's, within `each` too.

    Raises `ValueError`, with the reason, for what can be no name.
    """

    __slots__ = ("_css",)

    def __init__(self, name: str) -> None:
        if name != name.strip() or not name.isprintable():
            raise ValueError(said('is no name of a meta element; write it as in the page: "og:title"'))
        quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        # `property` and `itemprop` are lists of words, `name` is one text.
        word = "=" if " " in name else "~="
        attributes = (("property", word), ("name", "="), ("itemprop", word))
        self._css = ",".join(f"meta[{attribute}{compared}{quoted} i][content]" for attribute, compared in attributes)

    def find(self, context: Node, page: PageTree) -> Sequence[Node]:
        return page.document.select(self._css)

    def read(self, match: Node | str, page: PageTree, *, as_html: bool = False) -> str | None:
        content = match.attr("content") if isinstance(match, Element) else None
        return None if content is None else page.charge(content)
