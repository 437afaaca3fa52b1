#!/usr/bin/env bash
# pull from a registry that misbehaves: each case ends in success by retry or in one clear error, and the store stays usable.
. "$(dirname "$0")/../support/support.sh"
. "$SUPPORT/registry.sh"
start_bad_registry
R=$BAD
mkdir -p "$HOME/.udocker"
printf '[DEFAULT]\ntimeout = 3\nctimeout = 3\n' > "$WORK/conf"
u() { "$UDOCKER" --config="$WORK/conf" "$@"; }

# Every pull of a case runs beside the others: most of the time goes into waiting.
pull_all() { local how; for how in "$@"; do (UDOCKER_DIR="$WORK/store.$how" timeout 120 "$UDOCKER" --config="$WORK/conf" pull "$R/$how/image:1" > "$WORK/out.$how" 2>&1 </dev/null; echo $? > "$WORK/status.$how") & pids+=($!); done; wait "${pids[@]}"; pids=(); }
pids=()
good="plain cut cutnorange badrange b416 corruptonce m429 m429date b429 m500 b500 mcut silent stall slow relative chain signed otherhost
  storage token spaced bare noscope harbor gitlab expire index nested noplatform deep4 sha512 nolayers emptyblob twice inline foreign schema1"
bad="corrupt short long cutalways m429long m503 denied loop file mendless b404 html noconfig baddigest hugesize wrongsize deepjson binary deep20
  onlyarm artifact basic deny needlogin notoken never nochallenge"
# shellcheck disable=SC2086
pull_all $good
# shellcheck disable=SC2086
pull_all $bad
for how in $good; do
  check_same "pull succeeds: $how" 0 "$(cat "$WORK/status.$how")"
  [ "$(cat "$WORK/status.$how")" = 0 ] || cat "$WORK/out.$how"
  check_match "verified whole: $how" "Info: image Ok" env UDOCKER_DIR="$WORK/store.$how" "$UDOCKER" verify "$R/$how/image:1"
done
# error CASE REGEX: exactly one Error line, and it says what is wrong
error() {
  check_same "pull fails: $1" 1 "$(cat "$WORK/status.$1")"
  check_same "one error: $1" 1 "$(grep -c '^Error: ' "$WORK/out.$1")"
  check_match "says why: $1" "^Error: no files downloaded: .*($2)" cat "$WORK/out.$1"
  check_output "nothing listed: $1" "" env UDOCKER_DIR="$WORK/store.$1" UDOCKER_LOGLEVEL=1 "$UDOCKER" images
  check "store usable: $1" env UDOCKER_DIR="$WORK/store.$1" "$UDOCKER" --config="$WORK/conf" pull "$R/plain/image:1"
}
error corrupt 'digest of blob'
error short 'size of blob .*expected'
error long 'more than the expected'
error cutalways 'blob sha256'
error m429long 'HTTP 429.*asks to wait: 3600.*limit is 100;w=21600'
error m503 'HTTP 503.*down for maintenance'
error denied 'not authorized.*DENIED: requested access'
error loop 'more than 10 redirects'
error file 'no http or https address'
error mendless 'too long'
error b404 'HTTP 404.*BLOB_UNKNOWN'
error html 'not valid JSON'
error noconfig 'no config'
error baddigest 'not a digest'
error hugesize 'no usable size'
error wrongsize 'size of blob'
error deepjson 'nested deeper'
error binary 'not valid JSON'
error deep20 'nested deeper than 5'
error onlyarm 'no image found in manifest for platform .linux/amd64.*there are: linux/arm64'
error artifact 'not an image but an artifact of type application/vnd.example.sbom'
error basic 'not authorized'
error deny 'cannot get a token.*HTTP 401'
error needlogin 'cannot get a token.*HTTP 401'
error notoken 'no token in the reply'
error never 'not authorized'
error nochallenge 'not authorized'

bad_log > "$WORK/log"
check "a cut transfer goes on by Range" grep -q '^GET /v2/cut/image/blobs/sha256:[0-9a-f]* bytes=[0-9]' "$WORK/log"
check_status 1 "no Authorization reaches another host" grep -q '^GET /storage/noauth/[^ ]* .*True.* localhost' "$WORK/log"
check_same "a token serves all blobs" 1 "$(grep -c 'GET /token/plain?service=My' "$WORK/log")"
check "blanks in parameters are escaped" grep -q 'GET /token/access?service=a%20b%2c%20c&scope=repository' "$WORK/log"

export UDOCKER_DIR="$WORK/udocker"
check "pull by digest" u pull "$R/plain/image@$(python3 - "$R" <<'P'
import hashlib, sys, urllib.request
print("sha256:" + hashlib.sha256(urllib.request.urlopen("http://%s/v2/plain/image/manifests/1" % sys.argv[1]).read()).hexdigest())
P
)"
check_match "pull by a digest that is not there" "not found" u pull "$R/plain/image@sha256:$(printf '0%.0s' $(seq 64))"
check "pull of another platform" u pull --platform=linux/arm64 "$R/index/image:arm"
check_match "platform is kept" "linux/arm64 *. .*/index/image:arm" u images -p

# A blob of the store that has been damaged is fetched again.
u pull "$R/plain/image:1" >/dev/null 2>&1
blob=$(find "$UDOCKER_DIR/layers" -name 'sha256:*' -size +100k | head -1)
truncate -s 100 "$blob"
check_match "a damaged blob is noticed" "damaged" u pull "$R/plain/image:1"
check_match "and replaced" "image Ok" u verify "$R/plain/image:1"

# A killed pull leaves a part that the next one goes on from.
UDOCKER_DIR="$WORK/killed"; export UDOCKER_DIR
"$UDOCKER" --config="$WORK/conf" pull "$R/slow/image:killed" >/dev/null 2>&1 & pid=$!
wait_for sh -c 'find "$UDOCKER_DIR/layers" -name ".*.part" -size +0c | grep -q .'
kill -9 $pid
wait $pid 2>/dev/null
check_output "nothing listed after a kill" "" env UDOCKER_LOGLEVEL=1 "$UDOCKER" images
check "pull again after a kill" u pull "$R/slow/image:killed"
check_match "whole after a kill" "image Ok" u verify "$R/slow/image:killed"
bad_log > "$WORK/log"
check "the second pull resumes" grep -q '^GET /v2/slow/image/blobs/sha256:[0-9a-f]* bytes=[0-9]' "$WORK/log"

# Many processes at once.
UDOCKER_DIR="$WORK/many"; export UDOCKER_DIR
u mkrepo "$UDOCKER_DIR" >/dev/null 2>&1
for i in $(seq 32); do (u -q pull "$R/slow/image:many" > "$WORK/many.$i" 2>&1 || echo "failed: $(cat "$WORK/many.$i")" >> "$WORK/many.failed") & pids+=($!); done
wait "${pids[@]}"
check_same "32 pulls at once succeed" "" "$(cat "$WORK/many.failed" 2>/dev/null)"
check_match "and leave one whole image" "image Ok" u verify "$R/slow/image:many"
check_same "no parts are left" "" "$(find "$UDOCKER_DIR/layers" -name '.*.part' -o -name '.*.lock' -o -name '.pins*')"
done_testing
