"""Pages that came and gave nothing."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crawler.engine.errors import Reason

from .cause import Severity, cause

BARREN = (
    cause(
        "consent",
        Severity.TROUBLE,
        _("The site asks for consent first"),
        _("The site sent the crawler to a page that asks for consent, in place of the page."),
        _("Give the consent once in a browser, and give the spider the cookie that it sets there."),
        Reason.CONSENT_WALL,
    ),
    cause(
        "empty_body",
        Severity.TROUBLE,
        _("Empty pages"),
        _("The server said that all is well and sent a page without content."),
        _("Open an example in a browser; if it shows something there, the site treats crawlers otherwise: slow down."),
        Reason.EMPTY_BODY,
    ),
    cause(
        "javascript",
        Severity.TROUBLE,
        _("Pages that need JavaScript"),
        _("What the server sends is a shell that scripts fill in a browser; the crawler reads pages without scripts."),
        _("Look in the browser's network tools for the JSON that fills the page, and read it with each_json."),
        Reason.NEEDS_JAVASCRIPT,
    ),
    cause(
        "nothing_matched",
        Severity.TROUBLE,
        _("Rules that found nothing"),
        _("An item rule took the page by its address, but its selectors found nothing there."),
        _("Open an example in the preview: correct each or the fields' selectors, or narrow match."),
        Reason.NOTHING_MATCHED,
    ),
    cause(
        "idle_rule",
        Severity.WATCH,
        _("Rules that took no page"),
        _("An item rule was tried on no page: its match is in no address that was read, or no answer was JSON."),
        _("Compare match with the addresses of the pages that should give items, and see that follow leads to them."),
    ),
    cause(
        "nothing_followed",
        Severity.WATCH,
        _("No link was followed"),
        _("The rules of follow found no link that may be followed on any page, so only the first pages were read."),
        _("Open an example in the preview: it shows each link and the rule that decided; correct the rule's selector."),
    ),
    cause(
        "not_html",
        Severity.AS_ASKED,
        _("Not a web page"),
        _("The answer is a picture, a file or another type that is not read."),
        _("Deny such addresses in follow, so that they are not fetched; JSON is read by each_json."),
        Reason.NOT_HTML,
        at_start=_("Choose a start page that is HTML, XML or JSON; JSON is read by each_json."),
    ),
    cause(
        "json_invalid",
        Severity.TROUBLE,
        _("Answers that are not JSON"),
        _("The answer says that it is JSON and is not; where it stops being it stands beside the page."),
        _("Open an example in a browser: it may be an error message of the server, or only a part of the answer."),
        Reason.JSON_INVALID,
    ),
    cause(
        "extraction",
        Severity.TROUBLE,
        _("Pages that could not be read"),
        _("The page is built so that reading it would take too long, or a rule cannot be evaluated on it."),
        _("Try an example in the preview; simplify the rule that it names, or leave such pages out."),
        Reason.EXTRACTION_ERROR,
        Reason.READING_TIMEOUT,
        Reason.READING_DIED,
    ),
)
