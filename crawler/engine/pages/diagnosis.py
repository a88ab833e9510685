"""Why a page that was answered gave nothing: it is empty, a shell for scripts, a login, a test for robots.

Asked of pages alone that gave no item where one could be expected: a page that gave items pays nothing. What is judged
is the whole of a page, so a page with much text of its own is none of these, whatever scripts and forms it carries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

import re2
from turbohtml import Element, Node, Text

from crawler.engine.errors import Reason
from crawler.engine.records import Finding

from .page import PageTree

MAX_WALL_TEXT = 1_500
"""Characters of visible text: a page that shows more is a page, not a wall. Of 291 real pages of shops and newspapers
none shows fewer than 800 and holds a form for passwords or a test."""
MAX_SHELL_TEXT = 600
"""Of a page that scripts are to fill: menu, footer, "Loading …"."""
MAX_LOGIN_TEXT = 1_000
BLANK_TEXT = 50
MIN_SCRIPT = 1_000
"""Characters of scripts in the page, and `SCRIPT_RATIO` times its text, before a shell is told by them alone."""
SCRIPT_RATIO = 10
MAX_NODES = 5_000
"""Elements and texts that are walked, so that no page holds up others for more than some milliseconds."""
MAX_NOSCRIPTS = 3
"""They may lie within each other: the text of each is that of all inside it."""
SEARCHED = 200_000
"""Bytes of a body that are searched for marks."""

_UNSEEN = frozenset({"script", "style", "template", "noscript", "head", "title"})
_UNSEEN_IN_BODY = tuple(sorted(_UNSEEN - {"head", "title"}))
_ROOTS = "#app, #root, #__next, #__nuxt, #___gatsby, #q-app, #react-root, app-root, [ng-app], [data-reactroot]"
_SHOWING = "img, picture, video, audio, iframe, frame, object, embed, canvas, form, meta[http-equiv=refresh i]"
_CHALLENGES = (
    (b"_cf_chl_opt", "Cloudflare"),
    (b"cf-browser-verification", "Cloudflare"),
    (b"cf-error-details", "Cloudflare"),
    (b"captcha-delivery.com", "DataDome"),
    (b"px-captcha", "PerimeterX"),
    (b"Incapsula incident ID", "Imperva"),
    (b"errors.edgesuite.net", "Akamai"),
    (b"awsWafCookieDomainList", "AWS WAF"),
    (b"check.ddos-guard.net", "DDoS-Guard"),
    (b"sucuri_cloudproxy_js", "Sucuri"),
    (b"anubis_challenge", "Anubis"),
)
"""Marks of the pages that stand in the place of others; what the same services put into ordinary pages is not here."""
_TESTS = ((b"g-recaptcha", "reCAPTCHA"), (b"h-captcha", "hCaptcha"), (b"cf-turnstile", "Turnstile"))
"""Parts of ordinary forms too: a wall only where there is nothing else."""
_ANY_MARK = re2.compile(b"|".join(re2.escape(mark) for mark, _name in (*_CHALLENGES, *_TESTS)))
_CHALLENGE_STATUSES = frozenset({401, 403, 405, 429, 503})
_LOGINS = frozenset(
    {"login", "log-in", "log_in", "signin", "sign-in", "sign_in", "logon", "wp-login", "userlogin", "sso"}
)
_ACTIONS = frozenset(
    {"act", "action", "do", "mod", "mode", "module", "op", "option", "page", "r", "route", "screen", "task", "view"}
)
"""Parameters by which one script shows all pages of a site; what they name may be a path: ``route=account/login``."""
_NAME_PARTS = re.compile(r"[/:.]")
_LOGIN_HOSTS = frozenset({"login", "signin", "accounts", "auth", "sso", "idp"})
_CONSENT_HOSTS = frozenset({"consent", "guce", "cookiewall", "privacy-gate"})


def diagnose(page: PageTree, body: bytes) -> Finding | None:
    """What is wrong with a page that gave nothing; None where it looks like a page."""
    if not body.strip():
        return Finding(Reason.EMPTY_BODY, "the body is empty", is_wall=True)
    root = page.document.select_one("body") or page.document.root
    text = 0 if root is None else _shown(page, root)
    if text > MAX_WALL_TEXT:
        return None
    head = _marked(body)
    tested = _mark(head, _CHALLENGES)
    if tested:
        return Finding(Reason.BOT_WALL, f"a test by {tested} stands in the page's place", is_wall=True)
    if text <= MAX_LOGIN_TEXT and page.document.select_one("input[type=password i]") is not None:
        detail = "the page is a form that asks for a password"
        return Finding(Reason.LOGIN_WALL, detail, is_wall=True, needs_claim=True)
    if text > MAX_SHELL_TEXT:
        return None
    tested = _mark(head, _TESTS)
    if tested:
        return Finding(Reason.BOT_WALL, f"a test by {tested} is all that the page shows", is_wall=True)
    return _shell(page, text)


def challenge(status_code: int, headers: Mapping[str, str], body: bytes) -> str:
    """Whose test for robots an answer that is an error shows; empty if none."""
    if status_code not in _CHALLENGE_STATUSES:
        return ""
    if headers.get("cf-mitigated") == "challenge":
        return "Cloudflare"
    return _mark(_marked(body), _CHALLENGES)


def wall_behind(target: str, url: str) -> Reason | None:
    """Whether a redirect from `url` to `target` leads to a login or a question for consent in place of the page."""
    there, here = urlsplit(target), urlsplit(url)
    first = (there.hostname or "").partition(".")[0]
    is_elsewhere = there.hostname != here.hostname
    if is_elsewhere and first in _CONSENT_HOSTS:
        return Reason.CONSENT_WALL
    if _is_login(here):
        return None
    if _is_login(there) or (is_elsewhere and first in _LOGIN_HOSTS):
        return Reason.LOGIN_WALL
    return None


def _is_login(address: SplitResult) -> bool:
    last = address.path.rstrip("/").rpartition("/")[2].partition(".")[0].partition(";")[0]
    return last.lower() in _LOGINS or any(
        _NAME_PARTS.split(value.rstrip("/"))[-1].lower() in _LOGINS
        for name, value in parse_qsl(address.query)
        if name.lower() in _ACTIONS or (name == "title" and ":" in value)  # Special:UserLogin, as wikis have it
    )


def _marked(body: bytes) -> bytes:
    """The part of a body that is searched for marks; empty where it holds none. (One pass for all of them.)"""
    head = body[:SEARCHED]
    return b"" if _ANY_MARK.search(head) is None else head


def _mark(head: bytes, marks: tuple[tuple[bytes, str], ...]) -> str:
    return next((name for mark, name in marks if mark in head), "") if head else ""


def _shown(page: PageTree, root: Element) -> int:
    """`_visible` of the whole page: in whole strings where nothing in it is unseen, which costs next to nothing."""
    document = page.document
    is_seen = root.tag == "body" and all(document.find(tag) is None for tag in _UNSEEN_IN_BODY)
    if not is_seen or len(document.select("title")) > 1:
        return _visible(root)
    return sum(map(len, root.stripped_strings))


def _visible(root: Node) -> int:
    """Characters of text that a reader sees, blanks at the ends of each piece left out; counted up to the limit.

    More elements than any wall or shell has count as text beyond the limit.
    """
    count = 0
    for number, text in enumerate(_texts(root)):
        count += len(text.strip())
        if count > MAX_WALL_TEXT or number > MAX_NODES:
            return MAX_WALL_TEXT + 1
    return count


def _texts(root: Node) -> Iterator[str]:
    """Each text, and nothing for each element."""
    # A stack of iterators, not recursion: pages nest 100,000 deep.
    open_nodes = [iter(root)]
    while open_nodes:
        for child in open_nodes[-1]:
            if isinstance(child, Text):
                yield child.data
                continue
            yield ""
            if isinstance(child, Element) and child.tag not in _UNSEEN:
                open_nodes.append(iter(child))
                break
        else:
            open_nodes.pop()


def _shell(page: PageTree, text: int) -> Finding | None:
    document = page.document
    scripts = [script for script in document.select("script") if "ld+json" not in (script.attr("type") or "")]
    if not scripts:
        if text or document.select_one(_SHOWING) or document.select_one("a[href]"):
            return None
        return Finding(Reason.EMPTY_BODY, "the page shows nothing", needs_claim=True)
    if "javascript" in " ".join(part.text for part in document.select("noscript")[:MAX_NOSCRIPTS]).lower():
        return Finding(Reason.NEEDS_JAVASCRIPT, "the page says that it needs JavaScript", needs_claim=True)
    root = document.select_one(_ROOTS)
    if root is not None and _visible(root) <= BLANK_TEXT:
        return Finding(Reason.NEEDS_JAVASCRIPT, "the element that scripts fill is empty", needs_claim=True)
    inside = sum(len(script.text) for script in scripts)
    if inside >= max(MIN_SCRIPT, SCRIPT_RATIO * text):
        detail = f"{text:,} characters of text beside {inside:,} of scripts"
        return Finding(Reason.NEEDS_JAVASCRIPT, detail, needs_claim=True)
    if _waits(page, text) and document.select_one(_SHOWING) is None:
        return Finding(Reason.NEEDS_JAVASCRIPT, "the page shows nothing and loads scripts", needs_claim=True)
    return None


def _waits(page: PageTree, text: int) -> bool:
    """Whether the page shows nothing, or no more than "Loading …"."""
    root = page.document.select_one("body")
    return not text or (text <= BLANK_TEXT and root is not None and "loading" in " ".join(_texts(root)).lower())
