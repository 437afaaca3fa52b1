# Each fuzz target for FUZZ_SECONDS (12) from its seeds; FUZZ=NAME chooses one. FUZZ_KEEP=DIR keeps what was found worth
# keeping between runs. A finding is printed in base64 and stays in the kept folder.
. "$(dirname "$0")/../support/support.sh"
seconds=${FUZZ_SECONDS:-12}
here=$SUPPORT/../fuzz
programs=${UDOCKER%/*}/fuzz  # of `make fuzzers`
python3 "$here/seeds.py" seeds || fail "make the seeds"
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
count=0
fuzz() { # NAME
  local name=$1 found=${FUZZ_KEEP:-$WORK/found}/$1
  mkdir -p "$found" "$WORK/bad"
  "$programs/$name" -max_total_time="$seconds" $([ -n "${FUZZ_SECONDS:-}" ] || echo -seed=1) -timeout=30 -rss_limit_mb=1500 -max_len=20000 -artifact_prefix="$WORK/bad/$name-" \
    "$found" $([ -d "$here/corpus/$name" ] && echo "$here/corpus/$name") $([ -d "$WORK/seeds/$name" ] && echo "$WORK/seeds/$name") > "$name.log" 2>&1
}
for program in "$programs"/*_fuzz; do
  name=$(basename "$program")
  case $name in ${FUZZ:-*}*) ;; *) continue ;; esac
  count=$((count + 1))
  if fuzz "$name"; then
    ok
    [ -z "${FUZZ_SECONDS:-}" ] || echo "  $name: $(sed -n 's/^#\([0-9]*\)\s*DONE\s*\(.*\) corp.*/\1 runs, \2/p' "$name.log")"
  else
    fail "$name" "$(grep -v '^#' "$name.log" | tail -25)" "$(base64 "$WORK"/bad/"$name"-* 2>/dev/null | head -40)"
  fi
done
check "there are fuzz targets" test "$count" -gt 0
done_testing
