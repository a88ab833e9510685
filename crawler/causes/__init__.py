"""Why pages and items are missing, for people: each reason that a crawl counts belongs to one cause.

Read `cause.py` for what a cause is; then the tables, in the order of a page's way: `unanswered`, `refused`, `left_out`,
`barren`, `spoilt`; then `folding.py`, which finds the cause of a reason. Whoever adds a `Reason` adds it to a cause
in a table, or a cause of its own: `tests/unit/crawler/test_causes.py` wants every one.
"""

from __future__ import annotations

from .cause import Cause, Severity, Unit
from .folding import BY_KEY, CAUSES, OTHER, cause_of

__all__ = ["BY_KEY", "CAUSES", "OTHER", "Cause", "Severity", "Unit", "cause_of"]
