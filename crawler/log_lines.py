"""The lines that crawls write into the logs of their runs: message ids, which are filled in as they are, in English.

Whoever shows them tells them in the reader's language (`scheduling.wording.told_line`).
Of the pages that failed some answered, with an error, and others did not: they are no part of those that answered.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

BEGIN = _("%(task)s: %(spider)s, version %(version)d, begins with %(pages)s")
BEGIN_WITH_SITEMAPS = _("%(task)s: %(spider)s, version %(version)d, begins with %(pages)s and %(sitemaps)s")
GOES_ON = _("it was broken off and goes on: %(pages)s answered, %(failed)s failed, %(items)s are stored")
FAILED = _("%(url)s: %(reason)s")
FAILED_WITH_DETAIL = _("%(url)s: %(reason)s: %(detail)s")
UNWRITTEN = _("what else is %(reason)s is counted and not written here")
PROGRESS = _("%(pages)s answered, %(failed)s failed, %(items)s so far")
END = _("%(ending)s: %(pages)s answered, %(failed)s failed, %(items)s in %(seconds).1f s")
END_WITH_REASON = _("%(ending)s: %(why)s: %(pages)s answered, %(failed)s failed, %(items)s in %(seconds).1f s")
END_AFTER_ALL = _(
    "%(ending)s: %(pages)s answered, %(failed)s failed, %(items)s, %(since)s of the pages since it went on "
    "in %(seconds).1f s"
)
END_AFTER_ALL_WITH_REASON = _(
    "%(ending)s: %(why)s: %(pages)s answered, %(failed)s failed, %(items)s, %(since)s of the pages since it went on "
    "in %(seconds).1f s"
)
LINES = (
    *(BEGIN, BEGIN_WITH_SITEMAPS, GOES_ON, FAILED, FAILED_WITH_DETAIL, UNWRITTEN, PROGRESS),
    *(END, END_AFTER_ALL, END_WITH_REASON, END_AFTER_ALL_WITH_REASON),
)
ENDINGS = (_("completed"), _("limited"), _("failed"), _("stopped"))
"""What stands for `ending`."""
