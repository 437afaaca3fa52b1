# Sourced by every end-to-end test. Gives: $UDOCKER (the program), $WORK (an own folder, current directory), a fresh HOME,
# images by need_image, checks that count. A script ends with `done_testing`.
# shellcheck shell=bash
set -u
SUPPORT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${UDOCKER:?run tests through tests/run or set UDOCKER to the program}"
: "${TEST_IMAGES:?set TEST_IMAGES to the folder made by tests/support/make_images.sh}"
NAME=$(basename "${BASH_SOURCE[-1]}" .sh)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/udocker-test-$NAME.XXXXXX")
export HOME="$WORK/home" UDOCKER_DIR="$WORK/udocker" TMPDIR="$WORK/tmp" XDG_RUNTIME_DIR="$WORK/run"
unset DOCKER_CONFIG REGISTRY_AUTH_FILE UDOCKER_LOGLEVEL http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy
mkdir -p "$HOME" "$TMPDIR" "$XDG_RUNTIME_DIR"
cd "$WORK" || exit 1
passed=0 failed=0 skipped=0
CLEANUP=()

finish() {
  local status=$? action
  for action in "${CLEANUP[@]+"${CLEANUP[@]}"}"; do eval "$action" >/dev/null 2>&1; done
  if [ "$failed" = 0 ] && [ "$status" = 0 ]; then
    chmod -R u+rwX "$WORK" 2>/dev/null
    rm -rf "$WORK"
  else
    echo "  kept: $WORK"
  fi
  exit $((status ? status : failed ? 1 : 0))
}
trap finish EXIT

ok() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); printf '  FAIL %s: %s\n' "$NAME" "$1"; shift; [ $# = 0 ] || printf '%s\n' "$@" | sed 's/^/       /' | head -30; }
# check "what" command...: the command must exit 0
check() { local what=$1 out; shift; if out=$("$@" 2>&1 </dev/null); then ok; else fail "$what (exit $?)" "command: $*" "$out"; fi; }
# check_status N "what" command...: the command must exit N
check_status() { local want=$1 what=$2 out got; shift 2; out=$("$@" 2>&1 </dev/null); got=$?; if [ "$got" = "$want" ]; then ok; else fail "$what (exit $got, expected $want)" "command: $*" "$out"; fi; }
# check_output "what" "expected" command...: exit 0 and exactly this on stdout
check_output() { local what=$1 want=$2 out; shift 2; out=$("$@" 2>"$WORK/.stderr" </dev/null); local s=$?; if [ $s = 0 ] && [ "$out" = "$want" ]; then ok; else fail "$what (exit $s)" "command: $*" "expected: $want" "got:      $out" "$(cat "$WORK/.stderr")"; fi; }
# check_match "what" "regex" command...: stdout and stderr together match (status is not looked at)
check_match() { local what=$1 want=$2 out; shift 2; out=$("$@" 2>&1 </dev/null); if printf '%s' "$out" | grep -Eq -- "$want"; then ok; else fail "$what" "command: $*" "no match for: $want" "got: $out"; fi; }
# check_same "what" A B: two texts are equal
check_same() { if [ "$2" = "$3" ]; then ok; else fail "$1" "expected: $2" "got:      $3"; fi; }
skip() { skipped=$((skipped + 1)); printf '  skip %s: %s\n' "$NAME" "$1"; }
done_testing() { printf '%s: %d passed, %d failed, %d skipped\n' "$NAME" "$passed" "$failed" "$skipped"; }
# need_image NAME: path of a test image or root archive (see make_images.sh); the test fails where it is missing
need_image() { [ -e "$TEST_IMAGES/$1" ] || { echo "  FAIL $NAME: no test image $1 in $TEST_IMAGES" >&2; exit 1; }; echo "$TEST_IMAGES/$1"; }
# wait_for command...: until it exits 0; a minute at most
wait_for() { local i; for i in $(seq 600); do "$@" >/dev/null 2>&1 </dev/null && return 0; sleep 0.1; done; echo "  gave up waiting for: $*" >&2; return 1; }
# free_port: a TCP port nobody listens on
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
