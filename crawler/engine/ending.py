"""How a crawl ended, and the sentence that says why."""

from __future__ import annotations

from .manners.gate import Gate
from .records import Ending
from .spider import Limits
from .tally import Tally
from .traps import Traps


def judge_ending(
    closing: Ending | None, why: str, *, tally: Tally, gate: Gate, traps: Traps, limits: Limits, is_left: bool
) -> tuple[Ending, str]:
    """`closing` is what ended the crawl before its time, if anything did, and `why` its sentence. `is_left`: whether
    there are pages that were not asked for."""
    if closing is Ending.STOPPED:
        return Ending.STOPPED, why
    why_left = gate.why_left
    if not tally.has_start and (tally.start_problem or not gate.kept_away):
        return Ending.FAILED, tally.start_problem or why or why_left or "No start page answered"
    if is_left and (closing is Ending.LIMITED or why_left):
        return Ending.LIMITED, f"{'; '.join(filter(None, (why, why_left)))}; pages were left in the frontier"
    if tally.is_cut:
        return Ending.LIMITED, f"Links beyond max_depth = {limits.max_depth} were left out"
    for key in tally.limits_met:
        return Ending.LIMITED, f"Pages beyond {key} = {getattr(limits, key)} were left out"
    if traps.is_unsure:
        return Ending.LIMITED, "Links to pages that are all the same were left out"
    return Ending.COMPLETED, ""
