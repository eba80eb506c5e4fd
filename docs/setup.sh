#!/usr/bin/env bash
# Makes .venv-site: Sphinx and what it needs, over the course's own .venv, which it sees and does not change.
set -euo pipefail
cd "$(dirname "$0")/.."

py=.venv-site/bin/python
rm -f .venv-site/.ready
if ! "$py" -c 'import sys; sys.exit(sys.version_info[:2] != tuple(map(int, sys.argv[1:])))' \
    $(.venv/bin/python -c 'import sys; print(*sys.version_info[:2])') 2>/dev/null; then
    rm -rf .venv-site
    .venv/bin/python -m venv --without-pip .venv-site
fi
export UV_NO_CACHE=1
# As in tools/setup.sh: a mirror that pip was told of serves uv as well.
index="${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}}"
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
echo "Installing .venv-site: Sphinx, its theme and myst-nb (about 150 MB on disk) ..."
.venv/bin/python -m uv pip sync --quiet --no-config --python "$PWD/$py" --require-hashes docs/requirements.lock
# Relative to where it lies, so that the folder can be moved together with .venv.
cat >"$("$py" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/course.pth" <<'PTH'
import os, site, sys; site.addsitedir(os.path.join(os.path.dirname(sys.prefix), ".venv", "lib", "python%d.%d" % sys.version_info[:2], "site-packages"))
PTH
# What the demo and the check of accessibility run in a browser: npm brings it once, and then no network is needed.
"$py" - <<'PYTHON' || echo "The site will be built without its demo until npm has brought them."
import sys

sys.path[:0] = [".", "tools"]
import check_site
from course_lib.serving import packages

try:
    packages.load()
    packages.load(packages=(check_site.AXE,))
except packages.PackageError as error:
    sys.exit(str(error))
PYTHON
touch .venv-site/.ready
