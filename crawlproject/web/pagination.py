"""Pages of a list, bounded."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request


class BoundedPagination(PageNumberPagination):
    """`?page=` and `?page_size=` (50, at most 500). Anything else is refused by name, never guessed."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500

    def get_page_size(self, request: Request) -> int | None:
        given = request.query_params.get(self.page_size_query_param)
        if given is None:
            return self.page_size
        if not given.isascii() or not given.isdigit() or not 1 <= int(given[:10]) <= self.max_page_size:
            raise ValidationError(
                {
                    self.page_size_query_param: _("Give a whole number from 1 to %(max)d, not “%(given)s”.")
                    % {"max": self.max_page_size, "given": given[:50]}
                }
            )
        return int(given)
