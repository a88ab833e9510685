"""Which code this process runs: written with each run and each process."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from django.conf import settings

_REF = re.compile(r"ref: (refs/\S+)")


@cache
def code_version() -> str:
    """Return the setting `CODE_VERSION`, else the checked-out commit (12 digits), else an empty text.

    The files of git are read, no git is run: a deployment may have the one without the other.
    """
    given = str(getattr(settings, "CODE_VERSION", ""))
    return given[:64] or _commit(Path(settings.BASE_DIR) / ".git")[:12]


def _commit(git: Path) -> str:
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if not (ref := _REF.fullmatch(head)):
            return head
        loose = git / ref[1]
        if loose.is_file():
            return loose.read_text(encoding="ascii").strip()
        for line in (git / "packed-refs").read_text(encoding="ascii").splitlines():
            commit, _, name = line.partition(" ")
            if name == ref[1]:
                return commit
    except (OSError, UnicodeDecodeError):
        pass
    return ""
