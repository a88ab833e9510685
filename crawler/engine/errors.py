"""Why something was not fetched, not stored or not followed: each reason has one name, and is counted by it.

EngineError
├── DefinitionError        the spider's document is wrong (place, message, remedy)
├── UrlError               not a URL that may be requested
├── AddressRefused         the guard: an address that may not be connected to
├── ReadingEnded           the process that read a page was ended, or ended
└── FetchError             a request that gave no usable answer
    ├── DnsError
    ├── ConnectFailed
    ├── TlsFailed
    ├── ProxyFailed        the spider's proxy: unreachable, or it refused
    ├── ConnectionLost     reset, or closed in mid-answer
    ├── ProtocolViolation  not HTTP
    ├── TimedOut           connect, read or total
    ├── BodyTooLarge
    ├── BodyTruncated
    └── BodyUndecodable
"""

from __future__ import annotations

from enum import StrEnum

from .messages import Quoted


class Reason(StrEnum):
    """The names under which a crawl counts what went wrong or was left out."""

    # a page was not fetched
    INVALID_URL = "invalid_url"
    SCHEME_REFUSED = "scheme_refused"
    OUT_OF_SCOPE = "out_of_scope"
    DEPTH_LIMIT = "depth_limit"
    PAGE_LIMIT = "page_limit"
    TIME_LIMIT = "time_limit"
    ROBOTS_DISALLOWED = "robots_disallowed"
    ROBOTS_UNREACHABLE = "robots_unreachable"
    NOFOLLOW = "nofollow"
    CANONICAL = "canonical"  # another page stands for it
    CANONICAL_FAILED = "canonical_failed"  # that one could not be read: this one stands for itself
    TRAP = "trap"
    SAME_CONTENT = "same_content"  # a trap too, but its pages may after all be others
    SITEMAP_INVALID = "sitemap_invalid"
    SITEMAP_LIMIT = "sitemap_limit"
    LASTMOD_UNCHANGED = "lastmod_unchanged"  # a page was not asked for: its sitemap says that it has not changed
    LASTMOD_WRONG = "lastmod_wrong"
    HOST_LIMIT = "host_limit"
    PATTERN_LIMIT = "pattern_limit"
    ADDRESS_REFUSED = "address_refused"
    BODY_FORGOTTEN = "body_forgotten"  # a POST whose start page was edited since
    # a page was left in the frontier, for another time
    DAY_BUDGET = "day_budget"
    QUIET_HOURS = "quiet_hours"
    HOST_REST = "host_rest"  # Retry-After, longer than a crawl waits
    # a fetch failed
    DNS_ERROR = "dns_error"
    CONNECT_ERROR = "connect_error"
    CONNECT_TIMEOUT = "connect_timeout"
    READ_TIMEOUT = "read_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    TLS_ERROR = "tls_error"
    PROXY_ERROR = "proxy_error"
    CONNECTION_LOST = "connection_lost"
    PROTOCOL_ERROR = "protocol_error"
    BODY_TOO_LARGE = "body_too_large"
    BODY_TRUNCATED = "body_truncated"
    BODY_UNDECODABLE = "body_undecodable"
    HTTP_4XX = "http_4xx"  # shown as http_404 and so on: see `http_reason`
    HTTP_5XX = "http_5xx"
    REDIRECT_LOOP = "redirect_loop"
    REDIRECT_INVALID = "redirect_invalid"
    NOT_HTML = "not_html"
    JSON_INVALID = "json_invalid"
    NOINDEX = "noindex"
    EXTRACTION_ERROR = "extraction_error"
    READING_TIMEOUT = "reading_timeout"  # the helper process that read the page was ended
    READING_DIED = "reading_died"  # of too little memory, for the most part
    # a page was read and gave nothing
    EMPTY_BODY = "empty_body"
    NEEDS_JAVASCRIPT = "needs_javascript"
    LOGIN_WALL = "login_wall"
    BOT_WALL = "bot_wall"
    CONSENT_WALL = "consent_wall"
    NOTHING_MATCHED = "nothing_matched"
    # an item was not stored, or not as a whole
    MISSING_REQUIRED = "missing_required"
    MISSING_KEY = "missing_key"
    UNREADABLE_VALUE = "unreadable_value"
    DUPLICATE_KEY = "duplicate_key"
    KEY_CONFLICT = "key_conflict"
    # items were left as they are
    NONE_READ = "none_read"  # of a type that had many, so that they are not called gone


