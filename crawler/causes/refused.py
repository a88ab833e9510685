"""The site said no, asked to be left alone, or sent the crawler in a circle."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crawler.engine.errors import Reason

from .cause import Severity, Unit, cause

REFUSED = (
    cause(
        "robots",
        Severity.AS_ASKED,
        _("Closed by robots.txt"),
        _("The site's robots.txt asks crawlers to leave these pages alone, and they were left alone."),
        _("Deny them in follow, or ask the site's owner; if the site is yours, set manners.obey_robots: false."),
        Reason.ROBOTS_DISALLOWED,
        at_start=_(
            "Choose a start page that robots.txt allows, or ask the site's owner; "
            "if the site is yours, set manners.obey_robots: false."
        ),
    ),
    cause(
        "nofollow",
        Severity.AS_ASKED,
        _("Links marked nofollow"),
        _("The site marks these links, or whole pages, as nofollow, and they were not followed."),
        _("If pages are missing and you may read them, set manners.obey_nofollow: false."),
        Reason.NOFOLLOW,
        unit=Unit.LINKS,
    ),
    cause(
        "noindex",
        Severity.AS_ASKED,
        _("Pages marked noindex"),
        _("The site asks that nothing of these pages be kept, and their items were left out."),
        _("If their items are wanted and you may keep them, set manners.obey_noindex: false."),
        Reason.NOINDEX,
    ),
    cause(
        "canonical",
        Severity.AS_ASKED,
        _("Another address of the same page"),
        _("The page names another one as its canonical address; that one was read in its place."),
        _("If items are missing, the site names wrong addresses: set manners.canonical: ignore."),
        Reason.CANONICAL,
    ),
    cause(
        "canonical_failed",
        Severity.WATCH,
        _("Canonical addresses that fail"),
        _("The page names another one as its canonical address, which could not be read: it kept its own items."),
        _("See why that address fails; manners.canonical: ignore does not ask for it."),
        Reason.CANONICAL_FAILED,
    ),
    cause(
        "robots_unreachable",
        Severity.TROUBLE,
        _("robots.txt could not be read"),
        _("The site's robots.txt gave an error or no answer: by the rules nothing may be fetched there for now."),
        _("Open the site's /robots.txt; crawl again when it answers with 200 or 404."),
        Reason.ROBOTS_UNREACHABLE,
    ),
    cause(
        "blocked",
        Severity.TROUBLE,
        _("The site blocks the crawler"),
        _("The site refused these pages (403 and the like), or showed a test for robots in their place."),
        _("Slow down, name yourself in manners.user_agent, and ask the site's owner or use the API it offers."),
        Reason.BOT_WALL,
    ),
    cause(
        "legal",
        Severity.TROUBLE,
        _("Refused for legal reasons"),
        _("The site may not, or will not, show these pages where the crawler is (451)."),
        _("Ask the site's owner, crawl from a country that is served (session.proxy), or deny these in follow."),
    ),
    cause(
        "overloaded",
        Severity.TROUBLE,
        _("The host asked for rest"),
        _("The host answered 429 or 503 (too many requests), also after the crawler had waited."),
        _("Crawl it more gently: set manners.delay, or adaptive_throttle: true, and a quieter hour."),
    ),
    cause(
        "login",
        Severity.TROUBLE,
        _("Login needed"),
        _("The site wants a login before it shows these pages."),
        _("Give the spider session.auth, session.set_cookies or a login form in start_urls; or deny these in follow."),
        Reason.LOGIN_WALL,
    ),
    cause(
        "not_found",
        Severity.WATCH,
        _("Pages that are gone"),
        _("The site says that there is no such page (404 or 410)."),
        _("A few dead links are usual; if a start page is among them, or many, correct start_urls or follow."),
    ),
    cause(
        "server_error",
        Severity.TROUBLE,
        _("The site's server failed"),
        _("The server answered with an error of its own (5xx), also when asked again."),
        _("Open an example in a browser; if it works there, crawl more gently, else wait for the site to be mended."),
        Reason.HTTP_5XX,
    ),
    cause(
        "request_refused",
        Severity.TROUBLE,
        _("Requests that the site does not take"),
        _("The server found fault with the request itself (another 4xx)."),
        _("Compare with what a browser sends for an example: method, headers and address."),
        Reason.HTTP_4XX,
    ),
    cause(
        "odd_answer",
        Severity.WATCH,
        _("Answers that mean nothing here"),
        _("The server answered with a status that gives no page."),
        _("Open an example in a browser; deny such addresses in follow if they are no pages."),
    ),
    cause(
        "redirect_loop",
        Severity.TROUBLE,
        _("Redirects in a circle"),
        _("Redirects led back to where they began, or through more than ten addresses."),
        _("Such sites often want a cookie: try session.cookies: true, or see an example in a private browser window."),
        Reason.REDIRECT_LOOP,
    ),
    cause(
        "redirect_invalid",
        Severity.TROUBLE,
        _("Redirects to nowhere"),
        _("The server redirected without an address, or to one that may not be requested."),
        _("Deny such links in follow; the fault is the site's."),
        Reason.REDIRECT_INVALID,
    ),
)
