"""What is wrong in a definitions file, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .exceptions import CrawlerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong: the place in the document (``spiders[0].items[1].fields.price.typ``), and what to do."""

    message: str
    place: str = ""
    source: str = ""
    """The file's name, empty where the text came from elsewhere."""
    line: int | None = None

    def __str__(self) -> str:
        where = self.source
        if self.line is not None:
            where = f"{where}:{self.line}" if where else f"line {self.line}"
        return ": ".join(part for part in (where, self.place, self.message) if part)

    def as_dict(self) -> dict[str, str | int | None]:
        return {"place": self.place, "message": self.message, "file": self.source, "line": self.line}


class InvalidDefinitions(CrawlerError):
    """Definitions that cannot be honoured; `problems` holds everything found, never the first alone."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
