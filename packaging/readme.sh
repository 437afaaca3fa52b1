#!/bin/sh
# packaging/readme.sh [PROGRAM]: puts the generated parts into README.md again: the table of commands.
# (The table of nesting comes from tests/sites/nesting.sh with UDOCKER_TABLE=FILE.)  --check only compares.
set -eu
cd "$(dirname "$0")/.."
check=
[ "${1:-}" = --check ] && { check=1; shift; }
program=${1:-build/udocker}
part=$(mktemp) new=$(mktemp)
trap 'rm -f "$part" "$new"' EXIT
"$program" --allow-root completion markdown > "$part"
awk -v part="$part" '
  /<!-- commands -->/ { print; while ((getline line < part) > 0) print line; skipping = 1; next }
  /<!-- end -->/ { skipping = 0 }
  !skipping { print }' README.md > "$new"
if [ -n "$check" ]; then diff README.md "$new"; else cat "$new" > README.md; fi
