"""What the engine notes beside a page that failed, once more as what is translated: `wording` registers it.

The engine fills its sentences in itself, and they are stored in English. Of two that begin alike the longer is first.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

DETAILS = (
    # No answer
    _("%(where)s cannot be resolved: %(why)s"),
    _("no answer within %(seconds)s s"),
    _("nobody answers at %(where)s: the connection is refused"),
    _("%(where)s did not accept the connection in time"),
    _("%(where)s cannot be connected to: %(why)s"),
    _("%(where)s shows a certificate that is not valid for it: %(why)s"),
    _("%(where)s cannot speak TLS with us: %(why)s"),
    _("reset by the server before an answer"),
    _("closed by the server before an answer"),
    _("the whole answer took too long"),
    _("silent for %(seconds)s s"),
    _("the host asked for a longer rest than a crawl waits for"),
    # No whole answer
    _("Content-Length says %(count)s bytes, at most %(most)s are read"),
    _("more than %(count)s bytes when decompressed"),
    _("more than %(count)s bytes, compressed"),
    _("more than %(count)s bytes"),
    # Not the page
    _("redirected to %(url)s"),
    _("there is nothing at this address"),
    _("%(status)s, with a test by %(who)s"),
    _("a test by %s stands in the page's place"),
    _("the page is a form that asks for a password"),
    _("the page says that it needs JavaScript"),
    _("the element that scripts fill is empty"),
    _("the page shows nothing and loads scripts"),
    _("the page shows nothing"),
    _("the body is empty"),
)
