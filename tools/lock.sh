#!/usr/bin/env bash
# Renews the lock files: exact versions and hashes for Python 3.11 to 3.13, without any index's address.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "Resolving requirements.lock ..."
.venv/bin/python -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
    --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock
if grep -nE 'https?://|--(extra-)?index-url|--find-links' requirements.lock | grep -v '#'; then
    echo "requirements.lock names an address; see the lines above." >&2
    exit 1
fi
