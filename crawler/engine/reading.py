"""What an answer means for its page: unchanged, redirected, failed, or to be extracted. Decisions only, no waiting."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from .canonicals import Canonicals
from .content_types import may_be_json
from .discovery import Discovery, Scope
from .errors import Reason, UrlError, http_reason
from .fetching.redirects import MAX_HOPS, Redirects
from .fetching.requests import KEEPS_METHOD, Posts
from .known import KnownHashes
from .pages.diagnosis import challenge, wall_behind
from .pages.directives import Asked, Directives
from .records import REDIRECTS, Answer, Extraction, Finding, Link, PageResult, PageState, PendingPage
from .traps import Traps
from .urls import hash_url, resolve

MAX_DETAIL = 500
MAX_VALIDATOR = 500
"""Characters of an ETag or a date; a longer one is not kept, so its page is fetched anew each time."""
ITEM_REASONS = (
    Reason.NOTHING_MATCHED,
    Reason.MISSING_REQUIRED,
    Reason.MISSING_KEY,
    Reason.UNREADABLE_VALUE,
    Reason.DUPLICATE_KEY,
)
"""What is said of a page's items, and means nothing where the page is none."""

FAILURES = (Reason.EXTRACTION_ERROR, Reason.JSON_INVALID)
"""By which the extractor says that a page could not be read to its end."""


def content_hash(body: bytes, said: bytes = b"") -> bytes:
    """16 bytes of SHA-256 of a decompressed body, and of what its headers said of it.

    Processors have instructions for this one: it takes a third of BLAKE2b's time.
    """
    digest = sha256(body, usedforsecurity=False)
    if said:
        digest.update(b"\0" + said)
    return digest.digest()[:16]


def failed(
    page: PendingPage, reason: str, detail: str = "", *, status_code: int | None = None, wire_bytes: int = 0
) -> PageResult:
    """A page without a usable answer after all attempts."""
    return PageResult(page, PageState.FAILED, status_code, reason, detail[:MAX_DETAIL], wire_bytes=wire_bytes)


def refused(page: PendingPage, reason: str, detail: str = "") -> PageResult:
    """A page that was never asked for."""
    return PageResult(page, PageState.REFUSED, None, reason, detail[:MAX_DETAIL])


