#!/bin/sh
# Makes the virtual environment $VENV with $PYTHON and installs the named requirements files with their hashes.
# Called by make. Takes uv where it is on the path, else venv and pip. Leaves nothing half made.
set -eu

fail() {
    echo "$1" >&2
    exit 2
}

command -v "$PYTHON" >/dev/null 2>&1 || fail "There is no $PYTHON here: install Python 3.11 or newer, or say PYTHON=/path/to/python3."
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$PYTHON" --version) is too old: Lamplighter needs Python 3.11 or newer (say PYTHON=/path/to/python3.11)."
case "$("$PYTHON" -c 'import platform; print(platform.system(), platform.machine(), platform.libc_ver()[0] or "-")')" in
    "Linux x86_64 glibc" | "Linux aarch64 glibc" | "Darwin arm64 "*) ;;
    *) fail "Lamplighter runs on Linux with glibc (x86-64, arm64) and on macOS (arm64): some of its libraries have no packages for this machine." ;;
esac

made=no
if [ ! -x "$VENV/bin/python" ]; then
    made=yes
    trap 'status=$?; [ "$status" = 0 ] || [ "$made" = no ] || rm -rf "$VENV"' EXIT
    trap 'exit 130' INT TERM
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --python "$PYTHON" "$VENV"
    else
        "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
            fail "This Python cannot make virtual environments: install python3-venv (Debian: apt install python3-venv) or uv."
        "$PYTHON" -m venv "$VENV"
    fi
fi

for file in "$@"; do
    echo "Installing $file …"
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python "$VENV/bin/python" --require-hashes --requirement "$file"
    else
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$file"
    fi
done
