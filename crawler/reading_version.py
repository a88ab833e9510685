"""With what a page was read: the version of its spider's document, and the generation of the code that reads pages.

A page that has not changed is not read again, as long as it would give the same. It would not where the document was
edited, and not where an upgrade reads pages differently: so `Page.extracted_version` holds both in one number.

`GENERATION` is raised by whoever changes what a page gives (a value, an item, a link) under an unchanged document. The
tests remind of it: they know what a collection of pages gives (`tests/unit/crawler/known_pages.py`).
"""

from __future__ import annotations

GENERATION = 1
"""After an upgrade that raises it, each spider's next crawl reads all of its pages once more."""

_BITS = 20
_VERSIONS = (1 << _BITS) - 1


def reading_version(spider_version: int) -> int:
    """What `Page.extracted_version` says of a page that is read now, by that version of its spider."""
    return GENERATION << _BITS | spider_version & _VERSIONS


def rules_version(extracted_version: int) -> int:
    """The version of the spider's document in such a number."""
    return extracted_version & _VERSIONS
