"""What all drawings are made of."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe


def drawing(
    css_class: str, height: int, title: str, description: str, parts: Iterable[SafeString], *, is_group: bool = False
) -> SafeString:
    """One that holds links is a group: what has the role of a picture hides them from readers."""
    label = f"{title}. {description}" if description else title
    return format_html(
        '<svg class="{}" width="100%" height="{}" role="{}" aria-label="{}"><title>{}</title><desc>{}</desc>{}</svg>',
        css_class, height, "group" if is_group else "img", label, title, description or title, join(parts),
    )  # fmt: skip


def join(parts: Iterable[SafeString]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308  # each is safe already


def n(value: float) -> str:
    """A number as SVG wants it, whatever the language: two places at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
