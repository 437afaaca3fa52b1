#!/usr/bin/env bash
# The unit tests with AddressSanitizer and UndefinedBehaviorSanitizer, on the host's C library.
. "$(dirname "$0")/../support/sanitized.sh"
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
sanitized_unit_tests asan
