"""Where the pieces of one day stand in the drawing of a week; pure.

Names are to be read: what is short stands beneath what is in its way, in the whole width, as long as that is near its
moment; else two stand side by side; and what finds no place joins others, as one block that tells how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from .calendar_entries import Entry

LEAST_HOURS = 0.75
"""A shorter block is drawn so high: its name has to fit in."""
MOST_LANES = 2
MOST_BELOW = 1.25
"""Hours that one may stand below its moment."""
LONGEST_TOGETHER = 2.0
"""Hours in which those begin that share a block."""
MIDNIGHT = 24.0


class Piece(NamedTuple):
    """A part of an entry that lies in one day."""

    entry: Entry
    day: int
    start: float
    """Hours since midnight."""
    hours: float

    @property
    def top(self) -> float:
        return min(self.start, MIDNIGHT - LEAST_HOURS)

    def until(self, at: float) -> float:
        """Where it ends, drawn from there on."""
        return max(at + LEAST_HOURS, self.start + self.hours)


@dataclass(slots=True)
class Slot:
    """A place in the drawing: of one piece, or of several that found none of their own."""

    pieces: list[Piece]
    start: float
    until: float
    lane: int = 0
    lanes: int = 1
    room: float = MIDNIGHT
    """Until when nothing else stands there."""

    @property
    def is_short(self) -> bool:
        return len(self.pieces) == 1 and self.until - self.start <= LEAST_HOURS

    def join(self, piece: Piece) -> None:
        self.pieces.append(piece)
        self.until = max(self.until, piece.until(self.start))


@dataclass(slots=True)
class _Cluster:
    """Slots that are beside each other, in as few lanes as there may be."""

    start: float
    lanes: list[list[Slot]] = field(default_factory=list)

    def below(self, piece: Piece) -> float | None:
        """Where it has the whole width: at its moment, or beneath short ones. None: nowhere near."""
        top = piece.top
        at = max(lane[-1].until for lane in self.lanes)
        if at <= top:
            return top
        is_near = _is_near(piece, at) and all(lane[-1].is_short for lane in self.lanes if lane[-1].until > top)
        return at if is_near else None

    def add(self, piece: Piece) -> None:
        top = piece.top
        best: tuple[float, int] | None = None
        for lane in range(min(len(self.lanes) + 1, MOST_LANES)):
            at = max(top, self._free(lane))
            is_possible = at == top or (self._may_follow(lane) and _is_near(piece, at))
            if is_possible and (best is None or at < best[0]):
                best = at, lane
        if best is not None:
            self._put(piece, *best)
            return
        last = self.lanes[-1][-1]
        if len(last.pieces) > 1 and top - last.start >= LONGEST_TOGETHER:
            last.until = top
            self._put(piece, top, len(self.lanes) - 1)
            return
        last.join(piece)

    def slots(self, until: float) -> list[Slot]:
        """`until`: where the next cluster begins."""
        for lane in self.lanes:
            for slot, following in zip(lane, [*(one.start for one in lane[1:]), until], strict=True):
                slot.lanes, slot.room = len(self.lanes), following
        return [slot for lane in self.lanes for slot in lane]

    def _free(self, lane: int) -> float:
        return self.lanes[lane][-1].until if lane < len(self.lanes) else self.start

    def _may_follow(self, lane: int) -> bool:
        return lane == len(self.lanes) or self.lanes[lane][-1].is_short

    def _put(self, piece: Piece, at: float, lane: int) -> None:
        if lane == len(self.lanes):
            self.lanes.append([])
        self.lanes[lane].append(Slot([piece], at, piece.until(at), lane))


def arranged(pieces: Iterable[Piece]) -> list[Slot]:
    """`pieces` of one day, by their begin."""
    clusters: list[_Cluster] = []
    for piece in pieces:
        at = clusters[-1].below(piece) if clusters else piece.top
        if at is not None:
            clusters.append(_Cluster(at))
            clusters[-1].lanes.append([Slot([piece], at, piece.until(at))])
        else:
            clusters[-1].add(piece)
    ends = [*(cluster.start for cluster in clusters[1:]), MIDNIGHT]
    return [slot for cluster, end in zip(clusters, ends, strict=False) for slot in cluster.slots(end)]


def _is_near(piece: Piece, at: float) -> bool:
    return at - piece.top <= MOST_BELOW and at + LEAST_HOURS <= MIDNIGHT
