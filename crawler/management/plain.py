"""What this app's commands share: errors as sentences, files that appear whole."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from difflib import get_close_matches
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, OutputWrapper
from django.db import DatabaseError

from crawler.engine.errors import DefinitionError, EngineError
from crawler.exceptions import CrawlerError
from crawler.models import Spider
from crawler.problems import InvalidDefinitions
from scheduling.exceptions import SchedulingError


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what a person can mend into sentences on stderr and exit code 2, never a traceback.

    Write within it: whoever reads our output may leave early (`| head`), which ends the process without a word.
    """
    try:
        yield
        sys.stdout.flush()
    except (InvalidDefinitions, DefinitionError) as error:
        raise CommandError(several([str(problem) for problem in error.problems]), returncode=2) from error
    except (CrawlerError, EngineError, SchedulingError, ImproperlyConfigured) as error:
        raise CommandError(str(error), returncode=2) from error
    except DatabaseError as error:
        sentence = str(error).strip().partition("\n")[0]
        raise CommandError(f"the database: {sentence} (is `manage.py migrate` done?)", returncode=2) from error
    except BrokenPipeError:
        # The interpreter flushes once more at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        raise CommandError(f"{error.filename or 'output'}: {error.strerror or error}", returncode=2) from error


def several(lines: list[str]) -> str:
    """One problem on the line itself; more of them one a line."""
    if len(lines) == 1:
        return lines[0]
    return "\n".join([f"{len(lines)} problems; nothing was changed:", *(f"  {line}" for line in lines)])


def find_spider(name: str) -> Spider:
    """Raises `CommandError` naming the nearest."""
    spider = Spider.objects.filter(name=name).first()
    if spider is not None:
        return spider
    near = get_close_matches(name, Spider.objects.values_list("name", flat=True), n=1)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    raise CommandError(f'There is no spider "{name}".{hint}', returncode=2)


def write_out(pieces: Iterator[bytes], *, output: str, stdout: OutputWrapper) -> None:
    """Write to the file `output`, which appears whole or not at all, or to standard output where it is empty."""
    # A generator over the database's rows is closed now, and not when the connection is gone.
    with closing(pieces) if isinstance(pieces, Generator) else nullcontext():
        if output:
            _write_file(pieces, Path(output))
        else:
            _write_stream(pieces, stdout)


def _write_stream(pieces: Iterator[bytes], stdout: OutputWrapper) -> None:
    stream = getattr(stdout, "buffer", None)
    for piece in pieces:
        if stream is None:
            stdout.write(piece.decode(), ending="")
        else:
            stream.write(piece)
    stdout.flush()


def _write_file(pieces: Iterator[bytes], path: Path) -> None:
    if path.exists() and not path.is_file():
        # /dev/stdout, a named pipe: nothing to be replaced
        with path.open("wb") as file:
            file.writelines(pieces)
        return
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            # The draft is our affair.
            error.filename = str(path)
        raise
