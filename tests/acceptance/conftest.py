"""A product for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .product import Product, Template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    template = Template(tmp_path_factory.mktemp("template"), os.environ.get("TEST_DATABASE_URL"))
    yield template
    template.drop()


@pytest.fixture
def product(template: Template, tmp_path: Path) -> Iterator[Product]:
    """An installation with an empty, migrated database that may crawl loopback."""
    with template.product(tmp_path, {"CRAWLER_ALLOWED_NETWORKS": "127.0.0.0/8"}) as product:
        yield product
