"""What can go wrong with schedules and runs, one tree.

* SchedulingError
  * ClaimLost
  * RunStopped
  * RunBusy
  * RunConflict
  * ReceiverFailed
  * DatabaseMismatch
  * UnknownHandler
  * DuplicateHandler
  * InvalidJobData
  * JobExists
  * JobNotFound
    * RunNotFound
    * VersionNotFound
  * InvalidTrigger
  * InvalidJob
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _


class SchedulingError(Exception):
    """Base of all errors of this app."""


class ClaimLost(SchedulingError):
    """The run is not (or no longer) this process's under this claim: nothing may be written for it."""

    def __init__(self, run_id: int, claim: int) -> None:
        super().__init__(f"Run #{run_id} is no longer ours under claim {claim}; nothing was written.")
        self.run_id = run_id
        self.claim = claim


class RunStopped(SchedulingError):
    """Raised by a handler that saw `context.stopping`, stored what it had, and leaves the rest for later.

    The runner hands the run back to the queue (drain), or ends it cancelled (cancel).
    """


class RunBusy(SchedulingError):
    """A foreground run would have to wait for another run that holds the same exclusive key."""

    def __init__(self, run_id: int, key: str) -> None:
        super().__init__(f"Run #{run_id} is busy with “{key}”. Wait for it, or cancel it.")
        self.run_id = run_id
        self.key = key


class RunConflict(SchedulingError):
    """What was asked of a run or a job does not fit its state."""


class WaitsAlready(RunConflict):
    """A run that somebody asked for waits still: another one is not queued behind it."""

    def __init__(self, run_id: int, job_id: str) -> None:
        values = {"run": run_id, "job": job_id}
        super().__init__(_("Run #%(run)d of “%(job)s” waits already; one is enough.") % values)
        self.run_id = run_id


class ReceiverFailed(SchedulingError):
    """A receiver of a run's signal raised: what the run was to become is not written, the other runs go on."""

    def __init__(self, run_id: int, error: Exception) -> None:
        super().__init__(f"Run #{run_id} cannot change its state: {type(error).__name__}: {error}")
        self.run_id = run_id


class DatabaseMismatch(SchedulingError):
    """The database lacks a table or a column that this code needs: waiting does not help."""

    def __init__(self, error: Exception) -> None:
        what = str(error).partition("\n")[0]
        super().__init__(f"The database does not fit this release ({what}): run `manage.py migrate`.")


class UnknownHandler(SchedulingError):
    """No handler has this name."""

    def __init__(self, name: str, nearest: str | None, known: Sequence[str]) -> None:
        hint = f" Did you mean “{nearest}”?" if nearest else ""
        super().__init__(f"There is no handler “{name}”.{hint} Known: {', '.join(known) or 'none'}.")
        self.name = name
        self.nearest = nearest


class DuplicateHandler(SchedulingError):
    """Two classes claim the same handler name."""

    def __init__(self, name: str, path: str, other: str) -> None:
        super().__init__(f"{path} and {other} both want the handler name “{name}”; give one another `name`.")


class InvalidJobData(SchedulingError):
    """A job's `job_data` cannot work with its handler."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
        self.message = message


class JobExists(SchedulingError):
    """There is already a job of this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is already a job “{job_id}”.")
        self.job_id = job_id


class JobNotFound(SchedulingError):
    """There is no job of this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job “{job_id}”.")
        self.job_id = job_id


class InvalidTrigger(SchedulingError):
    """A trigger's document cannot be built."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
        self.message = message


class InvalidJob(SchedulingError):
    """A job's document has problems: all of them, each with its place."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{place}: {message}" if place else message for place, message in problems))
        self.problems = list(problems)


class RunNotFound(JobNotFound):
    """There is no run of this number."""

    def __init__(self, run_id: int) -> None:
        SchedulingError.__init__(self, f"There is no run #{run_id}.")
        self.run_id = run_id


class VersionNotFound(JobNotFound):
    """A definition has no version of this number."""

    def __init__(self, key: str, number: int, kind: str = "job") -> None:
        SchedulingError.__init__(self, f"There is no version {number} of the {kind} “{key}”.")
        self.job_id = key
        self.number = number
