from __future__ import annotations

from .hours import RunHour
from .jobs import DefinitionVersion, ScheduledJob, SchedulerState
from .processes import Process
from .runs import JobRun, RunLog

__all__ = ["DefinitionVersion", "JobRun", "Process", "RunHour", "RunLog", "ScheduledJob", "SchedulerState"]
