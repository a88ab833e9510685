"""`manage.py backfill`: run moments of the past that did not run."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling import definitions
from scheduling.account.words import local
from scheduling.asking import moment_of, no_such_job, wrong
from scheduling.definitions import Offer, Which
from scheduling.exceptions import JobNotFound, RunConflict, UnknownHandler
from scheduling.models import JobRun
from scheduling.terminal import printable

USUAL_RANGE = timedelta(days=1)
_BY = "manage.py backfill"


class Command(BaseCommand):
    help = "Queue runs for moments of the past that did not run. Without --which and --moment it only shows them."
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job_id", metavar="JOB_ID")
        parser.add_argument("--from", dest="since", metavar="WHEN", help="the range's begin (default: a day ago)")
        parser.add_argument("--until", metavar="WHEN", help="the range's end (default: now)")
        parser.add_argument("--which", choices=[Which.NONE.value, Which.LATEST.value, Which.ALL.value], default="none")
        parser.add_argument("--moment", action="append", default=[], metavar="WHEN", help="this one; may be repeated")
        parser.add_argument("--dry-run", action="store_true", help="show what would be queued, and queue nothing")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object")

    def handle(
        self,
        *,
        job_id: str,
        since: str | None,
        until: str | None,
        which: str,
        moment: Sequence[str],
        dry_run: bool,
        as_json: bool,
        **_options: object,
    ) -> None:
        if moment and (which != Which.NONE or since is not None or until is not None):
            raise wrong(_("Give either moments (--moment) or a range (--from, --until, --which), not both."))
        moments = [moment_of(text, "--moment") for text in moment]
        last = moment_of(until, "--until") if until is not None else timezone.now()
        first = moment_of(since, "--from") if since is not None else last - USUAL_RANGE
        if first > last:
            raise wrong(_("--from lies after --until."))
        try:
            if moments:
                offers = _offers_of(job_id, moments)
                runs = [] if dry_run else definitions.backfill(job_id, [one.moment for one in offers], by=_BY)
            else:
                offers = _chosen(definitions.backfill_offers(job_id, first, last), which)
                runs = [] if dry_run else definitions.backfill_range(job_id, first, last, which, by=_BY)
        except JobNotFound as error:
            raise wrong(no_such_job(job_id)) from error
        except (RunConflict, UnknownHandler) as error:
            raise wrong(str(error)) from error
        if as_json:
            self.stdout.write(json.dumps(_report(job_id, offers, runs), ensure_ascii=False))
        else:
            self._print(offers, runs, asked=which != Which.NONE or bool(moments), dry_run=dry_run)

    def _print(self, offers: Sequence[Offer], runs: Sequence[JobRun], *, asked: bool, dry_run: bool) -> None:
        if not offers:
            self.stdout.write(_("There is nothing to fill in."))
            return
        queued = {run.scheduled_time: run.pk for run in runs}
        for offer in offers:
            mark = f"#{queued[offer.moment]}" if offer.moment in queued else "*" if offer.suggested else " "
            self.stdout.write(f"{mark:>8}  {local(offer.moment)}  {offer.state:<10} {printable(offer.sentence)}")
        if not asked or dry_run:
            self.stdout.write(_("Nothing was queued. Marked with * is what did not run: --which all fills it in."))
            return
        text = ngettext("%(count)d run was queued.", "%(count)d runs were queued.", len(runs))
        self.stdout.write(text % {"count": len(runs)})


def _chosen(offers: list[Offer], which: str) -> list[Offer]:
    """What is shown: without a choice all, else what is chosen."""
    suggested = [offer for offer in offers if offer.suggested]
    if which == Which.NONE:
        return offers
    return suggested[-1:] if which == Which.LATEST else suggested


def _offers_of(job_id: str, moments: Sequence[datetime]) -> list[Offer]:
    """What stands at each moment; a moment in whole seconds stands for that of the schedule within the second."""
    second = timedelta(seconds=1) - timedelta(microseconds=1)
    found: list[Offer] = []
    for moment in moments:
        offers = definitions.backfill_offers(job_id, moment, moment if moment.microsecond else moment + second)
        if not offers:
            # Refused with its reason, or the present rule's though it was not in force then.
            offers = [Offer(moment=moment, state="none", run_id=None, suggested=False)]
        found += offers[:1]
    return found


def _report(job_id: str, offers: Sequence[Offer], runs: Sequence[JobRun]) -> dict[str, object]:
    return {
        "job_id": job_id,
        "moments": [
            {
                "moment": offer.moment.isoformat().replace("+00:00", "Z"),
                "state": offer.state,
                "suggested": offer.suggested,
                "run": offer.run_id,
                "sentence": offer.sentence,
            }
            for offer in offers
        ],
        "queued": [{"run": run.pk, "moment": run.scheduled_time.isoformat().replace("+00:00", "Z")} for run in runs],
    }
