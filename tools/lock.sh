#!/usr/bin/env bash
# Renews the lock files: exact versions and hashes for Python 3.11 to 3.13, without any index's address.
set -euo pipefail
cd "$(dirname "$0")/.."
resolve() {
    .venv/bin/python -m uv pip compile "$@" --universal --python-version 3.11 --upgrade --generate-hashes \
        --no-emit-index-url --no-header --quiet
}
echo "Resolving requirements.lock ..."
resolve pyproject.toml --extra dev --output-file requirements.lock
echo "Resolving docs/requirements.lock ..."
resolve --group site --constraint requirements.lock --output-file docs/requirements.lock
if grep -nE 'https?://|--(extra-)?index-url|--find-links' requirements.lock docs/requirements.lock | grep -v '#'; then
    echo "A lock file names an address; see the lines above." >&2
    exit 1
fi
