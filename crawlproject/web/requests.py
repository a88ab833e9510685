"""Reading what a request asks for, or refusing it by the field's name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import islice

from django.conf import settings
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from rest_framework.request import Request

from .problems import SAID_AGAIN, FieldErrors

MOST_DIGITS = 18
MOST_NAMES = 5_000
"""Names among which the nearest are looked for."""
NEAREST, LISTED = 3, 10
"""Names that an answer tells: those that are near, else the first."""
FIRST_YEAR, LAST_YEAR = 1970, 2999
"""The years of a moment, as of a trigger's."""
_LOST_PLUS = re.compile(r"(?P<moment>.*\d[T ]\d{2}:\d{2}.*) (?P<offset>\d{2}:?\d{2})")


def body_object(request: Request, *, known: Collection[str] | None = None) -> dict[str, object]:
    """The request's body as one JSON object (an empty body is an empty one), with none but the `known` keys."""
    data: dict[str, object] = dict(request.data)
    if known is not None:
        refuse_unknown(data, known)
    return data


def refuse_unknown(data: Mapping[str, object], known: Collection[str]) -> None:
    """Raises `FieldErrors` naming each key that is not known, and the nearest one that is; and each parameter of an
    address that is given more than once: which one is meant?"""
    errors = []
    for key in data:
        if key in known:
            if isinstance(data, MultiValueDict) and len(data.getlist(key)) > 1:
                errors.append((str(key), _("This is given more than once; give it once.")))
            continue
        errors.append((str(key), _("This key is not known.") + hint(str(key), known, is_listed=False)))
    if errors:
        raise FieldErrors(errors)


def short_text(data: Mapping[str, object], name: str, *, most: int) -> str:
    """A text of the body, of at most so many characters; empty where it is not given."""
    value = data.get(name, "")
    if not isinstance(value, str):
        raise FieldErrors([(name, _("Give a text."))])
    if len(value) > most:
        raise FieldErrors([(name, _("Give at most %(most)d characters.") % {"most": most})])
    return value


def hint(given: str, known: Iterable[str], *, is_listed: bool = True) -> str:
    """What may be meant instead of a name that means nothing, with a blank before it; else, `is_listed`, what there is.

    Empty where neither can be said.
    """
    names = list(islice(known, MOST_NAMES))
    if near := difflib.get_close_matches(given[:SAID_AGAIN], names, n=NEAREST):
        return _(" Did you mean %(near)s?") % {"near": _quoted(near)}
    if not is_listed or not names:
        return ""
    return _(" There are %(known)s.") % {"known": _quoted(names[:LISTED]) + (", …" if len(names) > LISTED else "")}


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


def whole_number(request: Request, name: str, *, default: int, maximum: int, minimum: int = 1) -> int:
    """A query parameter from `minimum` to `maximum`."""
    given = request.query_params.get(name)
    if given is None:
        return default
    is_number = given.isascii() and given.isdigit() and len(given) <= MOST_DIGITS
    if not is_number or not minimum <= int(given) <= maximum:
        message = _("Give a whole number from %(min)d to %(max)d, not “%(given)s”.")
        raise FieldErrors([(name, message % {"min": minimum, "max": maximum, "given": given[:50]})])
    return int(given)


def moment(value: object, *, field: str) -> datetime:
    """An ISO 8601 moment; one without an offset is read in the scheduler's zone."""
    try:
        parsed = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None:
        example = "2027-01-01T02:00:00+08:00"
        message = _("Give a moment such as %(example)s (without an offset: in %(zone)s), not “%(given)s”.")
        values = {"example": example, "zone": settings.SCHEDULER_TIMEZONE, "given": str(value)[:50]}
        raise FieldErrors([(field, message % values)])
    if not FIRST_YEAR <= parsed.year <= LAST_YEAR:
        message = _("The year %(year)d is out of range; use %(first)d to %(last)d.")
        raise FieldErrors([(field, message % {"year": parsed.year, "first": FIRST_YEAR, "last": LAST_YEAR})])
    return timezone.make_aware(parsed) if timezone.is_naive(parsed) else parsed


def query_moment(request: Request, name: str) -> datetime | None:
    """A query parameter as `moment` reads it; None where it is not given.

    The `+` of an offset is a blank in an address where it is not written as `%2B`: that one is understood too.
    """
    given = request.query_params.get(name)
    return None if given is None else moment(with_its_plus(given), field=name)


def with_its_plus(given: str) -> str:
    lost = _LOST_PLUS.fullmatch(given)
    return f"{lost['moment']}+{lost['offset']}" if lost else given
