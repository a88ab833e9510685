"""The app's own errors as problem documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound

from crawlproject.web.problems import Conflict, FieldErrors
from scheduling.exceptions import (
    InvalidJob,
    InvalidJobData,
    InvalidTrigger,
    JobExists,
    JobNotFound,
    RunConflict,
    UnknownHandler,
)


@contextmanager
def as_problems() -> Iterator[None]:
    """Turn what the definitions refuse into 400, 404 and 409."""
    try:
        yield
    except InvalidJob as error:
        raise FieldErrors(error.problems) from error
    except InvalidTrigger as error:
        raise FieldErrors([(f"trigger.{error.place}".rstrip("."), error.message)]) from error
    except InvalidJobData as error:
        raise FieldErrors([(f"job_data.{error.place}".rstrip("."), error.message)]) from error
    except UnknownHandler as error:
        # Of a stored schedule: that of a document is among its problems.
        raise Conflict(str(error)) from error
    except JobExists as error:
        raise Conflict(str(error)) from error
    except JobNotFound as error:
        raise NotFound(str(error)) from error
    except RunConflict as error:
        raise Conflict(str(error)) from error


def refuse_empty(since: datetime, until: datetime) -> None:
    """Raises `FieldErrors` where nothing can lie between two moments."""
    if since >= until:
        message = _("“since” (%(since)s) must lie before “until” (%(until)s).")
        values = {"since": timezone.localtime(since).isoformat(), "until": timezone.localtime(until).isoformat()}
        raise FieldErrors([("since", message % values)])
