"""That an upgrade which reads pages differently reads the unchanged ones once more."""

from __future__ import annotations

import pytest

from crawler.reading_version import GENERATION, reading_version, rules_version

from .known_pages import results, stored

ADVICE = (
    "What known pages give has changed: pages that have not changed would keep what they gave. If that is meant, run "
    "python -m tests.unit.crawler.known_pages and raise GENERATION in crawler/reading_version.py"
)


def test_known_pages_give_what_they_gave_in_this_generation() -> None:
    generation, known = stored()
    assert results() == known, ADVICE
    assert generation == GENERATION, ADVICE


@pytest.mark.parametrize("version", [1, 2, 999_999])
def test_the_spiders_version_can_be_read_back(version: int) -> None:
    assert rules_version(reading_version(version)) == version
    assert rules_version(version) == version, "as earlier releases wrote it"
    assert reading_version(version) != version
    assert reading_version(version) < 2**31, "what the column takes"
