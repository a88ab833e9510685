"""People and their API tokens."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from knox import admin as knox_admin  # noqa: F401  # registers its own page, which is taken away below
from knox.models import AuthToken

from crawlproject.models import TokenPurpose
from crawlproject.web.admin import LampAdmin, PlainForms, two_lines, when
from crawlproject.web.forms import PermissionsField, PlainLabels

if TYPE_CHECKING:
    from django.contrib.admin.options import _FieldsetSpec as FieldsetSpec

SHOWN = 8
"""Characters of a token that tell one from another in the list."""

for model in (User, Group, AuthToken):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class PasswordForm(PlainLabels, AdminPasswordChangeForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Everybody signs in by a password here: none is made unusable."""

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields.pop("usable_password", None)


class NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg]
    usable_password = None  # type: ignore[assignment]  # Django's way to leave a field out


@admin.register(User)
class LampUserAdmin(PlainForms[User], UserAdmin[User]):
    """Rights come by groups. Django's two-column choosers have unlabelled parts and texts without a translation."""

    actions_on_top = False
    actions_on_bottom = True
    show_full_result_count = False
    search_help_text = gettext_lazy("Name or address")
    list_display = ("username", "in_groups", "email", "first_name", "last_name", "is_staff")
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    add_form = NewUserForm
    change_password_form = PasswordForm
    add_fieldsets = ((None, {"fields": ("username", "password1", "password2", "is_staff")}),)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (gettext_lazy("Person"), {"fields": ("first_name", "last_name", "email", "last_login", "date_joined")}),
        (gettext_lazy("Rights"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (
            gettext_lazy("Rights beside those of the groups"),
            {"fields": ("user_permissions",), "classes": ("collapse",)},
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> FieldsetSpec:
        """Nothing of the password for those who may only look: a part of its hash, and a button that refuses them."""
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        return [(None, {"fields": ("username",)}), *found[1:]]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Who gets an account here is to come in: without this a group's rights lead nowhere but over REST."""
        return {"is_staff": True, **super().get_changeform_initial_data(request)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=gettext_lazy("groups"))
    def in_groups(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all())) or "–"

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField[Any] | None:
        return _boxes(db_field, **kwargs)

    def get_deleted_objects(
        self, objs: Iterable[User], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """In numbers: their tokens go with them."""
        users = list(objs)
        tokens = AuthToken.objects.filter(user__in=users).count()
        lines = [user.get_username() for user in users]
        lines.append(
            ngettext("%(count)d API token of theirs", "%(count)d API tokens of theirs", tokens) % {"count": tokens}
        )
        return lines, {str(self.opts.verbose_name_plural): len(users)}, set(), []


@admin.register(Group)
class LampGroupAdmin(PlainForms[Group], GroupAdmin):
    actions_on_top = False
    actions_on_bottom = True
    show_full_result_count = False

    filter_horizontal = ()

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField[Any] | None:
        return _boxes(db_field, **kwargs)

    def get_deleted_objects(
        self, objs: Iterable[Group], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """In numbers: its users lose what it gave them."""
        groups = list(objs)
        users = User.objects.filter(groups__in=groups).distinct().count()
        lines = [group.name for group in groups]
        lines.append(
            ngettext("%(count)d user loses its rights", "%(count)d users lose its rights", users) % {"count": users}
        )
        return lines, {str(self.opts.verbose_name_plural): len(groups)}, set(), []


def _boxes(db_field: ManyToManyField[Any, Any], **kwargs: Any) -> forms.ModelMultipleChoiceField[Any] | None:
    """Boxes to tick in the place of Django's two-column chooser."""
    if db_field.related_model is Permission:
        kwargs["form_class"] = PermissionsField
    field = db_field.formfield(widget=forms.CheckboxSelectMultiple, **kwargs)
    return field if isinstance(field, forms.ModelMultipleChoiceField) else None


def _beginning(token: AuthToken) -> str:
    return f"{token.token_key[:SHOWN]}…"


def _told(token: AuthToken) -> str:
    """Whose it is and how it begins."""
    return f"{token.user.get_username()}: {_beginning(token)}"


# Knox calls a token by its hash, which nobody can read: in the boxes of the list, in messages, in Django's log.
AuthToken.add_to_class("__str__", _told)


def _purpose(token: AuthToken) -> str:
    described: TokenPurpose | None = getattr(token, "described", None)
    return "" if described is None else described.text


class TokenForm(forms.ModelForm[AuthToken]):
    purpose = forms.CharField(
        label=gettext_lazy("Purpose"),
        max_length=TokenPurpose._meta.get_field("text").max_length,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=gettext_lazy("Which program uses it, and what for: who cleans up later reads it in the list."),
    )
    days = forms.IntegerField(
        label=gettext_lazy("Days"),
        min_value=1,
        max_value=3650,
        initial=90,
        required=False,
        help_text=gettext_lazy("How long it is valid; empty: until it is deleted."),
    )

    class Meta:
        model = AuthToken
        fields = ("user",)
        labels = {"user": gettext_lazy("User")}


@admin.register(AuthToken)
class TokenAdmin(LampAdmin[AuthToken]):
    """Tokens of programs. Each is shown once, when it is made: what is stored is its hash.

    Only a superuser makes or sees tokens of others, which would lend their rights.
    """

    form = TokenForm
    list_display = ("named", "used_for", "created_at", "expires")
    search_fields = ("user__username", "described__text")
    search_help_text = gettext_lazy("User or purpose")
    ordering = ("-created",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuthToken]:
        tokens: QuerySet[AuthToken] = super().get_queryset(request).select_related("user", "described")
        return tokens if request.user.is_superuser else tokens.filter(user=request.user)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """With names for the list's texts: those of Knox's model have no translation."""
        changelist = super().get_changelist_instance(request)
        changelist.opts = copy.copy(changelist.opts)
        changelist.opts.verbose_name = _("API token")
        changelist.opts.verbose_name_plural = _("API tokens")
        return changelist

    def get_fields(self, request: HttpRequest, obj: AuthToken | None = None) -> tuple[str, ...]:
        if obj is not None:
            return self.list_display
        return ("user", "purpose", "days") if request.user.is_superuser else ("purpose", "days")

    def get_readonly_fields(self, request: HttpRequest, obj: AuthToken | None = None) -> tuple[str, ...]:
        return self.list_display

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str | list[str]]:
        return {"user": str(request.user.pk)}

    def has_change_permission(self, request: HttpRequest, obj: AuthToken | None = None) -> bool:
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With one button: the token is shown once, in the list."""
        only_save = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, only_save | (extra_context or {}))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().delete_view(request, object_id, {"title_plural": _("API tokens")} | (extra_context or {}))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """None, but a way back: a token is made and deleted, never changed."""
        return HttpResponseRedirect(reverse("admin:knox_authtoken_changelist"))

    def get_deleted_objects(
        self, objs: Iterable[AuthToken], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        tokens = list(objs)
        lines = [" · ".join(filter(None, (str(token), _purpose(token)))) for token in tokens]
        return lines, {_("API tokens"): len(tokens)}, set(), []

    @admin.display(description=gettext_lazy("token"), ordering="user__username")
    def named(self, token: AuthToken) -> SafeString:
        return two_lines(token.user.get_username(), _beginning(token))

    @admin.display(description=gettext_lazy("purpose"), ordering="described__text")
    def used_for(self, token: AuthToken) -> str:
        return _purpose(token) or "–"

    @admin.display(description=gettext_lazy("created"), ordering="created")
    def created_at(self, token: AuthToken) -> SafeString | str:
        return when(token.created)

    @admin.display(description=gettext_lazy("valid until"), ordering="expiry")
    def expires(self, token: AuthToken) -> SafeString | str:
        return when(token.expiry) if token.expiry else _("deleted")

    def save_model(self, request: HttpRequest, obj: AuthToken, form: forms.ModelForm[AuthToken], change: bool) -> None:
        user = form.cleaned_data.get("user", request.user)
        days = form.cleaned_data["days"]
        row, token = AuthToken.objects.create(user, expiry=timedelta(days=days) if days else None)
        obj.pk, obj.token_key, obj.user, obj.created, obj.expiry = (
            row.pk, row.token_key, row.user, row.created, row.expiry
        )  # fmt: skip
        if purpose := form.cleaned_data["purpose"]:
            TokenPurpose.objects.create(token=row, text=purpose)
        text = _("The token, shown this once: copy it now.")
        self.message_user(request, format_html('{} <code class="ll-mono">{}</code>', text, token), messages.SUCCESS)

    def response_add(
        self, request: HttpRequest, obj: AuthToken, post_url_continue: str | None = None
    ) -> HttpResponseRedirect:
        """To the list, without Django's own message, which would show the hash."""
        return HttpResponseRedirect(reverse("admin:knox_authtoken_changelist"))
