#!/bin/sh
# Makes the virtual environment $VENV with $PYTHON and installs the named requirements files with their hashes.
# Called by make. Takes uv where it is on the path, else venv and pip. Leaves nothing half made.
#
# $VENV/.ready holds the SHA-256 of the requirements.txt that is installed, $VENV/.ready-dev that of
# requirements-dev.txt: what is installed already is not installed again. Times of files say nothing in a fresh clone.
set -eu

fail() {
    echo "$1" >&2
    exit 2
}

digest() {
    "$VENV/bin/python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
}

stamp_of() {
    name="${1%.txt}"
    echo "$VENV/.ready${name#requirements}"
}

# `python -m`, but Ctrl-C leaves no traceback.
module='import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except KeyboardInterrupt:
    sys.exit(130)'

works() {
    "$1" -c '' >/dev/null 2>&1
}

ready() {
    works "$VENV/bin/python" || return 1
    for file in "$@"; do
        stamp="$(stamp_of "$file")"
        [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(digest "$file")" ] || return 1
    done
}

# Ends with a sentence unless this Python and this machine are supported.
examine() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python $("$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])') is too old: Lamplighter needs Python 3.11 or newer (say PYTHON=/path/to/python3.11)."
    case "$("$1" -c 'import platform; print(platform.system(), platform.machine(), platform.libc_ver()[0] or "-")')" in
        "Linux x86_64 glibc" | "Linux aarch64 glibc" | "Darwin arm64 "*) ;;
        *) fail "Lamplighter runs on Linux with glibc (x86-64, arm64) and on macOS (arm64): some of its libraries have no packages for this machine." ;;
    esac
}

make_environment() {
    works "$PYTHON" || fail "There is no $PYTHON here that runs: install Python 3.11 or newer, or say PYTHON=/path/to/python3."
    examine "$PYTHON"
    if [ -f "$VENV/pyvenv.cfg" ]; then
        # An environment whose Python is gone.
        rm -rf "$VENV"
    fi
    if [ -e "$VENV" ]; then
        rmdir "$VENV" 2>/dev/null || fail "$VENV is there, but it is no virtual environment: move it away or say VENV=/path/to/another."
    fi
    [ "$uv" = yes ] || "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "This Python cannot make virtual environments: install python3-venv (Debian: apt install python3-venv) or uv."
    made=yes
    if [ "$uv" = yes ]; then
        # Its path: by the name alone uv might take another Python.
        uv venv --quiet --python "$("$PYTHON" -c 'import sys; print(sys.executable)')" "$VENV"
    else
        "$PYTHON" -c "$module" venv "$VENV"
    fi
}

install() {
    if [ "$uv" = yes ]; then
        uv pip install --quiet --python "$VENV/bin/python" --require-hashes --requirement "$1"
        return
    fi
    # uv makes environments without pip.
    "$VENV/bin/python" -c 'import pip' 2>/dev/null || "$VENV/bin/python" -m ensurepip >/dev/null
    "$VENV/bin/python" -c "$module" pip install --quiet --disable-pip-version-check --require-hashes --requirement "$1"
}

ready "$@" && exit 0

made=no
trap 'status=$?; [ "$status" = 0 ] || [ "$made" = no ] || rm -rf "$VENV"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

uv=no
if uv --version >/dev/null 2>&1; then
    uv=yes
fi
if works "$VENV/bin/python"; then
    examine "$VENV/bin/python"
else
    make_environment
fi

for file in "$@"; do
    stamp="$(stamp_of "$file")"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(digest "$file")" ]; then
        continue
    fi
    # Else a failure, and then the old file again, would look installed.
    rm -f "$stamp"
    echo "Installing $file …"
    install "$file"
    digest "$file" >"$stamp"
    made=no
done
