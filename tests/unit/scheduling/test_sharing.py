"""What one process leaves to others: long runs alone, and for a moment alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from scheduling.sharing import PATIENCE_SECONDS, START_SECONDS, Sharing


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Process:
    """One process as it looks again and again at the same waiting runs."""

    clock: Clock = field(default_factory=Clock)
    expected: int = 0
    held: int = 0
    others: int = 1

    def __post_init__(self) -> None:
        self.sharing = Sharing(expected=self.expected, clock=self.clock)

    def look(self, *waiting: int, key: str = "spider:") -> list[int]:
        """The runs that it takes."""
        self.sharing.look(held=self.held, others=self.others)
        taken = [run for run in waiting if self.sharing.takes(run, f"{key}{run}" if key else "")]
        self.held += len(taken) if key else 0
        return taken

    def look_later(self, seconds: float, *waiting: int) -> list[int]:
        self.clock.now += seconds
        return self.look(*waiting)


def test_a_process_alone_takes_all_at_once() -> None:
    assert Process(others=0).look(1, 2, 3) == [1, 2, 3]


def test_of_several_long_runs_one_is_taken_at_once_and_the_others_are_left_for_a_moment() -> None:
    process = Process()
    assert process.look(1, 2, 3) == [1]
    assert process.look_later(PATIENCE_SECONDS / 2, 2, 3) == []
    # Nobody came: one more, and after twice the time another one.
    assert process.look_later(PATIENCE_SECONDS / 2, 2, 3) == [2]
    assert process.look_later(PATIENCE_SECONDS / 2, 3) == []
    assert process.look_later(PATIENCE_SECONDS / 2, 3) == [3]


def test_short_runs_are_left_to_nobody() -> None:
    process = Process(held=3)
    assert process.look(1, 2, 3, key="") == [1, 2, 3]


def test_a_run_that_went_away_and_came_back_is_left_anew() -> None:
    process = Process(held=1)
    assert process.look(1) == []
    assert process.look_later(PATIENCE_SECONDS) == []
    assert process.look_later(0, 1) == []
    assert process.look_later(PATIENCE_SECONDS, 1) == [1]


def test_processes_that_are_being_started_are_waited_for_but_not_for_ever() -> None:
    process = Process(expected=1, others=0)
    assert process.look(1, 2) == [1]
    assert process.look_later(START_SECONDS - 1, 2) == []
    assert process.look_later(2, 2) == [2]


def test_once_they_are_there_the_usual_moment_holds() -> None:
    process = Process(expected=1, others=0)
    assert process.look(1, 2, 3) == [1]
    process.others = 1
    assert process.look_later(PATIENCE_SECONDS, 2, 3) == [2]
