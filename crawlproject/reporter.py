"""What Django's page of an error shows, and what it hides, with `DEBUG` on too."""

from __future__ import annotations

import re
from collections.abc import ItemsView
from types import FrameType

from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from django.views.debug import SafeExceptionReporterFilter

CLOSED = ("crawler.secrets", "crawler.engine.fetching", "cryptography", "httpx", "httpcore")
"""Packages whose local variables may be secrets in clear, whatever their names."""
_TELLING = re.compile("secret|password|token|credential|authorization|cookie|proxy|session|header", re.IGNORECASE)


class HidingFilter(SafeExceptionReporterFilter):
    """Hides what was posted, and variables where secrets pass by."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> MultiValueDict[str, str]:
        return QueryDict() if request is None else self.get_cleansed_multivaluedict(request, request.POST)

    def get_cleansed_multivaluedict(self, request: HttpRequest, multivaluedict: MultiValueDict[str, str]) -> QueryDict:
        hidden = QueryDict(mutable=True)
        hidden.update(dict.fromkeys(multivaluedict, self.cleansed_substitute))
        return hidden

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, object]:
        is_closed = str(tb_frame.f_globals.get("__name__", "")).startswith(CLOSED)
        found = super().get_traceback_frame_variables(request, tb_frame)
        return {
            name: self.cleansed_substitute if is_closed or _TELLING.search(name) else value for name, value in found
        }.items()
