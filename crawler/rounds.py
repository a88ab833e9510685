"""The last crawls of spiders, as rows of lamps show them."""

from __future__ import annotations

from scheduling.rounds import Rounds

LETTERS = {"completed": "s", "failed": "f", "running": "r", "cancelled": "c"}
"""As `scheduling.rounds` has them for runs."""
CRAWLS = Rounds(
    owners="crawler_spider",
    table="crawler_crawltask",
    owner="spider_id",
    state="status",
    waiting="pending",
    letters=LETTERS,
)
