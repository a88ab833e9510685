"""Judging problem documents."""

from __future__ import annotations

from typing import Protocol


class Answer(Protocol):
    status_code: int
    content: bytes

    @property
    def headers(self) -> object: ...
    def json(self) -> dict[str, object]: ...


def assert_problem(answer: Answer, status: int, *, field: str | None = None, says: str = "") -> None:
    """The answer is a problem document (RFC 9457) of this status; an error names `field` and contains `says`."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"  # type: ignore[index]
    body = answer.json()
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["status"] == status
    if field is None:
        assert says in str(body["detail"])
        return
    errors = body["errors"]
    assert isinstance(errors, list)
    messages = [error["message"] for error in errors if error["field"] == field]
    assert messages, f"no error names {field}: {errors}"
    assert any(says in message for message in messages), messages
