"""Secrets: written, never shown."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from crawler import secrets
from crawler.engine.messages import reason_of
from crawler.models import Secret
from crawler.workshop.wording import told
from crawlproject.web.admin import LampAdmin, when


class SecretForm(forms.ModelForm[Secret]):
    value = forms.CharField(
        label=gettext_lazy("Value"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "class": "vTextField"}),
        help_text=gettext_lazy("Stored encrypted and never shown again. Saving replaces the former value."),
    )

    class Meta:
        model = Secret
        fields = ("name",)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        return _checked(name, name=name, value="x")

    def clean_value(self) -> str:
        value: str = self.cleaned_data["value"]
        return _checked(value, name=self.cleaned_data.get("name") or self.instance.name or "x", value=value)


@admin.register(Secret)
class SecretAdmin(LampAdmin[Secret]):
    form = SecretForm
    fields = ("name", "value")
    list_display = ("name", "updated")
    search_fields = ("name",)
    ordering = ("name",)

    @admin.display(description=gettext_lazy("changed"), ordering="updated_at")
    def updated(self, secret: Secret) -> SafeString | str:
        return when(secret.updated_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Secret | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Secret, form: object, change: bool) -> None:
        if not isinstance(form, SecretForm):
            raise TypeError("A secret is saved from its own form.")
        secrets.set_secret(obj.name, form.cleaned_data["value"])
        obj.pk = Secret.objects.get(name=obj.name).pk


def _checked(given: str, *, name: str, value: str) -> str:
    try:
        secrets.validate(name, value)
    except secrets.SecretError as error:
        raise forms.ValidationError(told(reason_of(error))) from error
    return given
