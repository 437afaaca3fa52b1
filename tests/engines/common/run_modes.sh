#!/usr/bin/env bash
# What every execution mode must do alike: status, streams, signals, volumes, environment, user, working directory.
# MODES chooses the modes; the default are all that need no change of the container.
. "$(dirname "$0")/../../support/support.sh"

check "load" "$UDOCKER" -q load -i "$(need_image busybox.docker.tar)"
check "create" "$UDOCKER" -q create --name=c busybox:test
root=$("$UDOCKER" inspect -p c)
mkdir -p data/sub && echo from-host > data/file && echo one > single
before=$(find "$root" | sort | sha256sum)

for mode in ${MODES:-P1 P2 R1 T1 T2 F1}; do
  run() { "$UDOCKER" -q run --nobanner --execmode=$mode "$@"; }
  check_output "$mode: output" "hello world" run c echo hello world
  check_status 7 "$mode: exit status" run c sh -c 'exit 7'
  check_status 143 "$mode: killed by a signal" run c sh -c 'kill -TERM $$'
  check_status 137 "$mode: killed by SIGKILL" run c sh -c 'kill -KILL $$'
  check_status 2 "$mode: no such program" run c /no/such/program
  check_status 2 "$mode: not executable" run c /etc/passwd
  check_same "$mode: standard input passes" "from stdin" "$(echo from stdin | run c cat)"
  check_same "$mode: bytes pass unchanged" "$(head -c 300000 "$UDOCKER" | sha256sum)" "$(head -c 300000 "$UDOCKER" | run c cat | sha256sum)"
  check_same "$mode: stderr apart" "err" "$(run c sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)"
  check_output "$mode: the container's files" 'NAME="musl test"' run c cat /etc/os-release
  check_output "$mode: a dynamic program" "musl 0 17" run c musl-stat /etc/os-release
  check_status 1 "$mode: the host's files are not there" run c ls "$WORK"
  check_output "$mode: a volume" from-host run -v "$WORK/data:/data" c cat /data/file
  check_output "$mode: a deep missing target" from-host run -v "$WORK/data:/a/b/c" c cat /a/b/c/file
  check_output "$mode: a file volume" one run -v "$WORK/single:/etc/new-file" c cat /etc/new-file
  check_output "$mode: a file over a file" one run -v "$WORK/single:/etc/os-release" c cat /etc/os-release
  check "$mode: writing to a volume" run -v "$WORK/data:/data" c sh -c "echo $mode > /data/written"
  check_same "$mode: it arrives" "$mode" "$(cat data/written)"
  check_match "$mode: a read-only volume refuses" "[Rr]ead-only" run -v "$WORK/data:/data:ro" c sh -c 'echo x > /data/no'
  check_same "$mode: nothing was written" "" "$(ls data | grep '^no$')"
  check_output "$mode: environment" "v 1" run -e A=v --env B=1 c sh -c 'echo $A $B'
  check_output "$mode: working directory" /data/sub run -v "$WORK/data:/data" -w /data/sub c pwd
  check_status 2 "$mode: missing working directory" run -w /no/such c pwd
  case $mode in F*) user=$(id -u) ;; *) user=0 ;; esac  # F modes cannot show another user
  check_output "$mode: the default user" "$user" run c id -u
  check_output "$mode: relative paths" from-host run -v "$WORK/data:/data" -w /data c cat sub/../file
  check_output "$mode: empty arguments are kept" "2:" run c sh -c 'echo "$#:$2"' sh a ''
  check_output "$mode: /proc/self/exe" /bin/busybox run c readlink /proc/self/exe
  check "$mode: files can be made" run c sh -c 'echo made > /tmp/made && ln -s made /tmp/link && cat /tmp/link && mv /tmp/made /tmp/moved && rm /tmp/moved /tmp/link && mkdir /tmp/d && rmdir /tmp/d'
  check_same "$mode: nothing is left in the container" "$before" "$(find "$root" | sort | sha256sum)"
  "$UDOCKER" -q run --nobanner --execmode=$mode c sh -c 'trap "echo got; exit 9" TERM; echo ready; while :; do sleep 0.1; done' > out.$mode 2>err.$mode & pid=$!
  wait_for grep -q ready out.$mode
  kill -TERM $pid
  wait $pid
  check_same "$mode: SIGTERM reaches the program" 9 $?
  check_match "$mode: and its handler runs" got cat out.$mode
done

check "two runs at once" bash -c 'for i in 1 2 3 4; do "$0" -q run --nobanner c sh -c "sleep 0.3; echo $i" & done; wait' "$UDOCKER"
check_match "messages do not mix into the output" '^out$' bash -c '"$0" run c echo out 2>/dev/null' "$UDOCKER"
check_match "the banner names the container" "STARTING" "$UDOCKER" run c true
check_same "-q silences it" "" "$("$UDOCKER" -q run c true 2>&1)"
done_testing
