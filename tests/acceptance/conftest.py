"""A product for each test, and the table of faults at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .faults import table
from .product import Product, Template


def pytest_configure(config: pytest.Config) -> None:
    table.configure(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    table.leave_out(config, items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    table.summarise(terminalreporter)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """One for all workers of pytest-xdist, whose folders lie in one."""
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    template = Template(folder / "template", os.environ.get("TEST_DATABASE_URL"))
    yield template
    template.drop()


@pytest.fixture
def product(template: Template, tmp_path: Path) -> Iterator[Product]:
    """An installation with an empty, migrated database that may crawl loopback."""
    with template.product(tmp_path, {"CRAWLER_ALLOWED_NETWORKS": "127.0.0.0/8"}) as product:
        yield product


@pytest.fixture
def faulty(product: Product) -> Product:
    """The product with the tests' own handlers, and what can be made to fail in its processes."""
    product.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.settings"
    return product


@pytest.fixture
def witness(request: pytest.FixtureRequest) -> table.Witness:
    """Says what a test did and saw, for the table."""
    return table.make_witness(request)
