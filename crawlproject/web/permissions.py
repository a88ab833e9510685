"""Who may do what over REST: Django's model permissions, reading included."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.permissions import DjangoModelPermissions


class ModelPermissions(DjangoModelPermissions):
    """As Django's own, but reading asks for `view` too: the default is deny."""

    perms_map: ClassVar[dict[str, list[str]]] = DjangoModelPermissions.perms_map | {
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
        "OPTIONS": ["%(app_label)s.view_%(model_name)s"],
    }
