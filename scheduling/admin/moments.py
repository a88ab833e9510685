"""Times that people write into addresses and forms, in the scheduler's zone, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger
from scheduling.triggers.base import default_timezone, read_moment
from scheduling.triggers.zones import zone

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


def read(text: str, *, to_its_end: bool = False) -> datetime:
    """An instant in UTC. A time that names no offset is the scheduler's; `to_its_end`: with the whole of its second.

    Raises:
        ValueError: with what is wrong, for people.
    """
    try:
        moment = read_moment(text.strip(), place="", tz=zone(default_timezone()))
    except InvalidTrigger as error:
        raise ValueError(error.message) from error
    return moment + SECOND - MICROSECOND if to_its_end and not moment.microsecond else moment


def for_field(moment: datetime) -> str:
    """As a browser's date-time field shows it, to the second."""
    return timezone.localtime(moment).replace(tzinfo=None, microsecond=0).isoformat()


def for_address(moment: datetime) -> str:
    """Exact, for links and hidden fields."""
    return moment.astimezone(UTC).isoformat()


def zone_in_words() -> str:
    """“Asia/Shanghai (UTC+08:00)”: whose times are shown, said once a page."""
    offset = timezone.localtime().isoformat()[-6:]
    return _("%(zone)s (UTC%(offset)s)") % {"zone": default_timezone(), "offset": offset}
