# Sourced by tests/sanitized/*.sh.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/support.sh"

# sanitized_unit_tests CONFIG: runs build/CONFIG/unit_tests, which tests/run has put beside the program
sanitized_unit_tests() {
  local status=0
  (cd "${UDOCKER%/*}" && "./unit_tests.$1" --gtest_brief=1) > unit.log 2>&1 </dev/null || status=$?
  passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' unit.log)
  skipped=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) test.*/\1/p' unit.log)
  skipped=${skipped:-0}
  [ "$status" = 0 ] && [ "${passed:-0}" -gt 0 ] || { passed=${passed:-0}; fail "unit tests ($1, status $status)" "$(head -60 unit.log)"; }
  done_testing
}
