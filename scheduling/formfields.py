"""What a handler asks people for, instead of its `job_data` as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One value of `job_data`, as the form of a schedule asks for it."""

    key: str
    """Of `job_data`."""
    label: StrOrPromise
    name: str = ""
    """Within the form, where several fields say the same key in turn; default: the key."""
    help_text: StrOrPromise = ""
    choices: Sequence[tuple[str, StrOrPromise]] = ()
    """Value and words: one of them is chosen, at first the first. Empty: text is written."""
    suggestions: Sequence[str] = ()
    """Texts that are offered while somebody writes."""
    is_list: bool = False
    """A list of texts, one a line."""
    shown_with: tuple[str, tuple[str, ...]] | None = None
    """Name of a field with choices before this one, and those of its values with which this one is asked for."""

    @property
    def own_name(self) -> str:
        return self.name or self.key
