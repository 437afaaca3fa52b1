#!/usr/bin/env bash
# The unit tests of what has threads with ThreadSanitizer, on the host's C library.
. "$(dirname "$0")/../support/sanitized.sh"
export TSAN_OPTIONS=halt_on_error=1
sanitized_unit_tests tsan
