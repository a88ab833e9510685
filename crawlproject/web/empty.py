"""What a list says while it is empty: what will stand there, and the way to the first row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    text: StrOrPromise
    link: StrOrPromise = ""
    """Words of the button; empty: the list's own, to add a row."""
    address: str = ""
    """Name of the address that it leads to."""
    permission: str = ""
    """To see what is there."""


SPIDERS, SCHEDULES = "admin:crawler_spider_changelist", "admin:scheduling_scheduledjob_changelist"

EMPTY: Mapping[str, Empty] = {
    "scheduling.jobrun": Empty(
        text=_("Nothing has run yet. A run stands here when a schedule fires, or when somebody runs one now."),
        link=_("Look at the schedules"),
        address=SCHEDULES,
        permission="scheduling.view_scheduledjob",
    ),
    "crawler.crawltask": Empty(
        text=_("Nothing has been crawled yet. Crawl a spider now, or give it a schedule."),
        link=_("Look at the spiders"),
        address=SPIDERS,
        permission="crawler.view_spider",
    ),
    "crawler.spider": Empty(
        text=_("A spider says where to start, which links to follow, and which fields to read. Begin with one page.")
    ),
    "scheduling.scheduledjob": Empty(text=_("A schedule says what runs and when: every few minutes, nightly, once.")),
    "crawler.secret": Empty(
        text=_("A secret is a password, a token or a cookie that spiders name and nobody can read here again.")
    ),
    "scheduling.definitionversion": Empty(
        text=_("Each save of a spider or a schedule keeps a version here, to be compared and restored.")
    ),
    "crawler.page": Empty(
        text=_("Pages come with the first crawl: each address that a spider knows, and what became of it."),
        link=_("Look at the spiders"),
        address=SPIDERS,
        permission="crawler.view_spider",
    ),
    "scheduling.process": Empty(
        text=_("No scheduler has ever run on this database. Start one: manage.py runscheduler")
    ),
    "knox.authtoken": Empty(text=_("With a token a program does over REST what you may do here.")),
    "auth.group": Empty(text=_("A group gives its permissions to all of its users.")),
}
"""By the model's label."""
