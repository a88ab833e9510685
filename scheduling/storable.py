"""What a handler gives, made into what both databases can hold.

PostgreSQL refuses NUL in texts and in JSON, and neither database should keep a lone surrogate or NaN; a run must not
fail to *end* because of what its result contains.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

TEXT_LIMIT = 100_000
"""Characters of a message, a traceback or a piece of log that are kept."""
_DEEPEST = 60


def storable_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return `text` without NUL and lone surrogates, cut at `limit` characters."""
    clean = text[:limit].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return clean.encode("utf-8", "replace").decode("utf-8")


def utc_text(moment: datetime) -> str:
    """Return an aware moment as every program gets it: ISO 8601 in UTC with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def storable_document(value: object) -> object:
    """Return `value` as JSON can hold it: what has no JSON form (dates, exceptions …) becomes its text."""
    return json.loads(json.dumps(_plain(value, 0)))


def _plain(value: object, depth: int) -> object:
    if depth > _DEEPEST:
        return "…"
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, int):
        # JSON readers keep 53 bits; PostgreSQL keeps more, Python's parser refuses above 4,300 digits.
        return int(value) if value.bit_length() <= 64 else hex(value)
    if isinstance(value, Mapping):
        return {storable_text(str(key)): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    return storable_text(str(value))
