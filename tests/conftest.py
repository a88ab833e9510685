"""What every test shares."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db import connection


def pytest_report_header() -> str:
    return f"database: {connection.vendor}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests ran on which database, and makes a skip a failure in CI."""
    passed = len(terminalreporter.stats.get("passed", []))
    terminalreporter.write_line(f"{passed} tests passed on {connection.vendor}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if not os.environ.get("CI") or exitstatus != 0 or hasattr(session.config, "workerinput"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    forbidden = [report for report in skipped if "corpora" not in str(report.longrepr)]
    if forbidden:
        reporter.write_line("In CI nothing may be skipped but for missing corpora:", red=True)
        for report in forbidden:
            reporter.write_line(f"  {report.nodeid}: {report.longrepr}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """A test that changes the language does not leave it to the next."""
    from django.utils import translation

    with translation.override("en"):
        yield
