"""What a page gives, item by item and field by field, as the preview tells it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crawler.causes import cause_of
from crawler.engine.errors import DefinitionProblem, Reason, quoted
from crawler.engine.pages.extractor import Explanation, FieldExplanation, ItemExplanation
from crawler.engine.records import Json
from crawler.engine.spider import FieldRule, FieldType, ItemRule, SpiderDefinition
from crawler.shortening import shortened

from .wording import told

ITEMS_SHOWN = 20
"""Of one type."""
MAX_VALUE = 300
"""Characters of a value that are shown."""
MAX_KEY = 80
"""Of one part of a key."""
_MISSING = frozenset({Reason.MISSING_KEY.value, Reason.MISSING_REQUIRED.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """What one field gave."""

    name: str
    type: str
    value: str
    """As it is shown; empty where there is none."""
    matches: int
    is_required: bool
    is_key: bool
    notes: tuple[str, ...] = ()
    """What somebody should look at."""
    broken: str = ""
    """Why the field's rule, as it stands in the draft, cannot be read: the value is that of the rule before."""

    @property
    def has_value(self) -> bool:
        return bool(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """One item."""

    number: int
    key: str
    reason: str
    """Why it is not stored, in words; empty where it is."""
    fields: tuple[FieldView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeView:
    """The items of one rule."""

    type: str
    takes: bool
    """Whether the rule's `match` is found in the page's URL."""
    match: str
    items: tuple[ItemView, ...] = ()
    """The first of them."""
    total: int = 0
    stored: int = 0
    empty: tuple[str, ...] = ()
    """Fields that have no value in any item."""
    keyless: tuple[str, ...] = ()
    """Fields of the key among those: no item can be stored."""
    broken: str = ""
    """Why the rule cannot be read as it stands in the draft."""

    @property
    def unkeyed(self) -> str:
        """What to do where a field of the key finds nothing; empty where each finds something."""
        if not self.keyless:
            return ""
        text = ngettext(
            "No item is stored: %(fields)s is in the key and has no value in any of them. Point at it anew, or take it "
            "from the key in the form, or remove the field.",
            "No item is stored: %(fields)s are in the key and have no value in any of them. Point at them anew, or "
            "take them from the key in the form, or remove the fields.",
            len(self.keyless),
        )
        return text % {"fields": ", ".join(f"“{name}”" for name in self.keyless)}

    @property
    def unstored(self) -> int:
        return self.total - self.stored

    @property
    def more(self) -> int:
        return self.total - len(self.items)


def type_views(
    explanation: Explanation, definition: SpiderDefinition, broken: Sequence[DefinitionProblem] = ()
) -> tuple[TypeView, ...]:
    """One for each rule of `definition`, in its order; `broken` is what a later draft of it has wrong."""
    return tuple(_type_view(rule, explanation, _Broken(number, broken)) for number, rule in enumerate(definition.items))


class _Broken:
    """The problems of one item rule."""

    def __init__(self, number: int, problems: Iterable[DefinitionProblem]) -> None:
        self._inside = f"items[{number}]"
        self._problems = [problem for problem in problems if problem.place.startswith(self._inside)]

    def field(self, name: str) -> str:
        place = f"{self._inside}.fields.{name}"
        return self._first(lambda found: found == place or found.startswith(f"{place}."))

    def rule(self) -> str:
        return self._first(lambda found: not found.startswith(f"{self._inside}.fields."))

    def _first(self, is_meant: Callable[[str], bool]) -> str:
        return next((told(problem.message) for problem in self._problems if is_meant(problem.place)), "")


def _type_view(rule: ItemRule, explanation: Explanation, broken: _Broken) -> TypeView:
    items = [item for item in explanation.items if item.type == rule.type]
    rules = {field.name: field for field in rule.fields}
    empty = [
        name for place, name in enumerate(rules) if items and all(_is_empty(item.fields[place].value) for item in items)
    ]
    return TypeView(
        type=rule.type,
        takes=rule.type not in explanation.unmatched,
        match=rule.match or "",
        items=tuple(
            _item_view(number, item, rule, rules, broken) for number, item in enumerate(items[:ITEMS_SHOWN], start=1)
        ),
        total=len(items),
        stored=sum(1 for item in items if not item.reason),
        empty=tuple(empty),
        keyless=tuple(name for name in rule.key if name in empty),
        broken=broken.rule(),
    )


def _item_view(
    number: int, item: ItemExplanation, rule: ItemRule, rules: Mapping[str, FieldRule], broken: _Broken
) -> ItemView:
    return ItemView(
        number=number,
        key=_key_in_words(item.key) if rule.key else "",
        reason=str(cause_of(item.reason).title) if item.reason else "",
        fields=tuple(_field_view(field, rules[field.name], rule, broken) for field in item.fields),
    )


def _field_view(field: FieldExplanation, rule: FieldRule, item: ItemRule, broken: _Broken) -> FieldView:
    is_empty = _is_empty(field.value)
    notes: list[str] = []
    if field.matches == 0:
        notes.append(_("nothing matched"))
    elif is_empty and not field.unreadable:
        text = ngettext("%(count)d match, without a value", "%(count)d matches, none with a value", field.matches)
        notes.append(text % {"count": field.matches})
    elif field.matches > 1 and _takes_one(rule):
        notes.append(_("%(count)d matches, the first is taken") % {"count": field.matches})
    notes.extend(
        _("%(text)s cannot be read as %(type)s") % {"text": quoted(text, 80), "type": field.type}
        for text in field.unreadable[:3]
    )
    if not _MISSING.isdisjoint(field.problems):
        notes.append(_("needed: without it the item is not stored"))
    return FieldView(
        name=field.name,
        type=field.type,
        value="" if is_empty else shown(field.value),
        matches=field.matches,
        is_required=rule.required,
        is_key=rule.name in item.key,
        notes=tuple(notes),
        broken=broken.field(field.name),
    )


def shown(value: Json) -> str:
    """A value as people read it, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shortened(text, MAX_VALUE)


def _takes_one(rule: FieldRule) -> bool:
    """Whether of several matches one alone becomes the value."""
    asks_whether = rule.type is FieldType.BOOLEAN and rule.regex is not None
    return not rule.many and not asks_whether and rule.type is not FieldType.ARTICLE


def _is_empty(value: Json) -> bool:
    return value is None or value in ("", [])


def _key_in_words(key: str) -> str:
    values = json.loads(key) if key else []
    return " · ".join(shortened(shown(value), MAX_KEY) for value in values)
