"""The one write path of schedules: whoever saves, pauses, cancels or asks for a run does it through these functions.

Each is one transaction; rows are locked in the order `DjangoJob` → `ScheduledJob` → `JobRun`.
"""

from __future__ import annotations

from .ahead import check_ahead
from .backfilling import Offer, Which, backfill, backfill_offers, backfill_range
from .bulk import NewJob, lock_jobs, new_jobs, save_many
from .copying import name_of_copy
from .documents import JobValues, dump_job, dump_values, parse_job, values_of
from .everything import pause_all, resume_all
from .jobs import (
    create_job,
    delete_job,
    one_off_stays,
    pause_job,
    predefine,
    restore_rows,
    restore_version,
    resume_job,
    save_job,
    set_enabled,
)
from .parts import batched
from .runs import (
    can_run_again,
    cancel_one_off,
    cancel_run,
    create_one_off,
    finish_one_off,
    run_again,
    run_now,
    run_once,
)
from .versions import record_removal, record_version, record_versions

__all__ = [
    "JobValues",
    "NewJob",
    "Offer",
    "Which",
    "backfill",
    "backfill_offers",
    "backfill_range",
    "batched",
    "can_run_again",
    "cancel_one_off",
    "cancel_run",
    "check_ahead",
    "create_job",
    "create_one_off",
    "delete_job",
    "dump_job",
    "dump_values",
    "finish_one_off",
    "lock_jobs",
    "name_of_copy",
    "new_jobs",
    "one_off_stays",
    "parse_job",
    "pause_all",
    "pause_job",
    "predefine",
    "record_removal",
    "record_version",
    "record_versions",
    "restore_rows",
    "restore_version",
    "resume_all",
    "resume_job",
    "run_again",
    "run_now",
    "run_once",
    "save_job",
    "save_many",
    "set_enabled",
    "values_of",
]
