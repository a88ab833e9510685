"""What is stored in English, told in the reader's language.

A process that executes runs has no reader: the sentences that it stores (a run's message, a task's) are English. Who
shows them asks `told`, which finds the template that a sentence was made from and fills in its translation. What no
template made, as the message of somebody's exception, stays as it is. Lines of a run's log have templates of their own
(`told_line`): they are matched as a whole, for most of them are a handler's.

Sentences name some things by the keys of documents, as REST and the commands do. Pages, where nobody knows keys, have
them `labelled`.

What the engine says of a document while it is edited is told otherwise (`crawler.engine.messages`): it never leaves the
process, so that each message carries its template and values along. Stored sentences could do so in a column beside
their text alone; and since rows of earlier releases, the log, REST and other programs have the text, what is here would
stay for them: a second way to the same end, in place of one for each end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_noop as _

from .log_lines import LEVELS, LINES, RETRY

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?(?:\.\d)?([sdf])|(%%)")
_NUMBER = r"-?[\d,.]*\d"
_AMOUNT = rf"{_NUMBER} \w+"
_SHAPES = {
    **dict.fromkeys(("count", "failed", "since"), _NUMBER),
    **dict.fromkeys(("pages", "sitemaps"), _AMOUNT),
    "items": rf"{_AMOUNT}(?: of (?:an item|items))?",
    "when": r"\d{4}-\d\d-\d\d \d\d:\d\d(?: \([\w/+-]+\))?",
    "limit": "[a-z_]+",
    **dict.fromkeys(("task", "spider"), r"\S+"),
    "url": r"https?://\S+",
    "robots": r"https?://\S+/robots\.txt",
    "proxy": r"\S+",
    "address": r"[\dA-Fa-f.:]+(?:%\w+)?",
    "ending": "[a-z]+",
    "reason": "[a-z0-9_]+",
    **dict.fromkeys(("problem", "why", "detail"), ".+"),
}
"""What placeholders of these names hold: a number, an amount as “4 pages” or “4 readings of items”, a moment with its
zone, one word, all that is left."""
_tellers: dict[str, Callable[[str], str]] = {"ending": gettext}
"""How values of these placeholders are told, where they are no sentences: an ending is a message id itself."""
_labellers: list[Callable[[str], str]] = []
LONGEST = 2_000
"""Characters of a sentence that are looked at: the rest of a longer one stays as it is."""
DEEPEST = 8
"""Sentences around one that is still told. Ours have a few; a text of others may look like hundreds."""
_within: ContextVar[int] = ContextVar("sentences_within_each_other", default=0)
_LINE = re.compile(r"((?:WARNING: |ERROR: )?)([^\n]*)(.*)", re.DOTALL)
"""How grave, what, and what stands below it (a stack)."""


@dataclass(frozen=True, slots=True)
class Template:
    """A message id with `%s` or `%(name)s`; with its plural, one of `ngettext`."""

    text: str
    plural: str = ""

    def patterns(self) -> Iterator[re.Pattern[str]]:
        """What its sentences look like, up to a blank, the end, or a semicolon before either."""
        for form in filter(None, (self.text, self.plural)):
            yield re.compile(_pattern(form) + r"(?=;?(?:\s|$))", re.DOTALL)

    def fill(self, found: re.Match[str]) -> str:
        """The sentence that one of the patterns has found, in the active language."""
        outside = _within.set(_within.get() + 1)
        try:
            values = {name: _tellers.get(name, told)(value) for name, value in found.groupdict().items()}
        finally:
            _within.reset(outside)
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


_Known = list[tuple[re.Pattern[str], Template]]
_known: _Known = []
_known_lines: _Known = []


def register(*templates: str | tuple[str, str]) -> None:
    """Message ids that stored sentences are made from; a pair is a singular and its plural. The earlier ones win."""
    _add(_known, templates)


def register_lines(*templates: str) -> None:
    """Message ids that lines of logs are made from."""
    _add(_known_lines, templates)


def register_teller(placeholder: str, tell: Callable[[str], str]) -> None:
    """How values of a placeholder are told in the active language, where they are names and no sentences."""
    _tellers[placeholder] = tell
    _told.cache_clear()
    _told_line.cache_clear()


def register_labels(labelled: Callable[[str], str]) -> None:
    """How forms call what a text in any language names by keys: the text, with their labels in it."""
    _labellers.append(labelled)
    _told_line.cache_clear()


def _add(known: _Known, templates: Iterable[str | tuple[str, str]]) -> None:
    for one in templates:
        template = Template(one) if isinstance(one, str) else Template(*one)
        known.extend((pattern, template) for pattern in template.patterns())
    _told.cache_clear()
    _told_line.cache_clear()


def told(text: str) -> str:
    """A stored sentence, or several in a row, in the active language."""
    language = get_language() or "en"
    is_told = text and not language.startswith("en") and _within.get() <= DEEPEST
    return _told(language, text) if is_told else text


def labelled(text: str) -> str:
    """A text for a page, in the language that it is in: by the labels of forms, where it names keys."""
    for label in _labellers:
        text = label(text)
    return text


def shown(text: str) -> str:
    """`told` for a page."""
    return labelled(told(text))


def told_line(text: str) -> str:
    """A line of a run's log for a page: how grave it is in the active language; so is the rest, by the labels of
    forms, where our own code wrote it, else it is as it is."""
    return _told_line(get_language() or "en", text) if text else text


@lru_cache(maxsize=4_096)
def _told(_language: str, text: str) -> str:
    sentences, rest, at = [], text[:LONGEST], 0
    while at < len(rest):
        found = next(((match, one) for pattern, one in _known if (match := pattern.match(rest, at))), None)
        if found is None:
            break
        match, template = found
        sentences.append(template.fill(match))
        at = match.end()
        if rest.startswith(";", at):
            sentences[-1] = gettext("%s;") % sentences[-1]
            at += 1
        at += len(rest[at:]) - len(rest[at:].lstrip())
    return in_a_row([*sentences, text[at:]])


def in_a_row(sentences: Iterable[str]) -> str:
    """Sentences as one text, without those that are empty. Chinese has no blank after its stops."""
    return re.sub("(?<=[。；]) ", "", " ".join(filter(None, sentences)))


@lru_cache(maxsize=4_096)
def _told_line(language: str, text: str) -> str:
    parts = _LINE.fullmatch(text)
    if parts is None:
        return text
    level, line, below = parts.groups()
    if len(line) <= LONGEST:
        for pattern, template in _known_lines:
            if found := pattern.fullmatch(line):
                line = labelled(line if language.startswith("en") else template.fill(found))
                break
    return f"{gettext(LEVELS[level]) % {'line': line} if level else line}{below}"


register(
    # Stands behind whatever the run says of itself.
    _("%(message)s Its handler %(handler)s ignores its cancel and was abandoned."),
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
    RETRY,  # what the run says until then
)
register_lines(*LINES)
