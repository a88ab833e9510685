"""Loading: the database becomes what the definitions say, all of it or nothing.

What is to be written is worked out before the transaction begins, which on SQLite keeps everybody else from writing;
in it there are only a look whether all is still as it was read, and the writing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction

from crawler.exceptions import CrawlerError
from scheduling.definitions import save_many

from .file import Definitions
from .preparing import Prepared, locked_ground, prepare
from .report import LoadReport
from .spiders import save_spiders

_ATTEMPTS = 5


class DefinitionsBusy(CrawlerError):
    """Whatever was prepared, somebody changed what it rests on before it could be written. Nothing was written."""


class _Overtaken(Exception):
    """Something that was read has changed since."""


def load(
    definitions: Definitions,
    *,
    dry_run: bool = False,
    user: AbstractBaseUser | None = None,
    agree: Callable[[Prepared], None] = lambda prepared: None,
) -> LoadReport:
    """Save every spider and job, in one transaction. What the definitions do not name is left as it is.

    A dry run reads alone, and finds what a load would find. `agree` sees what is about to be written, and may raise.

    Raises:
        InvalidDefinitions: with all that is wrong, in the files and with the jobs; nothing was written.
        DefinitionsBusy
    """
    for _attempt in range(_ATTEMPTS):
        prepared = prepare(definitions)
        if dry_run:
            return prepared.report
        agree(prepared)
        try:
            _write(definitions, prepared, user)
        except _Overtaken:
            continue
        return replace(prepared.report, dry_run=False)
    raise DefinitionsBusy("what is defined is being changed by somebody else all the time; try again")


def _write(definitions: Definitions, prepared: Prepared, user: AbstractBaseUser | None) -> None:
    try:
        with transaction.atomic():
            if locked_ground(definitions) != prepared.ground:
                raise _Overtaken
            save_spiders(prepared.spiders, user=user, at=prepared.at)
            save_many(prepared.new_jobs, prepared.changed_jobs, user=user, now=prepared.at)
    except IntegrityError as error:
        # Somebody created one of them between our look and our insert.
        raise _Overtaken from error
