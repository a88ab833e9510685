"""Which tables a stretch of time wrote to: counted by the database itself, so that equal values do not hide a write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .product import Product

_SQLITE = (
    "CREATE TABLE written (tab TEXT, kind TEXT)",
    *(
        f"CREATE TRIGGER written_{kind.lower()}_{{table}} AFTER {kind} ON {{table}} "
        f"BEGIN INSERT INTO written VALUES ('{{table}}', '{kind}'); END"
        for kind in ("INSERT", "UPDATE", "DELETE")
    ),
)
_POSTGRES = (
    "CREATE TABLE written (tab TEXT, kind TEXT)",
    "CREATE FUNCTION note_written() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN INSERT INTO written VALUES (TG_TABLE_NAME, TG_OP); RETURN NULL; END'",
    "CREATE TRIGGER written AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION note_written()",
)


def count_writes(product: Product, tables: Sequence[str]) -> None:
    """From now on each row that is written in `tables` is counted."""
    once, each = (
        (_SQLITE[:1], _SQLITE[1:]) if product.database_url.startswith("sqlite") else (_POSTGRES[:2], _POSTGRES[2:])
    )
    for statement in [*once, *(line.format(table=table) for table in tables for line in each)]:
        product.sql(statement)


def writes(product: Product) -> Counter[tuple[str, str]]:
    """Rows written since `count_writes`, by table and kind of statement; counts from nought again."""
    found = Counter(
        {
            (str(table), str(kind)): int(str(count))
            for table, kind, count in product.sql("SELECT tab, kind, count(*) FROM written GROUP BY tab, kind")
        }
    )
    product.sql("DELETE FROM written")
    return found
