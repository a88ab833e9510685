"""`make run` and `make demo` in a fresh copy of the repository: what they make, say, keep and end.

Nothing is installed: the copy's environment is the running one under a stamp of its own, and `uv` is a script that
writes down what it was asked.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from .product import ROOT, Row, T, wait_for

pytestmark = [pytest.mark.process, pytest.mark.frame]

NOT_COPIED = (".git", ".venv", "tests", "docs", "benchmarks")
SECONDS = 120
"""For what must come: the machine may be busy with the other tests."""


def free_ports(count: int) -> int:
    """The first of so many free ports that follow each other; none that a connection may be given by chance."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            for number in range(port, port + count):
                socket.create_server(("127.0.0.1", number)).close()
        except OSError:
            continue
        return port


def script(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)
    return path


@dataclass
class Make:
    """A `make` in the background, the leader of its process group as under a terminal."""

    process: subprocess.Popen[bytes]
    log: Path
    family: list[psutil.Process] = field(default_factory=list)

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, question: Callable[[], T], *, seconds: float = SECONDS, what: str) -> T:
        try:
            return wait_for(question, seconds=seconds, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from error

    def wait_for_line(self, pattern: str) -> str:
        """The first group of the pattern, once it has been printed."""

        def found() -> re.Match[str] | None:
            match = re.search(pattern, self.output())
            if match is None and self.process.poll() is not None:
                raise AssertionError(f"make ended with {self.process.returncode}")
            return match

        match = self.wait_for(found, what=pattern)
        assert match is not None
        return match[1]

    def remember_family(self) -> None:
        leader = psutil.Process(self.process.pid)
        self.family = [leader, *leader.children(recursive=True)]

    def interrupt(self) -> None:
        """Ctrl-C, and every process is gone within 15 s."""
        self.remember_family()
        assert len(self.family) > 1, "make has nothing to end"
        os.killpg(self.process.pid, signal.SIGINT)
        self.assert_family_ends()

    def assert_family_ends(self) -> None:
        _gone, alive = psutil.wait_procs(self.family, timeout=15)
        assert alive == []
        self.process.wait(timeout=1)

    def close(self) -> None:
        if self.process.poll() is None:
            self.remember_family()
            for process in reversed(self.family):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait(timeout=10)


@dataclass
class Copy:
    """A fresh copy of the repository."""

    folder: Path
    scratch: Path
    started: list[Make] = field(default_factory=list)

    @property
    def venv(self) -> Path:
        return self.scratch / "venv"

    @property
    def asked_of_uv(self) -> str:
        log = self.scratch / "uv.log"
        return log.read_text(encoding="utf-8") if log.exists() else ""

    def env(self) -> dict[str, str]:
        """A user's: nothing of the tests' own environment."""
        kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "TMPDIR")}
        return kept | {"PATH": f"{self.scratch / 'bin'}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}

    def use_running_environment(self) -> None:
        """Make $VENV of what the running one holds, stamped as installed."""
        self.venv.mkdir()
        for entry in Path(sys.prefix).iterdir():
            if not entry.name.startswith(".ready"):
                (self.venv / entry.name).symlink_to(entry)
        self.stamp()

    def stamp(self) -> None:
        digest = hashlib.sha256((self.folder / "requirements.txt").read_bytes()).hexdigest()
        (self.venv / ".ready").write_text(f"{digest}\n", encoding="ascii")

    def note_commands_alone(self) -> None:
        """`manage.py` prints what it is asked and ends, for a test of what comes before."""
        (self.folder / "manage.py").write_text('import sys\nprint("would", *sys.argv[1:])\n', encoding="utf-8")

    def _command(self, target: str, variables: dict[str, object]) -> list[str]:
        given = {"VENV": self.venv, "PYTHON": sys.executable} | variables
        return ["make", target, *(f"{name}={value}" for name, value in given.items())]

    def make(self, target: str, **variables: object) -> subprocess.CompletedProcess[str]:
        """Run a target to its end."""
        return subprocess.run(
            self._command(target, variables),
            cwd=self.folder,
            env=self.env(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def start(self, target: str, **variables: object) -> Make:
        log = self.scratch / f"make-{len(self.started)}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                self._command(target, variables),
                cwd=self.folder,
                env=self.env(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        make = Make(process, log)
        self.started.append(make)
        return make

    def sql(self, database: str, query: str) -> list[Row]:
        with closing(sqlite3.connect(self.folder / database, timeout=30)) as connection:
            rows: list[Row] = connection.execute(query).fetchall()
            connection.commit()
            return rows

    def assert_owner_alone_reads(self, folder: str) -> None:
        """The folder, and the database in it with its write-ahead log."""
        data = self.folder / folder
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in data.glob("lamplighter.sqlite3*")}
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert modes == dict.fromkeys([f"lamplighter.sqlite3{end}" for end in ("", "-wal", "-shm")], 0o600)

    def secret_key(self, path: str) -> str:
        """The key of a `.env` that its owner alone may read."""
        file = self.folder / path
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        [key] = re.findall(r"^SECRET_KEY=(\S{50,})$", file.read_text(encoding="utf-8"), re.MULTILINE)
        return str(key)


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines() if line]
    folder = tmp_path / "clone"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED, *ignored))
    copy = Copy(folder, tmp_path)
    script(
        tmp_path / "bin" / "uv",
        '[ "$1" != --version ] || exit 0',
        f'echo "$*" >>{tmp_path}/uv.log',
        f'exec {tmp_path}/bin/uv-does "$@"',
    )
    script(tmp_path / "bin" / "uv-does", "exit 0")
    yield copy
    for make in copy.started:
        make.close()


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def sentence_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that is not make's own."""
    assert done.returncode == 2, done.stdout + done.stderr
    [line] = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("make: ")]
    return line


