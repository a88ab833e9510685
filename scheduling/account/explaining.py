"""Why a job did, did not or will not run at a moment: its row says so, or the rule then in force, or the present."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from scheduling.durations import duration
from scheduling.models import JobRun
from scheduling.wording import in_a_row

from .downtime import Schedulers, outage_at
from .recorded import Recorded, around, filled_in
from .remedies import remedy
from .rules import MICROSECOND, Rule, at_or_after
from .subject import Subject, load
from .telling import Teller
from .values import Explanation, Verdict
from .waiting import waiting_for
from .words import Known, local, reason_in_words, reason_of, since_of

Reason = JobRun.Reason
State = JobRun.State
_SECOND = timedelta(seconds=1)
_BY_REASON = {
    Reason.LATE: Verdict.MISSED_LATE,
    Reason.BEYOND_CATCH_UP: Verdict.MISSED_BEYOND,
    Reason.OVERLAP: Verdict.SKIPPED,
    Reason.QUEUE_FULL: Verdict.QUEUE_FULL,
    Reason.PAUSED: Verdict.PAUSED,
    Reason.PAUSED_ALL: Verdict.PAUSED_ALL,
    Reason.CHANGED: Verdict.CHANGED,
    Reason.DISABLED: Verdict.DISABLED,
    Reason.REMOVED: Verdict.REMOVED,
    Reason.BROKEN: Verdict.QUARANTINED,
}


def explain(job_id: str, moment: datetime, *, now: datetime | None = None) -> Explanation:
    """Account for one moment of a job, also of one that was removed, and of a one-off.

    A moment in whole seconds stands for that of the schedule within the second: intervals count from an anchor that
    has fractions. `now` is for showing how things stood at another time; processes are judged by it then.

    Raises:
        JobNotFound: nothing of that id ever existed.
    """
    question = _Question(load(job_id), moment.astimezone(UTC), now=now)
    return question.answer()


class _Question:
    """One job and one moment."""

    def __init__(self, subject: Subject, moment: datetime, *, now: datetime | None) -> None:
        self.subject = subject
        self.clock = now
        self.now = now or timezone.now()
        recorded = around(subject.job_id, subject.job, moment, is_one_off=subject.is_one_off)
        self.moment = _snapped(moment, recorded, subject)
        if self.moment != moment:
            recorded = around(subject.job_id, subject.job, self.moment, is_one_off=subject.is_one_off)
        self.run = recorded.of(self.moment)
        self.recorded = recorded
        self.rule = subject.history.at(self.moment)

    def answer(self) -> Explanation:
        """What is on record, else what was the rule, else how things stand."""
        if self.run is not None and self._is_a_moment(self.run):
            return self._recorded(self.run)
        return self._of_the_rule() or self._as_things_stand()

    def _is_a_moment(self, run: JobRun) -> bool:
        """Whether a row stands for this very moment: not for every instant between those that it covers."""
        if self.moment == run.scheduled_time:
            return True
        # An edit settles the moments up to its own, by the rule before it.
        history = self.subject.history
        rules = [history.at(self.moment), history.at(self.moment - MICROSECOND)]
        known = [rule for rule in rules if rule is not None and rule.trigger is not None]
        return not known or any(rule.has(self.moment) for rule in known)

    # --- what is on record --------------------------------------------------------------------------------------------

    def _recorded(self, run: JobRun) -> Explanation:
        if run.state == State.MISSED or (run.state == State.FAILED and run.reason == Reason.BROKEN):
            run = JobRun.objects.get(pk=run.pk)
        if run.state == State.QUEUED and run.scheduled_time == self.moment:
            waits = waiting_for(run, now=self.now, clock=self.clock)
            return self._explained(waits.verdict, waits.sentence, waits.remedy, run=run, until=waits.until)
        if run.scheduled_time > self.moment and not _never_ran(run):
            return self._coalesced(run)
        if run.state == State.MISSED and reason_of(run) == Reason.LATE:
            return self._late(run)
        verdict = _verdict_of(run)
        since, until = (since_of(run), run.finished_at) if run.state == State.MISSED else (None, None)
        sentence = Teller([run], now=self.now, job=self.subject.job).sentence(run)
        return self._did_not_run(verdict, sentence, run, since=since, until=until)

    def _coalesced(self, run: JobRun) -> Explanation:
        values = {"run": run.pk, "at": local(run.scheduled_time)}
        sentence = _("It was coalesced: run #%(run)d of %(at)s stands for it.") % values
        outcome = reason_in_words(run)
        since, until = run.coalesced_from, run.scheduled_time
        return self._explained(Verdict.COALESCED, f"{sentence} {outcome}", run=run, since=since, until=until)

    def _late(self, run: JobRun) -> Explanation:
        grace = self.rule.grace if self.rule is not None else None
        seen, within = run.finished_at or run.queued_at, None if grace is None else timedelta(seconds=grace)
        made = None if run.job_id is None or self.subject.job is None else self.subject.job.created_at
        outage = None
        if made is None or self.moment >= made:
            outage = outage_at(self.moment, within, seen=seen, now=self.now)
        sentence = reason_in_words(run, Known(outage=outage, made=made))
        if outage is None:
            return self._did_not_run(
                Verdict.MISSED_LATE, sentence, run, since=run.scheduled_time, until=run.finished_at
            )
        return self._did_not_run(Verdict.MISSED_DOWN, sentence, run, since=outage[0], until=outage[1])

    def _did_not_run(
        self, verdict: Verdict, sentence: str, run: JobRun, *, since: datetime | None, until: datetime | None
    ) -> Explanation:
        """With what a back-fill made of it since, and what to do where there was none."""
        grace = self.rule.grace if self.rule is not None else None
        advice = remedy(verdict, grace=grace, is_alone=verdict is Verdict.SKIPPED and _is_alone(run.in_way))
        filled = filled_in(self.subject.job_id, self.subject.job, [self.moment]).get(self.moment)
        if filled is not None:
            told = _("It was filled in by run #%(run)d: %(how)s") % {"run": filled.pk, "how": reason_in_words(filled)}
            sentence, advice = f"{sentence} {told}", ""
        return self._explained(verdict, sentence, advice, run=run, since=since, until=until)

    # --- what the rule was --------------------------------------------------------------------------------------------

    def _of_the_rule(self) -> Explanation | None:
        """None where the moment is one of the rule in force then, so that the present must tell."""
        if self._is_due():
            return None
        rule = self.rule
        if rule is None:
            return self._without_rule()
        if rule.trigger is None:
            sentence = _("Nothing was planned: the rule of version %(version)s cannot be read.")
            advice = remedy(Verdict.QUARANTINED) if rule.until is None else ""
            return self._explained(Verdict.QUARANTINED, sentence % {"version": rule.version or "–"}, advice)
        if not rule.has(self.moment):
            return self._no_moment(rule)
        if self.subject.job is not None:
            return None
        # Removed by a release that did not note when, or while it was there and its row is gone.
        return self._removed(None, "") if rule.until is None and not self._is_forgotten() else self._unknown()

    def _without_rule(self) -> Explanation:
        before = self.subject.history.before(self.moment)
        if before is not None:
            return self._removed(before.until, before.removed_by)
        rules = self.subject.history.rules
        if not rules:
            return self._nearest(Verdict.NEVER_DUE, _("It was not due then; it was planned for one time alone."))
        if not self.subject.history.is_whole:
            return self._unknown()
        first = rules[0].since
        sentence = _("There was no such schedule yet: it was created at %(at)s.") % {"at": local(first)}
        return self._explained(Verdict.NOT_YET_CREATED, sentence, until=first)

    def _removed(self, at: datetime | None, by: str) -> Explanation:
        if at is None:
            return self._explained(Verdict.REMOVED, _("The schedule was removed; nothing else is on record."))
        sentence = (
            _("The schedule was removed at %(at)s by %(who)s.") if by else _("The schedule was removed at %(at)s.")
        )
        return self._explained(Verdict.REMOVED, sentence % {"at": local(at), "who": by}, since=at)

    def _no_moment(self, rule: Rule) -> Explanation:
        assert rule.trigger is not None  # noqa: S101 - asked before
        if rule.trigger.following(self.moment) is None:
            last = rule.before(self.moment)
            if last is None:
                sentence = _("The schedule had ended: it had no more moments.")
            else:
                sentence = _("The schedule had ended: its last moment was %(last)s.") % {"last": local(last)}
            return self._explained(Verdict.ENDED, sentence, since=last)
        return self._nearest(
            Verdict.NEVER_DUE, _("It was not due then: “%(rule)s”.") % {"rule": rule.trigger.describe()}
        )

    def _nearest(self, verdict: Verdict, sentence: str) -> Explanation:
        explanation = self._explained(verdict, sentence)
        before, after = explanation.nearest_before, explanation.nearest_after
        parts = [sentence]
        if before is not None:
            parts.append(_("The moment before is %(before)s.") % {"before": local(before)})
        if after is not None:
            parts.append(_("The moment after is %(after)s.") % {"after": local(after)})
        return self._explained(verdict, " ".join(parts))

    # --- how things stand ---------------------------------------------------------------------------------------------

    def _as_things_stand(self) -> Explanation:
        job, moment, due = self.subject.job, self.moment, self.subject.next_run_time
        assert job is not None  # noqa: S101 - a removed one was answered by its rule
        if job.paused_at is not None and moment > job.paused_at:
            return self._paused()
        if self.rule is not None and not self.rule.enabled:
            return self._disabled(self.rule)
        if self.subject.paused_all_at is not None and (moment > self.now or self._is_due()):
            return self._paused_all(self.subject.paused_all_at)
        if job.problem and (moment > self.now or self._is_due() or (due is not None and due > moment)):
            sentence = _("The schedule cannot be carried out: %(problem)s.") % {"problem": job.problem}
            advice = remedy(Verdict.QUARANTINED)
            return self._explained(Verdict.QUARANTINED, sentence, advice, since=job.problem_at)
        if moment > self.now:
            return self._planned()
        return self._due() if self._is_due() else self._unknown()

    def _is_due(self) -> bool:
        """Planned, its moment come, and no tick has looked at it yet."""
        due = self.subject.next_run_time
        if self.subject.job is None or due is None or not due <= self.moment <= self.now:
            return False
        present = self.subject.history.rules[-1]
        return due == self.moment or present.has(self.moment)

    def _paused(self) -> Explanation:
        job = self.subject.job
        assert job is not None  # noqa: S101 - as above
        assert job.paused_at is not None  # noqa: S101
        values = {"since": local(job.paused_at), "who": job.paused_by}
        sentence = (
            _("The schedule is paused since %(since)s by %(who)s: it does not run until it is resumed.")
            if job.paused_by
            else _("The schedule is paused since %(since)s: it does not run until it is resumed.")
        ) % values
        if job.note:
            sentence = in_a_row((sentence, _("Note: “%(note)s”.") % {"note": job.note}))
        return self._explained(Verdict.PAUSED, sentence, _("Resume the schedule."), since=job.paused_at)

    def _paused_all(self, since: datetime) -> Explanation:
        state = self.subject.state
        who, note = (state.paused_by, state.note) if state is not None else ("", "")
        sentence = (
            _("Everything is paused since %(since)s by %(who)s: nothing runs until it is resumed.")
            if who
            else _("Everything is paused since %(since)s: nothing runs until it is resumed.")
        )
        sentence %= {"since": local(since), "who": who}
        if note:
            sentence = in_a_row((sentence, _("Note: “%(note)s”.") % {"note": note}))
        return self._explained(Verdict.PAUSED_ALL, sentence, _("Resume everything."), since=since)

    def _disabled(self, rule: Rule) -> Explanation:
        since = rule.enabled_since
        sentence = _("The schedule is disabled since %(since)s: it does not run until it is enabled.")
        return self._explained(
            Verdict.DISABLED, sentence % {"since": local(since)}, _("Enable the schedule."), since=since
        )

    def _planned(self) -> Explanation:
        sentence = _("It is planned for %(at)s.") % {"at": local(self.moment)}
        if Schedulers(now=self.now, clock=self.clock).alive:
            return self._explained(Verdict.PLANNED, sentence)
        # In a call of its own: within an f-string it would not be found for translation.
        nobody = _("No scheduler is alive now.")
        return self._explained(Verdict.PLANNED, f"{sentence} {nobody}", remedy(Verdict.DUE_NO_SCHEDULER))

    def _due(self) -> Explanation:
        if not Schedulers(now=self.now, clock=self.clock).alive:
            sentence = _("It is due since %(at)s, and no scheduler is alive.") % {"at": local(self.moment)}
            return self._explained(Verdict.DUE_NO_SCHEDULER, sentence, remedy(Verdict.DUE_NO_SCHEDULER))
        seconds = (self.now - self.moment).total_seconds()
        values = {"at": local(self.moment), "duration": duration(seconds)}
        sentence = _("It is due since %(at)s (%(duration)s): a scheduler is about to look at it.") % values
        return self._explained(Verdict.DUE, sentence)

    def _unknown(self) -> Explanation:
        if self._is_forgotten():
            sentence = _("It is forgotten: runs are kept for %(days)d days.") % {"days": settings.RUN_RETENTION_DAYS}
        elif self.rule is None:
            sentence = _("Nothing is on record, and so old a version of the schedule is not looked at.")
        else:
            sentence = _("It was planned, and nothing is on record: its row was deleted, or a backup was restored.")
        return self._explained(Verdict.FORGOTTEN, sentence)

    def _is_forgotten(self) -> bool:
        return self.moment < self.now - timedelta(days=settings.RUN_RETENTION_DAYS)

    # --- the answer ---------------------------------------------------------------------------------------------------

    def _explained(
        self,
        verdict: Verdict,
        sentence: str,
        advice: str = "",
        *,
        run: JobRun | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Explanation:
        before, after = self._neighbours() if verdict in (Verdict.NEVER_DUE, Verdict.ENDED) else (None, None)
        version = run.definition_version if run is not None else None
        return Explanation(
            job_id=self.subject.job_id,
            moment=self.moment,
            verdict=verdict,
            sentence=sentence,
            remedy=advice,
            run=run,
            since=since,
            until=until,
            nearest_before=before,
            nearest_after=after,
            version=version or (self.rule.version if self.rule is not None else None),
        )

    def _neighbours(self) -> tuple[datetime | None, datetime | None]:
        if self.rule is not None and self.rule.trigger is not None:
            return self.rule.before(self.moment), self.rule.after(self.moment)
        moments = [run.scheduled_time for run in self.recorded]
        before = [moment for moment in moments if moment < self.moment]
        after = [moment for moment in moments if moment > self.moment]
        return (max(before) if before else None), (min(after) if after else None)


def _verdict_of(run: JobRun) -> Verdict:
    if run.state in (State.MISSED, State.SKIPPED) or run.reason == Reason.BROKEN:
        return _BY_REASON[Reason(reason_of(run))]
    ended = {State.QUEUED: Verdict.QUEUED, State.RUNNING: Verdict.RUNNING, State.CANCELLED: Verdict.CANCELLED}
    return ended.get(State(run.state), Verdict.RAN)


def _is_alone(run_id: int | None) -> bool:
    """Whether a run holds, or waits for, what only one may have."""
    return run_id is not None and JobRun.objects.filter(pk=run_id).exclude(exclusive_key="").exists()


def _never_ran(run: JobRun) -> bool:
    return run.state in (State.MISSED, State.SKIPPED) or run.reason == Reason.BROKEN


def _snapped(moment: datetime, recorded: Recorded, subject: Subject) -> datetime:
    """A moment in whole seconds as the schedule has it, if it has one within that second."""
    if moment.microsecond:
        return moment
    last = moment + _SECOND - MICROSECOND
    for run in recorded:
        if moment <= run.scheduled_time <= last:
            return run.scheduled_time
    rule = subject.history.at(last)
    found = at_or_after(rule.trigger, moment) if rule is not None and rule.trigger is not None else None
    return found if found is not None and found <= last and rule is not None and rule.covers(found) else moment
