from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from scheduling.dispatch import EmbeddedDispatcher, make_dispatcher


@pytest.mark.parametrize(
    ("executor", "words"),
    [("procrastinate", "SCHEDULER_EXECUTOR=procrastinate is not in this release"), ("celery", "celery is unknown")],
)
def test_an_executor_that_is_not_there_is_refused_in_one_sentence(executor: str, words: str) -> None:
    with override_settings(SCHEDULER_EXECUTOR=executor), pytest.raises(ImproperlyConfigured, match=words):
        make_dispatcher(lambda: None)


def test_embedded_is_the_executor_of_this_release() -> None:
    assert isinstance(make_dispatcher(lambda: None), EmbeddedDispatcher)
