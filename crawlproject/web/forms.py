"""Form fields that both apps use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import Permission
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy
from django_stubs_ext import StrOrPromise
from rest_framework.exceptions import ParseError

from .parsers import loads_strict
from .problems import FieldErrors


class PlainLabels(forms.BaseForm):
    """A form whose labels stand above or before their fields without a colon, as on all pages of ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class DocumentField(forms.JSONField):
    """JSON read as strictly as over REST: what is ambiguous is refused, and the message says where."""

    def to_python(self, value: object) -> object:  # type: ignore[override]  # any JSON, not text
        if not isinstance(value, str) or value.strip() in self.empty_values:
            return super().to_python(value)
        try:
            return loads_strict(value)
        except ParseError as error:
            raise forms.ValidationError(str(error.detail), code="invalid") from error
        except FieldErrors as error:
            told = [f"{place}: {message}" if place else message for place, message in error.errors]
            raise forms.ValidationError(told, code="invalid") from error

    def prepare_value(self, value: object) -> str:
        """Nothing is shown as nothing, not as “null”."""
        return "" if value is None else super().prepare_value(value)


VERBS: Mapping[str, StrOrPromise] = {
    "view": gettext_lazy("see"),
    "add": gettext_lazy("make"),
    "change": gettext_lazy("change"),
    "delete": gettext_lazy("delete"),
}
WITHOUT_PAGES = ("admin", "contenttypes", "sessions", "django_apscheduler")
"""Apps whose permissions allow nothing here."""


class PermissionsField(forms.ModelMultipleChoiceField[Permission]):
    """Permissions by what they are about and what they allow: Django stores their names in English."""

    def __init__(self, **kwargs: object) -> None:
        kwargs["queryset"] = (
            Permission.objects.select_related("content_type")
            .exclude(content_type__app_label__in=WITHOUT_PAGES)
            .order_by("content_type__app_label", "content_type__model", "codename")
        )
        super().__init__(**kwargs)  # type: ignore[arg-type]  # as a field of a model passes them

    def label_from_instance(self, permission: Permission) -> str:
        kind = permission.content_type
        verb = permission.codename.partition("_")[0]
        about = gettext("API tokens") if kind.app_label == "knox" else capfirst(kind.name)
        is_plain = permission.codename == f"{verb}_{kind.model}"
        allowed = VERBS[verb] if is_plain and verb in VERBS else gettext(permission.name)
        return f"{about}: {allowed}"