# --- make run ---------------------------------------------------------------------------------------------------------
def make_administrator(link: str) -> None:
    with httpx.Client(trust_env=False, timeout=30) as client:
        form = client.get(link).raise_for_status().text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token is not None
        answer = client.post(
            link,
            data={
                "csrfmiddlewaretoken": token[1],
                "username": "ada",
                "email": "",
                "password1": "a-long-enough-pass",
                "password2": "a-long-enough-pass",
            },
        )
        assert answer.status_code == 302, answer.text


def networks_of(make: Make) -> str | None:
    """What the scheduler may crawl besides the internet, once it serves."""
    make.wait_for_line(r"(Serving on)")
    make.remember_family()
    [scheduler] = [process for process in make.family if "runscheduler" in process.cmdline()]
    return scheduler.environ().get("CRAWLER_ALLOWED_NETWORKS")


def test_first_run_makes_site_key_and_one_link_and_the_second_keeps_the_data(copy: Copy) -> None:
    copy.use_running_environment()
    port = free_ports(1)

    first = copy.start("run", PORT=port)
    link = first.wait_for_line(r"(http://\S+/setup/\S+)")
    assert link.startswith(f"http://127.0.0.1:{port}/")
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=30).status_code == 200
    assert first.output().count("/setup/") == 1
    assert copy.sql("data/lamplighter.sqlite3", "SELECT * FROM auth_user") == []
    copy.assert_owner_alone_reads("data")
    key = copy.secret_key(".env")
    make_administrator(link)
    first.interrupt()
    assert "Traceback" not in first.output()
    assert "Stopped." in first.output()

    second = copy.start("run", PORT=port)
    assert networks_of(second) is None
    wait_for(
        lambda: httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=30).status_code == 200,
        what="the site",
    )
    assert copy.sql("data/lamplighter.sqlite3", "SELECT username FROM auth_user") == [("ada",)]
    assert copy.secret_key(".env") == key
    second.interrupt()
    # The link is printed at once after `Serving on`, thus before the end.
    assert "/setup/" not in second.output()
    assert "Installing" not in first.output() + second.output()
    assert copy.asked_of_uv == ""


