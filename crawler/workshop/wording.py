"""What is wrong with a draft, in the language of its reader.

The engine makes its messages of templates and values (`crawler.engine.messages`); each template is looked up in the
catalogue here. What the libraries for selectors and expressions say, in English and seldom with a remedy, is
recognised and said anew. Values are quoted as all pages do.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext, gettext_noop

from crawler.engine.errors import DefinitionProblem
from crawler.engine.messages import Message, Quoted

_REASON = "reason"
"""The name under which messages hold what a library said."""
_IN_QUOTES = re.compile(r'"((?:[^"\\]|\\.)*)"')

_LIBRARIES = tuple(
    (re.compile(pattern), template)
    for pattern, template in (
        # turbohtml: CSS
        (
            r"expected (?P<what>.+) at position (?P<place>\d+)",
            gettext_noop("at character {place}, {what} is missing"),
        ),
        (
            r"unterminated string at position (?P<place>\d+)",
            gettext_noop("a quotation mark is opened and not closed; write it a second time"),
        ),
        (
            r"unknown pseudo-class at position (?P<place>\d+)",
            gettext_noop("the pseudo-class before character {place} is not known; take it off"),
        ),
        # turbohtml: XPath
        (r"expected (?P<what>.+) at the end of the expression", gettext_noop("at the end, {what} is missing")),
        (
            r"expected (?P<what>.+) at offset (?P<place>\d+) near .+",
            gettext_noop("at character {place}, {what} is missing"),
        ),
        (
            r"unexpected trailing tokens at offset (?P<place>\d+) near .+",
            gettext_noop("what begins at character {place} does not belong to it; take it off"),
        ),
        (
            r"invalid character in expression at offset (?P<place>\d+) near .+",
            gettext_noop("character {place} may not stand there; take it out"),
        ),
        (
            r"(?P<name>[\w-]+)\(\) takes (?P<wanted>\d+(?: to \d+)?) arguments?, got (?P<given>\d+)",
            gettext_noop("“{name}()” wants another number of arguments: {wanted}, not {given}"),
        ),
        (r"(?P<name>[\w-]+)\(\) of a non-node-set", gettext_noop("“{name}()” takes elements; give it a path")),
        # RE2
        (
            r"missing \): (?P<text>.*)",
            gettext_noop("“(” is not closed; write “)” after it, or “\\(” for the character"),
        ),
        (
            r"unexpected \): (?P<text>.*)",
            gettext_noop("“)” closes nothing; take it out, or write “\\)” for the character"),
        ),
        (
            r"missing \]: (?P<text>.*)",
            gettext_noop("“[” is not closed; write “]” after it, or “\\[” for the character"),
        ),
        (
            r"no argument for repetition operator: (?P<text>.*)",
            gettext_noop("“{text}” repeats nothing; write what it repeats before it, or “\\{text}” for the character"),
        ),
        (
            r"bad repetition operator: (?P<text>.*)",
            gettext_noop("“{text}” repeats a repetition, or too often; keep one, below 1,000"),
        ),
        (
            r"invalid repetition size: (?P<text>.*)",
            gettext_noop("“{text}” is no number of times; write “{{2,5}}”, 1,000 at most"),
        ),
        (r"trailing \\", gettext_noop("a backslash at the end stands for nothing; write two for the character")),
        (r"invalid escape sequence: (?P<text>.*)", gettext_noop("“{text}” means nothing; take the backslash off")),
        (
            r"invalid character class range: (?P<text>.*)",
            gettext_noop("“{text}” is no range of characters; the first must come before the second"),
        ),
        (
            r"invalid named capture group: (?P<text>.*)",
            gettext_noop("the group's name cannot be read; write “(?P<name>…)”"),
        ),
        (
            r"invalid perl operator: (?P<text>.*)",
            gettext_noop("“{text}” is not known here; write “(?:…)” for a plain group"),
        ),
        # YAML
        (
            r"(?:.*, )?mapping values are not allowed .*",
            gettext_noop("a colon stands where none may; put the text in quotes"),
        ),
        (r"(?:.*, )?did not find expected ',' or '\]'", gettext_noop("“[” is not closed, or a comma is missing")),
        (r"(?:.*, )?did not find expected ',' or '\}'", gettext_noop("“{{” is not closed, or a comma is missing")),
        (
            r"(?:.*, )?did not find expected key",
            gettext_noop("a key is expected; look at how far the lines are indented"),
        ),
        (
            r"(?:.*, )?did not find expected node content",
            gettext_noop("a value is missing, or a bracket is not closed"),
        ),
        (
            r"(?:.*, )?did not find expected '-' indicator",
            gettext_noop("an entry of a list is expected; begin it with “-”, as far indented as the others"),
        ),
        (r"(?:.*, )?could not find expected ':'", gettext_noop("a colon is missing after a key")),
        (
            r"(?:.*, )?found character that cannot start any token",
            gettext_noop(
                "a value begins with a character that YAML keeps for itself; put it in quotes, tabs are no indent"
            ),
        ),
        (
            r"(?:.*, )?found unexpected end of stream",
            gettext_noop("a quotation mark is opened and not closed; write it a second time"),
        ),
        (
            r"(?:.*, )?found unknown escape character",
            gettext_noop("the backslash means something else in double quotes; use single ones"),
        ),
    )
)
_TERMS = {
    "an identifier": gettext_noop("a name"),
    "a selector": gettext_noop("a selector"),
    "a combinator or the end of the selector": gettext_noop("a blank, “>”, “+”, “~” or the end"),
    "an attribute operator or ']'": gettext_noop("“=” or “]”"),
    "']'": "“]”",
    "')'": "“)”",
    "'=' after the attribute operator": "“=”",
    "An+B": gettext_noop("a number, or “2n+1”"),
    "a node test": gettext_noop("the name of an element, or “*”,"),
    "a name after '$'": gettext_noop("a name"),
    "a language range": gettext_noop("a language"),
    "a type or '*' after the namespace prefix": gettext_noop("the name of an element, or “*”,"),
}
"""What CSS and XPath expect, by the library's word for it."""


def told(message: str) -> str:
    """`message` for a reader: one of the engine's in the language that is active, any other as it is."""
    if isinstance(message, Message):
        template = gettext(message.template)
        values = {name: _told_value(name, value) for name, value in message.values.items()}
        return _IN_QUOTES.sub("“\\1”", template).format(**values)
    return f"“{message.inner}”" if isinstance(message, Quoted) else str(message)


def told_with_place(problem: DefinitionProblem) -> str:
    """What is wrong, after the place of the document where it is."""
    said = told(problem.message)
    return f"{problem.place}: {said}" if problem.place else said


def told_at_input(message: str) -> str:
    """`told`, where the value that is wrong stands beside it: without repeating that."""
    if isinstance(message, Message) and message.template == "{value}: {reason}":
        return _told_value(_REASON, message.values[_REASON])
    return told(message)


def _told_value(name: str, value: object) -> str:
    if name == _REASON and not isinstance(value, Message):
        return _of_library(str(value))
    return told(value) if isinstance(value, str) else str(value)


def _of_library(reason: str) -> str:
    for pattern, template in _LIBRARIES:
        if found := pattern.fullmatch(reason):
            values = found.groupdict()
            if "place" in values:
                values["place"] = str(int(values["place"]) + 1)  # people count from one
            if "what" in values:
                term = _TERMS.get(values["what"], values["what"])
                values["what"] = gettext(term)
            return gettext(template).format(**values)
    return reason
