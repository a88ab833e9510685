"""Django's settings, all read from the environment (or from the `.env` file that `manage.py setup` writes).

docs/settings.md holds the table of the variables. The environment wins over `.env`.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _
from environs import Env

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
ENV_FILE = Path(os.environ.get("ENV_FILE", BASE_DIR / ".env"))
if ENV_FILE.is_file():
    env.read_env(str(ENV_FILE), recurse=False)


def _secret_key() -> str:
    """Empty until `manage.py setup` has written one: Django then refuses to start anything that needs it."""
    if path := env.str("SECRET_KEY_FILE", ""):
        return Path(path).read_text(encoding="utf-8").strip()
    return env.str("SECRET_KEY", "")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


# --- site -------------------------------------------------------------------------------------------------------------
SECRET_KEY = _secret_key()
DEBUG = env.bool("DEBUG", False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
HTTPS = env.bool("HTTPS", False)

DATA_DIR = Path(env.str("DATA_DIR", str(BASE_DIR / "data")))
FIELD_KEY = env.str("FIELD_KEY", "")
"""Fernet keys for stored secrets, the newest first, separated by commas; empty: derived from SECRET_KEY."""

INSTALLED_APPS = [
    # Before the admin, some of whose templates it replaces.
    "crawlproject.apps.CrawlprojectConfig",
    "crawlproject.apps.LamplighterAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "knox",
    # Before `scheduling`, which unregisters its admin.
    "django_apscheduler",
    "scheduling",
    "crawler",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "crawlproject.middleware.request_limits",
    "crawlproject.middleware.content_security_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "crawlproject.middleware.direction_marks",  # within what counts the bytes
]

ROOT_URLCONF = "crawlproject.urls"
WSGI_APPLICATION = "crawlproject.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["crawlproject.templatetags.lamplighter"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- database ---------------------------------------------------------------------------------------------------------
SQLITE_OPTIONS = {
    # A writer takes its lock at BEGIN: a read that turned into a write half-way would fail without waiting.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    # The write-ahead log goes back into the database after 32 MB: with SQLite's 4 every large tick would wait for it.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=8000;",
}
SCHEDULER_MAX_WORKERS = env.int("SCHEDULER_MAX_WORKERS", 4)
WEB_THREADS = env.int("WEB_THREADS", 8)


def _database() -> dict[str, object]:
    config: dict[str, object] = dict(
        env.dj_db_url("DATABASE_URL", f"sqlite:///{DATA_DIR / 'lamplighter.sqlite3'}", conn_health_checks=True)
    )
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["ENGINE"] = "crawlproject.sqlite"
        config["OPTIONS"] = SQLITE_OPTIONS
        config["CONN_MAX_AGE"] = None
    elif config["ENGINE"] == "django.db.backends.postgresql":
        given = config.get("OPTIONS")
        config["OPTIONS"] = (given if isinstance(given, dict) else {}) | {
            # Lanes, web threads and one connection per run; psycopg's own default of 4 times out under the first load.
            # Its own pauses between attempts to connect double up to minutes: it gives up early and begins anew with
            # whoever asks next, so that a server that returns is seen at once.
            "pool": {
                "min_size": 1,
                "max_size": SCHEDULER_MAX_WORKERS + WEB_THREADS + 8,
                "timeout": 5,
                "reconnect_timeout": 3,
            },
            # A stopped process must not keep its row locks.
            "options": "-c idle_in_transaction_session_timeout=10000",
        }
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- scheduler and crawler --------------------------------------------------------------------------------------------
SCHEDULER_EXECUTOR = env.str("SCHEDULER_EXECUTOR", "embedded")
SCHEDULER_TIMEZONE = env.str("SCHEDULER_TIMEZONE", "Asia/Shanghai")
SCHEDULER_JOB_DEFAULTS: dict[str, object] = {
    "coalesce": env.bool("SCHEDULER_COALESCE", False),
    "max_instances": env.int("SCHEDULER_MAX_INSTANCES", 1),
    "misfire_grace_time": env.int("SCHEDULER_MISFIRE_GRACE_TIME", 30),
    "max_retries": env.int("SCHEDULER_MAX_RETRIES", 3),
}
SCHEDULER_DRAIN_SECONDS = env.float("SCHEDULER_DRAIN_SECONDS", 30.0)
SCHEDULER_LATE_SECONDS = env.float("SCHEDULER_LATE_SECONDS", 60.0)
"""A due job that waits for longer makes `/readyz` say that the scheduler is late."""
ALERT_FAILURE_RATE = env.float("ALERT_FAILURE_RATE", 0.5)
"""Of the last hour's runs, from 0 to 1: where more fail, the dashboard and the log say so. 0: never."""
METRICS_PUBLIC = env.bool("METRICS_PUBLIC", False)
"""Whether `/metrics` is there for everybody."""
"""How long SIGTERM waits for running handlers before their runs are handed back."""
RUN_RETENTION_DAYS = env.int("RUN_RETENTION_DAYS", 90)

