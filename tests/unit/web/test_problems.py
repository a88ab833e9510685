from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.http import Http404
from rest_framework import exceptions

from crawlproject.web.problems import FieldErrors, exception_handler


def test_a_field_error_names_the_field_and_the_message() -> None:
    response = exception_handler(FieldErrors([("trigger.cron", "needs five fields")]), {})
    assert response is not None
    assert response.status_code == 400
    assert response.data["errors"] == [{"field": "trigger.cron", "message": "needs five fields"}]
    assert response.data["detail"] == "trigger.cron: needs five fields"
    assert response.content_type == "application/problem+json"


def test_nested_serializer_errors_become_places() -> None:
    error = exceptions.ValidationError({"items": [{}, {"name": ["missing"]}], "non_field_errors": ["both or none"]})
    response = exception_handler(error, {})
    assert response is not None
    assert response.data["errors"] == [
        {"field": "items[1].name", "message": "missing"},
        {"field": "", "message": "both or none"},
    ]


def test_several_errors_are_one_sentence() -> None:
    response = exception_handler(FieldErrors([("url", "No address."), ("spider", "Not there."), ("x", "Odd.")]), {})
    assert response is not None
    assert response.data["detail"] == "url: No address; spider: Not there; x: Odd."


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Http404(), 404),
        (PermissionDenied(), 403),
        (RequestDataTooBig(), 413),
        (ValidationError({"name": ["taken"]}), 400),
        (exceptions.UnsupportedMediaType("text/xml"), 415),
        (exceptions.MethodNotAllowed("PUT"), 405),
    ],
)
def test_expected_errors_keep_their_status(error: Exception, status: int) -> None:
    response = exception_handler(error, {})
    assert response is not None
    assert (response.status_code, response.data["status"]) == (status, status)


def test_a_throttled_answer_says_when_to_come_again() -> None:
    response = exception_handler(exceptions.Throttled(wait=12.3), {})
    assert response is not None
    assert response.headers["Retry-After"] == "13"


def test_an_error_of_ours_stays_an_error() -> None:
    assert exception_handler(RuntimeError("bug"), {}) is None