@pytest.mark.soak
def test_ctrl_c_in_the_midst_of_the_set_up_is_quiet_and_the_next_run_goes_on(copy: Copy) -> None:
    copy.use_running_environment()
    port = free_ports(1)
    first = copy.start("run", PORT=port)
    # Written first; the migrations follow.
    wait_for((copy.folder / ".env").is_file, seconds=SECONDS, what=".env")
    first.interrupt()
    assert "Traceback" not in first.output()
    assert "Serving on" not in first.output()
    copy.start("run", PORT=port).wait_for_line(r"(/setup/)")


# --- make demo --------------------------------------------------------------------------------------------------------
def test_demo_has_items_within_a_minute_in_a_database_of_its_own_and_alone_may_crawl_loopback(copy: Copy) -> None:
    copy.use_running_environment()
    demo = copy.start("demo", PORT=free_ports(2))
    assert networks_of(demo) == "127.0.0.1/32"
    found = demo.wait_for(
        lambda: copy.sql(".demo/lamplighter.sqlite3", "SELECT DISTINCT s.name FROM crawler_item i, crawler_spider s"),
        seconds=60,
        what="items",
    )
    assert found == [("demo-shop",)]
    assert copy.secret_key(".demo/env")
    assert not (copy.folder / ".env").exists()
    assert not (copy.folder / "data").exists()
    demo.interrupt()
    assert "Traceback" not in demo.output()
    assert "Stopped." in demo.output()


@pytest.mark.soak
def test_a_demo_that_only_make_is_told_to_end_ends_its_processes_too(copy: Copy) -> None:
    copy.use_running_environment()
    demo = copy.start("demo", PORT=free_ports(2))
    demo.wait_for_line(r"(Serving on)")
    demo.remember_family()
    demo.process.terminate()
    demo.assert_family_ends()
    assert "Traceback" not in demo.output()


# --- refusals ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("target", "offset"), [("run", 0), ("demo", 0), ("demo", 1)], ids=["run", "demo", "the demo's shop"]
)
def test_taken_port_is_one_sentence_before_anything_is_made(copy: Copy, target: str, offset: int) -> None:
    port = free_ports(2)
    with taken(port + offset):
        sentence = sentence_of(copy.make(target, PORT=port))
    assert f"127.0.0.1:{port + offset} cannot be listened on" in sentence
    assert f"make {target} PORT=" in sentence
    assert not copy.venv.exists()
    assert not (copy.folder / ".env").exists()
    assert not (copy.folder / ".demo").exists()


@pytest.mark.parametrize("port", ["http", "70000", "-1", "08000", ""])
def test_what_is_no_port_is_one_sentence(copy: Copy, port: str) -> None:
    assert f"PORT={port} is no port" in sentence_of(copy.make("run", PORT=port))


def test_a_demo_needs_ports_that_follow_each_other(copy: Copy) -> None:
    assert "PORT=0 is no port: give a number from 1 to" in sentence_of(copy.make("demo", PORT="0"))


def python_that(copy: Copy, what: str) -> Path:
    """The running Python, but with a line of Python before what `-c` gives."""
    return script(
        copy.scratch / "bin" / "python-that",
        f'[ "$1" = -c ] || exec {sys.executable} "$@"',
        f"exec {sys.executable} -c 'import platform, sys; {what}; exec(sys.argv[2])' \"$@\"",
    )


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ('sys.version_info = (3, 9, 18, "final", 0)', "Python 3.9.18 is too old: Lamplighter needs Python 3.11"),
        ('platform.libc_ver = lambda: ("", "")', "Lamplighter runs on Linux with glibc"),
        ('sys.modules["ensurepip"] = None', "install python3-venv (Debian: apt install python3-venv) or uv"),
    ],
    ids=["too old", "another C library", "no venv"],
)
def test_unfit_python_is_one_sentence_and_makes_nothing(copy: Copy, what: str, said: str) -> None:
    script(copy.scratch / "bin" / "uv", "exit 127")
    assert said in sentence_of(copy.make("run", PORT=free_ports(1), PYTHON=python_that(copy, what)))
    assert not copy.venv.exists()
    assert not (copy.folder / ".env").exists()


