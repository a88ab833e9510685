"""The last crawls of spiders, as rows of lamps show them."""

from __future__ import annotations

from scheduling.rounds import Rounds

LETTERS = {"completed": "s", "lacking": "i", "failed": "f", "running": "r", "cancelled": "c"}
"""As `scheduling.rounds` has them for runs."""
CRAWLS = Rounds(
    owners="crawler_spider",
    table="crawler_crawltask",
    owner="spider_id",
    state="status",
    good="completed",
    waiting="pending",
    letters=LETTERS,
)
