"""Which items are exported, and with which columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import QuerySet

from crawler.engine.documents.definition import parse
from crawler.engine.errors import DefinitionError
from crawler.engine.records import Json
from crawler.engine.spider import FieldType, ItemRule
from crawler.models import Item, Spider

from .formats import Column, ExportFormat, ExportRefused

META = (
    Column("_type", FieldType.TEXT),
    Column("_url", FieldType.URL),
    Column("_version", FieldType.INTEGER),
    Column("_first_seen_at", FieldType.DATETIME),
    Column("_changed_at", FieldType.DATETIME),
)
CHUNK = 2_000
"""Rows that the database hands over at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is asked for. Items that are gone are never part of it."""

    spider: Spider
    type: str = ""
    """Empty: all types."""
    changed_since: datetime | None = None
    """Items that are new or changed at this moment or later."""
    with_meta: bool = False


def export(selection: Selection, file_format: ExportFormat) -> Iterator[bytes]:
    """The file in pieces, read from the database as they are taken.

    Raises:
        ExportRefused: at once, before the first piece.
    """
    columns, rows = select(selection, one_type=file_format.one_type)
    return file_format.encode(rows, columns)


def select(selection: Selection, *, one_type: bool = False) -> tuple[list[Column], Iterator[dict[str, Json]]]:
    """The columns and the rows: fields in the order of the spider's rules, then what earlier rules gave.

    Raises:
        ExportRefused: a type that is not there, or several where only one fits.
    """
    rules = _rules(selection)
    if one_type and len(rules) > 1:
        listed = ", ".join(f'"{kind}"' for kind in rules)
        raise ExportRefused(f'"{selection.spider.name}" gives items of several types; name one with --type: {listed}')
    columns: dict[str, Column] = {column.name: column for column in META} if selection.with_meta else {}
    for rule in rules.values():
        for field in rule.fields if rule is not None else ():
            kind = FieldType.JSON if field.many else field.type
            columns.setdefault(field.name, Column(field.name, kind))
    if one_type and None in rules.values():
        raise ExportRefused(f'no rule gives items of the type "{selection.type}" any more; they can be had as jsonl')
    orders = {kind: [field.name for field in rule.fields] for kind, rule in rules.items() if rule is not None}
    return list(columns.values()), _rows(_queryset(selection), orders, with_meta=selection.with_meta)


def _rules(selection: Selection) -> dict[str, ItemRule | None]:
    """The rule of each type that is asked for; None for a type that only earlier rules gave."""
    try:
        definition = parse(selection.spider.definition)
        rules: dict[str, ItemRule | None] = {rule.type: rule for rule in definition.items}
    except DefinitionError:
        # Of a release that took what this one refuses: what was found can still be had.
        rules = {}
    if not selection.type:
        return rules
    if selection.type in rules:
        return {selection.type: rules[selection.type]}
    stored = Item.objects.filter(spider=selection.spider, type=selection.type)
    if not stored.exists():
        known = ", ".join(f'"{kind}"' for kind in rules) or "none"
        raise ExportRefused(
            f'"{selection.spider.name}" has no items of the type "{selection.type}"; its types: {known}'
        )
    return {selection.type: None}


def _queryset(selection: Selection) -> QuerySet[Item]:
    items = Item.objects.filter(spider=selection.spider, gone_at=None)
    if selection.type:
        items = items.filter(type=selection.type)
    if selection.changed_since is not None:
        items = items.filter(changed_at__gte=selection.changed_since)
    return items.order_by("id")


def _rows(items: QuerySet[Item], orders: dict[str, list[str]], *, with_meta: bool) -> Iterator[dict[str, Json]]:
    if with_meta:
        known = items.values_list("type", "data", "page__url", "version", "first_seen_at", "changed_at")
        for kind, data, url, version, first_seen_at, changed_at in known.iterator(chunk_size=CHUNK):
            yield {
                "_type": kind,
                "_url": url,
                "_version": version,
                "_first_seen_at": _utc(first_seen_at),
                "_changed_at": _utc(changed_at),
                **_in_order(data, orders.get(kind, [])),
            }
        return
    for kind, data in items.values_list("type", "data").iterator(chunk_size=CHUNK):
        yield _in_order(data, orders.get(kind, []))


def _in_order(data: dict[str, Json], order: list[str]) -> dict[str, Json]:
    """Stored data has no order of its own: PostgreSQL keeps none."""
    row = {name: data[name] for name in order if name in data}
    if len(row) < len(data):
        row.update((name, data[name]) for name in sorted(data) if name not in row)
    return row


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
