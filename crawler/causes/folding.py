"""Fold reasons into causes: the tables together, and answers that are errors by the family of their status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from django.utils.translation import gettext_lazy as _

from .barren import BARREN
from .cause import Cause, Severity, cause
from .left_out import LEFT_OUT
from .refused import REFUSED
from .spoilt import SPOILT
from .unanswered import UNANSWERED

CAUSES: tuple[Cause, ...] = (*UNANSWERED, *REFUSED, *LEFT_OUT, *BARREN, *SPOILT)
"""In the order in which causes of equal weight are told."""

OTHER = cause(
    "other",
    Severity.WATCH,
    _("Another reason"),
    _("The crawl counted a reason that this release does not know."),
    _("Look at the examples; an upgrade may explain it."),
)
"""Of rows that another release has written."""

BY_KEY: Mapping[str, Cause] = {each.key: each for each in (*CAUSES, OTHER)}
_BY_REASON: Mapping[str, Cause] = {str(reason): each for each in CAUSES for reason in each.reasons}

_HTTP = re.compile(r"http_(\d{3})")
_FAMILIES: Mapping[str, frozenset[int]] = {
    "login": frozenset({401}),
    "blocked": frozenset({403, 406, 444, 456, 498, 999}),
    "legal": frozenset({451}),
    "overloaded": frozenset({420, 429, 503, 509, 529, 598, 599}),
    "not_found": frozenset({404, 410}),
    "timeout": frozenset({408, 504, 522, 524}),
}
"""By the cause's key. The numbers beyond the standard are those of nginx, Cloudflare, Twitter and LinkedIn."""
_BY_STATUS: Mapping[int, str] = {status: key for key, statuses in _FAMILIES.items() for status in statuses}


@cache
def cause_of(reason: str) -> Cause:
    """The cause that a reason belongs to; `OTHER` for one that this release does not know."""
    answer = _HTTP.fullmatch(reason)
    if answer is None:
        return _BY_REASON.get(reason, OTHER)
    status = int(answer[1])
    return BY_KEY[_BY_STATUS.get(status) or _of_class(status)]


def _of_class(status: int) -> str:
    if 400 <= status < 500:
        return "request_refused"
    return "server_error" if 500 <= status < 600 else "odd_answer"
