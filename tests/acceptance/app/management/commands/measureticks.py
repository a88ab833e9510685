"""What ticks cost: `measureticks MOMENT` ticks at that moment until nothing is due any more, and prints figures."""

from __future__ import annotations

import json
import resource
import time
from datetime import datetime

import psutil
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from scheduling.timer import Timer


class Command(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("moment", type=datetime.fromisoformat)

    def handle(self, *args: object, moment: datetime, **options: object) -> None:
        timer = Timer(ring=lambda _ids: None)
        timer.open()
        connection.ensure_connection()
        before = psutil.Process().memory_info().rss
        seconds = []
        more = True
        while more:
            began = time.perf_counter()
            more = timer.tick(moment).more
            seconds.append(time.perf_counter() - began)
        # The peak is in KiB on Linux and in bytes on macOS.
        unit = 1 if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > before else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before
        self.stdout.write(json.dumps({"first": seconds[0], "all": sum(seconds), "ticks": len(seconds), "bytes": peak}))