def test_absent_python_is_one_sentence(copy: Copy) -> None:
    said = sentence_of(copy.make("run", PORT=free_ports(1), PYTHON="python-of-nobody"))
    assert "There is no python-of-nobody here" in said


def test_folder_that_is_no_environment_is_left_alone(copy: Copy) -> None:
    copy.venv.mkdir()
    (copy.venv / "thesis.txt").write_text("mine", encoding="utf-8")
    assert "is there, but it is no virtual environment" in sentence_of(copy.make("run", PORT=free_ports(1)))
    assert (copy.venv / "thesis.txt").read_text(encoding="utf-8") == "mine"


# --- installing -------------------------------------------------------------------------------------------------------
def test_changed_requirements_are_installed_once(copy: Copy) -> None:
    copy.use_running_environment()
    requirements = copy.folder / "requirements.txt"
    requirements.write_text(requirements.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    copy.note_commands_alone()
    ports = [free_ports(1), free_ports(1)]

    said = [copy.make("run", PORT=port).stdout for port in ports]

    # Each went on: what needs the packages came after them.
    assert [lines.splitlines()[-2:] for lines in said] == [
        ["would setup", f"would runscheduler --web 127.0.0.1:{port}"] for port in ports
    ]
    installed = [line for line in copy.asked_of_uv.splitlines() if line.startswith("pip install")]
    assert len(installed) == 1
    assert f"--python {copy.venv}/bin/python --require-hashes --requirement requirements.txt" in installed[0]


def test_touched_requirements_are_not_installed_again(copy: Copy) -> None:
    copy.use_running_environment()
    os.utime(copy.folder / "requirements.txt", (2**31, 2**31))
    copy.note_commands_alone()
    assert "would setup" in copy.make("run", PORT=free_ports(1)).stdout
    assert copy.asked_of_uv == ""


def test_failed_install_leaves_no_environment_and_no_stamp(copy: Copy) -> None:
    # As uv would: an environment, and then no packages.
    script(
        copy.scratch / "bin" / "uv-does",
        f'[ -e {copy.venv} ] && {{ echo "No network." >&2; exit 1; }}',
        f"mkdir -p {copy.venv}/bin && ln -s {sys.executable} {copy.venv}/bin/python",
    )
    done = copy.make("run", PORT=free_ports(1))
    assert done.returncode == 2
    assert "No network." in done.stderr
    assert not copy.venv.exists()


def test_ctrl_c_in_the_midst_of_installing_leaves_no_environment(copy: Copy) -> None:
    script(
        copy.scratch / "bin" / "uv-does",
        f"[ ! -e {copy.venv} ] || exec sleep {SECONDS}",
        f"mkdir -p {copy.venv}/bin && ln -s {sys.executable} {copy.venv}/bin/python",
    )
    make = copy.start("run", PORT=free_ports(1))
    make.wait_for(lambda: "pip install" in copy.asked_of_uv, what="the installing")
    make.interrupt()
    assert not copy.venv.exists()
    assert "Traceback" not in make.output()


def test_failed_update_keeps_the_environment_without_a_stamp(copy: Copy) -> None:
    copy.use_running_environment()
    requirements = copy.folder / "requirements.txt"
    before = requirements.read_text(encoding="utf-8")
    requirements.write_text(before + "# changed\n", encoding="utf-8")
    script(copy.scratch / "bin" / "uv-does", "exit 1")
    assert copy.make("run", PORT=free_ports(1)).returncode == 2
    assert (copy.venv / "bin" / "python").exists()
    assert not (copy.venv / ".ready").exists()
