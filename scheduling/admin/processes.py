"""Who is alive, and who is not."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crawlproject.templatetags.lamplighter import badge
from crawlproject.web.admin import ReadOnlyAdmin, two_lines, when
from crawlproject.web.bounded import BoundedAdmin
from scheduling import gauges
from scheduling.models import Process


@admin.register(Process)
class ProcessAdmin(BoundedAdmin[Process], ReadOnlyAdmin[Process]):
    list_display = ("named", "b_state", "places", "lateness", "troubles", "started", "last_beat", "code")
    list_filter = ("state", "kind")
    search_fields = ("host",)
    search_help_text = gettext_lazy("Host")
    ordering = ("-id",)
    fields = (
        "kind", "host", "pid", "b_state", "started_at", "beat", "beat_at", "code_version", "max_workers", "gauge_values"
    )  # fmt: skip
    readonly_fields = ("b_state", "gauge_values")

    @admin.display(description=gettext_lazy("process"), ordering="id")
    def named(self, process: Process) -> SafeString:
        return two_lines(f"{process.get_kind_display()} {process.pid}", process.host.split("/", 1)[0])

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def b_state(self, process: Process) -> SafeString:
        return badge(process.state)

    @admin.display(description=gettext_lazy("started"), ordering="started_at")
    def started(self, process: Process) -> SafeString | str:
        return when(process.started_at)

    @admin.display(description=gettext_lazy("last beat"), ordering="beat_at")
    def last_beat(self, process: Process) -> SafeString | str:
        return when(process.beat_at)

    @admin.display(description=gettext_lazy("places in use"))
    def places(self, process: Process) -> str:
        if process.state != Process.State.ALIVE:
            return "–"
        return f"{process.gauges.get('places_used', 0)} / {process.max_workers}"

    @admin.display(description=gettext_lazy("ticks late by"))
    def lateness(self, process: Process) -> str:
        """The worst between the last two beats."""
        late = process.gauges.get("tick_lateness_seconds")
        return "–" if late is None else _("%(seconds)s s") % {"seconds": late}

    @admin.display(description=gettext_lazy("to look at"))
    def troubles(self, process: Process) -> SafeString | str:
        return _listed(gauges.troubles(process.gauges))

    @admin.display(description=gettext_lazy("code version"), ordering="code_version")
    def code(self, process: Process) -> str:
        return process.code_version or "–"

    @admin.display(description=gettext_lazy("with its last beat"))
    def gauge_values(self, process: Process) -> SafeString | str:
        return _listed(gauges.in_words(process.gauges))


def _listed(pairs: Iterable[tuple[str, str]]) -> SafeString | str:
    rows = format_html_join("", "<li>{}: <b>{}</b></li>", pairs)
    return format_html('<ul class="ll-plain">{}</ul>', rows) if rows else "–"
