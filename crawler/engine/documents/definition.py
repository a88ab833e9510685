"""A spider's JSON document: `parse` reads it into frozen values or says all that is wrong, `dump` writes it back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields

from crawler.engine.errors import DefinitionError, DefinitionProblem, UrlError
from crawler.engine.manners.hours import read_quiet_hours
from crawler.engine.messages import reason_of, said
from crawler.engine.scope import covers
from crawler.engine.spider import (
    Auth,
    BasicAuth,
    FieldRule,
    FieldType,
    FollowRule,
    ItemRule,
    Limits,
    Manners,
    SecretRef,
    Session,
    SpiderDefinition,
    StartPost,
)
from crawler.engine.urls import host_of, normalise

from .document import MAX_PROBLEMS, Problems, Section, as_section, checked_text, shown
from .item_rules import read_items
from .read_follow import read_follow
from .read_session import check_session, read_reference, read_session
from .read_start import read_start_pages, warn_of_shared_keys

__all__ = [
    "NOT_IN_DOCUMENT",
    "FieldRule",
    "FieldType",
    "FollowRule",
    "ItemRule",
    "Limits",
    "Manners",
    "SecretRef",
    "Session",
    "SpiderDefinition",
    "dump",
    "parse",
    "parse_with_warnings",
]

MAX_CONCURRENCY = 100
MAX_DELAY = 3_600
MAX_COUNT = 2**31 - 1
MAX_BYTES = 2**30
_MAX_NAME = 100

_SLUG = re.compile(r"[a-zA-Z0-9-][a-zA-Z0-9_-]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_OWN_HEADERS = {
    "connection": said("the connection is the crawler's own affair"),
    "content-length": said("requests have no body"),
    "expect": said("requests have no body"),
    "host": said("it follows from the URL"),
    "if-modified-since": said("validators are sent where the page is known"),
    "if-none-match": said("validators are sent where the page is known"),
    "keep-alive": said("the connection is the crawler's own affair"),
    "proxy-connection": said("the connection is the crawler's own affair"),
    "range": said("pages are read whole"),
    "te": said("the connection is the crawler's own affair"),
    "trailer": said("requests have no body"),
    "transfer-encoding": said("requests have no body"),
    "upgrade": said("the connection is the crawler's own affair"),
    "user-agent": said("use manners.user_agent"),
}
NOT_IN_DOCUMENT = ("start_posts", "given_urls")
"""Fields of `SpiderDefinition` that are no keys."""
_SPIDER_KEYS = tuple(field.name for field in fields(SpiderDefinition) if field.name not in NOT_IN_DOCUMENT)
_MANNERS_KEYS = tuple(field.name for field in fields(Manners))
_LIMITS_KEYS = tuple(field.name for field in fields(Limits))


def parse(document: Mapping[str, object]) -> SpiderDefinition:
    """The spider that `document` describes. Raises `DefinitionError` with its problems, `MAX_PROBLEMS` at most."""
    return parse_with_warnings(document)[0]


def parse_with_warnings(document: Mapping[str, object]) -> tuple[SpiderDefinition, list[DefinitionProblem]]:
    """As `parse`, with what is allowed but probably not meant."""
    problems = Problems()
    definition = _read_spider(as_section(document, "", problems))
    if problems.errors:
        raise DefinitionError(problems.errors[:MAX_PROBLEMS])
    return definition, problems.warnings[:MAX_PROBLEMS]


def dump(definition: SpiderDefinition) -> dict[str, object]:
    """The canonical document: keys in the order of docs/definitions.md, defaults left out."""
    document = _without_defaults(definition)
    for name in NOT_IN_DOCUMENT:
        document.pop(name, None)
    if definition.start_posts:
        document["start_urls"] = [*definition.start_urls, *map(_post_to_json, definition.start_posts)]
    hosts = _hosts(definition.start_pages)
    if definition.allowed_domains == hosts:
        document.pop("allowed_domains", None)
    if definition.sitemaps == ("robots",):
        document["sitemaps"] = "robots"
    return document


def _read_spider(spider: Section) -> SpiderDefinition:
    spider.allow(_SPIDER_KEYS)
    start_urls, start_posts = read_start_pages(spider)
    start_pages = (*start_urls, *(post.url for post in start_posts))
    allowed_domains = _read_domains(spider) or _hosts(start_pages)
    for index, url in enumerate(start_pages):
        if not covers(allowed_domains, host_of(url)):
            spider.problems.warn(
                f"start_urls[{index}]", said("{url} is outside allowed_domains: it is not fetched", url=shown(url))
            )
    definition = SpiderDefinition(
        name=_read_name(spider),
        start_urls=start_urls,
        enabled=spider.flag("enabled", default=True),
        category=_read_category(spider),
        sitemaps=_read_sitemaps(spider),
        allowed_domains=allowed_domains,
        follow=spider.sections("follow", read_follow),
        items=read_items(spider),
        session=read_session(spider.section("session")),
        manners=_read_manners(spider.section("manners")),
        limits=_read_limits(spider.section("limits")),
        start_posts=start_posts,
    )
    check_session(definition, spider.section("session"))
    warn_of_shared_keys(definition, spider.problems)
    return definition


def _read_name(spider: Section) -> str:
    name = spider.text("name")
    if name is None:
        if spider.document.get("name") is None:
            spider.error("name", said("is missing; a spider needs a name"))
        return ""
    if not _SLUG.fullmatch(name) or len(name) > _MAX_NAME:
        spider.error(
            "name",
            said(
                '{name} is not a name: letters a-z, digits, "-" and "_", not in front, {most} at most',
                name=shown(name),
                most=_MAX_NAME,
            ),
        )
    return name


def _read_category(spider: Section) -> str:
    if spider.document.get("category") == "":
        return ""
    category = spider.text("category") or ""
    if len(category) > _MAX_NAME or "/" in category or not category.isprintable() or category != category.strip():
        spider.error(
            "category",
            said(
                "{category} is not a name: no slash, no line end, {most} characters at most",
                category=shown(category),
                most=_MAX_NAME,
            ),
        )
    return category


def _read_sitemaps(spider: Section) -> tuple[str, ...]:
    if spider.document.get("sitemaps") == "robots":
        return ("robots",)
    if isinstance(spider.document.get("sitemaps"), str):
        wrong = shown(spider.document["sitemaps"])
        spider.error("sitemaps", said("{value} is not a list; put it in [ ], or write sitemaps: robots", value=wrong))
        return ()
    urls: dict[str, None] = {}
    for place, value in spider.entries("sitemaps"):
        text = checked_text(value, place, spider.problems)
        if text == "robots":
            spider.problems.error(place, said("robots stands alone, in place of a list; write sitemaps: robots"))
        elif text is not None:
            try:
                urls[normalise(text)] = None
            except UrlError as error:
                spider.problems.error(place, reason_of(error))
    return tuple(urls)


def _read_domains(spider: Section) -> tuple[str, ...]:
    domains: dict[str, None] = {}
    for place, value in spider.entries("allowed_domains"):
        text = checked_text(value, place, spider.problems)
        if text is None:
            continue
        try:
            domains[_read_domain(text)] = None
        except ValueError as error:
            spider.problems.error(place, said("{value} {reason}", value=shown(text), reason=reason_of(error)))
    return tuple(domains)


def _read_domain(text: str) -> str:
    """`text` as the host that a URL with it has. Raises `ValueError` with the remedy."""
    if text.startswith(("*.", ".")):
        raise ValueError(said("covers its subdomains anyway; write {text}", text=shown(text.lstrip("*."))))
    if "://" in text or "/" in text:
        raise ValueError(said("is more than a host; write the host alone, as shop.example"))
    literal = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
    try:
        host = host_of(normalise(f"http://{literal}/"))
    except UrlError as error:
        raise ValueError(said("is not a host; write it as shop.example")) from error
    if ":" in literal.rpartition("]")[2]:
        raise ValueError(said("has a port; ports are not compared, write the host alone"))
    return host


def _hosts(urls: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host_of(url) for url in urls))


def _read_manners(manners: Section) -> Manners:
    manners.allow(_MANNERS_KEYS)
    default = Manners()
    user_agent = manners.text("user_agent")
    if user_agent is not None and not _HEADER_VALUE.fullmatch(user_agent):
        manners.error(
            "user_agent",
            said(
                "{user_agent} cannot be sent: printable ASCII only, no blank at the ends", user_agent=shown(user_agent)
            ),
        )
    delay = manners.number("delay", least=0, most=MAX_DELAY)
    return Manners(
        obey_robots=manners.flag("obey_robots", default=default.obey_robots),
        concurrency_per_host=manners.integer(
            "concurrency_per_host", default=default.concurrency_per_host, least=1, most=MAX_CONCURRENCY
        ),
        delay=default.delay if delay is None else float(delay),
        adaptive_throttle=manners.flag("adaptive_throttle", default=default.adaptive_throttle),
        pages_per_day=_optional_integer(manners, "pages_per_day", least=1),
        quiet_hours=read_quiet_hours(manners),
        obey_nofollow=manners.flag("obey_nofollow", default=default.obey_nofollow),
        obey_noindex=manners.flag("obey_noindex", default=default.obey_noindex),
        trust_lastmod=manners.flag("trust_lastmod", default=default.trust_lastmod),
        canonical=_read_canonical(manners),
        user_agent=user_agent,
        headers=_read_headers(manners.section("headers")),
    )


def _read_canonical(manners: Section) -> str:
    canonical = manners.document.get("canonical")
    if canonical is None:
        return "ignore"
    if canonical not in ("ignore", "follow"):
        manners.error(
            "canonical", said('{canonical} is not known; write "ignore" or "follow"', canonical=shown(canonical))
        )
    return str(canonical)


def _read_headers(headers: Section) -> dict[str, str | SecretRef]:
    found: dict[str, str | SecretRef] = {}
    lower: set[str] = set()
    for name, value in headers.document.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            headers.error(
                str(name), said("{name} is not a header's name: letters, digits and - as in X-Token", name=shown(name))
            )
            continue
        if name.lower() in _OWN_HEADERS:
            headers.error(
                name,
                said('"{name}" may not be set, leave it out: {reason}', name=name, reason=_OWN_HEADERS[name.lower()]),
            )
        if name.lower() in lower:
            headers.error(name, said('"{name}" stands twice; header names do not differ by case', name=name))
        lower.add(name.lower())
        read = _read_header_value(headers, name, value)
        if read is not None:
            found[name] = read
    return found


def _read_header_value(headers: Section, name: str, value: object) -> str | SecretRef | None:
    if isinstance(value, Mapping):
        return read_reference(value, headers.at(name), headers.problems)
    if not isinstance(value, str):
        headers.error(
            name, said("{value} is not a text; put it in quotes, or write {{secret: name}}", value=shown(value))
        )
        return None
    if not _HEADER_VALUE.fullmatch(value):
        # The value may be a credential that was pasted with its line end: it is not repeated.
        headers.error(name, said("the value cannot be sent: printable ASCII only, no line end, no blank at the ends"))
        return None
    return value


def _read_limits(limits: Section) -> Limits:
    limits.allow(_LIMITS_KEYS)
    default = Limits()
    max_seconds = limits.number("max_seconds", least=1, most=MAX_COUNT)
    return Limits(
        max_pages=_optional_integer(limits, "max_pages", least=1),
        max_depth=_optional_integer(limits, "max_depth", least=0),
        max_seconds=None if max_seconds is None else float(max_seconds),
        max_bytes_per_page=limits.integer(
            "max_bytes_per_page", default=default.max_bytes_per_page, least=1, most=MAX_BYTES
        ),
        max_pages_per_host=_optional_integer(limits, "max_pages_per_host", least=1),
        max_pages_per_pattern=_optional_integer(limits, "max_pages_per_pattern", least=1),
    )


def _optional_integer(limits: Section, key: str, *, least: int) -> int | None:
    absent = least - 1
    number = limits.integer(key, default=absent, least=least, most=MAX_COUNT)
    return None if number == absent else number


_DOCUMENT_KEYS = {"source": "from"}


def _without_defaults(value: object) -> dict[str, object]:
    """The fields of a frozen value that differ from their defaults, as JSON."""
    document: dict[str, object] = {}
    for field in fields(value):  # type: ignore[arg-type]  # every value that comes here is a dataclass
        content = getattr(value, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if content != default:
            document[_DOCUMENT_KEYS.get(field.name, field.name)] = _to_json(content)
    return document


def _to_json(value: object) -> object:
    if isinstance(value, SecretRef):
        return {"secret": value.name}
    if isinstance(value, Mapping):
        return {key: _to_json(entry) for key, entry in value.items()}
    if isinstance(value, tuple) and value and isinstance(value[0], FieldRule):
        return {rule.name: _field_to_json(rule) for rule in value}
    if isinstance(value, tuple):
        return [_to_json(entry) for entry in value]
    if isinstance(value, FieldType):
        return value.value
    if isinstance(value, FollowRule | ItemRule | Session | Auth | BasicAuth | Manners | Limits):
        return _without_defaults(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _post_to_json(post: StartPost) -> dict[str, object]:
    if post.form is None and post.json is None:
        return {"url": post.url, "method": "POST"}
    if post.form is None:
        return {"url": post.url, "json": post.json}
    return {"url": post.url, "form": _to_json(post.form)}


def _field_to_json(rule: FieldRule) -> dict[str, object]:
    document = _without_defaults(rule)
    del document["name"]
    return document
