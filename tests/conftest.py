"""What every test shares."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db import connection


def pytest_report_header() -> str:
    return f"database: {connection.vendor}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests ran on which database."""
    passed = len(terminalreporter.stats.get("passed", []))
    terminalreporter.write_line(f"{passed} tests passed on {connection.vendor}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Makes a skip a failure in CI. With xdist the reports of all workers are the first process's own by now."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or exitstatus != 0 or hasattr(session.config, "workerinput") or reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    forbidden = [report for report in skipped if "corpora" not in _reason(report.longrepr)]
    if forbidden:
        reporter.write_line("")
        reporter.write_line("In CI nothing may be skipped but for missing corpora:", red=True)
        for report in forbidden:
            reporter.write_line(f"  {report.nodeid}: {_reason(report.longrepr)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _reason(longrepr: object) -> str:
    """Why a test was skipped, without the file that says so."""
    return str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """A test that changes the language does not leave it to the next."""
    from django.utils import translation

    with translation.override("en"):
        yield
