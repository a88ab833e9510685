"""What is said to whoever asked for a run: which it is, and what it waits for."""

from __future__ import annotations

import re
from collections.abc import Collection

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from scheduling.account.values import Verdict
from scheduling.account.waiting import Waiting, waiting_for
from scheduling.exceptions import SchedulingError, WaitsAlready
from scheduling.models import JobRun

_NUMBER = re.compile(r"(#[0-9]{1,18}\b)")


def asked_for(run: JobRun, user: User | AnonymousUser) -> SafeString:
    """“Queued to run now. #12”, and what is in its way."""
    told = format_html("{} {}", _("Queued to run now."), run_link(run.pk, user))
    waits = waits_of(run, user)
    return format_html("{}. {}", told, waits) if waits else told


def waits_of(run: JobRun, user: User | AnonymousUser) -> SafeString:
    """What a queued run waits for, with links; empty where it begins at once, or has begun."""
    if run.state != JobRun.State.QUEUED:
        return mark_safe("")
    waits = waiting_for(run, now=timezone.now(), clock=None)
    return mark_safe("") if waits.verdict == Verdict.QUEUED else sentence_of(waits, user)


def sentence_of(waits: Waiting, user: User | AnonymousUser) -> SafeString:
    """Its sentence, with links to the runs that it waits for."""
    return linked(waits.sentence, waits.behind, user)


def refused(error: SchedulingError, user: User | AnonymousUser) -> SafeString:
    """Why a run is not queued; with a link to the one that waits already."""
    return linked(str(error), (error.run_id,) if isinstance(error, WaitsAlready) else (), user)


def linked(text: str, runs: Collection[int], user: User | AnonymousUser) -> SafeString:
    """A sentence in which the numbers of these runs, “#12”, are links for those who may see them."""
    parts = [
        run_link(int(part[1:]), user) if _NUMBER.fullmatch(part) and int(part[1:]) in runs else conditional_escape(part)
        for part in _NUMBER.split(text)
    ]
    return mark_safe("".join(parts))  # noqa: S308  # each is escaped


def run_link(pk: int, user: User | AnonymousUser) -> SafeString:
    """“#12”, a link for those who may see runs."""
    if not user.has_perm("scheduling.view_jobrun"):
        return format_html("#{}", pk)
    return format_html('<a href="{}">#{}</a>', reverse("admin:scheduling_jobrun_change", args=[pk]), pk)