_networks: list[str] = env.list("CRAWLER_ALLOWED_NETWORKS", [])
CRAWLER_ALLOWED_NETWORKS = [ipaddress.ip_network(network.strip()) for network in _networks if network.strip()]
CRAWLER_USER_AGENT = env.str("CRAWLER_USER_AGENT", "Lamplighter/0.1 (+https://github.com/lamplighter-crawler)")
CRAWLER_CHECKPOINT_PAGES = env.int("CRAWLER_CHECKPOINT_PAGES", 500)
CRAWLER_CHECKPOINT_SECONDS = env.float("CRAWLER_CHECKPOINT_SECONDS", 2.0)

# --- people -----------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["crawlproject.web.rights.RightsBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "crawlproject" / "locale"]
USE_I18N = True
FORMAT_MODULE_PATH = ["crawlproject.formats"]
USE_TZ = True
# Times are stored in UTC and shown in the scheduler's zone. With one that does not exist Django would end in a
# traceback, before the system check could say which is meant.
TIME_ZONE = SCHEDULER_TIMEZONE if _is_zone(SCHEDULER_TIMEZONE) else "UTC"

# --- static files -----------------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "crawlproject.staticfiles.GzipManifestStorage"},
}

# --- security ---------------------------------------------------------------------------------------------------------
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if HTTPS:
    SECURE_SSL_REDIRECT = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
DEFAULT_EXCEPTION_REPORTER_FILTER = "crawlproject.reporter.HidingFilter"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
# The form of a spider with hundreds of fields has some thousand inputs, that of a back-fill a thousand.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 6_000

# --- REST -------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "crawlproject.web.authentication.PlainTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["crawlproject.web.permissions.ModelPermissions"],
    "DEFAULT_RENDERER_CLASSES": ["crawlproject.web.renderers.UtcJSONRenderer"],
    # The encoder gives every moment its one form: UTC with a Z.
    "DATETIME_FORMAT": None,
    "DEFAULT_PARSER_CLASSES": ["crawlproject.web.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "crawlproject.web.pagination.BoundedPagination",
    "DEFAULT_METADATA_CLASS": "crawlproject.web.metadata.AddressMetadata",
    "DEFAULT_FILTER_BACKENDS": ["crawlproject.web.filters.StrictFilterBackend"],
    "EXCEPTION_HANDLER": "crawlproject.web.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# --- logs -------------------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "scheduling.terminal.PrintableFormatter",
            "format": "{asctime} {process} {levelname:<7} {name} {message}",
            "style": "{",
        }
    },
    "filters": {"faults": {"()": "crawlproject.logs.WithoutTheirFaults"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["faults"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    # Django's own would say everything a second time where DEBUG is on.
    "loggers": {"apscheduler": {"level": "WARNING"}, "httpx": {"level": "WARNING"}, "django": {"handlers": []}},
}
