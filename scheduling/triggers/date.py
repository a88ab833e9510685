"""Once, at a date and time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

from .base import DocumentTrigger, Reader, read_wall
from .zones import ClockChange, exists, instant_of, wall_of


class DateTrigger(DocumentTrigger):
    """Fires once. A time in a gap of the clock is the first instant after it, and `describe` says so."""

    keys = ("run_date",)

    def __init__(
        self,
        run_at: datetime,
        *,
        tz: ZoneInfo,
        start: datetime | None = None,
        end: datetime | None = None,
        skipped: datetime | None = None,
    ) -> None:
        super().__init__(tz=tz, start=start, end=end)
        self.run_at = run_at
        self.skipped = skipped
        """The wall-clock time as written, where the clock never shows it."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        if not reader.has("run_date"):
            raise InvalidTrigger("trigger.run_date", _("Write when it runs, like “2027-01-01T12:00:00”."))
        tz = reader.tz()
        start, end = reader.bounds()
        written = read_wall(reader.document["run_date"], place="trigger.run_date")
        skipped = None
        if written.tzinfo is None:
            run_at = instant_of(tz, written)
            skipped = None if exists(tz, written) else written
        else:
            run_at = written.astimezone(UTC)
        if (start is not None and run_at < start) or (end is not None and run_at > end):
            raise InvalidTrigger("trigger.run_date", _("This never fires: the date lies outside of start and end."))
        return cls(run_at, tz=tz, start=start, end=end, skipped=skipped)

    def next_after(self, moment: datetime) -> datetime | None:
        return self.run_at if self.run_at > moment else None

    def count(self, after: datetime, until: datetime) -> int:
        return int(after < self.run_at <= until)

    def effect_of(self, change: ClockChange) -> str:
        if self.skipped is not None and self.run_at == change.at:
            return _("%(written)s runs at %(moment)s") % {
                "written": self.skipped.time().isoformat("minutes"),
                "moment": change.wall_after.time().isoformat("minutes"),
            }
        wall = wall_of(self.tz, self.run_at)
        if not change.is_gap and change.wall_after <= wall < change.wall_before:
            which = _("the first time") if self.run_at < change.at else _("the second time")
            return _("%(wall)s runs once, %(which)s") % {"wall": wall.time().isoformat("minutes"), "which": which}
        return _("the date lies elsewhere")

    def is_touched_by(self, change: ClockChange) -> bool:
        wall = wall_of(self.tz, self.run_at)
        comes_twice = not change.is_gap and change.wall_after <= wall < change.wall_before
        return comes_twice or (self.skipped is not None and self.run_at == change.at)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """A date that never fired is due even when it lies in the past: whether that is too late, the tick judges."""
        return self.run_at if previous is None else self.following(previous)

    def describe(self) -> str:
        local = self.run_at.astimezone(self.tz)
        words = _("Once, on %(date)s at %(time)s (%(zone)s)") % {
            "date": local.date().isoformat(),
            "time": local.time().isoformat(),
            "zone": self.tz.key,
        }
        if self.skipped is None:
            return words
        note = _("%(words)s; the clocks skip %(written)s on that day")
        return note % {"words": words, "written": self.skipped.time().isoformat("minutes")}
