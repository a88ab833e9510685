"""The commands: sentences and exit codes, for people and for programs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from crawler.definitions import save_spider
from crawler.models import CrawlTask, Item, Spider
from crawler.secrets import set_secret
from scheduling.models import JobRun, Process
from tests.db.processes import make_process
from tests.servers.sites import SiteServer

from .documents import BOOKS, make_spider, site_spider

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str) -> tuple[str, int]:
    """Standard output and the exit code; a `CommandError` rises."""
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out)
    except SystemExit as error:
        return out.getvalue(), int(str(error.code))
    return out.getvalue(), 0


def refused(*arguments: str) -> tuple[str, int]:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return str(caught.value), caught.value.returncode


@pytest.fixture
def books(tmp_path: Path) -> str:
    path = tmp_path / "books.yaml"
    path.write_text(BOOKS)
    return str(path)


@pytest.mark.django_db
def test_loading_and_dumping_meet(books: str, tmp_path: Path) -> None:
    set_secret("shop-token", "Bearer abc123")
    assert run("loaddefinitions", books, "--dry-run")[0].splitlines()[-1].startswith("2 added")
    assert run("loaddefinitions", books)[0].splitlines()[-1] == "2 added, 0 changed, 0 unchanged"
    for name, flags in (("dump.yaml", []), ("dump.json", ["--json"])):
        path = str(tmp_path / name)
        assert run("dumpdefinitions", "--output", path, *flags) == ("", 0)
        report = json.loads(run("loaddefinitions", path, "--json")[0])
        assert (report["added"], report["changed"], report["warnings"]) == ([], [], [])
        assert {"kind": "spider", "name": "books"} in report["unchanged"]
    assert run("dumpdefinitions")[0] == (tmp_path / "dump.yaml").read_text()


@pytest.mark.django_db
def test_several_files_are_one_load(books: str, tmp_path: Path) -> None:
    spiders, jobs = tmp_path / "spiders.yaml", tmp_path / "jobs.yaml"
    middle = BOOKS.index("jobs:")
    spiders.write_text(BOOKS[:middle])
    jobs.write_text(BOOKS[middle:])
    assert run("loaddefinitions", str(jobs), str(spiders))[0].splitlines()[-1] == "2 added, 0 changed, 0 unchanged"


@pytest.mark.django_db
def test_all_problems_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(BOOKS.replace("follow:", "folow:").replace("0 2 * * *", "61 2 * * *"))
    message, code = refused("loaddefinitions", str(path))
    lines = message.splitlines()
    assert lines[0] == "2 problems; nothing was changed:"
    assert lines[1] == f'  {path}:5: spiders[0].folow: unknown key "folow"; did you mean "follow"?'
    assert lines[2].startswith(f"  {path}:21: jobs[0].trigger.cron: ")
    assert code == 2
    assert not Spider.objects.exists()


@pytest.mark.django_db
def test_problems_for_programs_have_place_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(BOOKS.replace("follow:", "folow:"))
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("loaddefinitions", str(path), "--json", stdout=out)
    assert json.loads(out.getvalue())["problems"] == [
        {
            "place": "spiders[0].folow",
            "message": 'unknown key "folow"; did you mean "follow"?',
            "file": str(path),
            "line": 5,
        }
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a: 1\nb: \xff", ":2: not UTF-8; save the file in that encoding"), (b"", ": the file is empty")],
)
def test_a_file_that_cannot_be_read_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    assert refused("loaddefinitions", str(path)) == (f"{path}{message}", 2)


@pytest.mark.django_db
def test_a_file_that_is_not_there_is_named() -> None:
    assert refused("loaddefinitions", "/no/such.yaml") == ("/no/such.yaml: No such file or directory", 2)
    assert refused("dumpdefinitions", "--output", "/no/such.yaml") == ("/no/such.yaml: No such file or directory", 2)


@pytest.mark.django_db(transaction=True)
def test_a_crawl_prints_one_object_last(site: SiteServer) -> None:
    save_spider(site_spider(site.url))
    text, code = run("crawl", "books", "--json")
    found = json.loads(text.splitlines()[-1])
    run_row = JobRun.objects.get()
    seconds, causes = found.pop("seconds"), found.pop("causes")
    assert found == {
        "status": "completed", "pages": 3, "items": 2, "items_new": 2, "items_changed": 0, "items_gone": 0,
        "items_returned": 0, "errors": 0,
        "bytes": sum(len(page) for page in sent(site)), "reasons": CrawlTask.objects.get().reasons,
        "message": run_row.message, "notes": "", "run": run_row.pk, "task_id": CrawlTask.objects.get().task_id,
    }  # fmt: skip
    assert found["reasons"]["unreadable_value"] == 1
    assert [cause["key"] for cause in causes] == ["unreadable_value", "no_url", "out_of_scope"]
    assert 0 < seconds < 60
    assert code == 0
    assert (run_row.cause, run_row.owner.kind if run_row.owner else "") == ("command", Process.Kind.COMMAND)


def sent(site: SiteServer) -> list[bytes]:
    """Bodies of the pages, robots.txt left out."""
    return [site._pages[target].whole.partition(b"\r\n\r\n")[2] for target in site.targets() if target != "/robots.txt"]


@pytest.mark.django_db(transaction=True)
def test_a_second_crawl_says_what_changed(site: SiteServer) -> None:
    save_spider(site_spider(site.url))
    run("crawl", "books")
    site.replace("/book/1", b"<h1>One</h1><p class=price>9.99</p>")
    found = json.loads(run("crawl", "books", "--json")[0].splitlines()[-1])
    assert (found["pages"], found["items_new"], found["items_changed"]) == (3, 0, 1)


@pytest.mark.django_db(transaction=True)
def test_a_crawl_says_what_went_and_what_came_back(site: SiteServer) -> None:
    save_spider(site_spider(site.url))
    run("crawl", "books")
    book = site._pages.pop("/book/1")
    assert " (0 new, 0 changed, 1 gone), 1 error" in run("crawl", "books")[0]
    site._pages["/book/1"] = book
    assert " (0 new, 0 changed, 1 came back), 0 errors" in run("crawl", "books")[0]


@pytest.mark.django_db(transaction=True)
def test_given_urls_are_read_alone(site: SiteServer) -> None:
    save_spider(site_spider(site.url))
    text, code = run("crawl", "books", "--url", f"{site.url}/book/1", "--url", f"{site.url}/book/2")
    assert text.startswith("Completed in ")
    assert ": 2 pages, 2 items (2 new, 0 changed), 0 errors, " in text
    assert code == 0
    assert "/" not in site.targets()
    assert Item.objects.count() == 2
    assert ": 1 page, 1 item (0 new, 0 changed), 0 errors, " in run("crawl", "books", "--url", f"{site.url}/book/1")[0]
    assert JobRun.objects.latest("pk").message == "1 page, 0 unchanged; 1 item read, 0 new, 0 changed."


@pytest.mark.django_db(transaction=True)
def test_a_crawl_without_an_answer_fails_with_its_reason(site: SiteServer) -> None:
    save_spider(site_spider(site.url, start_urls=[f"{site.url}/nowhere"]))
    text, code = run("crawl", "books", "--json")
    found = json.loads(text.splitlines()[-1])
    assert (found["status"], found["errors"], found["reasons"], code) == ("failed", 1, {"http_404": 1}, 1)
    assert run("crawl", "books")[0].startswith("Failed in ")


@pytest.mark.django_db(transaction=True)
def test_a_missing_secret_fails_the_crawl_and_is_named(site: SiteServer) -> None:
    save_spider(site_spider(site.url, manners={"headers": {"X-Token": {"secret": "token"}}}))
    text, code = run("crawl", "books")
    assert 'no secret is stored under "token"' in text
    assert code == 1
    assert site.targets() == []


@pytest.mark.django_db(transaction=True)
def test_a_busy_spider_is_refused_naming_the_run() -> None:
    save_spider(make_spider())
    now = timezone.now()
    process = make_process()
    busy = JobRun.objects.create(
        job_key="x", job_name="x", cause="manual", scheduled_time=now, available_at=now, queued_at=now, started_at=now,
        state="running", owner=process, claim=1, exclusive_key="spider:books",
    )  # fmt: skip
    message = f'spider "books" is being crawled by run #{busy.pk}; --wait waits for its end'
    assert refused("crawl", "books", "--json") == (message, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["boks"], 'There is no spider "boks". Did you mean "books"?'),
        (["books", "--url", "https://else.example/"], "--url: https://else.example/ is outside the domains"),
        (["books", "--url", "https://x.example", "--url", "nope"], "--url: "),
    ],
)
def test_wrong_usage_of_crawl_is_said_and_nothing_is_recorded(arguments: list[str], message: str) -> None:
    save_spider(make_spider())
    text, code = refused("crawl", *arguments)
    assert text.startswith(message)
    assert code == 2
    assert not JobRun.objects.exists()


def manage(*arguments: str, database: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{database}",
        "DATA_DIR": str(database.parent),
        "DJANGO_SETTINGS_MODULE": "crawlproject.settings",
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.process
@pytest.mark.any_database
def test_a_reader_that_leaves_early_ends_the_command_without_a_word(tmp_path: Path) -> None:
    database = tmp_path / "x.sqlite3"
    migrate = manage("migrate", "-v0", database=database)
    migrate.communicate()
    assert migrate.returncode == 0
    process = manage("dumpdefinitions", database=database)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(30) == 1


@pytest.mark.process
def test_a_database_without_tables_is_a_sentence(tmp_path: Path) -> None:
    process = manage("exportitems", "x", "--format", "csv", database=tmp_path / "x.sqlite3")
    out, error = process.communicate(timeout=30)
    assert (out, process.returncode) == ("", 2)
    assert error.splitlines()[-1].startswith("CommandError: the database: no such table")
    assert "Traceback" not in error
