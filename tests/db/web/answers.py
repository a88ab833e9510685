"""Judging the admin's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from django.contrib.messages import get_messages

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse

Answer: TypeAlias = "_MonkeyPatchedWSGIResponse"


def messages_of(answer: Answer) -> list[str]:
    """What the request told its user."""
    return [str(message) for message in get_messages(answer.wsgi_request)]


def errors_of(answer: Answer) -> dict[str, list[str]]:
    """The form's errors by field; the answer must have shown it again."""
    assert answer.status_code == 200
    errors: dict[str, list[str]] = answer.context["adminform"].form.errors
    return errors
