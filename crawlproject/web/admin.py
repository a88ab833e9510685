"""What the admins of both apps share."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, TypeVar

from django import forms
from django.contrib import admin, messages
from django.db.models import BooleanField, Field, Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from .forms import PlainLabels
from .problems import SAID_AGAIN

M = TypeVar("M", bound=Model)


class PlainForms(admin.ModelAdmin[M]):
    """Every form of it, and every page that only shows, has labels without colons."""

    def get_form(
        self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[M]]:
        form = super().get_form(request, obj, change=change, **kwargs)
        plain: type[forms.ModelForm[M]] = type(form.__name__, (PlainLabels, form), {})
        return plain


class LampAdmin(PlainForms[M]):
    """A list as the product's pages are: bounded, actions below, no count of the whole table."""

    actions_on_top = False
    actions_on_bottom = True
    show_full_result_count = False
    list_per_page = 50

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Without what an address asks of a field that the field cannot hold: it would find nothing, without a word."""
        self._leave_out_unknown(request)
        return super().changelist_view(request, extra_context)

    def _leave_out_unknown(self, request: HttpRequest) -> None:
        asked = request.GET.copy()
        for field in self.opts.get_fields():
            name = f"{field.name}__exact"
            known = _choices_of(field)
            if known and name in asked and not known.issuperset(asked.getlist(name)):
                tell_left_out(request, getattr(field, "verbose_name", field.name), str(asked[name]))
                del asked[name]
        if asked != request.GET:
            request.GET = asked  # type: ignore[assignment]  # a copy can be changed
            request.META["QUERY_STRING"] = asked.urlencode()


def _choices_of(field: object) -> set[str]:
    """What an address may ask of a field that holds one of few values; of others nothing."""
    if isinstance(field, BooleanField):
        return {"0", "1", "True", "False"}
    return {str(value) for value, _told in field.flatchoices} if isinstance(field, Field) and field.choices else set()


class ReadOnlyAdmin(LampAdmin[M]):
    """Rows that the product writes and people read. Retention removes them: other rows count on them until then."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class ChosenFilter(admin.SimpleListFilter):
    """A filter that leaves nothing out where its word means nothing, and says so."""

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[Model], model_admin: admin.ModelAdmin[Any]
    ) -> None:
        super().__init__(request, params, model, model_admin)
        given = self.value()
        if given and given not in {str(word) for word, _told in self.lookup_choices}:
            tell_left_out(request, self.title, given)


def tell_left_out(request: HttpRequest, title: StrOrPromise | None, given: str) -> None:
    """That what an address asks for is no choice of a filter."""
    text = _("“%(given)s” is no choice of “%(filter)s”: that filter is left out.")
    messages.warning(request, text % {"given": given[:SAID_AGAIN], "filter": title}, fail_silently=True)


def tell_switched(request: HttpRequest, *, enabled: bool, changed: int, same: int) -> None:
    """How many of the chosen rows were enabled or disabled, and how many were so already."""
    text = (
        _("Enabled: %(changed)d. Enabled already: %(same)d.")
        if enabled
        else _("Disabled: %(changed)d. Disabled already: %(same)d.")
    )
    messages.add_message(
        request, messages.SUCCESS if changed else messages.INFO, text % {"changed": changed, "same": same}
    )


def page_number(request: HttpRequest) -> int:
    """Of a list that is paged by `?page=`; the first where that says nothing sensible."""
    text = request.GET.get("page", "")
    return max(int(text), 1) if text.isdecimal() and len(text) < 7 else 1


def when(moment: datetime | None) -> SafeString | str:
    """A moment in the scheduler's zone: the time first, then the day."""
    if moment is None:
        return "–"
    local = localtime(moment)
    day = _("today") if local.date() == localtime(timezone.now()).date() else day_of(local)
    return format_html(
        '<time class="ll-when" datetime="{}" title="{}">{} <span class="ll-quiet">{}</span></time>',
        moment.isoformat(),
        local.isoformat(timespec="seconds"),
        local.strftime("%H:%M:%S"),
        day,
    )


def day_of(local: datetime) -> str:
    """“Wed 25 Nov”, with the year where it is another."""
    # Formats of Django's filter `date`. It would move an aware time to the active zone.
    plain = local.replace(tzinfo=None)
    return date_format(plain, _("D j M") if plain.year == localtime(timezone.now()).year else _("D j M Y"))


def two_lines(first: object, second: object) -> SafeString:
    """A cell with its quiet second line."""
    return format_html('<span class="ll-two"><b>{}</b><small>{}</small></span>', first, second)


def breakable(text: str) -> SafeString:
    """A name that a narrow column may break between its parts."""
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in re.split(r"(?<=[._:-])", text) if part))


def linked(text: str, address: str) -> SafeString | str:
    """A text that leads to an address, where there is one."""
    return format_html('<a href="{}">{}</a>', address, text) if address else text


def document(value: object) -> SafeString:
    """JSON for people."""
    return format_html('<pre class="ll-mono">{}</pre>', json.dumps(value, ensure_ascii=False, indent=2))
