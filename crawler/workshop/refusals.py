"""Why the one page that somebody wants to try was not read: of this address, where causes speak of a crawl's pages."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from crawler.causes import cause_of
from crawler.engine.errors import Reason
from crawler.engine.fetching.guard import ALLOW, why_refused
from crawler.engine.scope import is_address
from crawler.engine.spider import SpiderDefinition
from crawler.engine.urls import host_of
from crawler.one_page import FetchedPage

NAMED = 5
"""Domains that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Why a page gives nothing, or less than one would think: what happened, what it means, what to do."""

    detail: str
    """In the engine's words; may be empty."""
    title: StrOrPromise = ""
    """Empty, as the two below, where the words are all there is."""
    what: StrOrPromise = ""
    remedy: StrOrPromise = ""


def notice_of(reason: str, detail: str, *, is_start: bool = False) -> Notice:
    """What a cause says of the pages that it explains, or of a start page."""
    if not reason:
        return Notice(detail=detail)
    cause = cause_of(reason).at_start() if is_start else cause_of(reason)
    return Notice(detail=detail, title=cause.title, what=cause.what, remedy=cause.remedy)


def refusal_of(page: FetchedPage, definition: SpiderDefinition) -> Notice:
    """Why nothing was read of a page."""
    if page.why_unread == Reason.OUT_OF_SCOPE:
        return _inside(page) if _is_private(host_of(page.url)) else _outside(page, definition)
    if page.refused_proxy:
        return _proxy_inside(page)
    if page.why_unread == Reason.ADDRESS_REFUSED:
        return _inside(page)
    asked = page.redirects[0] if page.redirects else page.url
    return notice_of(page.why_unread, page.detail, is_start=asked in definition.start_pages)


def _outside(page: FetchedPage, definition: SpiderDefinition) -> Notice:
    host = host_of(page.url)
    domains = sorted(definition.allowed_domains)
    named = ", ".join(domains[:NAMED]) + (", …" if len(domains) > NAMED else "")
    values = {"host": host, "domains": named or "–"}
    if page.redirects:
        what = _("The page leads to “%(host)s”, which the spider's allowed_domains (%(domains)s) do not cover.")
    else:
        what = _("The spider's allowed_domains (%(domains)s) do not cover “%(host)s”: the page was not asked for.")
    return Notice(
        detail="",
        title=_("Outside of the spider's domains"),
        what=what % values,
        remedy=_("Add “%(host)s” to allowed_domains, or try a page of one of the domains that are there.") % values,
    )


def _is_private(host: str) -> bool:
    """Whether a host is by its very name one that this installation does not connect to. (Names are not resolved.)"""
    address = "127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host
    return is_address(address) and bool(why_refused(address, tuple(settings.CRAWLER_ALLOWED_NETWORKS)))


def _inside(page: FetchedPage) -> Notice:
    """Whatever the spider's domains are, an installation has to allow such an address first."""
    host = host_of(page.url)
    return Notice(
        detail=page.detail.removesuffix(ALLOW) if page.why_unread == Reason.ADDRESS_REFUSED else "",
        title=_("Not an address of the public internet"),
        what=_(
            "“%(host)s” is, or leads to, an address of a private network or of this machine: nothing was sent to it."
        )
        % {"host": host},
        remedy=_(
            "If it may be crawled, put its network, such as %(network)s, into CRAWLER_ALLOWED_NETWORKS "
            "(in .env or the environment) and restart; else correct the address."
        )
        % {"network": _network_of(host)},
    )


def _proxy_inside(page: FetchedPage) -> Notice:
    """The spider's proxy is where this installation does not connect, whatever is asked through it."""
    return Notice(
        detail=page.detail.removesuffix(ALLOW),
        title=_("The proxy is not an address of the public internet"),
        what=_(
            "The spider's proxy, “%(host)s”, is, or leads to, an address of a private network or of this machine: "
            "nothing was sent to it."
        )
        % {"host": page.refused_proxy},
        remedy=_(
            "If it may be used, put its network, such as %(network)s, into CRAWLER_ALLOWED_NETWORKS "
            "(in .env or the environment) and restart; else correct session.proxy."
        )
        % {"network": _network_of(page.refused_proxy)},
    )


def _network_of(host: str) -> str:
    """The network of an address alone; an example for a name."""
    return str(ipaddress.ip_network(host)) if is_address(host) else "192.168.0.0/16"
