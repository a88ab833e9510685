"""Drawings as SVG, made here and styled by the style sheets: bars, street, week, heat, steps.

Across, positions are percents; down, and in all text, they are pixels: so labels keep their size on every screen. No
drawing says anything by colour alone, and none has an inline style, which the content security policy forbids. Texts
come translated from the caller, who also shows the same content as a table or a list.
"""

from __future__ import annotations

from .bars import Series, bars, short
from .heat import HeatRow, heat, heat_map
from .steps import Step, steps
from .street import Lamp, Tick, street
from .week import Band, Block, mark, week

__all__ = [
    "Band", "Block", "HeatRow", "Lamp", "Series", "Step", "Tick", "bars", "heat", "heat_map", "mark", "short", "steps",
    "street", "week",
]  # fmt: skip
