"""Addresses with and without the trailing slash."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter


class OptionalSlashRouter(SimpleRouter):
    """Every route answers at `/name` and at `/name/`: a program's POST is never redirected, and so never lost."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"
