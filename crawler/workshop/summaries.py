"""What a folded section of the form says, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawler.engine.documents.definition import parse
from crawler.engine.errors import DefinitionError
from crawler.engine.records import Json
from crawler.engine.spider import Limits, Manners, Session, SpiderDefinition

BETWEEN = " · "
_REST: Mapping[str, Json] = {"name": "spider", "start_urls": ["https://site.example/"]}
"""What makes a whole document of one section."""


def summaries(document: Mapping[str, Json]) -> dict[str, str]:
    """Of each section by its name, whatever is wrong in others; empty of one that is not right itself."""
    return {name: _summary(name, document) for name in ("manners", "limits", "session", "sitemaps")}


def _summary(name: str, document: Mapping[str, Json]) -> str:
    try:
        definition = parse({**_REST, **({name: document[name]} if name in document else {})})
    except DefinitionError:
        return ""
    return _words(name, definition)


def _words(name: str, definition: SpiderDefinition) -> str:
    if name == "manners":
        return BETWEEN.join(_manners(definition.manners))
    if name == "limits":
        return BETWEEN.join(_limits(definition.limits))
    if name == "session":
        return BETWEEN.join(_session(definition.session)) or _("none")
    return _sitemaps(definition.sitemaps)


def _manners(manners: Manners) -> list[str]:
    connections = manners.concurrency_per_host
    said = [
        _("obeys robots.txt") if manners.obey_robots else _("does not ask robots.txt"),
        ngettext("%(count)d connection", "%(count)d connections", connections) % {"count": connections},
        _("%(seconds)g s of delay") % {"seconds": manners.delay} if manners.delay else _("no delay"),
    ]
    if manners.adaptive_throttle:
        said.append(_("finds out what the host takes"))
    if manners.pages_per_day is not None:
        pages = manners.pages_per_day
        said.append(ngettext("%(count)d page a day", "%(count)d pages a day", pages) % {"count": pages})
    if manners.quiet_hours:
        said.append(_("quiet %(hours)s") % {"hours": ", ".join(manners.quiet_hours)})
    if manners.headers:
        headers = len(manners.headers)
        said.append(ngettext("%(count)d header", "%(count)d headers", headers) % {"count": headers})
    return said


def _limits(limits: Limits) -> list[str]:
    size = {"size": filesizeformat(limits.max_bytes_per_page)}
    if replace(limits, max_bytes_per_page=Limits().max_bytes_per_page) == Limits():
        return [_("%(size)s a page, otherwise none") % size]
    said = [_("%(size)s a page") % size]
    if limits.max_pages is not None:
        said.append(ngettext("%(count)d page", "%(count)d pages", limits.max_pages) % {"count": limits.max_pages})
    if limits.max_depth is not None:
        said.append(_("%(count)d links deep") % {"count": limits.max_depth})
    if limits.max_seconds is not None:
        said.append(_("%(seconds)g s") % {"seconds": limits.max_seconds})
    if limits.max_pages_per_host is not None:
        said.append(_("%(count)d pages a host") % {"count": limits.max_pages_per_host})
    if limits.max_pages_per_pattern is not None:
        said.append(_("%(count)d pages a pattern") % {"count": limits.max_pages_per_pattern})
    return said


def _session(session: Session) -> list[str]:
    said = []
    if session.cookies or session.set_cookies:
        said.append(_("cookies"))
    if session.auth is not None:
        said.append(_("credentials"))
    if session.proxy is not None:
        said.append(_("a proxy"))
    if not session.verify_tls:
        said.append(_("certificates are not checked"))
    return said


def _sitemaps(sitemaps: tuple[str, ...]) -> str:
    if sitemaps == ("robots",):
        return _("those that robots.txt names")
    count = len(sitemaps)
    return ngettext("%(count)d sitemap", "%(count)d sitemaps", count) % {"count": count} if count else _("none")
