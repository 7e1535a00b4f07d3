#!/bin/sh
# Run the suite without its thorough tests against the installed wheel: from a copy of the tests, away
# from the source tree, beside modules of a user that are named as the folders of the source tree.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
cp -R "$root/tests" "$root/docs" "$root/specs" "$root/examples" "$root/README.md" "$root/CONTRIBUTING.md" "$root/Makefile" "$root/CHANGELOG.md" "$root/pyproject.toml" "$away/"
cd "$away"
# names that the project of a user may have, and that perdure may not take
for name in engine projections; do echo "OURS = True" > "$name.py"; done
"$root/.wheel-venv/bin/python" - "$root" <<'PY'
import sys, pathlib, perdure
assert "site-packages" in pathlib.Path(perdure.__file__).parts, "not the wheel"
PY
PERDURE_TRANSCRIPTS="${PERDURE_TRANSCRIPTS:-$root/../shared/data/airline-transcripts.jsonl}" \
  "$root/.wheel-venv/bin/python" -m pytest -n "${1:-auto}" -q -m "not thorough"
