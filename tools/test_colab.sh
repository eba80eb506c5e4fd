#!/usr/bin/env bash
# Runs the package's tests and the notebooks with the versions that Colab has (tests/colab-pins.txt), in .venv-colab.
set -euo pipefail
cd "$(dirname "$0")/.."

python=""
for candidate in python3.13 python3.12; do
    if "$candidate" -c '' 2>/dev/null; then python="$candidate" && break; fi
done
if [ -z "$python" ]; then
    echo "Skipped: Colab's versions need Python 3.12 or later, and this machine has neither python3.12 nor python3.13." >&2
    exit 0
fi
py=.venv-colab/bin/python
if [ ! -e .venv-colab/.ready ] || [ tests/colab-pins.txt -nt .venv-colab/.ready ] || [ pyproject.toml -nt .venv-colab/.ready ]; then
    echo "Making .venv-colab with $("$python" --version) and Colab's versions ..."
    rm -rf .venv-colab
    "$python" -m venv .venv-colab
    export VIRTUAL_ENV="$PWD/.venv-colab" UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1
    index="${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$($py -m pip config get global.index-url 2>/dev/null || true)}}"
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
    # jupyterlab and nbval are not installed by the course there; nbval and the like are only what runs these tests.
    .venv/bin/python -m uv pip install --quiet --python "$PWD/$py" -r tests/colab-pins.txt -e . \
        hypothesis httpx nbval packaging pytest
    $py -m course_lib.carriers
    touch .venv-colab/.ready
fi
# A package that the course had replaced would show here.
$py -m pip freeze --disable-pip-version-check > .venv-colab/freeze.txt
while read -r pin; do
    case "$pin" in ''|\#*) continue ;; esac
    grep -qix "${pin}" .venv-colab/freeze.txt || { echo "Not as on Colab: $pin" >&2; exit 1; }
done <tests/colab-pins.txt
$py -m pytest -q -m "not browser and not real_data" --ignore=tests/test_tools.py --ignore=tests/test_dependencies.py \
    --ignore=tests/test_dist.py
# Pictures are compared with the lock's Matplotlib only: Colab's draws text otherwise.
$py tools/check_notebooks.py --no-pictures "$@"
