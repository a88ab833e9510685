"""A run's log on its page: by level, searched, followed while the run goes on, and as a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from scheduling.loglines import Level, LogLook, look
from scheduling.models import JobRun, RunLog

MOST_SEARCHED = 200
"""Characters of a search."""
MOST_BYTES = 50_000_000
"""Of the file, about: the rest of a longer log is left out, and the file says so."""
_LEVELS: tuple[tuple[Level, StrOrPromise], ...] = (
    (Level.ALL, gettext_lazy("All")),
    (Level.WARNINGS, gettext_lazy("Warnings")),
    (Level.ERRORS, gettext_lazy("Errors")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogShown:
    """A log as one asked for it."""

    look: LogLook
    level: Level
    search: str
    levels: list[tuple[StrOrPromise, str, bool]]
    """Word, address, whether it is the present one."""
    poll: str
    """The address of the same look, for a page that follows the log."""
    file: str

    @property
    def is_filtered(self) -> bool:
        return self.level is not Level.ALL or bool(self.search)


def log_of(run: JobRun, request: HttpRequest) -> LogShown:
    """By `?level=` and `?q=`; what is no level means all."""
    given = request.GET.get("level", "")
    level = Level(given) if given in set(Level) else Level.ALL
    search = request.GET.get("q", "")[:MOST_SEARCHED]
    return LogShown(
        look=look(run.pk, level=level, search=search),
        level=level,
        search=search,
        levels=[(word, f"?{_query(each, search)}#log", each is level) for each, word in _LEVELS],
        poll=f"{reverse('admin:scheduling_jobrun_live', args=[run.pk, 'log'])}?{_query(level, search)}",
        file=reverse("admin:scheduling_jobrun_log", args=[run.pk]),
    )


def file_of(run: JobRun) -> HttpResponseBase:
    """The whole log as it is stored, in English: programs, and people who are asked for help, know its words."""
    answer = StreamingHttpResponse(_pieces(run.pk), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="run-{run.pk}.txt"'
    return answer


def _pieces(run_id: int) -> Iterator[bytes]:
    written = 0
    texts = RunLog.objects.filter(run=run_id).order_by("seq").values_list("text", flat=True)
    for text in texts.iterator(chunk_size=50):
        piece = f"{text}\n".encode("utf-8", "replace")
        written += len(piece)
        if written > MOST_BYTES:
            yield f"(only the first {MOST_BYTES // 1_000_000} MB of the log stand here)\n".encode()
            return
        yield piece


def _query(level: Level, search: str) -> str:
    return urlencode({"level": level.value, **({"q": search} if search else {})})
