"""What a crawl's `job_data` asks for: read, and refused with the place and the nearest right word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidJobData

from .engine.errors import DefinitionError, UrlError
from .engine.scope import Scope
from .engine.urls import normalise
from .known_spiders import KnownSpiders, known_spiders
from .models import CrawlTask

Type = CrawlTask.Type

_TYPES = frozenset(Type.values)
KEYS = ("type", "target", "spider")
MAX_URLS = 10_000
"""Of one crawl of given URLs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlRequest:
    """One crawl that is asked for."""

    type: CrawlTask.Type
    targets: tuple[str, ...] = ()
    """The spider's name, the category, or the URLs; empty for all spiders."""
    spider: str = ""
    """The spider that crawls; empty where a crawl of several begins."""

    @property
    def is_fan_out(self) -> bool:
        return self.type in (Type.ALL, Type.CATEGORY)

    @property
    def exclusive_key(self) -> str:
        """One crawl a spider at a time; a fan-out excludes nothing."""
        return spider_key(self.spider) if self.spider else ""

    def job_data(self) -> dict[str, object]:
        """The document that asks for this."""
        if self.type == Type.ALL:
            return {"type": "all"}
        if self.type == Type.URLS:
            return {"type": "urls", "target": list(self.targets), "spider": self.spider}
        return {"type": str(self.type), "target": self.targets[0]}


def spider_key(name: str) -> str:
    """What two crawls of one spider may not hold at once."""
    return f"spider:{name}"


def read_request(job_data: Mapping[str, object]) -> CrawlRequest:
    """Read the shape of `job_data`, without the database.

    Raises:
        InvalidJobData
    """
    for key in job_data:
        if key not in KEYS:
            raise InvalidJobData(str(key), _("is not known here; known: %(keys)s.") % _hint(str(key), KEYS))
    kind = job_data.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise InvalidJobData("type", _("must be one of %(keys)s.") % _hint(str(kind), Type.values))
    target, spider = job_data.get("target"), job_data.get("spider")
    if kind != Type.URLS and spider is not None:
        raise InvalidJobData("spider", _("is given with type “urls” only; name the spider in target."))
    if kind == Type.ALL:
        if target is not None:
            raise InvalidJobData("target", _("is not given with type “all”."))
        return CrawlRequest(type=Type.ALL)
    if kind == Type.URLS:
        return CrawlRequest(type=Type.URLS, targets=_read_urls(target), spider=_read_name(spider, "spider"))
    name = _read_name(target, "target")
    return CrawlRequest(type=Type(kind), targets=(name,), spider=name if kind == Type.SPIDER else "")


def check_request(request: CrawlRequest) -> None:
    """Compare a request with the spiders that there are.

    Raises:
        InvalidJobData
    """
    if request.type == Type.ALL:
        return
    known = known_spiders()
    if request.type == Type.CATEGORY:
        categories = known.categories()
        if request.targets[0] not in categories:
            raise InvalidJobData("target", _unknown(_("There is no category “%s”."), request.targets[0], categories))
        return
    place = "spider" if request.type == Type.URLS else "target"
    if not known.has(request.spider):
        raise InvalidJobData(place, _unknown(_("There is no spider “%s”."), request.spider, known.names()))
    if request.type == Type.URLS:
        _check_urls(request.targets, request.spider, known)


def _check_urls(urls: Sequence[str], spider: str, known: KnownSpiders) -> None:
    try:
        definition = known.definition(spider)
    except DefinitionError as error:
        raise InvalidJobData("spider", str(error)) from error
    scope = Scope(definition)
    for number, url in enumerate(urls):
        if scope.judge(url) is not None:
            domains = ", ".join(definition.allowed_domains)
            message = _("%(url)s is outside the domains of “%(spider)s” (%(domains)s).")
            values = {"url": url, "spider": spider, "domains": domains}
            raise InvalidJobData(f"target[{number}]", message % values)


def _read_name(value: object, place: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidJobData(place, _("is missing; give a name."))
    return value


def _read_urls(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise InvalidJobData("target", _("must be a list of URLs."))
    if len(value) > MAX_URLS:
        raise InvalidJobData("target", _("has too many URLs; at most %d.") % MAX_URLS)
    urls: dict[str, None] = {}
    for number, url in enumerate(value):
        if not isinstance(url, str):
            raise InvalidJobData(f"target[{number}]", _("must be a URL."))
        try:
            urls[normalise(url)] = None
        except UrlError as error:
            raise InvalidJobData(f"target[{number}]", str(error)) from error
    return tuple(urls)


def _hint(word: str, known: Iterable[str]) -> dict[str, str]:
    known = list(known)
    nearest = difflib.get_close_matches(word, known, n=1)
    keys = ", ".join(known)
    if nearest:
        keys = _("%(keys)s (did you mean “%(near)s”?)") % {"keys": keys, "near": nearest[0]}
    return {"keys": keys}


def _unknown(sentence: str, name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return sentence % name + (" " + _("Did you mean “%s”?") % nearest[0] if nearest else "")
