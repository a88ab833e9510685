"""Which spiders there are, for whoever judges what is to be crawled: those that are stored, or, while a definitions
file is looked at, those that there would be if it was loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from .engine.documents.definition import SpiderDefinition, parse
from .models import Spider


class KnownSpiders(Protocol):
    """What a crawl that is asked for is compared with."""

    def names(self) -> Iterable[str]: ...

    def categories(self) -> list[str]: ...

    def has(self, name: str) -> bool: ...

    def definition(self, name: str) -> SpiderDefinition:
        """Of a spider that there is. Raises `DefinitionError` where this release does not take its document."""


class StoredSpiders:
    """Those of the database, asked for one by one."""

    def names(self) -> Iterable[str]:
        return Spider.objects.values_list("name", flat=True)

    def categories(self) -> list[str]:
        return list(Spider.objects.exclude(category="").values_list("category", flat=True).distinct())

    def has(self, name: str) -> bool:
        return Spider.objects.filter(name=name).exists()

    def definition(self, name: str) -> SpiderDefinition:
        return parse(Spider.objects.values_list("definition", flat=True).get(name=name))


class SpidersToBe:
    """Those of the database (`stored`: the category of each name), as `given` would change them and add to them."""

    def __init__(self, stored: Mapping[str, str], given: Mapping[str, SpiderDefinition]) -> None:
        self._given = given
        self._categories = {**stored, **{name: definition.category for name, definition in given.items()}}
        self._distinct = sorted({*self._categories.values()} - {""})

    def names(self) -> Iterable[str]:
        return self._categories

    def categories(self) -> list[str]:
        return self._distinct

    def has(self, name: str) -> bool:
        return name in self._categories

    def definition(self, name: str) -> SpiderDefinition:
        return self._given[name] if name in self._given else StoredSpiders().definition(name)


_supposed: ContextVar[KnownSpiders | None] = ContextVar("supposed_spiders", default=None)


def known_spiders() -> KnownSpiders:
    return _supposed.get() or StoredSpiders()


@contextmanager
def supposing(spiders: KnownSpiders) -> Iterator[None]:
    """Within it these are the spiders that there are."""
    token = _supposed.set(spiders)
    try:
        yield
    finally:
        _supposed.reset(token)
