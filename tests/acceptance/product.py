"""One installation of the product, as its users have it: processes, commands, REST; no import of its code.

Each has a folder and a database of its own (a copy of a migrated template). State is read by REST, by commands and,
where a test counts rows, by plain SQL on a connection of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
import psycopg
from django.contrib.auth.hashers import PBKDF2PasswordHasher

ROOT = Path(__file__).resolve().parent.parent.parent
T = TypeVar("T")
Row = tuple[object, ...]


def wait_for(question: Callable[[], T], *, seconds: float = 30.0, what: str = "the condition") -> T:
    """Ask until the answer is true, and return it. Raises `AssertionError` naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds:g} s (last answer: {answer!r})")
        time.sleep(0.05)


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """One process at a time holds the file's lock."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass
class Running:
    """A process of the product that was started in the background."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(timeout=10)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def terminate(self, *, seconds: float = 60.0) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=seconds)


@dataclass
class Product:
    folder: Path
    database_url: str
    environment: dict[str, str] = field(default_factory=dict)
    started: list[Running] = field(default_factory=list)
    shared: Path | None = None
    """A folder that it has in common with other installations."""

    # --- processes and commands ---------------------------------------------------------------------------------------
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR", "CI")}
        return (
            kept
            | {
                "DJANGO_SETTINGS_MODULE": "crawlproject.settings",
                "ENV_FILE": os.devnull,
                "SECRET_KEY": "acceptance-" + "k" * 50,
                "DATA_DIR": str(self.folder),
                "DATABASE_URL": self.database_url,
                "PYTHONUNBUFFERED": "1",
                "PYTHONPATH": str(ROOT),
            }
            | self.environment
        )

    def manage(
        self, *arguments: str, check: bool = True, seconds: float = 120.0, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `manage.py …` to its end."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.env(),
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"manage.py {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def start(self, *arguments: str, name: str = "") -> Running:
        """Start `manage.py …` in the background; it ends with the test."""
        return self.start_process([sys.executable, str(ROOT / "manage.py"), *arguments], name=name or arguments[0])

    def start_process(self, command: Sequence[str], *, name: str) -> Running:
        log = self.folder / f"{name}-{len(self.started)}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command, env=self.env(), cwd=self.folder, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
            )
        running = Running(name, process, log)
        self.started.append(running)
        return running

    def start_scheduler(self, *arguments: str) -> Running:
        """A `runscheduler` that is seen alive by `schedulerstatus`."""
        scheduler = self.start("runscheduler", *arguments)

        def up() -> bool:
            if scheduler.process.poll() is not None:
                raise AssertionError(f"runscheduler ended at once:\n{scheduler.output()}")
            return any(pid == scheduler.pid for _id, pid in self.alive())

        wait_for(up, what="the scheduler's start")
        return scheduler

    def alive(self) -> list[Row]:
        return self.sql("SELECT id, pid FROM scheduling_process WHERE state = 'alive' AND kind <> 'command'")

    def close(self) -> None:
        for running in self.started:
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGCONT)
                running.process.kill()
                running.process.wait(timeout=10)

    def collect_static(self) -> None:
        """The site's files: collected for the first that asks, and linked to by the others."""
        if self.shared is None:
            self.manage("collectstatic", "--noinput", "-v", "0")
            return
        collected = self.shared / "static"
        with only_one(self.shared / "lock"):
            if not collected.exists():
                self.manage("collectstatic", "--noinput", "-v", "0")
                (self.folder / "static").rename(collected)
        (self.folder / "static").symlink_to(collected)

    # --- definitions --------------------------------------------------------------------------------------------------
    def load(self, *, spiders: Sequence[Mapping[str, object]] = (), jobs: Sequence[Mapping[str, object]] = ()) -> None:
        """Save definitions by `manage.py loaddefinitions`."""
        path = self.folder / f"definitions-{uuid.uuid4().hex}.json"
        path.write_text(json.dumps({"spiders": list(spiders), "jobs": list(jobs)}), encoding="utf-8")
        self.manage("loaddefinitions", str(path))

    # --- rows ---------------------------------------------------------------------------------------------------------
    def sql(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Rows of a query, with `?` for parameters on both databases."""
        if self.database_url.startswith("sqlite"):
            connection = sqlite3.connect(self.database_url.removeprefix("sqlite:///"), timeout=30)
            try:
                rows: list[Row] = connection.execute(query, tuple(parameters)).fetchall()
                connection.commit()
                return rows
            finally:
                connection.close()
        with psycopg.connect(self.database_url) as postgres:
            cursor = postgres.execute(query.replace("%", "%%").replace("?", "%s").encode(), tuple(parameters))
            return cursor.fetchall() if cursor.description else []

    def one(self, query: str, parameters: Sequence[object] = ()) -> object:
        """The one value of a query."""
        ((value,),) = self.sql(query, parameters)
        return value

    def items(self, spider: str) -> dict[str, dict[str, object]]:
        """Data of a spider's items by key."""
        rows = self.sql(
            "SELECT i.key, i.data FROM crawler_item i JOIN crawler_spider s ON s.id = i.spider_id "
            "WHERE s.name = ? AND i.gone_at IS NULL",
            [spider],
        )
        return {str(key): json.loads(data) if isinstance(data, str) else dict(data) for key, data in rows}  # type: ignore[call-overload]

    # --- REST ---------------------------------------------------------------------------------------------------------
    def create_superuser(self, name: str = "ada", password: str = "a-long-enough-pass") -> str:
        """Rows as `createsuperuser` and knox write them, without a process for each; returns an API token."""
        # A single round, for it is the tests' password: checking it costs the site less.
        hashed = PBKDF2PasswordHasher().encode(password, secrets.token_hex(11), iterations=1)
        self.sql(
            "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, "
            "is_active, date_joined) VALUES (?, ?, '', '', 'ada@example.org', ?, ?, ?, CURRENT_TIMESTAMP)",
            [name, hashed, True, True, True],
        )
        token = secrets.token_hex(32)
        self.sql(
            "INSERT INTO knox_authtoken (digest, token_key, created, user_id) "
            "SELECT ?, ?, CURRENT_TIMESTAMP, id FROM auth_user WHERE username = ?",
            [hashlib.sha512(token.encode()).hexdigest(), token[:15], name],
        )
        return token

    @contextmanager
    def client(self, base_url: str) -> Iterator[httpx.Client]:
        """A REST client with a superuser's token."""
        headers = {"Authorization": f"Token {self.create_superuser()}"}
        with httpx.Client(base_url=base_url, headers=headers, timeout=30, trust_env=False) as client:
            yield client


class Template:
    """A migrated database from which each test's own is copied; one for all processes that name the same folder."""

    def __init__(self, folder: Path, server_url: str | None) -> None:
        self.folder = folder
        self.server_url = server_url
        folder.mkdir(exist_ok=True)
        self.users = folder / "users"
        """The template's name, then a line for each process that copies it."""
        with only_one(folder / "lock"):
            lines = self.users.read_text().splitlines() if self.users.exists() else []
            self.name = lines[0] if lines else self._make()
            self.users.write_text("\n".join([self.name, *lines[1:], str(os.getpid())]))

    def _make(self) -> str:
        name = f"lamp_template_{uuid.uuid4().hex[:8]}"
        if self.server_url is not None:
            self._execute(f'CREATE DATABASE "{name}"')
        Product(self.folder, self._url(name)).manage("migrate", "-v", "0")
        return name

    def _url(self, name: str) -> str:
        if self.server_url is None:
            return f"sqlite:///{self.folder / name}.sqlite3"
        head, question, query = self.server_url.partition("?")
        return f"{head.rpartition('/')[0]}/{name}{question}{query}"

    def _execute(self, statement: str) -> None:
        assert self.server_url is not None
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def product(self, folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Product]:
        name = f"lamp_{uuid.uuid4().hex[:12]}"
        if self.server_url is None:
            shutil.copy(self.folder / f"{self.name}.sqlite3", self.folder / f"{name}.sqlite3")
        else:
            self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{self.name}"')
        product = Product(folder, self._url(name), dict(environment or {}), shared=self.folder)
        try:
            yield product
        finally:
            product.close()
            if self.server_url is not None:
                self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def drop(self) -> None:
        """The last to use it drops it; who comes later makes another."""
        with only_one(self.folder / "lock"):
            name, *users = self.users.read_text().splitlines()
            users.remove(str(os.getpid()))
            if users:
                self.users.write_text("\n".join([name, *users]))
                return
            self.users.unlink()
            if self.server_url is not None:
                self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
