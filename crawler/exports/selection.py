"""Which items are exported, and with which columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

from django.db.models import QuerySet

from crawler.engine.documents.definition import parse
from crawler.engine.errors import DefinitionError
from crawler.engine.messages import all_quoted, said
from crawler.engine.records import Json
from crawler.engine.spider import FieldType, ItemRule
from crawler.items.browsing import State, containing, in_state
from crawler.items.since import ids_since, since
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
"""Rows of one query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is asked for."""

    spider: Spider
    type: str = ""
    """Empty: all types."""
    changed_since: datetime | None = None
    """Items that are new, changed, gone or back again at this moment or later."""
    with_meta: bool = False
    state: State | None = None
    """None: complete and incomplete ones. Those that are gone are had by asking for them."""
    text: str = ""
    """Only items that hold it in the key or in a value."""
    fields: tuple[str, ...] = ()
    """Only these, in the order of the spider's rules; empty: all."""

    def items(self) -> QuerySet[Item]:
        """In no order."""
        items = Item.objects.filter(spider=self.spider)
        items = items.filter(gone_at=None) if self.state is None else in_state(items, self.state)
        if self.type:
            items = items.filter(type=self.type)
        if self.changed_since is not None:
            items = items.filter(since(self.changed_since))
        return containing(items, self.text) if self.text else items

    def count(self, most: int | None = None) -> int:
        """How many they are, up to `most` where that is given: by indexes, where no text is looked for."""
        if self.changed_since is None or self.text:
            return self.items()[:most].count()
        return ids_since(replace(self, changed_since=None).items(), self.changed_since)[:most].count()


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
        message = said(
            '"{spider}" gives items of several types, and the format has one set of columns; name one type: {types}',
            spider=selection.spider.name,
            types=all_quoted(rules),
        )
        raise ExportRefused(message, field="type")
    columns: dict[str, Column] = {column.name: column for column in META} if selection.with_meta else {}
    for rule in rules.values():
        for field in rule.fields if rule is not None else ():
            kind = FieldType.JSON if field.many else field.type
            columns.setdefault(field.name, Column(field.name, kind))
    if one_type and None in rules.values():
        message = said(
            'no rule gives items of the type "{type}" any more; they can be had as jsonl', type=selection.type
        )
        raise ExportRefused(message, field="type")
    _check_fields(selection, columns)
    if selection.fields:
        columns = {name: column for name, column in columns.items() if column in META or name in selection.fields}
    orders = {kind: [field.name for field in rule.fields] for kind, rule in rules.items() if rule is not None}
    return list(columns.values()), _rows(selection, orders)


def _check_fields(selection: Selection, columns: Mapping[str, Column]) -> None:
    known = [name for name, column in columns.items() if column not in META]
    for name in selection.fields:
        # What only earlier rules gave is in no column, and may still be asked for in rows that have no columns.
        if known and name not in known:
            message = said(
                '"{spider}" has no field "{name}"; its fields: {known}',
                spider=selection.spider.name,
                name=name[:100],
                known=all_quoted(known),
            )
            raise ExportRefused(message, field="fields")


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
        message = said(
            '"{spider}" has no items of the type "{type}"; its types: {known}',
            spider=selection.spider.name,
            type=selection.type[:100],
            known=all_quoted(rules) if rules else said("none"),
        )
        raise ExportRefused(message, field="type")
    return {selection.type: None}


def _rows(selection: Selection, orders: dict[str, list[str]]) -> Iterator[dict[str, Json]]:
    """In the order of their ids, some thousands a query: a long export keeps no transaction open."""
    meta = ("page__url", "version", "first_seen_at", "changed_at") if selection.with_meta else ()
    items, last = selection.items().order_by("pk"), 0
    wanted = frozenset(selection.fields)
    while True:
        found = list(items.filter(pk__gt=last).values_list("pk", "type", "data", *meta)[:CHUNK])
        for pk, kind, data, *known in found:
            last = pk
            row = _in_order(data, orders.get(kind, []))
            if wanted:
                row = {name: value for name, value in row.items() if name in wanted}
            yield _meta(kind, known) | row if known else row
        if len(found) < CHUNK:
            return


def _meta(kind: str, known: Sequence[object]) -> dict[str, Json]:
    url, version, first_seen_at, changed_at = cast("tuple[str | None, int, datetime, datetime]", known)
    return {
        "_type": kind,
        "_url": url,
        "_version": version,
        "_first_seen_at": _utc(first_seen_at),
        "_changed_at": _utc(changed_at),
    }


def _in_order(data: dict[str, Json], order: list[str]) -> dict[str, Json]:
    """Stored data has no order of its own: PostgreSQL keeps none."""
    row = {name: data[name] for name in order if name in data}
    if len(row) < len(data):
        row.update((name, data[name]) for name in sorted(data) if name not in row)
    return row


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
