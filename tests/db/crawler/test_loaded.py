"""What a crawl's process does not load: each takes memory and processor time of every crawl."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
sys.modules["httpx._main"] = None  # the tools of development bring rich and click, which it would load
import django
django.setup()
import crawler.manager, crawler.management.commands.crawl
print(*(name for name in {names!r} if name in sys.modules))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="psutil is what asks other systems")
def test_a_crawl_loads_nothing_that_it_does_not_need() -> None:
    names = ("psutil", "tqdm", "yaml", "rest_framework.views", "crawler.admin", "scheduling.migrations.0001_initial")
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "crawlproject.settings",
        "SECRET_KEY": "x" * 50,
        "ENV_FILE": os.devnull,
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(names=names)],
        env=env,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == []
