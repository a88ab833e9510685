"""Who may do what over REST: Django's model permissions, reading included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser, User
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request

if TYPE_CHECKING:
    # At run time it would import the settings, which name this module.
    from rest_framework.views import APIView


class ModelPermissions(DjangoModelPermissions):
    """As Django's own, but reading asks for `view` too: the default is deny.

    A view's `action_permissions` names the permission of an action that is no plain create, read, update or delete:
    ``{"pause": "scheduling.change_scheduledjob"}``. Who may use one method of an address may ask for its OPTIONS.
    """

    perms_map: dict[str, list[str]] = DjangoModelPermissions.perms_map | {
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        method = request.method or ""
        if method == "OPTIONS":
            return bool(self.methods_of(request.user, view))
        return self._may(request.user, view, method)

    def methods_of(self, user: User | AnonymousUser, view: APIView) -> list[str]:
        """The methods of the view's address that somebody may use."""
        return [method for method in view.allowed_methods if method != "OPTIONS" and self._may(user, view, method)]

    def _may(self, user: User | AnonymousUser, view: APIView, method: str) -> bool:
        named: dict[str, str] = getattr(view, "action_permissions", {})
        actions: dict[str, str] = getattr(view, "action_map", None) or {}
        name = method.lower()
        permission = named.get(actions.get(name, name)) or named.get(name)
        if permission is not None:
            return user.has_perm(permission)
        if hasattr(view, "queryset"):
            return user.has_perms(self.get_required_permissions(method, self._queryset(view).model))
        # A view of no model: what it has no permission for it must not have at all (405).
        return not hasattr(view, name)
