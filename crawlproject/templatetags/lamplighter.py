"""The parts that every page is built from: icon, badge, rounds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, cast

from django import template
from django.db.models import Model
from django.db.models.options import Options
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join, strip_tags
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawlproject.dashboard.pulse import STEADY_SECONDS
from crawlproject.web.admin import day_of, when
from crawlproject.web.empty import EMPTY, Empty
from scheduling import wording
from scheduling.durations import duration
from scheduling.models import Process
from scheduling.rounds import LETTERS

register = template.Library()


class Link(Protocol):
    """An entry of the navigation."""

    @property
    def url(self) -> str: ...


Navigation = Iterable[tuple[object, Iterable[Link]]]

# state → (word, icon, tone); a state shows all three, always
STATES: Mapping[str, tuple[StrOrPromise, str, str]] = {
    "ok": (gettext_lazy("OK"), "ok", "ok"),
    "succeeded": (gettext_lazy("Succeeded"), "ok", "ok"),
    "completed": (gettext_lazy("Completed"), "ok", "ok"),
    "active": (gettext_lazy("Active"), "ok", "ok"),
    "running": (gettext_lazy("Running"), "lamp", "lit"),
    "failed": (gettext_lazy("Failed"), "failed", "bad"),
    "problem": (gettext_lazy("Quarantined"), "warn", "bad"),
    "missed": (gettext_lazy("Missed"), "missed", "miss"),
    "queued": (gettext_lazy("Queued"), "queued", "mute"),
    "pending": (gettext_lazy("Pending"), "queued", "mute"),
    "skipped": (gettext_lazy("Skipped"), "skipped", "mute"),
    "cancelled": (gettext_lazy("Cancelled"), "cancelled", "mute"),
    "paused": (gettext_lazy("Paused"), "paused", "mute"),
    "off": (gettext_lazy("Off"), "off", "mute"),
    "alive": (gettext_lazy("Alive"), "ok", "ok"),
    "stopped": (gettext_lazy("Stopped"), "off", "mute"),
    "lost": (gettext_lazy("Lost"), "failed", "bad"),
    "late": (gettext_lazy("Late"), "warn", "bad"),
    "complete": (gettext_lazy("Complete"), "ok", "ok"),
    "incomplete": (gettext_lazy("Incomplete"), "warn", "warn"),
    "new": (gettext_lazy("New"), "plus", "ok"),
    "changed": (gettext_lazy("Changed"), "tilde", "info"),
    "gone": (gettext_lazy("Gone"), "minus", "mute"),
    "returned": (gettext_lazy("Came back"), "retry", "ok"),
    "coalesced": (gettext_lazy("Coalesced"), "skipped", "mute"),
    "already": (gettext_lazy("Back-filled"), "retry", "ok"),
    "well": (gettext_lazy("Well"), "ok", "ok"),
    "lacking": (gettext_lazy("Incomplete"), "warn", "warn"),
    "limited": (gettext_lazy("At its limit"), "info", "info"),
    "waiting": (gettext_lazy("Pending"), "queued", "mute"),
    "trouble": (gettext_lazy("Trouble"), "failed", "bad"),
    "watch": (gettext_lazy("Look once"), "warn", "warn"),
    "as_asked": (gettext_lazy("As asked"), "check", "mute"),
    "none": (gettext_lazy("Nothing"), "minus", "mute"),
    "done": (gettext_lazy("Done"), "ok", "ok"),
    "unchanged": (gettext_lazy("Unchanged"), "check", "ok"),
    "redirected": (gettext_lazy("Redirected"), "right", "mute"),
    "refused": (gettext_lazy("Left out"), "cancelled", "mute"),
}
LAMP_WIDTH = 8
CELL = re.compile(r"<td(?= class=\"field-)")


@register.simple_tag
def icon(name: str, css_class: str = "", label: str | None = None) -> SafeString:
    """A picture of the sprite; hidden from readers unless it stands alone with a label."""
    role = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    address = f"{static('lamplighter/icons.svg')}#{name}"
    return format_html('<svg class="ll-i {}" {}><use href="{}"></use></svg>', css_class, role, address)


@register.simple_tag
def badge(state: str, text: str | None = None) -> SafeString:
    """Icon, word and tone of a state."""
    word, picture, tone = STATES.get(state, (state, "info", "mute"))
    return format_html('<span class="ll-badge is-{}">{}<span>{}</span></span>', tone, icon(picture), text or word)


@register.simple_tag
def rounds(states: str) -> SafeString:
    """The last firings, the oldest first, as a row of lamps: shape carries the state, colour only repeats it.

    `states` has a letter for each firing, as in `scheduling.rounds.LETTERS`.
    """
    if not states:
        return mark_safe('<span class="ll-quiet ll-none">–</span>')
    words = {letter: str(STATES[state][0]) for state, letter in LETTERS.items()}
    counts = ", ".join(f"{count} {words.get(letter, letter)}" for letter, count in Counter(states).items())
    label = _("Last %(count)d firings: %(words)s") % {"count": len(states), "words": counts}
    lamps = format_html_join(
        "", "{}", ((_lamp(letter, index * LAMP_WIDTH + 1),) for index, letter in enumerate(states))
    )
    width = len(states) * LAMP_WIDTH
    return format_html(
        '<svg class="ll-rounds" width="{0}" height="20" viewBox="0 0 {0} 20" role="img" aria-label="{1}">'
        "<title>{1}</title>{2}</svg>",
        width,
        label,
        lamps,
    )


def _lamp(letter: str, x: int) -> SafeString:
    width = LAMP_WIDTH - 3
    rect = '<rect class="is-{}" x="{}" y="{}" width="{}" height="{}" rx="1.5"/>'
    if letter == "s":
        return format_html(rect, "ok", x, 4, width, 14)
    if letter == "f":
        return format_html(rect + rect, "bad", x, 1, width, 8, "bad", x, 12, width, 6)
    if letter == "i":
        return format_html(rect, "warn", x, 10, width, 8)
    if letter == "m":
        return format_html(rect, "miss o", x + 0.75, 4.75, width - 1.5, 12.5)
    if letter == "r":
        spark = '<circle class="is-lit" cx="{}" cy="4" r="2.5"/>'
        return format_html(rect + spark, "lit", x, 8, width, 10, x + width / 2)
    return format_html(rect, "mute", x, 13, width, 5)


@register.simple_tag
def moment(value: datetime | None) -> SafeString | str:
    """A moment in the scheduler's zone."""
    return when(value)


