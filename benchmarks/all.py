"""All benchmarks, one after the other, as they are by default (SQLite): three quarters of an hour.

python -m benchmarks.all
"""

from __future__ import annotations

import subprocess
import sys

from .measuring import ROOT

NAMES = (
    "tick",
    "overdue",
    "edit_latency",
    "schedule_load",
    "page_cost",
    "article_text",
    "manners",
    "crawl_vs_scrapy",
    "processes",
    "million_urls",
    "admin_pages",
)


def main() -> int:
    ended = [subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=False) for name in NAMES]
    return max(done.returncode for done in ended)


if __name__ == "__main__":
    sys.exit(main())
