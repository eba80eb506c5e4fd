#!/usr/bin/env bash
# Makes .venv-bench: the course with the versions of requirements.lock, and what `make bench` compares it with.
set -euo pipefail
cd "$(dirname "$0")/.."

py=.venv-bench/bin/python
rm -f .venv-bench/.ready
if ! "$py" -c '' 2>/dev/null; then
    rm -rf .venv-bench
    "${COURSE_PYTHON:-python3}" -m venv .venv-bench
fi
export UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# As in tools/setup.sh: a mirror that pip was told of serves uv as well.
index="${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$($py -m pip config get global.index-url 2>/dev/null || true)}}"
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
. tools/torch_cpu.sh
# otter-grader needs an older wrapt than the lock has; all else on the course's side stays as locked.
sed 's/ \\$//; /^ *--hash/d; /^wrapt==/d' requirements.lock >.venv-bench/constraints.txt
install() {
    .venv/bin/python -m uv pip install --quiet --no-config --python "$PWD/$py" \
        --constraint .venv-bench/constraints.txt --editable '.[bench]' "$@"
}
echo "Installing .venv-bench: the course, PyTorch, Transformers, ONNX Runtime, nbgrader, otter (about 4 GB on disk) ..."
install "${torch[@]}" || {
    echo "PyTorch's CPU build is not within reach; taking the index's own." >&2
    install
}
$py -m course_lib.carriers
touch .venv-bench/.ready
