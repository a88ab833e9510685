"""A plain model of a scheduler's history: what must have become of every planned moment, by walking through them.

It shares no code with the product: moments are made by adding minutes, and every operation looks at each moment that is
pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from unittest import mock

from django.utils import timezone

from scheduling import definitions
from scheduling.models import JobRun, Process, ScheduledJob
from scheduling.timer import Timer

BEGINNING = datetime(2026, 3, 2, 12, 0, 17, 350_000, tzinfo=UTC)
"""Between two seconds, so that no operation ever falls on a planned moment."""
BEAT = timedelta(seconds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    minutes: int
    cron: bool

    @property
    def document(self) -> dict[str, object]:
        if self.cron:
            return {"type": "cron", "cron": f"*/{self.minutes} * * * *", "timezone": "UTC"}
        return {"type": "interval", "minutes": self.minutes}

    def moments(self, since: datetime) -> Iterator[datetime]:
        """All moments after the rule came into force."""
        step = timedelta(minutes=self.minutes)
        moment = since + step
        if self.cron:
            moment = since.replace(second=0, microsecond=0, minute=since.minute - since.minute % self.minutes) + step
        while True:
            yield moment
            moment += step


RULES = (Rule(minutes=1, cron=False), Rule(minutes=2, cron=True), Rule(minutes=3, cron=False))


@dataclass(slots=True, kw_only=True)
class ModelJob:
    job_id: str
    grace: int
    coalesce: bool
    wait: bool
    rule: int = 0
    pending: Iterator[datetime] = field(default_factory=lambda: iter(()))
    upcoming: datetime | None = None
    exists: bool = True
    enabled: bool = True
    paused: bool = False
    active: int = 0
    broken: bool = False
    known_broken: bool = False
    """A tick has seen it."""
    became: dict[datetime, str] = field(default_factory=dict)
    """What each moment came to."""

    def begin(self, now: datetime) -> None:
        self.pending = RULES[self.rule].moments(now)
        self.upcoming = next(self.pending)

    def take(self, now: datetime) -> list[datetime]:
        """The moments up to now that nothing has become of yet."""
        taken = []
        while self.upcoming is not None and self.upcoming <= now:
            taken.append(self.upcoming)
            self.upcoming = next(self.pending)
        return taken

    def become(self, what: str, moments: list[datetime]) -> None:
        for moment in moments:
            assert moment not in self.became
            self.became[moment] = what

    @property
    def document(self) -> dict[str, object]:
        return {
            "job_id": self.job_id,
            "handler": "idle",
            "trigger": RULES[self.rule].document,
            "enabled": self.enabled,
            "policies": {
                "misfire_grace_time": self.grace,
                "coalesce": self.coalesce,
                "overlap": "wait" if self.wait else "skip",
            },
        }


class World:
    """The product, the model, and a clock that moves both."""

    def __init__(self, timer: Timer) -> None:
        self.timer = timer
        self.now = BEGINNING
        self.alive = False
        self.process: Process | None = None
        self.down: list[tuple[datetime, datetime | None]] = [(datetime.min.replace(tzinfo=UTC), None)]
        self.paused_all = False
        self.jobs = [
            ModelJob(job_id="skips", grace=40, coalesce=False, wait=False),
            ModelJob(job_id="waits", grace=100, coalesce=False, wait=True, rule=1),
            ModelJob(job_id="coalesces", grace=1000, coalesce=True, wait=False, rule=2),
        ]

    @contextmanager
    def clock(self) -> Iterator[None]:
        with mock.patch.object(timezone, "now", side_effect=lambda: self.now):
            for job in self.jobs:
                self._save(job)
                job.begin(self.now)
            self.start()
            yield

    # --- operations ---------------------------------------------------------------------------------------------------

    def go_on(self, seconds: int) -> None:
        """Time passes; a scheduler that is alive ticks every ten seconds."""
        until = self.now + timedelta(seconds=seconds)
        while self.now < until:
            self.now = min(until, self.now + timedelta(seconds=10))
            if self.alive:
                self._beat()
                self._tick()

    def sleep(self, seconds: int) -> None:
        """Time passes; a scheduler that is alive does not come to its ticks, and comes to one at the end."""
        self.now += timedelta(seconds=seconds)
        if self.alive:
            self._beat()
            self._tick()

    def start(self) -> None:
        if not self.alive:
            self.alive = True
            self.down[-1] = (self.down[-1][0], self.now)
            self.process = Process.objects.create(
                kind="scheduler", host="h", pid=1, pid_created=1.0, started_at=self.now, beat_at=self.now, max_workers=4
            )

    def stop(self) -> None:
        if self.alive and self.process is not None:
            self.alive = False
            self.down.append((self.now, None))
            Process.objects.filter(pk=self.process.pk).update(state=Process.State.STOPPED)

    def finish(self, _job: ModelJob) -> None:
        """All that waits runs and ends."""
        JobRun.objects.filter(state="queued").update(
            state="succeeded", started_at=self.now, finished_at=self.now, execution_time=0.0
        )
        for job in self.jobs:
            job.active = 0

    def pause(self, job: ModelJob) -> None:
        if not job.exists:
            return
        definitions.pause_job(job.job_id, by="ann", note="holiday")
        if not job.paused:
            self._settle(job, "paused")
            job.paused = True

    def resume(self, job: ModelJob) -> None:
        if not job.exists:
            return
        definitions.resume_job(job.job_id)
        if job.paused:
            self._settle(job, "paused")
            job.paused = False

    def pause_all(self, _job: ModelJob) -> None:
        definitions.pause_all("ann")
        self.paused_all = True

    def resume_all(self, _job: ModelJob) -> None:
        definitions.resume_all("ann")
        if self.paused_all:
            for job in self.jobs:
                if job.exists and not job.paused and job.enabled:
                    self._settle(job, "paused_all")
            self.paused_all = False

    def switch(self, job: ModelJob) -> None:
        if not job.exists:
            return
        self._settle(job, "disabled")
        job.enabled = not job.enabled
        self._save(job)

    def edit(self, job: ModelJob) -> None:
        if not job.exists:
            return
        self._settle(job, "changed")
        job.rule = (job.rule + 1) % len(RULES)
        job.begin(self.now)
        self._save(job)

    def rename(self, job: ModelJob) -> None:
        """An edit that moves nothing, and mends what is broken."""
        if job.exists:
            definitions.save_job(definitions.parse_job({**job.document, "name": f"at {self.now}"}))
            if job.known_broken:
                self._settle(job, "quarantined")
            job.broken = job.known_broken = False

    def damage(self, job: ModelJob) -> None:
        """The handler goes with a release."""
        if job.exists:
            ScheduledJob.objects.filter(job_id=job.job_id).update(handler="gone")
            job.broken = True

    def remove(self, job: ModelJob) -> None:
        if not job.exists:
            self.create(job)
            return
        definitions.delete_job(job.job_id)
        self._settle(job, "removed")
        for moment, what in job.became.items():
            if what == "queued":
                job.became[moment] = "cancelled"
        job.exists, job.upcoming, job.active = False, None, 0

    def create(self, job: ModelJob) -> None:
        job.exists, job.paused, job.enabled = True, False, True
        self._save(job)
        job.begin(self.now)

    def back_fill(self, job: ModelJob) -> None:
        """Fill in what did not run lately; where it is a minute's work, at once."""
        if job.exists and not job.broken:
            runs = definitions.backfill_range(job.job_id, self.now - timedelta(minutes=5), self.now, "latest", by="ann")
            JobRun.objects.filter(pk__in=[run.pk for run in runs]).update(
                state="succeeded", started_at=self.now, finished_at=self.now
            )

    # --- what follows from them ---------------------------------------------------------------------------------------

    def _save(self, job: ModelJob) -> None:
        definitions.save_job(definitions.parse_job(job.document))
        job.broken = job.known_broken = False

    def _settle(self, job: ModelJob, otherwise: str) -> None:
        """What is pending will not run: why, by what held it, the nearest first."""
        why = otherwise
        if job.paused:
            why = "paused"
        elif not job.enabled:
            why = "disabled"
        elif self.paused_all:
            why = "paused_all"
        job.become(why, job.take(self.now))

    def _beat(self) -> None:
        if self.process is not None:
            Process.objects.filter(pk=self.process.pk).update(beat_at=self.now)

    def _tick(self) -> None:
        self.timer.tick(self.now)
        if self.paused_all:
            return
        for job in self.jobs:
            if job.exists and job.enabled and not job.paused:
                self._fire(job, job.take(self.now))

    def _fire(self, job: ModelJob, moments: list[datetime]) -> None:
        kept = [moment for moment in moments if (self.now - moment).total_seconds() <= job.grace]
        job.become("missed", [moment for moment in moments if moment not in kept])
        job.known_broken = job.known_broken or (job.broken and bool(moments))
        if not kept:
            return
        if job.broken:
            job.become("quarantined", kept)
            return
        becomes = "queued" if job.wait or job.active == 0 else "skipped"
        if job.coalesce:
            job.become("coalesced" if becomes == "queued" else "skipped", kept[:-1])
            kept = kept[-1:]
        job.become(becomes, kept)
        job.active += len(kept) if becomes == "queued" else 0

    def stands(self, job: ModelJob) -> str:
        """What a moment that is pending now must be said to be."""
        if job.paused:
            return "paused"
        if not job.enabled:
            return "disabled"
        if self.paused_all:
            return "paused_all"
        if job.known_broken:
            return "quarantined"
        return "due" if self.alive else "due_no_scheduler"

    def was_down(self, moment: datetime, grace: int) -> bool | None:
        """Whether no scheduler was alive when a moment was to run; None where it is a matter of a beat."""
        last = moment + timedelta(seconds=grace)
        overlaps = [min(end or self.now, last + BEAT) - max(start, moment) for start, end in self.down]
        longest = max(overlaps)
        if timedelta(0) < longest <= 3 * BEAT:
            return None
        return longest > timedelta(0)


Operation = Callable[[World, ModelJob], None]
OPERATIONS: dict[str, Operation] = {
    "go on": lambda world, _job: world.go_on(95),
    "go on for long": lambda world, _job: world.go_on(290),
    "sleep": lambda world, _job: world.sleep(130),
    "start": lambda world, _job: world.start(),
    "stop": lambda world, _job: world.stop(),
    "finish": World.finish,
    "pause": World.pause,
    "resume": World.resume,
    "pause all": World.pause_all,
    "resume all": World.resume_all,
    "switch": World.switch,
    "edit": World.edit,
    "rename": World.rename,
    "damage": World.damage,
    "remove": World.remove,
    "back-fill": World.back_fill,
}
