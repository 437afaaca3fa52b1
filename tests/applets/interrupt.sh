#!/usr/bin/env bash
# Ctrl-C (SIGINT), SIGTERM and SIGHUP in the middle of long work: nothing half made stays, and the shell hears of it.
. "$(dirname "$0")/../support/support.sh"
. "$SUPPORT/registry.sh"
tar=big.tar
python3 - <<'P'
import io, os, tarfile
with tarfile.open("big.tar", "w") as tar:
    for i in range(6000):
        info = tarfile.TarInfo("usr/share/%d/%d" % (i % 100, i))
        info.size = 8192
        tar.addfile(info, io.BytesIO(os.urandom(8192)))
P
"$UDOCKER" -q load -i "$(need_image busybox.docker.tar)" >/dev/null
# Whole blobs of a pull that did not end serve the next one; `prune` takes them away.
state() { (cd "$UDOCKER_DIR" && find . -not -name '.*.part' -not -path './layers/sha256:*' -not '(' -path ./.staging -empty ')' | sort); }
until_true() { local end=$((SECONDS + 60)); until eval "$1" 2>/dev/null; do [ $SECONDS -lt $end ] || return 1; done; }

# interrupted "what" SIGNAL CONDITION COMMAND...: starts it (input: the pipe), sends the signal once CONDITION holds
interrupted() {
  local what=$1 signal=$2 condition=$3 before status pid feeder=
  shift 3
  state > before
  env --default-signal=INT,TERM,HUP "$@" < pipe > "$OUT" 2> err &
  pid=$!
  exec 7> pipe
  [ -z "${FEED:-}" ] || { cat "$FEED" >&7 2>/dev/null & feeder=$!; }
  # Before env has run, bash's background process still ignores SIGINT.
  until_true "[ \"\$(cat /proc/$pid/comm)\" != bash ] && [ \"\$(cat /proc/$pid/comm)\" != env ] && { $condition; }" || fail "$what did not start"
  kill -"$signal" $pid
  wait $pid
  status=$?
  exec 7>&-
  [ -z "$feeder" ] || wait "$feeder"
  check_same "$what: status" $((128 + $(kill -l "$signal"))) $status
  check_same "$what: the store is as before" "" "$(state | diff before -)"
  check_same "$what: nothing in the temporary folder" "" "$(ls -A "$TMPDIR")"
}
OUT=out
mkfifo pipe full
head -c 20000000 "$tar" > half.tar
staged="[ -n \"\$(ls -A '$UDOCKER_DIR/.staging' 2>/dev/null)\" ]"
FEED=half.tar interrupted "import --tocontainer" INT "[ -d $UDOCKER_DIR/.staging/*/ROOT/usr ]" "$UDOCKER" import --tocontainer --name=x -
check_match "the words of the Python tool" "^Info: keyboard interrupt" cat err
FEED=half.tar interrupted "import" INT "[ \$(ls -A $UDOCKER_DIR/layers | grep -c '^\\.') -gt 0 ] || ls -A $TMPDIR | grep -q ." "$UDOCKER" import - x:1
FEED=half.tar interrupted "import and SIGTERM" TERM "[ -d $UDOCKER_DIR/.staging/*/ROOT/usr ]" "$UDOCKER" import --tocontainer -
FEED=half.tar interrupted "import and SIGHUP" HUP "[ -d $UDOCKER_DIR/.staging/*/ROOT/usr ]" "$UDOCKER" import --tocontainer -
FEED=half.tar interrupted "load" INT "ls -A '$TMPDIR' '$UDOCKER_DIR/.staging' '$UDOCKER_DIR/layers' 2>/dev/null | grep -Eq '^\\.|udocker'" "$UDOCKER" load -i -
"$UDOCKER" -q import "$tar" big:1
interrupted "create" INT "$staged" "$UDOCKER" create --name=big big:1
"$UDOCKER" -q create --name=big big:1 >/dev/null
interrupted "clone" INT "$staged" "$UDOCKER" clone --name=twin big
# a reader that has its fill: the writer waits
for command in "export big" "save big:1"; do
  rm full; mkfifo full; exec 6<> full
  OUT=full interrupted "$command" INT "read -rn 1 -u 6" "$UDOCKER" $command
done
start_bad_registry
interrupted "pull" INT "bad_log | grep -q blobs" "$UDOCKER" pull "$BAD/stall/image:1"
check_status 1 "an image that was not pulled is not there" "$UDOCKER" inspect "$BAD/stall/image:1"
done_testing
