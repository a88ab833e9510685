"""What every test shares."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings

# On a busy machine nothing is too slow. With $CI set Hypothesis' own profile says so, and draws the same each time.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if not os.environ.get("CI"):
    settings.load_profile("patient")


def pytest_report_header() -> str:
    return f"database: {connection.vendor}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests ran on which database."""
    passed = len(terminalreporter.stats.get("passed", []))
    terminalreporter.write_line(f"{passed} tests passed on {connection.vendor}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads the tests that wait for processes of the product evenly among those that compute.

    Several workers that wait at once leave the machine idle.
    """
    waiting = [item for item in items if item.get_closest_marker("process")]
    computing = [item for item in items if not item.get_closest_marker("process")]
    if not waiting or not computing:
        return
    each = len(computing) / len(waiting)
    for number, item in reversed(list(enumerate(waiting))):
        computing.insert(round(number * each), item)
    items[:] = computing


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
