"""What the commands that ask about a job share: reading a moment, and naming the nearest job."""

from __future__ import annotations

import difflib
from datetime import datetime

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from .exceptions import InvalidTrigger
from .models import ScheduledJob
from .triggers.base import default_timezone, read_moment
from .triggers.zones import zone

MOST_NAMES = 10_000


def no_such_job(job_id: str) -> str:
    """One sentence that names the nearest job there is."""
    known = ScheduledJob.objects.values_list("job_id", flat=True)
    near = difflib.get_close_matches(job_id, list(known[:MOST_NAMES]), n=1, cutoff=0.5)
    if near:
        return _("There is no job “%(id)s”; the nearest is “%(near)s”.") % {"id": job_id, "near": near[0]}
    return _("There is no job “%(id)s”.") % {"id": job_id}


def wrong(sentence: str) -> CommandError:
    """Wrong usage: exit code 2."""
    return CommandError(sentence, returncode=2)


def moment_of(text: str, place: str) -> datetime:
    """A moment that a person wrote; without an offset it is in the scheduler's zone.

    Raises:
        CommandError
    """
    try:
        return read_moment(text, place=place, tz=zone(default_timezone()))
    except InvalidTrigger as error:
        raise wrong(str(error)) from error
