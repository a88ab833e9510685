"""How long something took, for people."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def duration(seconds: float) -> str:
    """“0.02 s”, “52 s”, “1 min 52 s”, “2 h 3 min”, “1 day 1 h”: the two greatest units, the rest left out."""
    if seconds < 10:
        return _("%(seconds)s s") % {"seconds": f"{seconds:.2g}" if seconds >= 0.001 else "0"}
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    counts = (days, hours, minutes, left)
    greatest = next((place for place, count in enumerate(counts) if count), len(counts) - 1)
    shown = range(greatest, min(greatest + 2, len(counts)))
    return " ".join(_in_words(place, counts[place]) for place in shown if counts[place])


def _in_words(place: int, count: int) -> str:
    match place:
        case 0:
            return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}
        case 1:
            return _("%(count)d h") % {"count": count}
        case 2:
            return _("%(count)d min") % {"count": count}
    return _("%(seconds)s s") % {"seconds": count}
