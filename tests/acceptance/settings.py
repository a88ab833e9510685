"""The product's settings with the tests' own handlers beside its own."""

from __future__ import annotations

from crawlproject.settings import *  # noqa: F403
from crawlproject.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.acceptance.app"]