@register.simple_tag
def clock(value: datetime) -> SafeString:
    """“Tue 24 Nov · 22:41 +08:00”: once a page, in the scheduler's zone."""
    local = localtime(value)
    text = f"{day_of(local)} · {local:%H:%M} {local.isoformat()[-6:]}"
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), text)


@register.simple_tag
def beaten(seconds: float | None) -> str:
    """When a process beat last. Not to the second while it does, so that the words stay the same."""
    if seconds is None or seconds < STEADY_SECONDS:
        return _("beat < %(seconds)s s ago") % {"seconds": STEADY_SECONDS}
    return _("beat %(seconds)s s ago") % {"seconds": int(seconds)}


@register.simple_tag
def kind(name: str) -> str:
    """The kind of a process, in words."""
    words = dict(Process.Kind.choices)
    return str(words.get(name, name))


@register.filter
def told(text: str) -> str:
    """A stored sentence in the reader's language, by the labels of forms."""
    return wording.shown(text)


@register.filter
def by_label(text: str) -> str:
    """A sentence in the reader's language, by the labels of forms."""
    return wording.labelled(text)


@register.filter
def in_a_row(sentences: Iterable[str]) -> str:
    """Sentences as one text."""
    return wording.in_a_row(sentences)


@register.simple_tag(name="in_a_row")
def given_in_a_row(*sentences: str) -> str:
    """The same of sentences that a template has one by one."""
    return wording.in_a_row(sentences)


@register.filter
def day_and_time(local: datetime) -> str:
    """“Wed 25 Nov 02:00” in the time's own zone; with seconds where it has some."""
    return f"{day_of(local)} {local.strftime('%H:%M:%S' if local.second else '%H:%M')}"


@register.filter
def here_and_now(value: datetime) -> str:
    """The same in the scheduler's zone."""
    return day_and_time(localtime(value))


@register.filter
def local_day(value: datetime) -> str:
    """“Wed 25 Nov” in the scheduler's zone."""
    return day_of(localtime(value))


@register.filter
def log_time(value: datetime) -> str:
    """“22:39:28.104” in the scheduler's zone."""
    return localtime(value).strftime("%H:%M:%S.%f")[:-3]


@register.filter
def is_address(value: str) -> bool:
    """Whether it may be opened: what is shown may be anything that a site wrote."""
    return value.startswith(("http://", "https://"))


@register.filter
def exactly(value: datetime) -> str:
    """A moment as addresses name it."""
    return value.astimezone(UTC).isoformat()


@register.filter
def took(seconds: float) -> str:
    """“0.02 s”, “52 s”, “1 min 52 s”: as everywhere else."""
    return duration(seconds)


@register.filter
def away(moment: datetime, now: datetime) -> str:
    """How long it is until a moment: “7 s”, “21 h 48 min”."""
    return duration(max(0, round((moment - now).total_seconds())))


@register.filter
def num(value: object) -> str:
    """A whole number with thousands apart; “–” for nothing."""
    return f"{value:,}" if isinstance(value, int) else "–"


@register.filter
def labelled(cells: Iterable[str], headers: Sequence[Mapping[str, object]]) -> Iterator[SafeString]:
    """Cells of a list that know what they are called: as a card has no headings. One without a value says so."""
    for cell, header in zip(cells, headers, strict=True):
        told = "data-none" if cell.startswith("<td") and is_nothing(cell) else ""
        mark = told or format_html('data-label="{}"', capfirst(str(header["text"])))
        start = CELL.match(cell)
        yield mark_safe(f"<td {mark}{cell[start.end() :]}") if start else mark_safe(cell)  # noqa: S308


def is_nothing(cell: str) -> bool:
    """Whether a cell shows no more than that there is nothing."""
    return "<input" not in cell and "<img" not in cell and strip_tags(cell).strip() in ("", "-", "–")


@register.simple_tag
def empty_list(opts: Options[Model]) -> Empty | None:
    """What an empty list of a model says; None: nothing of its own."""
    return EMPTY.get(opts.label_lower)


@register.simple_tag(takes_context=True)
def here(context: Mapping[str, object], prefix: str, exact: bool = False) -> SafeString:
    """Marks the link of the page that one is on: of those that lead there, the longest."""
    path = cast(HttpRequest, context["request"]).path
    current = path == prefix if exact else path.startswith(prefix)
    links = (link for _group, links in cast(Navigation, context.get("nav", ())) for link in links)
    if current and any(len(link.url) > len(prefix) and path.startswith(link.url) for link in links):
        current = False
    return mark_safe('aria-current="page"') if current else mark_safe("")
