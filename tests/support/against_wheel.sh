#!/bin/sh
# Run the suite against the installed wheel, but for its longest tests: from a copy of the tests, away
# from the source tree.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
cp -R "$root/tests" "$root/docs" "$root/specs" "$root/examples" "$root/README.md" "$root/CONTRIBUTING.md" "$root/Makefile" "$root/CHANGELOG.md" "$root/pyproject.toml" "$away/"
cd "$away"
"$root/.wheel-venv/bin/python" - "$root" <<'PY'
import sys, pathlib, perdure
assert "site-packages" in pathlib.Path(perdure.__file__).parts, "not the wheel"
PY
PERDURE_TRANSCRIPTS="${PERDURE_TRANSCRIPTS:-$root/../shared/data/airline-transcripts.jsonl}" \
  "$root/.wheel-venv/bin/python" -m pytest -n "${1:-auto}" -q -m "not thorough"
