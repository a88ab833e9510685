"""Filters of lists: only those that are offered, and only values that mean something."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import django_filters
from django import forms
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend

from .problems import FieldErrors
from .requests import moment, refuse_unknown, with_its_plus

if TYPE_CHECKING:
    # At run time it would import the settings, which name this module.
    from rest_framework.views import APIView

PAGINATION = ("page", "page_size")
M = TypeVar("M", bound=models.Model)


class TruthFilter(django_filters.TypedChoiceFilter):
    """`true` or `false`. The library's own takes any other word for "no filter", and gives everything."""

    def __init__(
        self,
        field_name: str | None = None,
        lookup_expr: str | None = None,
        *,
        label: str | None = None,
        exclude: bool = False,
    ) -> None:
        super().__init__(
            field_name,
            lookup_expr,
            label=label,
            exclude=exclude,
            choices=(("true", "true"), ("false", "false")),
            coerce="true".__eq__,
        )


class _CheckedField(forms.CharField):
    """A text that has to name something; `problem` says why it does not, or nothing."""

    def __init__(self, *, problem: Callable[[str], str], **options: Any) -> None:
        super().__init__(**options)
        self.problem = problem

    def clean(self, value: object) -> str:
        given: str = super().clean(value)
        if given and (problem := self.problem(given)):
            raise forms.ValidationError(problem)
        return given


class NameFilter(django_filters.CharFilter):
    """By a name that has to be there (`problem`, a function, tells): a misspelt one would otherwise give nothing, as
    if there was nothing."""

    field_class = _CheckedField


class _MomentField(forms.Field):
    def clean(self, value: object) -> datetime | None:
        if not value:
            return None
        try:
            return moment(with_its_plus(str(value)), field="")
        except FieldErrors as error:
            [(_place, message)] = error.errors
            raise forms.ValidationError(message) from error


class MomentFilter(django_filters.Filter):
    """By a moment, as `requests.query_moment` reads it."""

    field_class = _MomentField


class StrictFilterSet(django_filters.FilterSet):
    """A filter set whose booleans are `TruthFilter`, and which names the choices where another one is given."""

    class Meta:
        filter_overrides = {models.BooleanField: {"filter_class": TruthFilter}}

    def get_form_class(self) -> type[forms.Form]:
        form_class: type[forms.Form] = super().get_form_class()
        for field in form_class.base_fields.values():
            if isinstance(field, forms.ChoiceField):
                known = ", ".join(str(value) for value, _words in field.widget.choices if value)
                # The field itself puts in what was given.
                values = {"known": known, "given": "%(value)s"}
                field.error_messages["invalid_choice"] = _("Give one of %(known)s, not “%(given)s”.") % values
        return form_class


class StrictFilterBackend(DjangoFilterBackend):
    """Refuses a query parameter that no filter has: a misspelt filter would otherwise give everything."""

    filterset_base = StrictFilterSet

    def filter_queryset(self, request: HttpRequest, queryset: models.QuerySet[M], view: APIView) -> models.QuerySet[M]:
        if getattr(view, "detail", False):
            return queryset  # one row is asked for by its address: what else is given, its own action reads
        filterset_class = self.get_filterset_class(view, queryset)
        offered = set(filterset_class.base_filters) if filterset_class else set()
        refuse_unknown(request.GET, offered | set(PAGINATION))
        result: models.QuerySet[M] = super().filter_queryset(request, queryset, view)
        return result