class PageReader:
    """Turns answers into results. `seen` is the frontier's own, which what pages lead on to enters here."""

    def __init__(
        self,
        scope: Scope,
        *,
        max_depth: int | None,
        seen: KnownHashes,
        directives: Directives | None = None,
        traps: Traps | None = None,
        may_ask: Callable[[str], bool | None] = lambda url: True,
        canonicals: Canonicals | None = None,
    ) -> None:
        """`may_ask`: whether robots.txt lets us ask for a URL in scope; None where that is not known."""
        self._may_ask = may_ask
        self._canonicals = canonicals
        self._scope = scope
        self._traps = traps
        self._directives = directives
        self._seen = seen
        self.discovery = Discovery(scope, max_depth=max_depth, seen=seen, traps=traps)
        self._redirects = Redirects()
        self._walls: set[int] = set()
        """Where start pages were sent to in place of themselves: each is counted there, and gives links alone."""
        self.posts: Posts | None = None
        """See `Visitor.posts`."""

    def judge(self, page: PendingPage, answer: Answer) -> PageResult:
        """The page's result. DONE with `extracted` set means: hand the body to the extractor, then `absorb`."""
        status = answer.status_code
        if status == 304 and page.may_revalidate:
            return self._unchanged(page, answer, page.content_hash)
        if status in REDIRECTS:
            return self._redirected(page, answer)
        if not 200 <= status < 300:
            return self._denied(page, answer)
        digest = content_hash(answer.body, self._said_of(answer))
        if page.may_revalidate and digest == page.content_hash:
            return self._unchanged(page, answer, digest)
        return PageResult(
            page,
            PageState.DONE,
            status,
            # Whether JSON is read, the extractor knows: `absorb`.
            reason="" if may_be_json(answer.content_type) else Reason.NOT_HTML,
            etag=_validator(answer, "etag"),
            last_modified=_validator(answer, "last-modified"),
            content_hash=digest,
            wire_bytes=answer.wire_bytes,
            # What is no HTML gives nothing, and so replaces what the page gave while it was HTML.
            extracted=True,
        )

    def _said_of(self, answer: Answer) -> bytes:
        """What belongs to the page though it stands in its headers: where it changes, the same bytes mean another page.
        Empty for most."""
        said = b"" if self._directives is None else self._directives.fingerprint(answer.headers)
        if answer.content_type == "text/html" and answer.charset.lower() == "utf-8":
            return said
        return said + f"\0{answer.content_type};{answer.charset}".lower().encode("utf-8", "replace")

    def hear(self, extraction: Extraction, answer: Answer) -> None:
        """What the answer's headers ask, on top of what the page itself does. Comes before `absorb`."""
        if self._directives is not None:
            _hear(self._directives.of_headers(answer.headers, answer.url), extraction)

    def absorb(self, result: PageResult, extraction: Extraction) -> bool:
        """Take over what the extractor found: items as they are, links judged.

        Where it gave up half-way, or the page is a wall or a shell in the page's place, the links that it found are
        followed, but nothing that is stored is replaced. Says whether the page is an echo of others, as
        `Discovery.take` wants to know it of further links.
        """
        if result.page.url_hash in self._walls or (extraction.canonical and self._gives_place(result, extraction)):
            _drop_items(extraction)
        result.problems = extraction.problems
        result.reasons = extraction.reasons
        result.taken, result.missed = extraction.taken, extraction.missed
        is_echo = (
            self._traps is not None
            and extraction.finding is None
            and self._traps.read(result.page.url, result.content_hash)
        )
        # Before links are judged: most pages have no reasons yet, and this costs them nothing.
        failure = _failure_of(result) if extraction.reasons else None
        self.discovery.take(result, extraction.links, is_echo=is_echo)
        if extraction.refresh:
            self._take_refresh(result, extraction.refresh)
        if failure is not None:
            # The last problem is the page's own, and shown as that.
            _give_up(result, failure, extraction.problems.pop().value if extraction.problems else "")
            return is_echo
        if extraction.finding is not None and self._accept(result, extraction, extraction.finding):
            return is_echo
        result.items = extraction.items
        result.rejected = extraction.rejected
        if extraction.noindex and result.extracted:
            result.reason = Reason.NOINDEX
        return is_echo

    def _accept(self, result: PageResult, extraction: Extraction, finding: Finding) -> bool:
        """Say why the page gave nothing. Whether it is a failure: items without a value are kept, but not of walls."""
        if finding.needs_claim and result.page.depth > 0:
            return False
        if extraction.items and not finding.is_wall:
            result.reason, result.detail = finding.reason, finding.detail
            result.reasons.pop(Reason.NOTHING_MATCHED, None)
            return False
        _give_up(result, finding.reason, finding.detail)
        result.missed = [(kind, "") for kind in result.taken]
        result.problems = []
        for reason in ITEM_REASONS:
            result.reasons.pop(reason, None)
        return True

    def _gives_place(self, result: PageResult, extraction: Extraction) -> bool:
        """Whether the page's canonical is another one that may be fetched: the page then ends as a redirect does.

        Canonicals that lead in a circle, as careless sites write them, mean nothing.
        """
        page, target = result.page, extraction.canonical
        target_hash = hash_url(target)
        if (
            _has_failed(extraction)
            or target.rstrip("/") == page.url.rstrip("/")  # often written wrongly, and redirected back
            or self._scope.judge(target, page.depth) is not None
            or (may_ask := self._may_ask(target)) is False
            or self._redirects.end_at(page, target_hash)
        ):
            return False
        if self._canonicals is not None and self._canonicals.is_lost(page.url_hash, target_hash):
            extraction.reasons[Reason.CANONICAL_FAILED] += 1
            _forget_validators(result)  # the other page may be there next time
            return False
        if self._seen.add(target_hash):
            result.links.append(Link(target, target_hash, page.depth, page.hops + 1))
        if may_ask is None:
            return False  # another host's page, of which nobody knows that it will be read
        self._redirects.remember(page, target_hash)
        result.state = PageState.REDIRECTED
        result.extracted = False
        result.reason = Reason.CANONICAL
        result.redirected_to = target
        return True

    def _take_refresh(self, result: PageResult, target: str) -> None:
        """A page that sends its readers on is read, and where it leads is fetched as after a redirect: whatever the
        follow rules say, at the same depth, one hop further. Stored links know neither, so it is read each time."""
        page = result.page
        if page.hops >= MAX_HOPS:
            return
        reason = self._scope.judge(target, page.depth)
        if reason is not None:
            result.reasons[reason] += 1
            return
        _forget_validators(result)
        target_hash = hash_url(target)
        if target_hash not in self._seen:
            self._seen.add(target_hash)
            result.links.append(Link(target, target_hash, page.depth, page.hops + 1))

    def _unchanged(self, page: PendingPage, answer: Answer, digest: bytes) -> PageResult:
        return PageResult(
            page,
            PageState.UNCHANGED,
            answer.status_code,
            etag=_validator(answer, "etag") or (page.etag if answer.status_code == 304 else ""),
            last_modified=_validator(answer, "last-modified")
            or (page.last_modified if answer.status_code == 304 else ""),
            content_hash=digest,
            wire_bytes=answer.wire_bytes,
        )

    def _denied(self, page: PendingPage, answer: Answer) -> PageResult:
        """An answer that is an error."""
        status = answer.status_code
        tested = challenge(status, answer.headers, answer.body)
        reason = Reason.BOT_WALL if tested else http_reason(status)
        detail = f"{status}, with a test by {tested}" if tested else ""
        return failed(page, reason, detail, status_code=status, wire_bytes=answer.wire_bytes)

    def _redirected(self, page: PendingPage, answer: Answer) -> PageResult:
        location = answer.headers.get("location", "")
        if not location:
            return failed(page, Reason.REDIRECT_INVALID, "no Location", status_code=answer.status_code)
        try:
            target = resolve(location, page.url)
        except UrlError as error:
            return failed(page, Reason.REDIRECT_INVALID, str(error), status_code=answer.status_code)
        post = self.posts.of(page) if self.posts and not page.depth and answer.status_code in KEEPS_METHOD else None
        target_hash = hash_url(target) if post is None else post.hash_at(target)
        if self._redirects.end_at(page, target_hash):
            return failed(page, Reason.REDIRECT_LOOP, f"to {target}", status_code=answer.status_code)
        self._redirects.remember(page, target_hash)
        result = PageResult(
            page,
            PageState.REDIRECTED,
            answer.status_code,
            wire_bytes=answer.wire_bytes,
            redirected_to=target,
        )
        wall = wall_behind(target, page.url)
        if wall is not None:
            # It has not moved: what it gave to those who were let in is kept.
            _give_up(result, wall, f"redirected to {target}")
            if page.depth > 0:
                return result
            self._walls.add(target_hash)
        reason = self._scope.judge(target, page.depth)
        if reason is not None:
            result.reason = wall or reason
            result.detail = f"redirected to {target}"[:MAX_DETAIL]
        elif self._seen.add(target_hash):
            result.links.append(Link(target, target_hash, page.depth, page.hops + 1))
        return result


