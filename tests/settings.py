"""Settings of the test run: those of the product, with nothing read from a `.env` file and nothing kept.

`TEST_DATABASE_URL` names the PostgreSQL server to test on; without it the tests run on SQLite.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

SCRATCH = Path(tempfile.gettempdir()) / f"lamplighter-tests-{os.getuid()}"
(SCRATCH / "static").mkdir(parents=True, exist_ok=True)

os.environ["ENV_FILE"] = os.devnull
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 50
os.environ["DATA_DIR"] = str(SCRATCH)
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", f"sqlite:///{SCRATCH / 'unused.sqlite3'}")

from crawlproject.settings import *  # noqa: E402, F403
from crawlproject.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"] == "crawlproject.sqlite":
    # A file and not memory: lanes are threads, and shared memory does not wait for locks as a file does.
    DATABASES["default"]["TEST"] = {"NAME": str(SCRATCH / f"test-{os.getpid()}.sqlite3")}

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each test starts without jobs; the product's own tests run on its own settings.
SCHEDULER_PREDEFINED_JOBS = False
