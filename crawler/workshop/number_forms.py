"""How a page writes its numbers, where one of them alone does not tell: “24.990” is 24990 in Chile, 24.99 in Mexico.

It is asked while a reading is proposed; the definition then says it by `decimal_mark`, and no crawl guesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from crawler.engine.pages.page import PageTree

from .features import attribute
from .offers import machine_values

_LANGUAGES = "az bs ca da de el es eu fo gl hr id is it mk nl pt ro sl sq sr tr vi"
_COUNTRIES = "de-ch de-li it-ch es-do es-gt es-hn es-mx es-ni es-pa es-pe es-pr es-sv es-us"
_BY_DOTS, _OTHERWISE = frozenset(_LANGUAGES.split()), frozenset(_COUNTRIES.split())
"""Languages that set thousands apart by dots, and where they do not."""
_STATED = re.compile(r"\d{1,15}(?:\.\d{1,6})?", re.ASCII)


class NumberForms:
    """What a page tells of its numbers. It is looked at when something is asked."""

    def __init__(self, page: PageTree) -> None:
        self._page = page

    def has_thousands(self, number: str) -> bool:
        """Whether the dot of a number like ``24.990`` stands before thousands: by what the page states for machines,
        where that is the number in either form, else by its language."""
        stated = set(self._stated(number))
        if Decimal(number.replace(".", "")) in stated:
            return True
        return Decimal(number) not in stated and _is_by_dots(_language(self._page))

    def _stated(self, number: str) -> Iterator[Decimal]:
        """Numbers in JSON-LD, microdata and meta elements, but for those that only repeat what is read on the page."""
        for _kind, _path, value in machine_values(self._page):
            if value != number and _STATED.fullmatch(value):
                yield Decimal(value)


def _language(page: PageTree) -> str:
    """As ``es-cl``; of its two places the one that names the country of the other's language. Empty: not told."""
    root, meta = page.document.root, page.document.select_one("meta[property='og:locale']")
    said = (
        "" if root is None else attribute(root, "lang") or "",
        "" if meta is None else attribute(meta, "content") or "",
    )
    languages = [text.strip().lower().replace("_", "-") for text in said if text.strip()]
    first = next(iter(languages), "")
    return next((other for other in languages if other.startswith(f"{first}-")), first)


def _is_by_dots(language: str) -> bool:
    place = "-".join(part for part in language.split("-")[:3] if len(part) != 4)  # without the script
    return language.partition("-")[0] in _BY_DOTS and place not in _OTHERWISE
