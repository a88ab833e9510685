"""Hashed file names and gzip beside each file."""

from __future__ import annotations

from typing import cast

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class GzipManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise is untyped  # type: ignore[misc]  # comes without types
    """WhiteNoise's storage without Brotli: that library is here for the crawler, and would make collecting slow."""

    def create_compressor(self, **kwargs: object) -> Compressor:
        return cast(Compressor, super().create_compressor(**kwargs | {"use_brotli": False}))
