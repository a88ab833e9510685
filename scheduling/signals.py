"""What happens to a run, told inside the transaction that makes it true.

Receivers get `sender=JobRun` and `run` (as it is written in this transaction) and write rows only: no network, no
waiting, no logging of facts that a rollback would take back. What is told *after* the commit stands in
`scheduling.events`.

==============  ========================================================  =========================
signal          sent when                                                 the run's state
==============  ========================================================  =========================
`run_started`   a runner claimed the run                                  running
`run_ended`     the run reached a terminal state, whichever and whoever   any of `JobRun.TERMINAL`
`run_returned`  a running run went back to the queue                      queued
==============  ========================================================  =========================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.dispatch import Signal
from django.utils.safestring import SafeString

from .exceptions import ReceiverFailed
from .lanes import is_passing

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import Model

    from .models import JobRun

run_started = Signal()
run_ended = Signal()
run_returned = Signal()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """What a receiver of `report_made` adds to a report."""

    name: str
    """Its key in the report's document."""
    data: object
    """What JSON can hold."""
    sentence: str
    """For people; empty where there is nothing to be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPanel:
    """A part of a run's page that a receiver of `run_shown` draws."""

    name: str
    """Letters; by it a live one is asked for again."""
    html: SafeString
    is_aside: bool = False
    """Whether it stands with the facts, beside the log and the causes."""
    is_live: bool = False
    """Whether it changes while the run goes on: the page asks for it every two seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLink:
    """A button of a run's page."""

    text: str
    url: str
    icon: str = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAccount:
    """What a receiver of `run_shown` tells of a run."""

    sentence: str
    url: str
    """Where there is more of it."""
    tone: str = ""
    """Of the style sheet (``ok``, ``bad``, ``warn`` …), where it knows better than the run's state."""
    remedy: str = ""
    """What to do about it."""
    links: tuple[RunLink, ...] = ()
    """Beside the remedy."""
    buttons: tuple[RunLink, ...] = ()
    panels: tuple[RunPanel, ...] = ()
    facts: tuple[tuple[str, SafeString | str], ...] = ()
    """Label and value, each."""
    usual: str = ""
    """A sentence about the runs before it."""
    again: str = ""
    """An address that asks, by POST, for the same work again."""
    if_cancelled: str = ""
    """A sentence: what becomes of its work when it is cancelled now."""


run_shown = Signal()
"""Sent with `run`, `user` (who looks) and `part` while a page shows a run: a receiver that knows what its work came to,
and that the user may see it, returns a `RunAccount`, others None. A `part` is the name of a panel: that alone is wanted
then; it is empty for a whole page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What the work of a schedule asks for beside a worker place."""

    hosts: Mapping[str, int] = field(default_factory=dict)
    """Hosts that it asks, each with how many requests at once it may have there."""
    runs: int = 1
    """Runs that it becomes."""
    alone: frozenset[str] = frozenset()
    """Names of what one run alone may hold at a time."""


reach_asked = Signal()
"""Sent with `jobs` (schedules) and `user` (who looks) while a page shows who gets into whose way: a receiver returns a
mapping from the keys of those whose work it knows, and may tell of, to their `Reach`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a schedule is about, as a list names it."""

    text: str
    url: str = ""
    """Its page, for those who may see it."""


work_shown = Signal()
"""Sent with `jobs` (schedules) and `user` (who looks) while a list shows schedules: a receiver returns a mapping from
the keys of those whose work it knows to their `Work`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """The addresses of something that is defined."""

    page: str
    versions: str


definitions_shown = Signal()
"""Sent with `kind` and `keys` (of versions of definitions) and `user` (who looks) while a page shows versions: a
receiver that keeps definitions of that kind returns a mapping from those keys that there are, and that the user may
see, to their `Defined`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BringBack:
    """How definitions of a kind that were deleted come back."""

    permission: str
    """Of those who may do it."""
    bring: Callable[[str, int, User | None], str]
    """Saves the version of a key again, and returns the address of its page. Raises `SchedulingError`."""


bring_back_asked = Signal()
"""Sent with `kind` (of definitions) while a page shows a version of what was deleted: a receiver that keeps definitions
of that kind returns its `BringBack`."""

report_made = Signal()
"""Sent outside of transactions with `since` and `until` (times) while a report is made: a receiver that has something
to say of that period returns a `ReportSection`, others None."""

retention = Signal()
"""Sent inside a transaction with `before` (a time) and `limit`: a receiver removes at most so many of its own rows that
are older and returns how many went. It is asked again until all say 0."""

sums_checked = Signal()
"""Sent outside of transactions by the nightly maintenance: a receiver that keeps sums compares them with what is there
and returns functions, each of which counts one anew in a transaction that it is called in."""


def mappings(signal: Signal, sender: type[Model], **asked: object) -> Iterator[Mapping[object, object]]:
    """Send one of the signals that are questions: the answers of those who know something."""
    answers: list[object] = [answer for _to, answer in signal.send(sender, **asked)]
    return (answer for answer in answers if isinstance(answer, Mapping))


def tell(signal: Signal, run: JobRun) -> None:
    """Send one of the signals about a run, inside the transaction that makes it true.

    Raises:
        ReceiverFailed: a receiver is another app's code, and raised; the caller's transaction must not be kept.
        DatabaseError, InterfaceError: the database is locked or away; it can be tried again.
    """
    try:
        signal.send(sender=type(run), run=run)
    except Exception as error:
        if is_passing(error):
            raise
        raise ReceiverFailed(run.pk, error) from error
