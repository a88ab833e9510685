# Lamplighter. README.md gives for each target the plain commands that it stands for.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000

python = $(VENV)/bin/python
ports = @PYTHON="$(PYTHON)" VENV="$(VENV)" sh .make/ports.sh
# Nothing is done when the environment holds what the files say.
install = @PYTHON="$(PYTHON)" VENV="$(VENV)" sh .make/install.sh
# `make test` reads no `.env`, and leaves the address of the servers that it starts to the tests.
pytest = $(python) -m pytest
# Some tests wait, for processes or for servers that are slow on purpose: more workers than cores keep the machine busy.
# Each takes few tests at a time, so that none is left with many at the end.
WORKERS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
workers = -n $(WORKERS) --maxschedchunk 4

.PHONY: run demo test check bench screenshots soak lock clean messages packages-dev
.DEFAULT_GOAL := run

run:
	$(ports) run "$(PORT)" 1
	$(install) requirements.txt
	@$(python) manage.py setup
	@exec $(python) manage.py runscheduler --web 127.0.0.1:$(PORT)

demo:
	$(ports) demo "$(PORT)" 2
	$(install) requirements.txt
	@VENV="$(VENV)" PORT="$(PORT)" exec sh .make/demo.sh

packages-dev:
	$(install) requirements.txt requirements-dev.txt

test: packages-dev
	$(pytest) tests -m "not soak" $(workers)
	$(python) -m tests.postgres $(pytest) tests/db tests/acceptance -m "not soak and not browser and not frame and not any_database" $(workers)

check: packages-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy crawlproject scheduling crawler tests
	$(VENV)/bin/lint-imports
	SECRET_KEY=check ENV_FILE=/dev/null $(python) manage.py makemigrations --check --dry-run
	SECRET_KEY=$$($(python) -c "import secrets; print(secrets.token_urlsafe(50))") ENV_FILE=/dev/null HTTPS=1 \
		$(python) -W error manage.py check --deploy --fail-level WARNING

bench: packages-dev
	$(python) -m benchmarks.$(or $(BENCH),all)

screenshots: packages-dev
	$(python) -m tests.acceptance.pictures

soak: packages-dev
	status=0; \
	$(pytest) tests/unit tests/db tests/acceptance -m soak || status=1; \
	$(python) -m tests.postgres $(pytest) tests/db tests/acceptance -m "soak and not browser and not frame and not any_database" || status=1; \
	exit $$status

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras -q requirements.in -o requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras -q requirements-dev.in -o requirements-dev.txt

messages: packages-dev
	SECRET_KEY=messages ENV_FILE=/dev/null $(python) manage.py makemessages --locale zh_Hans --no-location --no-obsolete \
		--ignore "tests/*" --ignore "benchmarks/*" --ignore "$(VENV)/*"
	SECRET_KEY=messages ENV_FILE=/dev/null $(python) manage.py compilemessages --locale zh_Hans --ignore "$(VENV)/*"

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
