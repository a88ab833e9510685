"""Form fields that both apps use."""

from __future__ import annotations

from django import forms
from rest_framework.exceptions import ParseError

from .parsers import loads_strict


class DocumentField(forms.JSONField):
    """JSON read as strictly as over REST: what is ambiguous is refused, and the message says where."""

    def to_python(self, value: object) -> object:  # type: ignore[override]  # any JSON, not text
        if not isinstance(value, str) or value.strip() in self.empty_values:
            return super().to_python(value)
        try:
            return loads_strict(value)
        except ParseError as error:
            raise forms.ValidationError(str(error.detail), code="invalid") from error

    def prepare_value(self, value: object) -> str:
        """Nothing is shown as nothing, not as “null”."""
        return "" if value is None else super().prepare_value(value)
