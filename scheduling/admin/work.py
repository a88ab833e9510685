"""What a schedule's handler is told, as fields that people fill in: from `job_data` and back.

The handlers say which fields (`JobHandler.form`). What the fields cannot say exactly is shown as JSON: opening and
saving a form never changes what a handler is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django import forms
from django.contrib.auth.models import AnonymousUser, User
from django.utils.translation import gettext_lazy

from scheduling import registry
from scheduling.contract import FormField

BY_FIELDS, AS_JSON = "fields", "json"
WAYS = ((BY_FIELDS, gettext_lazy("By choice")), (AS_JSON, gettext_lazy("As JSON")))
Values = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The fields of one handler."""

    handler: str
    fields: list[tuple[forms.BoundField, bool]]
    """Each with whether it is shown: it may depend on what another one says."""


class WorkForms:
    """The fields of all handlers that have a form; asked for once a page."""

    def __init__(self, user: User | AnonymousUser) -> None:
        asked = ((name, tuple(registry.get(name).form(user))) for name in registry.names())
        self._forms: Mapping[str, tuple[FormField, ...]] = {name: fields for name, fields in asked if fields}

    def has(self, handler: str) -> bool:
        return handler in self._forms

    def fields(self) -> Iterator[tuple[str, forms.Field]]:
        """Name and field of the form, for every handler; none is required but by the handler itself."""
        for handler, asked in self._forms.items():
            for field in asked:
                yield name_of(handler, field), _made(handler, field)

    def groups(self, form: forms.BaseForm) -> list[Group]:
        """The bound fields of each handler, and which of them are shown as things stand."""
        values = {name: form[name].value() for name, _field in self.fields()}
        return [
            Group(
                handler=handler,
                fields=[(form[name_of(handler, field)], _is_shown(handler, field, values)) for field in asked],
            )
            for handler, asked in self._forms.items()
        ]

    def names(self, handler: str = "") -> list[str]:
        """Of a handler's fields; of those of all handlers."""
        return [
            name_of(known, field)
            for known, asked in self._forms.items()
            for field in asked
            if not handler or known == handler
        ]

    def data_of(self, handler: str, values: Values) -> dict[str, object]:
        """The `job_data` that the fields say; whether it is right, the handler finds."""
        data: dict[str, object] = {}
        for field in self._shown(handler, values):
            value = values.get(name_of(handler, field))
            said = [line.strip() for line in str(value or "").splitlines() if line.strip()] if field.is_list else value
            if said not in (None, "", []):
                data[field.key] = said
        return data

    def values_of(self, handler: str, data: object) -> dict[str, object] | None:
        """The fields that say a `job_data` to the letter; None where none do."""
        if not self.has(handler) or not isinstance(data, Mapping):
            return None
        values: dict[str, object] = {}
        for field in self._forms[handler]:
            if _is_shown(handler, field, values):
                # One that chooses says something always.
                if field.choices and data.get(field.key) not in dict(field.choices):
                    return None
                values[name_of(handler, field)] = _as_written(field, data.get(field.key))
        return values if self.data_of(handler, values) == dict(data) else None

    def field_at(self, handler: str, place: str, values: Values) -> str | None:
        """The field at which a problem of `job_data` is shown: the one that says the key now; None: none does."""
        key = place.removeprefix("job_data").removeprefix(".").split(".")[0].split("[")[0]
        asked = list(self._shown(handler, values))
        found = [name_of(handler, field) for field in asked if field.key == key]
        return found[0] if found else None

    def _shown(self, handler: str, values: Values) -> Iterator[FormField]:
        return (field for field in self._forms.get(handler, ()) if _is_shown(handler, field, values))


def name_of(handler: str, field: FormField | str) -> str:
    """Of a handler's field in the form."""
    return f"do_{handler}_{field if isinstance(field, str) else field.own_name}"


def suggested(form: forms.BaseForm) -> list[tuple[str, Sequence[str]]]:
    """Id and texts of each list that an input names."""
    offering = [field for field in form.fields.values() if isinstance(field, OfferingField) and field.suggestions]
    return [(str(field.widget.attrs["list"]), field.suggestions) for field in offering]


def _is_shown(handler: str, field: FormField, values: Values) -> bool:
    if field.shown_with is None:
        return True
    other, wanted = field.shown_with
    return str(values.get(name_of(handler, other)) or "") in wanted


def _as_written(field: FormField, value: object) -> object:
    if field.is_list and isinstance(value, list) and all(isinstance(text, str) for text in value):
        return "\n".join(value)
    return value if isinstance(value, str) and not field.is_list and value == value.strip() else None


class OfferingField(forms.CharField):
    """A text, with others that are offered while it is written."""

    def __init__(self, *, suggestions: Sequence[str], **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]  # those of any field
        self.suggestions = suggestions


def _made(handler: str, field: FormField) -> forms.Field:
    attrs: dict[str, object] = {"data-key": field.key}
    if field.shown_with is not None:
        other, wanted = field.shown_with
        attrs |= {"data-with": name_of(handler, other), "data-values": " ".join(wanted)}
    if field.choices:
        choices = list(field.choices)
        made: forms.Field = forms.ChoiceField(
            choices=choices, initial=choices[0][0], required=False, widget=forms.Select(attrs=attrs)
        )
    elif field.is_list:
        attrs |= {"rows": 3, "data-list": "", "class": "vLargeTextField ll-mono", "spellcheck": "false"}
        made = forms.CharField(required=False, widget=forms.Textarea(attrs=attrs))
    else:
        offers = {"list": f"ll-{name_of(handler, field)}"} if field.suggestions else {}
        widget = forms.TextInput(attrs=attrs | offers)
        made = OfferingField(suggestions=field.suggestions, required=False, widget=widget)
    made.label, made.help_text = field.label, field.help_text
    return made