LEFT_FOR_LATER = frozenset({Reason.DAY_BUDGET, Reason.QUIET_HOURS, Reason.HOST_REST})
"""Reasons for which pages are left that another time may be asked for."""
NO_ANSWER = frozenset(
    {
        *(Reason.DNS_ERROR, Reason.CONNECT_ERROR, Reason.CONNECT_TIMEOUT, Reason.READ_TIMEOUT, Reason.TOTAL_TIMEOUT),
        *(Reason.TLS_ERROR, Reason.PROXY_ERROR, Reason.CONNECTION_LOST, Reason.PROTOCOL_ERROR),
        *(Reason.BODY_TOO_LARGE, Reason.BODY_TRUNCATED, Reason.BODY_UNDECODABLE),
    }
)
"""Reasons of the kinds of `FetchError` below: a page that failed by one of them was not answered."""


def http_reason(status_code: int) -> str:
    """The reason of an answer that is an error: ``http_404``."""
    return f"http_{status_code}"


def quoted(text: str, most: int = 200) -> Quoted:
    """`text` for a message: in double quotes, at most `most` characters of it, what does not print as its code."""
    text = text if len(text) <= most else text[: most - 3] + "..."
    return Quoted("".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text))


class EngineError(Exception):
    """Base of all that the engine raises."""


class DefinitionError(EngineError):
    """A spider's document that cannot be honoured.

    `problems` holds every one found, each with the place in the document, so that a form or a command
    shows all at once.
    """

    def __init__(self, problems: list[DefinitionProblem]) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


class DefinitionProblem:
    """One thing wrong: `place` such as ``items[0].fields.price.type``, a message, the remedy inside it."""

    __slots__ = ("message", "place")

    def __init__(self, place: str, message: str) -> None:
        self.place = place
        self.message = message

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message

    def __repr__(self) -> str:
        return f"DefinitionProblem({self.place!r}, {self.message!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DefinitionProblem) and (self.place, self.message) == (other.place, other.message)

    def __hash__(self) -> int:
        return hash((self.place, self.message))


class UrlError(EngineError):
    """A string that is no URL we may request; `reason` says which rule refused it."""

    def __init__(self, message: str, *, reason: Reason = Reason.INVALID_URL) -> None:
        super().__init__(message)
        self.reason = reason


class AddressRefused(EngineError):
    """The guard refused every address of a host. Never retried, never counted as a connection error."""

    reason = Reason.ADDRESS_REFUSED

    def __init__(self, message: str, *, proxy: str = "") -> None:
        """`proxy`: its host, where it is the spider's proxy that was refused, and not what is asked through it."""
        super().__init__(message)
        self.proxy = proxy


class ReadingEnded(EngineError):
    """No result: `reason` is reading_timeout or reading_died; extraction_error where the page broke the extractor."""

    def __init__(self, message: str, *, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class FetchError(EngineError):
    """A request without a usable answer. `reason` is counted; `retriable` says whether another attempt may help."""

    reason: Reason = Reason.CONNECT_ERROR
    retriable: bool = True


class DnsError(FetchError):
    reason = Reason.DNS_ERROR


class ConnectFailed(FetchError):
    reason = Reason.CONNECT_ERROR


class TlsFailed(FetchError):
    reason = Reason.TLS_ERROR
    retriable = False


class ProxyFailed(FetchError):
    """The request did not reach its server."""

    reason = Reason.PROXY_ERROR

    def __init__(self, message: str, *, retriable: bool = True) -> None:
        super().__init__(message)
        self.retriable = retriable


class ConnectionLost(FetchError):
    reason = Reason.CONNECTION_LOST


class ProtocolViolation(FetchError):
    reason = Reason.PROTOCOL_ERROR


class TimedOut(FetchError):
    """`reason` is one of connect_timeout, read_timeout, total_timeout."""

    def __init__(self, message: str, *, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class BodyTooLarge(FetchError):
    reason = Reason.BODY_TOO_LARGE
    retriable = False


class BodyTruncated(FetchError):
    reason = Reason.BODY_TRUNCATED


class BodyUndecodable(FetchError):
    reason = Reason.BODY_UNDECODABLE