def _has_failed(extraction: Extraction) -> bool:
    return any(reason in extraction.reasons for reason in FAILURES)


def _failure_of(result: PageResult) -> Reason | None:
    """Why the extractor could not read the page to its end. That it is none, as some JSON, is the page's own reason."""
    reasons = result.reasons
    if reasons.pop(Reason.NOT_HTML, 0):
        result.reason = Reason.NOT_HTML
    return next((reason for reason in FAILURES if reasons.pop(reason, 0)), None)


def _give_up(result: PageResult, reason: str, detail: str) -> None:
    result.state = PageState.FAILED
    result.reason = reason
    result.detail = detail[:MAX_DETAIL]
    result.extracted = False


def _forget_validators(result: PageResult) -> None:
    """The page is read at each crawl, whether or not it has changed."""
    result.etag = result.last_modified = ""
    result.content_hash = b""


def _hear(asked: Asked, extraction: Extraction) -> None:
    if asked.nofollow and extraction.links:
        extraction.reasons[Reason.NOFOLLOW] += len(extraction.links)
        extraction.links = []
    if asked.nofollow:
        extraction.refresh = ""
    if asked.noindex:
        extraction.noindex = True
        _drop_items(extraction)
    extraction.canonical = extraction.canonical or asked.canonical


def _drop_items(extraction: Extraction) -> None:
    """The page gives nothing, and nothing is to be said of that."""
    extraction.items, extraction.rejected, extraction.finding = [], 0, None
    extraction.taken, extraction.missed = (), []
    if not _has_failed(extraction):
        extraction.problems = []
    for reason in ITEM_REASONS:
        extraction.reasons.pop(reason, None)


def _validator(answer: Answer, name: str) -> str:
    value = answer.headers.get(name, "")
    return value if len(value) <= MAX_VALIDATOR else ""
