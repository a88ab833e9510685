"""Where blocks stand in the drawing of a day."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduling.admin.calendar_entries import ran
from scheduling.admin.calendar_lanes import MOST_LANES, Piece, Slot, arranged
from scheduling.calendar.past import Ran
from scheduling.calendar.spans import week_of

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = week_of(date(2026, 11, 23), ZoneInfo("UTC"))


def make_piece(start: float, hours: float = 0.05) -> Piece:
    at = MONDAY + timedelta(hours=start)
    row = Ran(run=1, job=1, name="a", state="succeeded", at=at, end=at + timedelta(hours=hours), moments=1)
    [entry] = ran([row], WEEK)
    return Piece(entry, 0, start, hours)


def arrange(*spans: tuple[float, float]) -> list[Slot]:
    return arranged([make_piece(*span) for span in sorted(spans)])


def places(slots: Sequence[Slot]) -> list[tuple[float, int, int, int]]:
    return [(slot.start, slot.lane, slot.lanes, len(slot.pieces)) for slot in slots]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(2, 1), (5, 1)], [(2, 0, 1, 1), (5, 0, 1, 1)]),
        ([(12, 0.05), (12.25, 0.05)], [(12, 0, 1, 1), (12.75, 0, 1, 1)]),
        ([(12, 0.05), (12.25, 3)], [(12, 0, 1, 1), (12.75, 0, 1, 1)]),
        ([(12, 3), (12.25, 0.05)], [(12, 0, 2, 1), (12.25, 1, 2, 1)]),
        ([(12, 3), (12.25, 0.05), (12.5, 0.05)], [(12, 0, 2, 1), (12.25, 1, 2, 1), (13, 1, 2, 1)]),
        ([(12, 3), (12.25, 1), (12.5, 2)], [(12, 0, 2, 1), (12.25, 1, 2, 2)]),
        ([(23.5, 0.05), (23.75, 0.05)], [(23.25, 0, 2, 1), (23.25, 1, 2, 1)]),
        ([(12, 3), (15, 1)], [(12, 0, 1, 1), (15, 0, 1, 1)]),
    ],
    ids=[
        "nothing",
        "one after the other",
        "short ones beneath each other",
        "a long one beneath a short one",
        "beside a long one",
        "beneath each other beside a long one",
        "no third beside two",
        "not beyond midnight",
        "when the long one is over",
    ],
)
def test_names_have_the_whole_width_where_that_is_near_their_moment(
    spans: list[tuple[float, float]], expected: list[tuple[float, int, int, int]]
) -> None:
    assert places(arrange(*spans)) == expected


def test_a_block_may_grow_until_the_next_one_in_its_lane() -> None:
    slots = arrange((2, 0.05), (4, 3), (4.5, 0.05), (9, 1))
    assert [slot.room for slot in slots] == [4, 9, 9, 24]


@pytest.mark.parametrize("seed", range(20))
def test_no_two_blocks_cover_each_other_and_none_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    count = chance.choice([3, 12, 80, 400])
    spans = [(chance.uniform(0, 23.9), chance.choice([0.05, 0.5, chance.uniform(1, 9)])) for _one in range(count)]
    slots = arrange(*((start, min(hours, 24 - start)) for start, hours in spans))
    assert sum(len(slot.pieces) for slot in slots) == count
    assert max(slot.lanes for slot in slots) <= MOST_LANES
    for index, slot in enumerate(slots):
        assert slot.start < min(slot.until, 24.0) <= max(slot.room, slot.until)
        for other in slots[index + 1 :]:
            is_beside = slot.lanes == other.lanes and slot.lane != other.lane
            assert is_beside or slot.until <= other.start or other.until <= slot.start
