"""The parts that a page asks for again and again while it is seen: who is alive, what runs, the figures.

Each answer carries the mark of its content (`ETag`); to who has it already it is 304. Who is no longer logged in is
sent to the log-in page as from every page, and the script stops asking.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string
from django.utils import timezone

from .figures import figures_of
from .numbers import numbers
from .page import sight_of
from .processes import machines_of
from .pulse import Pulse
from .running import running


def now(request: HttpRequest, beat: object, pulse: Pulse) -> HttpResponse:
    """What the dashboard asks every two seconds: what runs, the processes, the lamp. One statement beside the pulse."""
    sees = sight_of(request.user)
    context: dict[str, object] = {"sees": sees, "beat": beat, "all_running": pulse.running}
    if sees["runs"]:
        # Nothing runs: nothing to ask.
        context["running"] = running(timezone.now()) if pulse.running else []
    if sees["processes"]:
        context["machines"] = machines_of(pulse)
    return _answer(request, "now", context)


def lamp(request: HttpRequest, beat: object, pulse: Pulse) -> HttpResponse:
    """What every other page asks: whether a scheduler is alive, and how many runs there are."""
    return _answer(request, "foot", {"beat": beat})


def figures(request: HttpRequest, beat: object, pulse: Pulse) -> HttpResponse:
    """The four figures, every ten seconds. One statement beside the pulse."""
    sees = sight_of(request.user)
    if not (sees["runs"] or sees["items"]):
        return HttpResponse()
    counted = numbers(timezone.now())
    return _answer(request, "figures", {"sees": sees, "figures": figures_of(counted, pulse)})


def _answer(request: HttpRequest, template: str, context: Mapping[str, object]) -> HttpResponse:
    text = render_to_string(f"admin/dashboard/{template}.html", dict(context), request)
    mark = f'"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'
    has_it = request.headers.get("If-None-Match") == mark
    answer = HttpResponseNotModified() if has_it else HttpResponse(text)
    answer.headers["ETag"] = mark
    return answer
