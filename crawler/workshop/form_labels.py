"""What the inputs of the form are called on it, for what is said to somebody who sees it: there nobody knows keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from crawler.engine.errors import DefinitionProblem
from crawler.engine.records import Json

from .form import PREFIX, Form
from .form_inputs import Inputs, rows_of, text_of
from .wording import told

LABELS: Mapping[str, StrOrPromise] = {
    "name": gettext_lazy("Name"),
    "enabled": gettext_lazy("Enabled"),
    "category": gettext_lazy("Category"),
    "start_urls": gettext_lazy("Start pages"),
    "requests": gettext_lazy("Requests"),
    "allowed_domains": gettext_lazy("Allowed domains"),
    "sitemaps": gettext_lazy("Sitemaps"),
    "follow": gettext_lazy("Links to follow"),
    "follow-source": gettext_lazy("Links inside"),
    "follow-allow": gettext_lazy("Only if the address matches"),
    "follow-deny": gettext_lazy("Never if it matches"),
    "follow-template": gettext_lazy("Address made of the value"),
    "items": gettext_lazy("Items to read"),
    "items-type": gettext_lazy("Kind of item"),
    "items-match": gettext_lazy("On pages whose address matches"),
    "items-each": gettext_lazy("One item for each"),
    "items-may_be_empty": gettext_lazy("There may be none"),
    "items-fields": gettext_lazy("Fields"),
    "items-fields-name": gettext_lazy("Name"),
    "items-fields-source": gettext_lazy("Selector"),
    "items-fields-type": gettext_lazy("Type"),
    "items-fields-required": gettext_lazy("required"),
    "items-fields-is_key": gettext_lazy("part of the key"),
    "items-fields-regex": gettext_lazy("regex"),
    "items-fields-format": gettext_lazy("format"),
    "items-fields-decimal_mark": gettext_lazy("written as"),
    "manners-obey_robots": gettext_lazy("Obey robots.txt"),
    "manners-concurrency_per_host": gettext_lazy("Connections to a host"),
    "manners-delay": gettext_lazy("Delay"),
    "manners-adaptive_throttle": gettext_lazy("Find out what the host takes well"),
    "manners-pages_per_day": gettext_lazy("Pages a day"),
    "manners-quiet_hours": gettext_lazy("Quiet hours"),
    "manners-obey_nofollow": gettext_lazy("Leave links alone that say nofollow"),
    "manners-obey_noindex": gettext_lazy("Take no items from pages that say noindex"),
    "manners-trust_lastmod": gettext_lazy("Let pages rest that their sitemap calls unchanged"),
    "manners-canonical": gettext_lazy("Pages that name another as canonical"),
    "manners-user_agent": gettext_lazy("User agent"),
    "manners-headers": gettext_lazy("Header"),
    "limits-max_pages": gettext_lazy("Pages of a crawl"),
    "limits-max_depth": gettext_lazy("Links from a start page"),
    "limits-max_seconds": gettext_lazy("Seconds of a crawl"),
    "limits-max_bytes_per_page": gettext_lazy("Bytes of a page"),
    "limits-max_pages_per_host": gettext_lazy("Pages of one host"),
    "limits-max_pages_per_pattern": gettext_lazy("Pages of one pattern"),
    "session-cookies": gettext_lazy("Keep cookies"),
    "session-set_cookies": gettext_lazy("Cookie"),
    "session-auth_how": gettext_lazy("Credentials"),
    "session-auth_username": gettext_lazy("User name"),
    "session-auth_secret": gettext_lazy("Name of the secret"),
    "session-proxy": gettext_lazy("Proxy"),
    "session-verify_tls": gettext_lazy("Check certificates"),
}
"""By the way to the input, rows without their numbers; as the templates of the form have them."""
BETWEEN = " · "
_LIMITS = ("max_pages", "max_depth", "max_seconds", "max_pages_per_host", "max_pages_per_pattern")
_OTHERS = {
    "adaptive_throttle": "manners-adaptive_throttle",
    "session.auth": "session-auth_how",
    "session.auth.basic.username": "session-auth_username",
    "session.auth.basic.password": "session-auth_secret",
    "quiet_hours": "manners-quiet_hours",
    "pages_per_day": "manners-pages_per_day",
    **{key: f"limits-{key}" for key in _LIMITS},
}
_KEY = re.compile(
    r"https?://[!-~]+"
    r"|(?<![A-Za-z_.-])(?P<key>(?:manners|limits|session)(?:\.[a-z_]+)+|start_urls|allowed_domains|adaptive_throttle"
    rf"|(?:{'|'.join(_LIMITS)}|pages_per_day)(?= = \d)|quiet_hours(?= \S+ \d{{4}}-))"
    r"(?:(?:: | = )(?P<value>true|false|ignore)\b)?",
    re.ASCII,
)
"""With the addresses of a text, which stay as they are. How a crawl ended is told by keys without their section."""
_WORDS: Mapping[str, str] = {
    "follow": "follow",
    "deny": "follow-deny",
    "sitemaps": "sitemaps",
    "each": "items-each",
    "each_json": "items-each",
    "match": "items-match",
    "may_be_empty": "items-may_be_empty",
    "regex": "items-fields-regex",
    "type": "items-fields-type",
    "format": "items-fields-format",
    "decimal_mark": "items-fields-decimal_mark",
    "required": "items-fields-required",
}
"""Keys that are English words, too, and their inputs."""
_WORD = re.compile(
    r"(?:(?<= in )|(?<= of )|(?<= that )|(?<= or ))follow\b(?! fewer)|(?<=correct )(?:each|sitemaps)\b"
    r"|(?:(?<=narrow )|(?<=its )|(?<=Compare ))match\b|(?<=with )regex\b|(?<=change )type\b|(?<=, )format\b"
    r"|(?<=take )required\b|\b(?:each_json|decimal_mark|may_be_empty)\b",
    re.ASCII,
)
"""Those where an English sentence about a crawl means the key."""
_WORD_ABROAD = re.compile(rf"(?<![A-Za-z_.-])(?:{'|'.join(_WORDS)})(?![A-Za-z_.-])")
"""In another language each is one."""
_OF_KEY = re.compile(r"items\[\d+\]\.key\Z", re.ASCII)
"""Where a key as a whole is wrong: the form has a tick at each field."""
_EACH = re.compile(r"(?<![\w“])each(?:_json)?(?![\w”])", re.ASCII)
_NUMBER = re.compile(r"-\d+")
_LINE = re.compile(r"\[(\d{1,6})\]\Z", re.ASCII)
_LINES = frozenset({"start_urls", "allowed_domains", "sitemaps", "follow-allow", "follow-deny", "manners-quiet_hours"})
"""Inputs that hold an entry a line."""
_BLANK = re.compile("(?<=[\u3400-\u9fff]) (?=“)|(?<=”) (?=[\u3400-\u9fff])")
"""In Chinese a blank stands before and behind a key, and none before or behind what is in quotation marks."""


def by_label(text: str) -> str:
    """A sentence in any language with the labels of inputs in the place of keys: ``set “Delay”``."""
    found = _KEY.sub(_labelled, text)
    return found if found == text else _BLANK.sub("", found)


def cause_by_label(text: StrOrPromise) -> str:
    """`by_label` of a sentence of a cause, which names the rules of a spider by words that mean something else, too."""
    words = _WORD if (get_language() or "en").startswith("en") else _WORD_ABROAD
    return _BLANK.sub("", by_label(words.sub(lambda found: f"“{LABELS[_WORDS[found[0]]]}”", str(text))))


def label_at(problem: DefinitionProblem, form: Form, document: dict[str, Json]) -> str:
    """Where a problem of `document` is in the words of its form, ``Field price · Selector``; its place where an input
    shows it that holds YAML."""
    if problem.place == "url":
        return _("Page to try")
    if _OF_KEY.match(problem.place):
        return str(LABELS["items-fields-is_key"])
    control = form.control_of(problem, document).removeprefix(f"{PREFIX}-")
    way = _NUMBER.sub("", control)
    # A header and a cookie are called by their list.
    label = LABELS.get(way) or LABELS.get(way.rpartition("-")[0], "")
    if not label or way.endswith("-more"):
        return problem.place
    line = _LINE.search(problem.place) if way in _LINES else None
    ends = [_("line %(line)s") % {"line": int(line[1]) + 1}] if line else []
    return BETWEEN.join([*_row_of(control, form.inputs), str(label), *ends])


def said_by_label(problem: DefinitionProblem, tell: Callable[[str], str] = told) -> str:
    """What is wrong, by the labels of the form. `tell` makes a sentence of the message."""
    said = by_label(tell(problem.message))
    return _EACH.sub(f"“{LABELS['items-each']}”", said) if _OF_KEY.match(problem.place) else said


def told_by_label(problem: DefinitionProblem, form: Form, document: dict[str, Json]) -> str:
    """What is wrong, after what the form calls the place."""
    label, said = label_at(problem, form, document), said_by_label(problem)
    return f"{label}: {said}" if label else said


def _labelled(found: re.Match[str]) -> str:
    key = found["key"]
    if key is None:
        return found[0]
    label = LABELS.get(_OTHERS.get(key, key.replace(".", "-")))
    if label is None:
        return found[0]
    forms = {"true": _("“%(label)s”: on"), "false": _("“%(label)s”: off"), "ignore": "“%(label)s”: “%(choice)s”"}
    return forms.get(found["value"], "“%(label)s”") % {"label": label, "choice": _("are read like others")}


def _row_of(control: str, inputs: Inputs) -> list[str]:
    """The row that an input stands in, as its legend has it; nothing where it stands in none."""
    parts = control.split("-")
    if parts[0] == "follow" and len(parts) > 1:
        return [_("Rule %(number)s") % {"number": int(parts[1]) + 1}]
    if parts[0] == "items" and "fields" in parts[:-2]:
        fields = rows_of(rows_of(inputs, "items")[int(parts[1])], "fields")
        name = text_of(fields[int(parts[3])], "name")
        return [_("Field %(name)s") % {"name": name} if name else _("Field %(number)s") % {"number": int(parts[3]) + 1}]
    return []
