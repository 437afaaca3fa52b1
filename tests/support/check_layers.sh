#!/bin/sh
# Compares the #include lines of src/ with src/layers.txt: a folder may include itself and lower lines only.
cd "$(dirname "$0")/../.." || exit 1
awk '
  FILENAME == "src/layers.txt" { if ($0 !~ /^#/ && NF) { ++line; for (i = 1; i <= NF; ++i) level[$i] = line } next }
  FNR == 1 { split(FILENAME, part, "/"); mine = part[2] }
  /^#include "[a-z]+\// { split($2, q, /["\/]/); other = q[2]
    if (!(other in level) || other == mine) next
    if (!(mine in level)) next
    if (level[other] >= level[mine]) { print FILENAME ":" FNR ": " mine " may not include " other; bad = 1 } }
  END { exit bad }' src/layers.txt src/*/*.cpp src/*/*.hpp
