"""Why pages and items are missing, for people: each reason that a crawl counts belongs to one cause.

A cause has a title, one sentence that says what happened and one that says what to do. Whoever adds a `Reason` adds it
to a cause here, or a cause of its own: `tests/unit/crawler/test_causes.py` wants every one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from .engine.errors import Reason

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

_HTTP = re.compile(r"http_(\d{3})")


class Severity(StrEnum):
    """How much a cause asks for somebody; the gravest first."""

    TROUBLE = "trouble"
    """Pages or items that the spider wanted are missing."""
    WATCH = "watch"
    """May be right or wrong: somebody should look once."""
    AS_ASKED = "as_asked"
    """Left out because the spider's document, or the site's own wish, says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One way in which a crawl falls short."""

    key: str
    severity: Severity
    title: _StrPromise
    what: _StrPromise
    """One sentence: what happened."""
    remedy: _StrPromise
    """One sentence: what to do about it."""
    reasons: tuple[str, ...] = ()
    """Names under which `CrawlTask.reasons` counts it; answers that are errors stand in `_cause_of_status`."""


def _cause(
    key: str, severity: Severity, title: _StrPromise, what: _StrPromise, remedy: _StrPromise, *reasons: str
) -> Cause:
    return Cause(key=key, severity=severity, title=title, what=what, remedy=remedy, reasons=reasons)


CAUSES: tuple[Cause, ...] = (
    # --- no answer came -----------------------------------------------------------------------------------------------
    _cause(
        "dns",
        Severity.TROUBLE,
        _("Host name not found"),
        _("The name of the host could not be turned into an address."),
        _("Check the spelling of the host, and whether this machine can resolve names."),
        Reason.DNS_ERROR,
    ),
    _cause(
        "tls",
        Severity.TROUBLE,
        _("No secure connection"),
        _("The host's certificate or its TLS is not valid, so nothing was sent to it."),
        _("See in a browser what is wrong with the certificate; session.verify_tls: false takes it, whoever answers."),
        Reason.TLS_ERROR,
    ),
    _cause(
        "proxy",
        Severity.TROUBLE,
        _("The proxy refused or is away"),
        _("The spider's proxy could not be reached, wanted other credentials, or made no connection to the host."),
        _("Check that the proxy is up and lets this host through, and the user name and password in session.proxy."),
        Reason.PROXY_ERROR,
    ),
    _cause(
        "connection",
        Severity.TROUBLE,
        _("No connection"),
        _("The host refused the connection, or broke it off in mid-answer."),
        _("Check that the site is up and reachable from this machine; crawl again later, with fewer requests at once."),
        Reason.CONNECT_ERROR,
        Reason.CONNECTION_LOST,
    ),
    _cause(
        "timeout",
        Severity.TROUBLE,
        _("The host was too slow"),
        _("The host did not answer, or did not finish its answer, in the time allowed."),
        _("See whether an example is slow in a browser, too: then wait; else crawl more gently: set manners.delay."),
        Reason.CONNECT_TIMEOUT,
        Reason.READ_TIMEOUT,
        Reason.TOTAL_TIMEOUT,
    ),
    _cause(
        "broken_answer",
        Severity.TROUBLE,
        _("Broken answers"),
        _("What the host sent is no whole HTTP answer: cut short, wrongly compressed, or not HTTP at all."),
        _("Crawl again; if it stays so, the fault is the server's or that of a proxy on the way to it."),
        Reason.PROTOCOL_ERROR,
        Reason.BODY_TRUNCATED,
        Reason.BODY_UNDECODABLE,
    ),
    _cause(
        "address_refused",
        Severity.TROUBLE,
        _("Address not allowed"),
        _("The host lies in a private or reserved network, where this installation does not connect."),
        _("If that network may be crawled, name it in CRAWLER_ALLOWED_NETWORKS; if not, deny such links in follow."),
        Reason.ADDRESS_REFUSED,
    ),
    # --- the site said no ---------------------------------------------------------------------------------------------
    _cause(
        "robots",
        Severity.AS_ASKED,
        _("Closed by robots.txt"),
        _("The site's robots.txt asks crawlers to leave these pages alone, and they were left alone."),
        _("Deny them in follow, or ask the site's owner; if the site is yours, set manners.obey_robots: false."),
        Reason.ROBOTS_DISALLOWED,
    ),
    _cause(
        "nofollow",
        Severity.AS_ASKED,
        _("Links marked nofollow"),
        _("The site marks these links, or whole pages, as nofollow, and they were not followed."),
        _("If pages are missing and you may read them, set manners.obey_nofollow: false."),
        Reason.NOFOLLOW,
    ),
    _cause(
        "noindex",
        Severity.AS_ASKED,
        _("Pages marked noindex"),
        _("The site asks that nothing of these pages be kept, and their items were left out."),
        _("If their items are wanted and you may keep them, set manners.obey_noindex: false."),
        Reason.NOINDEX,
    ),
    _cause(
        "canonical",
        Severity.AS_ASKED,
        _("Another address of the same page"),
        _("The page names another one as its canonical address; that one was read in its place."),
        _("If items are missing, the site names wrong addresses: set manners.canonical: ignore."),
        Reason.CANONICAL,
    ),
    _cause(
        "robots_unreachable",
        Severity.TROUBLE,
        _("robots.txt could not be read"),
        _("The site's robots.txt gave an error or no answer: by the rules nothing may be fetched there for now."),
        _("Open the site's /robots.txt; crawl again when it answers with 200 or 404."),
        Reason.ROBOTS_UNREACHABLE,
    ),
    _cause(
        "blocked",
        Severity.TROUBLE,
        _("The site blocks the crawler"),
        _("The site refused these pages (403 and the like), or showed a test for robots in their place."),
        _("Slow down, name yourself in manners.user_agent, and ask the site's owner or use the API it offers."),
        Reason.BOT_WALL,
    ),
    _cause(
        "legal",
        Severity.TROUBLE,
        _("Refused for legal reasons"),
        _("The site may not, or will not, show these pages where the crawler is (451)."),
        _("Ask the site's owner, crawl from a country that is served (session.proxy), or deny these in follow."),
    ),
    _cause(
        "overloaded",
        Severity.TROUBLE,
        _("The host asked for rest"),
        _("The host answered 429 or 503 (too many requests), also after the crawler had waited."),
        _("Crawl it more gently: set manners.delay, or adaptive_throttle: true, and a quieter hour."),
    ),
    _cause(
        "login",
        Severity.TROUBLE,
        _("Login needed"),
        _("The site wants a login before it shows these pages."),
        _("Give the spider session.auth, session.set_cookies or a login form in start_urls; or deny these in follow."),
        Reason.LOGIN_WALL,
    ),
    _cause(
        "not_found",
        Severity.WATCH,
        _("Pages that are gone"),
        _("The site says that there is no such page (404 or 410)."),
        _("A few dead links are usual; if a start page is among them, or many, correct start_urls or follow."),
    ),
    _cause(
        "server_error",
        Severity.TROUBLE,
        _("The site's server failed"),
        _("The server answered with an error of its own (5xx), also when asked again."),
        _("Open an example in a browser; if it works there, crawl more gently, else wait for the site to be mended."),
        Reason.HTTP_5XX,
    ),
    _cause(
        "request_refused",
        Severity.TROUBLE,
        _("Requests that the site does not take"),
        _("The server found fault with the request itself (another 4xx)."),
        _("Compare with what a browser sends for an example: method, headers and address."),
        Reason.HTTP_4XX,
    ),
    _cause(
        "odd_answer",
        Severity.WATCH,
        _("Answers that mean nothing here"),
        _("The server answered with a status that gives no page."),
        _("Open an example in a browser; deny such addresses in follow if they are no pages."),
    ),
    # --- redirects ----------------------------------------------------------------------------------------------------
    _cause(
        "redirect_loop",
        Severity.TROUBLE,
        _("Redirects in a circle"),
        _("Redirects led back to where they began, or through more than ten addresses."),
        _("Such sites often want a cookie: try session.cookies: true, or see an example in a private browser window."),
        Reason.REDIRECT_LOOP,
    ),
    _cause(
        "redirect_invalid",
        Severity.TROUBLE,
        _("Redirects to nowhere"),
        _("The server redirected without an address, or to one that may not be requested."),
        _("Deny such links in follow; the fault is the site's."),
        Reason.REDIRECT_INVALID,
    ),
    # --- left out -----------------------------------------------------------------------------------------------------
    _cause(
        "no_url",
        Severity.AS_ASKED,
        _("Links that are no page addresses"),
        _("Links that are misspelt, or lead to mail, scripts and the like, were not followed."),
        _("Nothing needs to be done; a narrower selector in follow does not see them."),
        Reason.INVALID_URL,
        Reason.SCHEME_REFUSED,
    ),
    _cause(
        "out_of_scope",
        Severity.AS_ASKED,
        _("Links to other sites"),
        _("Links and redirects that lead outside of allowed_domains were not followed."),
        _("If pages are missing, add their host to allowed_domains."),
        Reason.OUT_OF_SCOPE,
    ),
    _cause(
        "limit_depth",
        Severity.AS_ASKED,
        _("Depth limit reached"),
        _("Links that lie deeper than limits.max_depth were not followed."),
        _("If pages are missing, raise limits.max_depth, or start nearer to them."),
        Reason.DEPTH_LIMIT,
    ),
    _cause(
        "limit_pages",
        Severity.AS_ASKED,
        _("Page limit reached"),
        _("The crawl ended at limits.max_pages; what it had not fetched by then was left out."),
        _("If pages are missing, raise limits.max_pages, or follow fewer links."),
        Reason.PAGE_LIMIT,
    ),
    _cause(
        "limit_time",
        Severity.AS_ASKED,
        _("Time limit reached"),
        _("The crawl ended at limits.max_seconds; what it had not fetched by then was left out."),
        _("If pages are missing, raise limits.max_seconds, or follow fewer links."),
        Reason.TIME_LIMIT,
    ),
    _cause(
        "day_budget",
        Severity.AS_ASKED,
        _("Pages of the day used up"),
        _("The host had as many requests today as manners.pages_per_day allows; the other pages were left."),
        _("Crawl again tomorrow, as a daily schedule does; if that is too slow, raise manners.pages_per_day."),
        Reason.DAY_BUDGET,
    ),
    _cause(
        "quiet_hours",
        Severity.AS_ASKED,
        _("Quiet hours began"),
        _("The crawl came into manners.quiet_hours and ended; the pages that it had not fetched were left."),
        _("Schedule it for the time when they end, or shorten manners.quiet_hours."),
        Reason.QUIET_HOURS,
    ),
    _cause(
        "host_rest",
        Severity.WATCH,
        _("The host asked for a long rest"),
        _("The host answered with a Retry-After of more than five minutes; its other pages were left."),
        _("Crawl again after that time, more gently: set manners.delay, or adaptive_throttle: true."),
        Reason.HOST_REST,
    ),
    _cause(
        "limit_host",
        Severity.AS_ASKED,
        _("Page limit of a host reached"),
        _("A host gave limits.max_pages_per_host pages; its other pages were left out."),
        _("If pages are missing, raise limits.max_pages_per_host, or follow fewer links."),
        Reason.HOST_LIMIT,
    ),
    _cause(
        "limit_pattern",
        Severity.AS_ASKED,
        _("Page limit of a pattern reached"),
        _("Addresses of one pattern gave limits.max_pages_per_pattern pages; the others of it were left out."),
        _("If pages are missing, raise limits.max_pages_per_pattern; else deny the pattern in follow."),
        Reason.PATTERN_LIMIT,
    ),
    _cause(
        "trap",
        Severity.WATCH,
        _("Crawler trap"),
        _("The site makes up addresses without end, for example a calendar that never stops; such links were cut."),
        _("Look at the pattern in the examples: deny it in follow if it leads to nothing, and nothing is missing."),
        Reason.TRAP,
        Reason.SAME_CONTENT,
    ),
    _cause(
        "sitemap",
        Severity.TROUBLE,
        _("Sitemaps that could not be read"),
        _("A sitemap is no sitemap, is broken, or is larger than sitemaps may be; what came before that was used."),
        _("Open the address in a browser; correct sitemaps, or leave it out, if it is not the one you meant."),
        Reason.SITEMAP_INVALID,
        Reason.SITEMAP_LIMIT,
    ),
    _cause(
        "lastmod",
        Severity.AS_ASKED,
        _("Unchanged by the sitemap"),
        _("The sitemap says that these pages have not changed since they were read, so they were not asked for."),
        _("If every page is to be asked for at every crawl, set manners.trust_lastmod: false."),
        Reason.LASTMOD_UNCHANGED,
    ),
    _cause(
        "lastmod_wrong",
        Severity.WATCH,
        _("Wrong dates in the sitemap"),
        _("Pages had changed though their sitemap says that they had not; it is not believed in the next crawl."),
        _("If that happens again and again, set manners.trust_lastmod: false."),
        Reason.LASTMOD_WRONG,
    ),
    _cause(
        "limit_bytes",
        Severity.TROUBLE,
        _("Pages that are too big"),
        _("The page is bigger than limits.max_bytes_per_page, counted after decompression; it was dropped."),
        _("If such pages are wanted, raise limits.max_bytes_per_page; else deny them in follow."),
        Reason.BODY_TOO_LARGE,
    ),
    # --- the page gave nothing ----------------------------------------------------------------------------------------
    _cause(
        "consent",
        Severity.TROUBLE,
        _("The site asks for consent first"),
        _("The site sent the crawler to a page that asks for consent, in place of the page."),
        _("Give the consent once in a browser, and give the spider the cookie that it sets there."),
        Reason.CONSENT_WALL,
    ),
    _cause(
        "empty_body",
        Severity.TROUBLE,
        _("Empty pages"),
        _("The server said that all is well and sent a page without content."),
        _("Open an example in a browser; if it shows something there, the site treats crawlers otherwise: slow down."),
        Reason.EMPTY_BODY,
    ),
    _cause(
        "javascript",
        Severity.TROUBLE,
        _("Pages that need JavaScript"),
        _("What the server sends is a shell that scripts fill in a browser; the crawler reads pages without scripts."),
        _("Look in the browser's network tools for the JSON that fills the page, and read it with each_json."),
        Reason.NEEDS_JAVASCRIPT,
    ),
    _cause(
        "nothing_matched",
        Severity.TROUBLE,
        _("Rules that found nothing"),
        _("An item rule took the page by its address, but its selectors found nothing there."),
        _("Open an example in the preview: correct each or the fields' selectors, or narrow match."),
        Reason.NOTHING_MATCHED,
    ),
    _cause(
        "idle_rule",
        Severity.WATCH,
        _("Rules that took no page"),
        _("An item rule was tried on no page: its match is in no address that was read, or no answer was JSON."),
        _("Compare match with the addresses of the pages that should give items, and see that follow leads to them."),
    ),
    _cause(
        "nothing_followed",
        Severity.WATCH,
        _("No link was followed"),
        _("The rules of follow found no link that may be followed on any page, so only the first pages were read."),
        _("Open an example in the preview: it shows each link and the rule that decided; correct the rule's selector."),
    ),
    _cause(
        "not_html",
        Severity.AS_ASKED,
        _("Not a web page"),
        _("The answer is a picture, a file or another type that is not read."),
        _("Deny such addresses in follow, so that they are not fetched; JSON is read by each_json."),
        Reason.NOT_HTML,
    ),
    _cause(
        "json_invalid",
        Severity.TROUBLE,
        _("Answers that are not JSON"),
        _("The answer says that it is JSON and is not; where it stops being it stands beside the page."),
        _("Open an example in a browser: it may be an error message of the server, or only a part of the answer."),
        Reason.JSON_INVALID,
    ),
    _cause(
        "extraction",
        Severity.TROUBLE,
        _("Pages that could not be read"),
        _("The page is built so that reading it would take too long, or a rule cannot be evaluated on it."),
        _("Try an example in the preview; simplify the rule that it names, or leave such pages out."),
        Reason.EXTRACTION_ERROR,
        Reason.READING_TIMEOUT,
        Reason.READING_DIED,
    ),
    _cause(
        "missing_required",
        Severity.TROUBLE,
        _("Items without a required field"),
        _("A field that is required had no value, so the item was not stored."),
        _("Open an example in the preview: correct the field's selector, or take required away."),
        Reason.MISSING_REQUIRED,
    ),
    _cause(
        "missing_key",
        Severity.TROUBLE,
        _("Items without a key"),
        _("A field of the key had no value, so the item could not be told from others and was not stored."),
        _("Open an example in the preview: correct the field's selector, or choose another key."),
        Reason.MISSING_KEY,
    ),
    _cause(
        "empty_field",
        Severity.WATCH,
        _("Fields that are always empty"),
        _("A field has no value in any item, or in nearly none."),
        _("Open a page of an item in the preview: correct the field's selector, or leave the field out."),
    ),
    _cause(
        "unreadable_value",
        Severity.TROUBLE,
        _("Values of the wrong type"),
        _("A value is not of its field's type, so it was left empty."),
        _("Open an example in the preview: take the value out with regex, or change type, format or decimal_mark."),
        Reason.UNREADABLE_VALUE,
    ),
    _cause(
        "duplicate_key",
        Severity.WATCH,
        _("The same key twice on a page"),
        _("Several items of one page have the same key; the first was stored."),
        _("If they are different things, add the field that tells them apart to key."),
        Reason.DUPLICATE_KEY,
    ),
    _cause(
        "key_conflict",
        Severity.WATCH,
        _("The same key on several pages"),
        _("Several pages give other values under one key; the item keeps those of the page it belongs to."),
        _("If they are different things, add a field to key; else match only the pages that have the whole item."),
        Reason.KEY_CONFLICT,
    ),
)

OTHER = _cause(
    "other",
    Severity.WATCH,
    _("Another reason"),
    _("The crawl counted a reason that this release does not know."),
    _("Look at the examples; an upgrade may explain it."),
)
"""Of rows that another release has written."""

BY_KEY: Mapping[str, Cause] = {cause.key: cause for cause in (*CAUSES, OTHER)}
_BY_REASON: Mapping[str, Cause] = {str(reason): cause for cause in CAUSES for reason in cause.reasons}

_BLOCKED = frozenset({403, 406, 444, 456, 498, 999})
_OVERLOADED = frozenset({420, 429, 503, 509, 529, 598, 599})
_GONE = frozenset({404, 410})
_TOO_SLOW = frozenset({408, 504, 522, 524})


@cache
def cause_of(reason: str) -> Cause:
    """The cause that a reason belongs to; `OTHER` for one that this release does not know."""
    status = _HTTP.fullmatch(reason)
    if status is not None:
        return BY_KEY[_cause_of_status(int(status[1]))]
    return _BY_REASON.get(reason, OTHER)


def _cause_of_status(status: int) -> str:
    """The key of an answer that gives no page: the numbers beyond the standard are those of nginx, Cloudflare, Twitter
    and LinkedIn."""
    families = (
        ("login", frozenset({401})),
        ("blocked", _BLOCKED),
        ("legal", frozenset({451})),
        ("overloaded", _OVERLOADED),
        ("not_found", _GONE),
        ("timeout", _TOO_SLOW),
    )
    for key, statuses in families:
        if status in statuses:
            return key
    if 400 <= status < 500:
        return "request_refused"
    return "server_error" if 500 <= status < 600 else "odd_answer"
