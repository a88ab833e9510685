"""The part of a spider's document that says which items a page gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from crawler.engine.messages import listed, reason_of, said
from crawler.engine.pages.jmes import Expression
from crawler.engine.pages.meta import MetaSelector
from crawler.engine.pages.patterns import Pattern
from crawler.engine.pages.selectors import compile_css, compile_each, compile_xpath, reads_whole_page
from crawler.engine.pages.structured import compile_path
from crawler.engine.spider import FieldRule, FieldType, ItemRule

from .document import Section, as_section, shown

MAX_NAME = 100
ITEM_KEYS = ("type", "match", "each", "each_json", "key", "may_be_empty", "fields")
FIELD_SOURCES = ("css", "xpath", "json", "jsonld", "microdata", "meta", "from")
"""Of which a field has exactly one."""
FIELD_KEYS = (*FIELD_SOURCES, "regex", "type", "required", "many", "format", "decimal_mark")
SOURCES = ("url",)
NUMBERS = frozenset({FieldType.INTEGER, FieldType.FLOAT, FieldType.DECIMAL})
HTML_SOURCES = ("css", "xpath", "jsonld", "microdata", "meta")
TIMES = frozenset({FieldType.DATE, FieldType.DATETIME})

_COMPILERS: Mapping[str, Callable[[str], object]] = {
    "css": compile_css,
    "xpath": compile_xpath,
    "json": Expression,
    "jsonld": compile_path,
    "microdata": compile_path,
    "meta": MetaSelector,
}
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES = frozenset("aAwdbBmyYHIpMSfzZjUWcxXGuV%")


def read_items(spider: Section) -> tuple[ItemRule, ...]:
    rules = spider.sections("items", _read_item)
    first: dict[str, int] = {}
    for index, rule in enumerate(rules):
        if rule.type and first.setdefault(rule.type, index) != index:
            spider.error(
                f"items[{index}].type",
                said(
                    "{name} is the type of items[{index}] already; rename one",
                    name=shown(rule.type),
                    index=first[rule.type],
                ),
            )
    return rules


def _read_item(item: Section) -> ItemRule:
    item.allow(ITEM_KEYS)
    kind = item.text("type")
    if kind is None and item.document.get("type") is None:
        item.error("type", said("is missing; name the kind of item"))
    if kind is not None:
        _check_name(item, "type", kind)
    each = item.text("each")
    _try(item, "each", each, compile_each)
    each_json = item.text("each_json")
    _try(item, "each_json", each_json, Expression)
    match = item.text("match")
    _try(item, "match", match, Pattern)
    rules = _read_fields(item, within_each=each is not None)
    key = _read_key(item, rules, "each" if each is not None else "each_json" if each_json is not None else None)
    rule = ItemRule(
        type=kind or "",
        fields=rules,
        match=match,
        each=each,
        each_json=each_json,
        key=key,
        may_be_empty=item.flag("may_be_empty", default=False),
    )
    if rule.reads_json:
        _check_json_rule(item, rule)
    return rule


def _check_json_rule(item: Section, rule: ItemRule) -> None:
    """A rule is for HTML or for JSON."""
    if rule.each is not None:
        item.error("each", said("finds elements of HTML, and the rule reads JSON answers; write each_json"))
    for field in rule.fields:
        for key in HTML_SOURCES:
            if getattr(field, key) is not None:
                place = f"fields.{field.name}.{key}"
                item.error(
                    place, said("reads HTML, and other keys of this rule read JSON answers; write json, or two rules")
                )
        if field.type is FieldType.ARTICLE:
            item.error(f"fields.{field.name}.type", said("article is of HTML pages, and the rule reads JSON answers"))


def _read_fields(item: Section, *, within_each: bool) -> tuple[FieldRule, ...]:
    value = item.document.get("fields")
    if not value:
        item.error("fields", said("is missing; name at least one field to read"))
        return ()
    if not isinstance(value, Mapping):
        item.error("fields", said("{value} is not a mapping of names to rules", value=shown(value)))
        return ()
    rules = []
    for name, document in value.items():
        place = item.at(f"fields.{name}")
        _check_name(item, f"fields.{name}", name)
        section = as_section(document, place, item.problems)
        rules.append(_read_field(section, str(name), within_each=within_each, is_mapping=isinstance(document, Mapping)))
    return tuple(rules)


def _read_field(field: Section, name: str, *, within_each: bool, is_mapping: bool) -> FieldRule:
    field.allow(FIELD_KEYS)
    given = {key: text for key in FIELD_SOURCES if (text := field.text(key)) is not None}
    kind = _read_type(field)
    _check_sources(field, given, kind, within_each=within_each, is_mapping=is_mapping)
    regex = field.text("regex")
    _try(field, "regex", regex, Pattern)
    many = field.flag("many", default=False)
    if many and kind is FieldType.ARTICLE:
        field.error("many", said("has no meaning for the type article: a page has one main text; leave it out"))
    return FieldRule(
        name=name,
        css=given.get("css"),
        xpath=given.get("xpath"),
        json=given.get("json"),
        jsonld=given.get("jsonld"),
        microdata=given.get("microdata"),
        meta=given.get("meta"),
        source=given.get("from"),
        regex=regex,
        type=kind,
        required=field.flag("required", default=False),
        many=many,
        format=_read_format(field, kind),
        decimal_mark=_read_decimal_mark(field, kind),
    )


def _check_sources(
    field: Section, given: Mapping[str, str], kind: FieldType, *, within_each: bool, is_mapping: bool
) -> None:
    """That there is one source, none for an article, and that it can be read."""
    if len(given) > 1:
        field.problems.error(field.place, said("has {keys}; keep one", keys=listed(given)))
    if kind is FieldType.ARTICLE:
        if given:
            field.error(
                next(iter(given)), said("does not go with the type article, which finds the text itself; leave it out")
            )
        if within_each:
            field.error("type", said("article is the main text of a whole page; give it a rule without each"))
    elif is_mapping and not any(field.document.get(key) is not None for key in FIELD_SOURCES):
        field.problems.error(
            field.place,
            said("reads nothing; give {keys} or {last}", keys=", ".join(FIELD_SOURCES[:-1]), last=FIELD_SOURCES[-1]),
        )
    for key, compile_one in _COMPILERS.items():
        _try(field, key, given.get(key), compile_one)
    xpath, source = given.get("xpath"), given.get("from")
    if xpath is not None and within_each and reads_whole_page(xpath):
        field.problems.warn(
            field.at("xpath"),
            said(
                "{xpath} begins with / and reads the whole page, not the match of each; begin with .",
                xpath=shown(xpath),
            ),
        )
    if source is not None and source not in SOURCES:
        field.error("from", said('{source} is not known; write "url" for the page\'s final URL', source=shown(source)))


def _read_type(field: Section) -> FieldType:
    name = field.text("type")
    if name is None:
        return FieldType.TEXT
    try:
        return FieldType(name)
    except ValueError:
        field.error(
            "type", said("{name} is not a type; known are {known}", name=shown(name), known=", ".join(FieldType))
        )
        return FieldType.TEXT


def _read_format(field: Section, kind: FieldType) -> str | None:
    text = field.text("format")
    if text is None:
        return None
    if kind not in TIMES:
        field.error("format", said("belongs to the types date and datetime, not to {kind}; leave it out", kind=kind))
    for directive in _DIRECTIVE.findall(text):
        if directive not in _DIRECTIVES:
            field.error(
                "format",
                said("{directive} is not known; write a per cent sign as %%", directive=shown("%" + directive)),
            )
    return text


def _read_decimal_mark(field: Section, kind: FieldType) -> str:
    mark = field.text("decimal_mark")
    if mark is None:
        return "."
    if kind not in NUMBERS:
        field.error(
            "decimal_mark",
            said("belongs to the types integer, float and decimal, not to {kind}; leave it out", kind=kind),
        )
    if mark not in (".", ","):
        field.error("decimal_mark", said('{mark} is neither "." nor ","', mark=shown(mark)))
        return "."
    return mark


def _read_key(item: Section, rules: tuple[FieldRule, ...], several: str | None) -> tuple[str, ...]:
    key = item.texts("key")
    names = {rule.name for rule in rules}
    for index, name in enumerate(key):
        if name not in names:
            item.error(
                f"key[{index}]",
                said(
                    "{name} is not among the fields: {known}",
                    name=shown(name),
                    known=", ".join(sorted(names)) or said("none"),
                ),
            )
        if name in key[:index]:
            item.error(f"key[{index}]", said("{name} stands twice", name=shown(name)))
    if several is not None and not item.document.get("key"):
        item.error(
            "key",
            said(
                "is missing; with {several} a page gives several items, name the fields that tell them apart",
                several=several,
            ),
        )
    return key


def is_name(text: str) -> bool:
    """Whether a field or an item type may be called so."""
    return 0 < len(text) <= MAX_NAME and text.isprintable() and text == text.strip() and not text.startswith("_")


def _check_name(item: Section, key: str, name: object) -> None:
    """Names become columns and keys of rows: our own begin with an underscore."""
    if not isinstance(name, str):
        item.error(key, said("{name} is not a name; put it in quotes", name=shown(name)))
    elif name.startswith("_"):
        item.error(key, said('{name} begins with "_"; such names are kept for what the crawler adds', name=shown(name)))
    elif not is_name(name):
        item.error(
            key,
            said(
                "{name} is not a name: printable, no blanks at the ends, {most} characters at most",
                name=shown(name),
                most=MAX_NAME,
            ),
        )


def _try(section: Section, key: str, text: str | None, compile_one: Callable[[str], object]) -> None:
    if text is None:
        return
    try:
        compile_one(text)
    except ValueError as error:
        section.error(key, said("{value}: {reason}", value=shown(text), reason=reason_of(error)))
