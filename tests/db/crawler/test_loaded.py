"""What a process does not load: each takes memory and processor time of every start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_database

SETUP = """
import sys
sys.modules["httpx._main"] = None  # the tools of development bring rich and click, which it would load
import django
django.setup()
"""
CRAWL = "import crawler.manager, crawler.management.commands.crawl"
ENGINE = (
    "crawler.engine.crawl",
    "crawler.manager",
    "crawler.account.explaining",
    "httpx",
    "turbohtml",
    "jmespath",
    "re2",
)
SITE = ("crawlproject.urls", "crawler.admin", "scheduling.admin", "rest_framework.views")
COMMANDS = """
from contextlib import suppress
from django.core.management import call_command, execute_from_command_line
call_command("migrate", verbosity=0)
call_command("createsuperuser", interactive=False, username="ada", email="", verbosity=0)
for name in ("schedulerstatus", "upcoming"):
    with suppress(SystemExit):
        execute_from_command_line(["manage.py", name])
"""


def loaded(code: str, names: tuple[str, ...], tmp_path: Path) -> list[str]:
    """Run `code` in a new process of the product; which of the modules `names` are loaded in the end."""
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {
        "DJANGO_SETTINGS_MODULE": "crawlproject.settings",
        "SECRET_KEY": "x" * 50,
        "ENV_FILE": os.devnull,
        "DATA_DIR": str(tmp_path),
    }
    told = f"print('loaded:', *(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{SETUP}\n{code}\n{told}"],
        env=env,
        cwd=Path(__file__).parents[3],
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rpartition("loaded:")[2].split()


@pytest.mark.skipif(sys.platform != "linux", reason="psutil is what asks other systems")
def test_a_crawl_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    names = (
        "psutil",
        "tqdm",
        "yaml",
        "rest_framework.views",
        "crawler.admin",
        "crawler.exports",
        "scheduling.migrations.0001_initial",
    )

    assert loaded(f'{CRAWL}\nfrom scheduling import registry\nregistry.get("crawl").load()', names, tmp_path) == []


def test_commands_that_do_not_crawl_load_no_crawl_engine(tmp_path: Path) -> None:
    assert loaded(COMMANDS, (*ENGINE, *SITE), tmp_path) == []


def test_a_further_process_of_the_scheduler_loads_no_site(tmp_path: Path) -> None:
    code = """
from django.core.management import call_command, execute_from_command_line
call_command("migrate", verbosity=0)
execute_from_command_line(["manage.py", "runscheduler", "--follow"])
"""
    assert loaded(code, ("crawler.crawling", *SITE), tmp_path) == ["crawler.crawling"]


def test_what_writes_workbooks_is_loaded_by_those_who_ask_for_one(tmp_path: Path) -> None:
    code = "from crawler.exports import formats\nassert 'xlsx' in formats()"
    assert loaded(code, ("xlsxwriter",), tmp_path) == []


def test_who_executes_runs_loads_all_that_they_need_before_the_first(tmp_path: Path) -> None:
    code = "from scheduling import registry\nregistry.load()"
    needed = (
        "crawler.crawling",
        "crawler.engine.crawl",
        "crawler.fan_out",
        "crawler.account.reporting",
        "scheduling.maintenance",
    )

    assert loaded(code, needed, tmp_path) == list(needed)
