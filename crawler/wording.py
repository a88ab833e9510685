"""The sentences that crawls store in English, so that `scheduling.wording.told` tells them in the reader's language.

The engine speaks English alone; its sentences stand here once more, as what is translated.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from scheduling.wording import register, register_labels, register_lines, register_teller, told

from .causes import OTHER, cause_of
from .failure_words import DETAILS
from .log_lines import LINES

_REASON_OF_START = re.compile(r"(?<=No start page answered: )(\S+: )([a-z0-9_]+)(?!\S)")
"""As it is stored; a translation has the title already."""
UNVERIFIED = _("TLS certificates were not checked: the spider says session.verify_tls = false.")
CRAWLS_BEGUN = _("%d crawls begun.")
NOTHING_TO_CRAWL = _("No spider is enabled: nothing to crawl.")
register_lines(*LINES, UNVERIFIED, CRAWLS_BEGUN, NOTHING_TO_CRAWL)


def told_reason(name: str) -> str:
    """A reason as people know it, with the name under which it is counted."""
    cause = cause_of(name)
    if cause is OTHER:
        return name
    return gettext("%(title)s (%(reason)s)") % {"title": cause.title, "reason": name}


def told_why(text: str) -> str:
    """Why something failed: the name of a reason, or a sentence."""
    return told(text) if cause_of(text) is OTHER else told_reason(text)


register_teller("reason", told_reason)
register_teller("kind", gettext)
register_teller("why", told_why)


def labelled(text: str) -> str:
    """A text for a page, which has an input for what the text names by keys, and titles for reasons."""
    from .workshop.form_labels import by_label  # loaded by those who have pages

    return by_label(_REASON_OF_START.sub(lambda found: found[1] + told_reason(found[2]), text))


register_labels(labelled)

register(
    _("%(pages)s, %(same)d unchanged; %(items)s read, %(new)d new, %(changed)d changed."),
    _("%(pages)s, %(same)d unchanged; %(items)s read, %(new)d new, %(changed)d changed, %(returned)d came back."),
    _("Gone: %(items)s."),
    _("Not stored: %(items)s."),
    _("%(pages)s, %(items)s"),
    ("%(count)s page", "%(count)s pages"),
    ("%(count)s item", "%(count)s items"),
    ("%(count)s reading of an item", "%(count)s readings of items"),
    ("%(count)s sitemap", "%(count)s sitemaps"),
    _("It went on with what %s had left."),
    UNVERIFIED,
    CRAWLS_BEGUN,
    NOTHING_TO_CRAWL,
    _("%(done)d of %(total)d spiders completed."),
    _("%(failed)d failed."),
    _("%(cancelled)d cancelled."),
    _("Its time was missed."),
    _("Skipped: another run was in the way."),
    _("Crawl of all spiders"),
    _("Crawl of category %s"),
    _("Crawl of URLs with %s"),
    _("Crawl of %s"),
    _("%(troubled)s of %(spiders)s crawled spiders need a look: %(names)s."),
    # Of the engine, which fills its sentences in itself.
    _("No start page answered: %(url)s: %(reason)s (%(detail)s)"),
    _("No start page answered: %(url)s: %(why)s"),
    _("No start page answered"),
    _("%(why)s; pages were left in the frontier"),
    _("%(host)s asked to be left alone until %(when)s"),
    _("Stopped at %(limit)s = %(most)s"),
    _("Stopped at quiet_hours until %(when)s"),
    _("quiet_hours until %(when)s for %(host)s"),
    _("pages_per_day = %(count)d is used up until %(when)s for %(host)s"),
    _("and %(count)d more hosts"),
    _("Links beyond max_depth = %(depth)s were left out"),
    _("Pages beyond %(limit)s = %(count)d were left out"),
    _("Links to pages that are all the same were left out"),
    # Why a spider could not begin.
    _("no secret is stored under %(names)s; set it in the admin"),
    _(
        "none of the present keys opens the stored secret; put the former key behind the new one in FIELD_KEY, or set "
        "the secret again"
    ),
    _("the secret of session.auth.basic.username holds a colon, which no user name can"),
    _("the secret %(name)s %(problem)s"),
    _("is not a proxy's URL; write http://host:port, the port always, nothing behind it"),
    _("has a scheme that is not known; known are %(problem)s"),
    _("has no valid host; write http://host:port"),
    _("has no valid port; 1 to 65535"),
    _("has a user name or password that cannot be sent; at most 255 bytes, no control characters"),
    _("has more than %(count)s characters"),
    _('cannot be sent in a cookie: printable ASCII without ";", no line end, no blank at the ends'),
    *DETAILS,
)
