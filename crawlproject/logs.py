"""What logs leave out."""

from __future__ import annotations

import logging


class WithoutTheirFaults(logging.Filter):
    """Takes the traceback from the line of an answer 4xx: what somebody asked for wrongly is no error of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", None)
        if isinstance(status, int) and 400 <= status < 500:
            record.exc_info = record.exc_text = None
        return True
