"""A column for documents that people wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    _JSONField = models.JSONField[Any, Any]
else:  # generic for the type checker alone; models are loaded before anything makes it so at run time
    _JSONField = models.JSONField


class DocumentField(_JSONField):
    """JSON whose keys keep their order, on PostgreSQL too: its `jsonb` sorts them, its `json` keeps the text.

    `json` has no equality: such a column cannot stand in DISTINCT, GROUP BY or an exact lookup.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "json" if connection.vendor == "postgresql" else super().db_type(connection)

    def get_db_prep_value(self, value: object, connection: BaseDatabaseWrapper, prepared: bool = False) -> object:
        bound = super().get_db_prep_value(value, connection, prepared)
        if connection.vendor != "postgresql":
            return bound
        from psycopg.types.json import Json, Jsonb

        return Json(bound.obj, dumps=bound.dumps) if isinstance(bound, Jsonb) else bound

    def from_db_value(
        self, value: str | None, expression: models.Expression, connection: BaseDatabaseWrapper
    ) -> object:
        if connection.vendor == "postgresql" and not isinstance(value, str):
            # psycopg has decoded it: Django tells it to leave `jsonb` alone, and does not know of `json`.
            return value
        return super().from_db_value(value, expression, connection)
