"""Spiders as JSON, and what their documents are refused for as problems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crawler import definitions
from crawler.engine.errors import DefinitionError
from crawler.models import Spider
from crawlproject.web.problems import FieldErrors


@contextmanager
def as_problems() -> Iterator[None]:
    """Turn what a document is refused for into a 400 that names each place."""
    try:
        yield
    except DefinitionError as error:
        raise FieldErrors([(problem.place, problem.message) for problem in error.problems]) from error


def represent(spider: Spider) -> dict[str, object]:
    """The document as `dumpdefinitions` prints it, with what the document does not hold."""
    return definitions.dump_spider(spider) | {
        "version": spider.version,
        "created_at": spider.created_at,
        "updated_at": spider.updated_at,
    }
