#!/bin/sh
# `make demo`: the demo's shop and the product beside it, with a database, keys and ports of their own under .demo/.
# Called by make with $VENV and $PORT. Ctrl-C ends both.
set -eu

mkdir -p .demo
export ENV_FILE=.demo/env DATA_DIR=.demo CRAWLER_ALLOWED_NETWORKS=127.0.0.1/32
unset DATABASE_URL SECRET_KEY 2>/dev/null || true
shop="127.0.0.1:$((PORT + 1))"
python="$VENV/bin/python"

"$python" manage.py setup
"$python" manage.py demosite "$shop" &
pid=$!
trap 'kill "$pid" 2>/dev/null || true' EXIT
trap 'exit 0' INT TERM
"$python" manage.py demosite --definitions "$shop" >.demo/definitions.json
"$python" manage.py loaddefinitions .demo/definitions.json
"$python" manage.py runscheduler --web "127.0.0.1:$PORT"
