#!/bin/sh
# `make demo`: the demo's shop and the product beside it, with a database, keys and ports of their own under .demo/.
# Called by make with $VENV and $PORT. Ctrl-C ends both.
set -eu

mkdir -p .demo
export ENV_FILE=.demo/env DATA_DIR=.demo CRAWLER_ALLOWED_NETWORKS=127.0.0.1/32
unset DATABASE_URL SECRET_KEY SECRET_KEY_FILE FIELD_KEY
shop="127.0.0.1:$((PORT + 1))"
python="$VENV/bin/python"
# In a session of its own a command hears of Ctrl-C from here alone: twice would mean “at once”.
command='import os, sys; os.setsid(); os.execv(sys.executable, [sys.executable, "manage.py", *sys.argv[1:]])'
pids=

stop() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
}

trap 'stop; wait' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

"$python" manage.py setup
"$python" -c "$command" demosite "$shop" &
pids="$!"
"$python" manage.py demosite --definitions "$shop" >.demo/definitions.json
"$python" manage.py loaddefinitions .demo/definitions.json
"$python" -c "$command" runscheduler --web "127.0.0.1:$PORT" &
scheduler="$!"
pids="$pids $scheduler"
trap stop INT TERM HUP

status=0
# A signal ends the waiting, not the scheduler, which lets its runs end first.
while kill -0 "$scheduler" 2>/dev/null; do
    status=0
    wait "$scheduler" || status=$?
done
exit "$status"
