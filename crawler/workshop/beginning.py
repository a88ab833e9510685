"""What a new draft shows as an example, and how it gives way to what somebody says themselves.

An example is there to be seen. As soon as somebody points at what they want, what nobody has changed of it goes; and
nothing is stored that is an example still.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from crawler.engine.errors import DefinitionProblem

from .draft import NEW, Draft
from .picks import Aim, Document, kind_of

_NAME, _STARTS = "name", "start_urls"


def without_examples(document: Document, *keys: str) -> Document:
    """Without the rules that a new draft shows as examples, where nobody has changed them."""
    examples = _examples()
    return {key: value for key, value in document.items() if key not in keys or value != examples.get(key)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A draft whose examples have given way to a choice."""

    document: Document
    aim: Aim
    """Where the choice goes now."""
    begins: str = ""
    """The kind of item that is to be begun anew, past the end of the others: all that it had was the example."""


def giving_way(document: Document, aim: Aim) -> Way:
    """The document without what the choice at `aim` takes the place of.

    The example field reads the title of a whole page: it finds nothing once its kind is one of several on a page.
    """
    kind = kind_of(aim)
    if kind == "follow":
        left = without_examples(document, "follow")
        return Way(document=left, aim=aim if "follow" in left else ("follow", 0))
    rules = document.get("items")
    rule = rules[int(aim[1])] if isinstance(rules, list) and int(aim[1]) < len(rules) else None
    if kind != "each" or not isinstance(rules, list) or not isinstance(rule, dict):
        return Way(document=document, aim=aim)
    fields, name = rule.get("fields"), _example_field(rule)
    if not isinstance(fields, dict) or not name:
        return Way(document=document, aim=aim)
    if len(fields) > 1:
        kept = {**rule, "fields": {other: field for other, field in fields.items() if other != name}}
        return Way(document={**document, "items": [kept if one is rule else one for one in rules]}, aim=aim)
    if set(rule) - {"type", "fields"}:  # what else somebody has said of the kind would be lost with its only field
        return Way(document=document, aim=aim)
    others = [one for one in rules if one is not rule]
    left = {key: value for key, value in document.items() if key != "items"} | ({"items": others} if others else {})
    return Way(document=left, aim=("items", len(others), "each"), begins=str(rule.get("type", "")))


def untouched(document: Document) -> list[DefinitionProblem]:
    """What a spider cannot be saved with for the first time, since nobody has said it: its name stays for good."""
    examples = _examples()
    problems = []
    if document.get(_NAME) == examples[_NAME]:
        message = _("“%(name)s” is the example: write what this spider is called; the name stays for good")
        problems.append(DefinitionProblem(_NAME, message % {"name": examples[_NAME]}))
    if document.get(_STARTS) == examples[_STARTS]:
        message = _("“%(url)s” is the example: write the address at which this spider begins")
        starts = examples[_STARTS]
        problems.append(
            DefinitionProblem(f"{_STARTS}[0]", message % {"url": starts[0] if isinstance(starts, list) else starts})
        )
    return problems


def _examples() -> Document:
    return Draft.of_text(NEW).document


def _example_field(rule: Document) -> str:
    """The name of the field that a kind has of the example as it was; empty where it has none, or its key needs it."""
    items = _examples()["items"]
    example = items[0] if isinstance(items, list) else None
    shown, fields, key = (example or {}).get("fields"), rule.get("fields"), rule.get("key")  # type: ignore[union-attr]
    if not isinstance(shown, dict) or not isinstance(fields, dict):
        return ""
    named = key if isinstance(key, list) else [key]
    return next((name for name, field in shown.items() if fields.get(name) == field and name not in named), "")
