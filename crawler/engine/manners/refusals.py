"""Whether a host refuses because of what it is asked at once, or now and then, whatever it is asked. Pure.

A refusal that has nothing to do with our pace says nothing of it: who slows down at each of them ends at a standstill.
So refusals are weighed against the share that comes by chance. That share is learnt where the pace cannot be the cause:
at half of the pace at which the host seemed to have too much. For where half is still too much, more than half of what
came at the whole pace must have been refused; where that was not so, what half the pace meets is chance. A verdict that
the next refusals contradict is taken back. A refusal is quicker than a page: of requests that begin together the
refused ones are heard of first. So those that are still under way are counted before few answers take a verdict back.

Sources: a running sum of log-likelihood ratios that raises an alarm (CUSUM: Page, 1954), quicker after each change
(Lucas and Crosier, 1982). That loss is weighed against what a path loses anyway: BBR version 2's loss threshold. That
it is learnt by asking less and comparing: PCC (Dong and others, 2015).
"""

from __future__ import annotations

from enum import Enum
from math import log

USUAL, BELIEF = 0.002, 20
"""The share that a host refuses by chance before anything is known of it; and how many answers that is worth."""
MOST_CHANCE = 0.25
"""A greater share is no chance, whatever was learnt."""
LEAST_LOAD, TIMES_CHANCE = 0.05, 3.0
"""The share that a host refuses which has too much: at least so much, and so many times what it refuses by chance."""
ALARM = 6.0
"""The sum that raises the alarm: at a host of which nothing is known, two refusals among eight answers."""
FRESH = 4
"""Answers at a new pace of which one refusal is enough, where nothing is known of chance."""
TRIAL, ENOUGH = 32, 2
"""Answers at half the pace by which chance is told from load, and refusals that are enough for it."""
MANY, MANY_IN_PAUSES = 1 / 3, 0.3
"""A greater share, one refusal left out, is no chance; the less so where one request at a time was too much."""
CLEAR = 4
"""By so many more good answers than refusals a pace has clearly less than half of its requests refused."""
ALIKE = 3.0
"""A pace refuses like a slower one if its share, a refusal left out of both, is at most so many times the other's."""
LONG = 64
"""Answers at one pace after which it is looked whether chance is overrated."""
REMEMBERED = 1_000
"""Answers from which the share is learnt; of more, the older count less and less."""


class Cause(Enum):
    """Where a refusal comes from."""

    CHANCE = 0
    LOAD = 1


