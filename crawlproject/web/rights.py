"""Where an account's rights come from."""

from __future__ import annotations

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db.models import Model, QuerySet


class RightsBackend(ModelBackend):
    """As Django's own, which asks once for the account's own rights and once for those of its groups: here both are
    one question, since every page asks it.
    """

    def get_all_permissions(self, user_obj: User | AnonymousUser, obj: Model | None = None) -> set[str]:
        """As ``app.codename``; none of an account that is off, and none of a single object."""
        if not isinstance(user_obj, User) or not user_obj.is_active or obj is not None:
            return set()
        # Django's own keeps them under this name, and forgets them with the object.
        rights: set[str] | None = getattr(user_obj, "_perm_cache", None)
        if rights is None:
            rights = {f"{app}.{codename}" for app, codename in _rights_of(user_obj)}
            user_obj._perm_cache = rights  # type: ignore[attr-defined]
        return rights


def _rights_of(user: User) -> QuerySet[Permission, tuple[str, str]]:
    if user.is_superuser:
        return _named(Permission.objects.all())
    return _named(Permission.objects.filter(user=user)).union(_named(Permission.objects.filter(group__user=user)))


def _named(permissions: QuerySet[Permission]) -> QuerySet[Permission, tuple[str, str]]:
    return permissions.order_by().values_list("content_type__app_label", "codename")
