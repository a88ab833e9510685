"""`manage.py crawl …`, which says at its end what the crawl took without the start of its process.

Alone means: from before the first request (the task and its start pages are being stored) until the last commit.
"""

from __future__ import annotations

import os
import sys

from benchmarks.peers.peer import Alone


def measure_alone() -> None:
    from crawler.engine.crawl import Crawl
    from crawler.engine.records import CrawlOutcome

    run = Crawl.run

    async def measured(crawl: Crawl) -> CrawlOutcome:
        alone = Alone()
        alone.begin()
        outcome = await run(crawl)
        alone.end()
        return outcome

    Crawl.run = measured  # type: ignore[method-assign]


if __name__ == "__main__":
    # The tools of development bring rich and click, with which httpx loads its command line; users have neither.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    os.environ["DJANGO_SETTINGS_MODULE"] = "crawlproject.settings"
    measure_alone()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", *sys.argv[1:]])
