from __future__ import annotations

import asyncio

import pytest

from scheduling.places import Places


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_waits_gets_the_place_before_new_runs() -> None:
    places = Places(1)
    places.hold()
    waiting = asyncio.create_task(places.take())
    await settle()

    assert places.free == 0
    places.give_back()
    await settle()

    assert waiting.done()
    assert places.free == 0
    places.give_back()
    assert places.free == 1


async def test_those_who_wait_are_served_in_turn() -> None:
    places = Places(1)
    places.hold()
    order: list[int] = []

    async def wait(number: int) -> None:
        await places.take()
        order.append(number)
        places.give_back()

    tasks = [asyncio.create_task(wait(number)) for number in range(3)]
    await settle()
    places.give_back()
    await asyncio.gather(*tasks)

    assert order == [0, 1, 2]
    assert places.free == 1


@pytest.mark.parametrize("given", [False, True], ids=["still waiting", "place just given"])
async def test_who_is_cancelled_leaves_no_place_taken(given: bool) -> None:
    places = Places(1)
    places.hold()
    waiting = asyncio.create_task(places.take())
    await settle()

    if given:
        places.give_back()
    waiting.cancel()
    await asyncio.wait({waiting})
    if not given:
        places.give_back()

    assert waiting.cancelled()
    assert places.free == 1
