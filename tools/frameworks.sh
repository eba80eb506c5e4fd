#!/usr/bin/env bash
# Makes .venv-frameworks: PyTorch's CPU build, PaddlePaddle and their ways to ONNX, on top of .venv, whose packages it
# sees. Lesson 12 finds it by itself, in any kernel of the same Python.
set -euo pipefail
cd "$(dirname "$0")/.."

py=.venv-frameworks/bin/python
rm -f .venv-frameworks/.ready
version='import sys; print(sys.version_info[:2])'
if [ "$("$py" -c "$version" 2>/dev/null || true)" != "$(.venv/bin/python -c "$version")" ]; then
    rm -rf .venv-frameworks
    .venv/bin/python -m venv .venv-frameworks
fi
packages='import sysconfig; print(sysconfig.get_path("purelib"))'
below="$(.venv/bin/python -c "$packages")"
printf 'import site; site.addsitedir(%s)\n' "$("$py" -c 'import sys; print(repr(sys.argv[1]))' "$below")" \
    >"$("$py" -c "$packages")/course.pth"
export UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# As in tools/setup.sh: a mirror that pip was told of serves uv as well.
index="${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$($py -m pip config get global.index-url 2>/dev/null || true)}}"
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
. tools/torch_cpu.sh
echo "Installing .venv-frameworks: PyTorch, PaddlePaddle (about 1.7 GB on disk) ..."
.venv/bin/python -m uv pip install --quiet --no-config --no-deps --python "$PWD/$py" "${torch[@]}" ||
    echo "PyTorch's CPU build is not within reach; taking the index's own." >&2
# pip, because it counts what .venv has as installed; uv would bring all of that again.
wanted="$("$py" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["frameworks"], sep="\n")')"
mapfile -t wanted <<<"$wanted"
"$py" -m pip install --quiet "${wanted[@]}"
touch .venv-frameworks/.ready
