"""What was found, written out: one module of this package a format, each of them found by its `FORMAT`.

A new format is a new module with a `FORMAT` (and, where it differs for who opens the file by hand, a `FOR_PEOPLE`);
nothing else changes.
"""

from __future__ import annotations

from .formats import ExportFormat, ExportRefused, formats, get_format
from .selection import Selection, export, select

__all__ = ["ExportFormat", "ExportRefused", "Selection", "export", "formats", "get_format", "select"]