class Refusals:
    """The account of a host's answers: of those at the present pace, and of what chance refuses."""

    __slots__ = (
        "_asked",
        "_good",
        "_is_contradicted",
        "_is_pair",
        "_known",
        "_many",
        "_refused",
        "_sum",
        "_unproven",
        "_whole",
        "_worse",
        "chance",
        "is_certain",
    )

    def __init__(self) -> None:
        self.chance = USUAL
        """The share of requests that is refused whatever the pace."""
        self._known = (0.0, 0.0)
        """Answers where the pace was no cause, and how many of them were refusals."""
        self._unproven: tuple[float, float] | None = None
        """The same before a verdict that has not held for long."""
        self._is_contradicted = False
        """Whether the refusals since that verdict are too many for it."""
        self.is_certain = False
        """Whether the last verdict was chance after a long account of the whole pace, which refused like half of it."""
        self._many = MANY
        self._weigh()
        self.begin()

    def begin(self) -> None:
        """Another pace holds from now on."""
        self._whole: tuple[int, int] | None = None
        self._asked = self._refused = 0
        self._sum = 0.0
        self._is_pair = False

    def begin_trial(self) -> None:
        """Half the pace at which the host seemed to have too much holds from now on."""
        if self._unproven is not None and self._asked <= TRIAL and self._is_contradicted:
            self._known = self._unproven
            self._weigh()
        whole = (self._asked, self._refused)
        self._unproven = None
        self._is_contradicted = False
        self.begin()
        self._whole = whole

    def late(self, *, is_refused: bool) -> None:
        """The answer to a request that began before the present pace: of a trial, at the whole one."""
        if self._whole is not None:
            asked, refused = self._whole
            self._whole = (asked + 1, refused + is_refused)

    @property
    def is_trial(self) -> bool:
        """Whether half the pace is tried, to tell chance from load."""
        return self._whole is not None

    @property
    def has_held(self) -> bool:
        """Whether the host has taken this pace for long."""
        return self._asked >= TRIAL and not self.is_trial

    @property
    def are_many(self) -> bool:
        """Whether chance cannot be the cause of what is refused at this pace, even if half of it meets the same."""
        return self._share(1) > self._many

    def answered(self) -> None:
        """The host answered well."""
        self._asked += 1
        self._is_pair = False
        self._sum = max(0.0, self._sum + self._good)
        if self._asked >= LONG and not self.is_trial:
            if self._refused < self._asked * self.chance / 2:  # whatever the pace is, chance is no more than that
                self._learn()
            self._asked //= 2
            self._refused //= 2

    def refused(self, *, is_pausing: bool, under_way: int = 0) -> Cause:
        """The host refused, at its present pace, which has pauses or not; so many other requests are under way."""
        self._asked += 1
        self._refused += 1
        self._many = MANY_IN_PAUSES if is_pausing else MANY
        if self.is_trial:
            is_pair, self._is_pair = self._is_pair, True
            # Where load cannot have been the cause before, the host would have got worse: that takes more to believe.
            is_load = self._share(3) > self._many if self._was_clear else is_pair or self.are_many
            return Cause.LOAD if is_load else Cause.CHANCE
        self._sum += self._worse
        is_at_once = self._asked <= (TRIAL if is_pausing else FRESH) and not self._known[1]
        self._is_contradicted = self._unproven is not None and self._contradicts(is_pausing, under_way)
        return Cause.LOAD if is_at_once or self._is_contradicted or self._sum > ALARM else Cause.CHANCE

    def verdict(self) -> Cause | None:
        """Of a trial: where the refusals before it came from; None while it lasts, and without one."""
        if self._whole is None:
            return None
        asked, refused = self._whole
        is_load = refused - 1 > self._many * asked
        if not is_load and self._asked < TRIAL and self._refused < ENOUGH:
            return None
        is_chance = self._refused > 0 and not is_load
        self.is_certain = is_chance and asked >= TRIAL and refused - 1 <= ALIKE * self._share(1) * asked
        before = self._known
        if is_chance or not self._refused:
            self._learn()
        self._unproven = before if is_chance else None
        self._whole = None
        return Cause.CHANCE if is_chance else Cause.LOAD

    def take_for_chance(self) -> None:
        """The host took more than twice this pace: what it refused at this one was chance."""
        self._learn()

    @property
    def _was_clear(self) -> bool:
        """Of a trial: whether the whole pace had clearly less than half of its requests refused."""
        asked, refused = self._whole or (0, 0)
        return asked - refused >= refused + CLEAR

    def _contradicts(self, is_pausing: bool, under_way: int) -> bool:
        """Whether what is refused at this pace is too much for chance."""
        refused = self._refused - (1 if is_pausing else 2)
        return refused > 1 and refused > self._many * (self._asked + under_way)

    def _share(self, but: int) -> float:
        """The share that is refused at this pace, `but` so many left out."""
        return (self._refused - but) / max(1, self._asked)

    def _learn(self) -> None:
        asked, refused = self._known[0] + self._asked, self._known[1] + self._refused
        if asked > REMEMBERED:
            asked, refused = float(REMEMBERED), refused * REMEMBERED / asked
        self._known = (asked, refused)
        self._weigh()

    def _weigh(self) -> None:
        asked, refused = self._known
        share = (refused + USUAL * BELIEF) / (asked + BELIEF)
        self.chance = min(max(share, USUAL), MOST_CHANCE)
        load = max(LEAST_LOAD, TIMES_CHANCE * self.chance)
        self._worse = log(load / self.chance)
        self._good = log((1 - load) / (1 - self.chance))
