#!/bin/sh
# Says in one sentence, and ends with 2, when a port of 127.0.0.1 cannot be listened on: `ports.sh TARGET PORT COUNT`
# looks at COUNT ports from PORT on. Called by make with $PYTHON and $VENV before anything else is done.
set -eu

enough='import sys; sys.exit(sys.version_info < (3, 11))'
python="$VENV/bin/python"
"$python" -c "$enough" 2>/dev/null || python="$PYTHON"
# What is wrong with the Python, install.sh says.
"$python" -c "$enough" 2>/dev/null || exit 0

exec "$python" - "$@" <<'PYTHON'
import socket
import sys

target, text, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
# 0 is a free port, which the command says; of several that follow each other there is none.
least, most = (0 if count == 1 else 1), 65536 - count
if not (text.isascii() and text.isdigit() and text == str(int(text)) and least <= int(text) <= most):
    print(
        f"PORT={text} is no port: give a number from {least} to {most}, as in `make {target} PORT=9000`.",
        file=sys.stderr,
    )
    sys.exit(2)
for port in range(int(text), int(text) + count):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        print(
            f"127.0.0.1:{port} cannot be listened on ({error.strerror}): stop what uses it or give another port, "
            f"as in `make {target} PORT={min(int(text) + 10, most)}`.",
            file=sys.stderr,
        )
        sys.exit(2)
PYTHON
