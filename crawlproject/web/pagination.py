"""Pages of a list, bounded."""

from __future__ import annotations

from django.utils.translation import gettext_lazy
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request

from .requests import whole_number


class BoundedPagination(PageNumberPagination):
    """`?page=` and `?page_size=` (50, at most 500). Anything else is refused by name, never guessed."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    # The brackets are DRF's.
    invalid_page_message = gettext_lazy("This list has no page {page_number} (any more).")  # type: ignore[assignment]  # it may be lazy

    def get_page_size(self, request: Request) -> int:
        return whole_number(request, self.page_size_query_param, default=self.page_size, maximum=self.max_page_size)

    def get_page_number(self, request: Request, paginator: object) -> int:
        return whole_number(request, self.page_query_param, default=1, maximum=10**12)
