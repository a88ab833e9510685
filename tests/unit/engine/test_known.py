"""The set of known hashes is a set, whatever is put into it, and a small one."""

from __future__ import annotations

import random

from hypothesis import example, given
from hypothesis import strategies as st

from crawler.engine.known import SHARDS, KnownHashes

NUMBERS = st.integers(-(2**63), 2**63 - 1)
CROWDED = st.integers(-4, 4).map(lambda number: number * SHARDS)
"""All of one table, and of neighbouring places in it."""


@given(st.lists(NUMBERS | CROWDED, max_size=200), st.lists(NUMBERS | CROWDED, max_size=50))
@example([0, 0, -1, -(2**63), 2**63 - 1], [0, 1])
def test_it_holds_what_a_set_holds(added: list[int], asked: list[int]) -> None:
    known, plain = KnownHashes(), set[int]()
    for number in added:
        assert known.add(number) is (number not in plain)
        plain.add(number)
        assert number in known
    assert [number in known for number in asked] == [number in plain for number in asked]
    assert sorted(known) == sorted(plain)
    assert len(known) == len(plain)


def test_a_hundred_thousand_are_found_again_in_27_bytes_each_at_most() -> None:
    chance = random.Random(5)
    numbers = [chance.getrandbits(64) - 2**63 for _ in range(100_000)]
    known = KnownHashes(numbers)
    assert all(number in known for number in numbers)
    assert not any(number ^ 1 in known for number in numbers)
    assert 13 <= known.bytes / len(known) <= 27


def test_room_that_is_made_beforehand_is_no_more_than_growing_makes() -> None:
    chance = random.Random(6)
    numbers = [chance.getrandbits(64) - 2**63 for _ in range(50_000)]
    ready, grown = KnownHashes(numbers, expected=len(numbers)), KnownHashes(numbers)
    assert set(ready) == set(grown) == set(numbers)
    assert ready.bytes <= grown.bytes * 1.5
