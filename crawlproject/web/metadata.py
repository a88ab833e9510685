"""What OPTIONS tells of an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request

from .permissions import ModelPermissions

if TYPE_CHECKING:
    # At run time it would import the settings, which name this module.
    from rest_framework.views import APIView


class AddressMetadata(BaseMetadata):
    """Its name, what it is for, and the methods that whoever asks may use; the header `Allow` has all that there are.

    Documents are no lists of form fields: what one may hold stands in the documentation.
    """

    def determine_metadata(self, request: Request, view: APIView) -> dict[str, object]:
        return {
            "name": view.get_view_name(),
            "description": " ".join(view.get_view_description().split()),
            "methods": ModelPermissions().methods_of(request.user, view),
        }
