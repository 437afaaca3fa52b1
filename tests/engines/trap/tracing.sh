#!/usr/bin/env bash
# Tracers inside the trap engine see what they see outside, but for the calls of PTRACE_SYSCALL (the README says how);
# gdb and strace work on their children; the ptrace engine and doctor know where they are.
. "$(dirname "$0")/../../support/support.sh"
here=$SUPPORT/../engines/ptrace
ln -s "$UDOCKER" udocker-trap
ln -s "$UDOCKER" udocker-proot
check "build the static tracer" cc -O1 -pthread -static -o tracer.static "$here/tracer.c"
check "build the dynamic tracer" cc -O1 -pthread -o tracer.dynamic "$here/tracer.c"
check "build the program for gdb" cc -g -O0 -pthread -o traced "$here/traced.c"
kinds="traceme signals seize attach step threads waitids handlers exitkill"
for t in static dynamic; do for what in $kinds; do timeout 60 ./tracer.$t $what > native.$t.$what 2>&1; done; done
calls() { sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$1" | grep -cE '^(execve|getdents64)$'; }
for mode in T1 T2; do
  on=(timeout 120 ./udocker-trap --kill-on-exit "--lib=$WORK/lib" -r / -w "$WORK")
  [ $mode = T1 ] && on+=("--cache=$WORK/copies")
  for t in static dynamic; do
    for what in $kinds; do
      "${on[@]}" ./tracer.$t $what > got 2>&1
      check_same "$mode: tracer $t $what" "$(cat native.$t.$what)" "$(cat got)"
    done
  done
  check "$mode: strace -f" "${on[@]}" strace -f -o got.strace sh -c 'ls /etc >/dev/null; true'
  check "$mode: it sees the calls" test "$(calls got.strace)" -ge 4
  "${on[@]}" gdb -q -nx -batch -ex 'break work' -ex run -ex 'info threads' -ex 'info registers rip' -ex finish -ex 'stepi 200' -ex delete -ex cont ./traced > gdb.out 2>&1 </dev/null
  check_match "$mode: gdb stops at a breakpoint" "hit Breakpoint 1, work|Breakpoint 1, work" cat gdb.out
  check_match "$mode: gdb sees the end" "exited (normally|with code)" cat gdb.out
  check_match "$mode: the ptrace engine refuses" "use execution mode T1 here" "${on[@]}" ./udocker-proot -r / true
  check_match "$mode: doctor knows" "^Mode auto takes T1 here" "${on[@]}" "$UDOCKER" doctor
done
done_testing
