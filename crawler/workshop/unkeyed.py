"""Whether a save would leave the page of the preview without items, because a key finds nothing on it."""

from __future__ import annotations

from crawler import preview
from crawler.engine.spider import SpiderDefinition

from .busy import READING, WorkshopBusy
from .itemviews import TypeView, type_views
from .previewing import SECONDS
from .samples import Sample


def unkeyed(
    sample: Sample | None, definition: SpiderDefinition, *, stored: SpiderDefinition | None
) -> tuple[TypeView, ...]:
    """The types of `definition` of which nothing on the page can be stored; without those of which it is so already
    as the spider is `stored`, and none where the page was not read, or cannot be read now."""
    try:
        found = _unkeyed(sample, definition)
        known = {view.type for view in _unkeyed(sample, stored)} if found and stored is not None else set()
    except WorkshopBusy:
        return ()
    return tuple(view for view in found if view.type not in known)


def _unkeyed(sample: Sample | None, definition: SpiderDefinition) -> list[TypeView]:
    """Raises `WorkshopBusy`."""
    if sample is None or sample.answer is None or sample.reason:
        return []
    with READING.one():
        explanation = preview.explain(definition, sample.answer, seconds=SECONDS)
    return [view for view in type_views(explanation, definition) if view.keyless]
