"""Who may do what over REST: Django's model permissions, reading included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request

if TYPE_CHECKING:
    # At run time it would import the settings, which name this module.
    from rest_framework.views import APIView


class ModelPermissions(DjangoModelPermissions):
    """As Django's own, but reading asks for `view` too: the default is deny.

    A view's `action_permissions` names the permission of an action that is no plain create, read, update or delete:
    ``{"pause": "scheduling.change_scheduledjob"}``.
    """

    perms_map: dict[str, list[str]] = DjangoModelPermissions.perms_map | {
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
        "OPTIONS": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        named: dict[str, str] = getattr(view, "action_permissions", {})
        method = (request.method or "").lower()
        permission = named.get(getattr(view, "action", None) or method)
        is_known = bool(request.user and request.user.is_authenticated)
        if permission is not None:
            return is_known and request.user.has_perm(permission)
        if hasattr(view, "queryset"):
            return super().has_permission(request, view)
        # A view of no model: what it has no permission for it must not have at all (405).
        return is_known and not hasattr(view, method)
