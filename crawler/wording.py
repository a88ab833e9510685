"""The sentences that crawls store in English, so that `scheduling.wording.told` tells them in the reader's language.

The engine speaks English alone; its sentences stand here once more, as what is translated.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from scheduling.wording import register

register(
    _("%(pages)s, %(same)d unchanged; %(items)s read, %(new)d new, %(changed)d changed."),
    _("%(pages)s, %(items)s"),
    ("%(count)s page", "%(count)s pages"),
    ("%(count)s item", "%(count)s items"),
    _("It went on with what %s had left."),
    _("TLS certificates were not checked: the spider says session.verify_tls = false."),
    _("%d crawls begun."),
    _("No spider is enabled: nothing to crawl."),
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
    _("No start page answered: %(url)s: %(why)s"),
    _("No start page answered"),
    _("%(why)s; pages were left in the frontier"),
    _("%(host)s asked to be left alone until %(when)s"),
    _("Stopped at %(limit)s"),
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
)
