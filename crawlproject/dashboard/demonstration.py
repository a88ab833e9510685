"""Loading the demo from an empty dashboard: the spider of its shop, and the schedule that crawls it."""

from __future__ import annotations

import ipaddress
import json

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from crawler import definitions
from crawler.definitions import InvalidDefinitions
from crawlproject import demo
from crawlproject.web.server import parse_address


def is_reachable() -> bool:
    """Whether this installation may crawl the shop, which is served on this machine."""
    host, _port = parse_address(demo.ADDRESS)
    return any(ipaddress.ip_address(host) in network for network in settings.CRAWLER_ALLOWED_NETWORKS)


def may_load(user: User | AnonymousUser) -> bool:
    """Whether the button is shown: to those who may write what is loaded, where its crawls would not be refused."""
    return user.has_perms(("crawler.add_spider", "scheduling.add_scheduledjob")) and is_reachable()


def load_view(request: HttpRequest) -> HttpResponse:
    """Loads the demo, and says what else it needs."""
    if not request.user.has_perms(("crawler.add_spider", "scheduling.add_scheduledjob")):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not is_reachable():
        text = _(
            "The demo's shop is on this machine, which may not be crawled: set CRAWLER_ALLOWED_NETWORKS=%(host)s/32."
        )
        messages.error(request, text % {"host": parse_address(demo.ADDRESS)[0]})
        return redirect("admin:index")
    try:
        text = json.dumps(demo.definitions(f"http://{demo.ADDRESS}"))
        definitions.load(definitions.parse_file(text), user=_person(request))
    except InvalidDefinitions as error:
        for problem in error.problems:
            messages.error(request, str(problem))
    else:
        text = _("The demo is loaded: its spider is crawled every 15 seconds. Start its shop: manage.py demosite")
        messages.success(request, text)
    return redirect("admin:index")


def _person(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
