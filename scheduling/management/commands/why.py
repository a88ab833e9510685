"""`manage.py why`: why a job did, did not or will not run at a moment; stores nothing."""

from __future__ import annotations

import json
from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from scheduling import account
from scheduling.account.words import local
from scheduling.asking import moment_of, no_such_job, wrong
from scheduling.exceptions import JobNotFound
from scheduling.terminal import printable


class Command(BaseCommand):
    help = "Say why a job ran, did not run or will not run at a moment; without one: the last that did not run."
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job_id", metavar="JOB_ID")
        parser.add_argument("moment", nargs="?", metavar="MOMENT", help="such as 2027-01-31T02:00 (local) or …Z (UTC)")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object")

    def handle(self, *, job_id: str, moment: str | None, as_json: bool, **_options: object) -> None:
        asked = moment_of(moment, "MOMENT") if moment is not None else None
        try:
            told = account.explain(job_id, asked) if asked is not None else account.explain_last(job_id)
        except JobNotFound as error:
            raise wrong(no_such_job(job_id)) from error
        if as_json:
            self.stdout.write(json.dumps(_nothing(job_id) if told is None else told.as_json(), ensure_ascii=False))
        elif told is None:
            self.stdout.write(account.nothing_found(job_id))
        else:
            self.stdout.write(f"{job_id}, {local(told.moment)}: {printable(told.sentence)}")
            if told.remedy:
                self.stdout.write(f"→ {printable(told.remedy)}")


def _nothing(job_id: str) -> dict[str, object]:
    return {"job_id": job_id, "verdict": None, "sentence": account.nothing_found(job_id)}
