"""`/api/crawl/items/changes`: the feed of what is new, changed, gone or back again."""

from __future__ import annotations

from datetime import date
from hashlib import blake2b

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from rest_framework.request import Request

from crawler.items.changes import Asked, ItemChange, Kind, Position, item_changes
from crawlproject.web.problems import FieldErrors
from crawlproject.web.requests import refuse_unknown, whole_number

from .feeds import FORMATS, Feed
from .names import known_spider, type_problem

KNOWN = ("spider", "type", "kind", "day", "before", "limit", "format")


def feed_response(request: Request) -> HttpResponseBase:
    """The feed, or 304 where the reader has it already."""
    refuse_unknown(request.query_params, KNOWN)
    asked, before, name = _asked(request), _before(request), _format(request)
    limit = whole_number(request, "limit", default=50, maximum=500)
    page = item_changes(asked, before=before, limit=limit)
    content_type, write = FORMATS[name]
    following = ""
    if page.following is not None:
        query = request.query_params.copy()
        query["before"] = str(page.following)
        following = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    feed = Feed(
        title=_title(asked),
        home=request.build_absolute_uri(reverse("admin:crawler_item_changes")),
        here=request.build_absolute_uri(),
        following=following,
        entries=page.entries,
        address_of=lambda entry: _address(request, entry),
    )
    body = write(feed)
    etag = f'"{blake2b(body, digest_size=16).hexdigest()}"'
    response = HttpResponse(
        body, content_type=content_type, headers={"ETag": etag, "Cache-Control": "private, no-cache"}
    )
    unchanged: HttpResponseBase | None = get_conditional_response(request._request, etag=etag, response=response)
    return unchanged or response


def _asked(request: Request) -> Asked:
    query = request.query_params
    name, kind = query.get("spider"), query.get("type", "")
    spider = None if name is None else known_spider(name)
    if kind and (problem := type_problem(kind, spider)):
        raise FieldErrors([("type", problem)])
    return Asked(spider=spider, type=kind, kind=_kind(request), day=_day(request))


def _kind(request: Request) -> Kind | None:
    given = request.query_params.get("kind")
    if given is None:
        return None
    if given not in set(Kind):
        message = _("Give one of %(known)s, not “%(given)s”.")
        raise FieldErrors([("kind", message % {"known": ", ".join(Kind), "given": given[:50]})])
    return Kind(given)


def _day(request: Request) -> date | None:
    given = request.query_params.get("day")
    if given is None:
        return None
    try:
        day = parse_date(given)
    except ValueError:
        day = None
    if day is None or not 1970 <= day.year <= 2999:
        raise FieldErrors([("day", _("Give a day such as 2027-01-31, not “%(given)s”.") % {"given": given[:50]})])
    return day


def _before(request: Request) -> Position | None:
    given = request.query_params.get("before")
    if given is None:
        return None
    try:
        return Position.read(given)
    except ValueError as error:
        raise FieldErrors([("before", _("Take it from the feed's link to its next page."))]) from error


def _format(request: Request) -> str:
    """By name; else by what the reader accepts."""
    given = request.query_params.get("format")
    if given is None:
        return "atom" if "application/atom+xml" in request.headers.get("Accept", "") else "json"
    if given not in FORMATS:
        message = _("Give one of %(known)s, not “%(given)s”.")
        raise FieldErrors([("format", message % {"known": ", ".join(FORMATS), "given": given[:50]})])
    return given


def _title(asked: Asked) -> str:
    names = [name for name in (asked.spider.name if asked.spider else "", asked.type) if name]
    return " · ".join(["Lamplighter", *names])


def _address(request: Request, entry: ItemChange) -> str:
    return request.build_absolute_uri(reverse("item-detail", args=[entry.item.pk]))
