"""Names that requests give: why one means nothing, with those that may be meant. One query where it is right."""

from __future__ import annotations

from django.utils.translation import gettext as _

from crawlproject.web.problems import SAID_AGAIN
from crawlproject.web.requests import hint
from scheduling import registry
from scheduling.models import JobRun, ScheduledJob


def job_problem(job_id: str) -> str:
    """Empty for the id of a schedule, also of one that was removed and has runs."""
    if JobRun.objects.filter(job_key=job_id).exists() or ScheduledJob.objects.filter(job_id=job_id).exists():
        return ""
    names = ScheduledJob.objects.order_by("job_id").values_list("job_id", flat=True)
    return _("There is no schedule “%(id)s”, and no run of one.") % {"id": job_id[:SAID_AGAIN]} + hint(
        job_id, names.iterator()
    )


def handler_problem(name: str) -> str:
    """Empty for a handler that is there, or that a schedule names."""
    names = registry.names()
    if name in names or ScheduledJob.objects.filter(handler=name).exists():
        return ""
    return _("There is no handler “%(name)s”.") % {"name": name[:SAID_AGAIN]} + hint(name, names)
