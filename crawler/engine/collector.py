"""How often Python looks for circles of objects while crawls run."""

from __future__ import annotations

import gc

COLLECT_AFTER = 10_000
"""Objects that are made before the collector looks for circles among them."""


def calm_collector() -> None:
    """A crawl's values die with their last reference, by the thousand: looked through for circles every 700 objects,
    those that wait for their checkpoint would cost a tenth of the crawl.
    """
    gc.set_threshold(max(COLLECT_AFTER, gc.get_threshold()[0]), 20, 20)
