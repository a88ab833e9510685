"""What is stored in English, told in the reader's language.

A process that executes runs has no reader: the sentences that it stores (a run's message, a task's) are English. Who
shows them asks `told`, which finds the template that a sentence was made from and fills in its translation. What no
template made, as the message of somebody's exception, stays as it is.

What the engine says of a document while it is edited is told otherwise (`crawler.engine.messages`): it never leaves the
process, so that each message carries its template and values along. Stored sentences could do so in a column beside
their text alone; and since rows of earlier releases, the log, REST and other programs have the text, what is here would
stay for them: a second way to the same end, in place of one for each end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_noop as _

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?(?:\.\d)?([sdf])|(%%)")
_NUMBER = r"-?[\d,.]*\d"
_SHAPES = {"count": _NUMBER, "pages": rf"{_NUMBER} \w+", "items": rf"{_NUMBER} \w+"}
"""What placeholders of these names hold: a number, or an amount as “4 pages”."""
LONGEST = 2_000
"""Characters of a sentence that are looked at: the rest of a longer one stays as it is."""


@dataclass(frozen=True, slots=True)
class Template:
    """A message id with `%s` or `%(name)s`; with its plural, one of `ngettext`."""

    text: str
    plural: str = ""

    def patterns(self) -> Iterator[re.Pattern[str]]:
        """What its sentences look like, up to a blank or the end."""
        for form in filter(None, (self.text, self.plural)):
            yield re.compile(_pattern(form) + r"(?=\s|$)", re.DOTALL)

    def fill(self, values: dict[str, str]) -> str:
        """The sentence in the active language."""
        if self.plural:
            count = int(values["count"].replace(",", ""))
            return ngettext(self.text, self.plural, count) % values
        translated = gettext(self.text)
        return _PLACEHOLDER.sub(lambda found: "%" if found[3] else values[found[1] or "value"], translated)


def _pattern(text: str) -> str:
    parts, at = [], 0
    for found in _PLACEHOLDER.finditer(text):
        parts.append(re.escape(text[at : found.start()]))
        at = found.end()
        if found[3]:
            parts.append("%")
        else:
            usual = _NUMBER if found[2] != "s" else ".+?"
            parts.append(f"(?P<{found[1] or 'value'}>{_SHAPES.get(found[1], usual)})")
    return "".join([*parts, re.escape(text[at:])])


_known: list[tuple[re.Pattern[str], Template]] = []


def register(*templates: str | tuple[str, str]) -> None:
    """Message ids that stored sentences are made from; a pair is a singular and its plural. The earlier ones win."""
    for one in templates:
        template = Template(one) if isinstance(one, str) else Template(*one)
        _known.extend((pattern, template) for pattern in template.patterns())
    _told.cache_clear()


def told(text: str) -> str:
    """A stored sentence, or several in a row, in the active language."""
    language = get_language() or "en"
    return text if not text or language.startswith("en") else _told(language, text)


@lru_cache(maxsize=4_096)
def _told(_language: str, text: str) -> str:
    sentences, rest, at = [], text[:LONGEST], 0
    while at < len(rest):
        found = next(((match, one) for pattern, one in _known if (match := pattern.match(rest, at))), None)
        if found is None:
            break
        match, template = found
        values = {name: told(value) for name, value in match.groupdict().items()}
        sentences.append(template.fill(values))
        at = match.end()
        at += len(rest[at:]) - len(rest[at:].lstrip())
    # Chinese has no blank after a full stop.
    return re.sub("(?<=。) ", "", " ".join(filter(None, [*sentences, text[at:]])))


register(
    _("Cancelled by %(who)s."),
    _("Cancelled: its schedule was removed."),
    _("Cancelled."),
    _("Asked for by %(who)s."),
    _("Later than the grace of %(seconds)s s."),
    _("Beyond catch-up: only the newest %(count)d moments of a job are run."),
    _("Run #%(run)s of this job is still %(state)s."),
    _("The queue is full: %(count)d runs of this job wait already."),
    _("The schedule was removed before this run began."),
    _("The run took longer than its time-out of %(time)s."),
    _("Handed back: its process was ending."),
    _("The run's end could not be stored: %s"),
    _("Its process died %(count)d times without progress between; the last was %(process)s."),
    _("Recovered: its process (%(process)s) was lost."),
    _("Its row in django-apscheduler's table was missing."),
    _("All is well."),
    _("%d old rows removed."),
    _("%d old rows removed"),
    _("%(free)d MB free in %(place)s."),
    _("Without a beat, and not yet taken for lost: %s."),
    _("No run was executed; %d wait."),
    _("%(executed)d runs executed, %(rate).1f %% succeeded, %(mean).1f s on average, %(queued)d wait."),
    _("Version %(number)d restored."),
    _("Comes with its handler."),
)
