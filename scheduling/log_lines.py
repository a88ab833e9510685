"""The lines that the runner writes into the logs of runs: message ids, which are filled in as they are, in English.

Whoever shows them tells them in the reader's language (`scheduling.wording.told_line`).
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

RETRY = _("Attempt %(number)d failed, the next in %(delay)s s: %(error)s")
FREE_AGAIN = _("The event loop is free again after %(seconds).1f s.")
BLOCKED = _("This run has blocked the event loop for %(seconds).1f s: nothing else goes on, at:")
ABANDONED = _("The handler ignores its cancel and is abandoned, at:")
LEFT_BEHIND = _("A thread of the handler does not end and is left behind, at:")
CUT = _("(only %(count)d lines of a run are kept)")
LEVELS = {"WARNING: ": _("WARNING: %(line)s"), "ERROR: ": _("ERROR: %(line)s")}
"""By what a line begins with that is one, whoever wrote it."""
LINES = (RETRY, FREE_AGAIN, BLOCKED, ABANDONED, LEFT_BEHIND, CUT)
