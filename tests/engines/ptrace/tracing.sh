#!/usr/bin/env bash
# ptrace inside the ptrace engine: a tracer of our own sees what it sees outside; strace and gdb work on their children.
. "$(dirname "$0")/../../support/support.sh"
here=$SUPPORT/../engines/ptrace
ln -s "$UDOCKER" udocker-proot
check "build the static tracer" cc -O1 -pthread -static -o tracer.static "$here/tracer.c"
check "build the dynamic tracer" cc -O1 -pthread -o tracer.dynamic "$here/tracer.c"
check "build the program for gdb" cc -g -O0 -pthread -o traced "$here/traced.c"
everything="traceme signals seize attach calls step threads exec waitids handlers exitkill"
for t in static dynamic; do for what in $everything; do timeout 60 ./tracer.$t $what > native.$t.$what 2>&1; done; done
# Names and numbers of the calls, sorted: how the lines of several processes mix is chance.
calls() { sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$1" | grep -E '^(execve|openat|chdir|dup2|pipe2|exit_group|getdents64)$' | sort | uniq -c; }
script='cd /etc && ls >/dev/null; cat hostname | wc -l; (exit 3); true'
strace -f -o native.strace sh -c "$script" >/dev/null

for how in listener stops P2; do
  on=(timeout 120 ./udocker-proot --kill-on-exit -r / -w "$WORK")
  [ $how = stops ] && on+=(--no-listener)
  [ $how = P2 ] && on+=(--no-seccomp)
  for t in static dynamic; do
    for what in $everything; do
      "${on[@]}" ./tracer.$t $what > got 2>&1
      check_same "$how: tracer $t $what" "$(cat native.$t.$what)" "$(cat got)"
    done
  done
  check_output "$how: strace -f" 1 "${on[@]}" strace -f -o got.strace sh -c "$script"
  check_same "$how: it sees the calls" "$(calls native.strace)" "$(calls got.strace)"
  check_match "$how: with the program's own arguments" 'execve\("/[a-z/]*cat", \["cat", "hostname"\]' cat got.strace
  check_match "$how: strace -p" 'nanosleep|restart_syscall' "${on[@]}" sh -c 'rm -f attached; sleep 60 & p=$!; strace -o attached -p $p & s=$!; for i in $(seq 300); do grep -Eq "nanosleep|restart_syscall" attached && break; sleep 0.1; done; kill $s; wait $s; cat attached; kill $p'
  check_match "$how: strace -c counts" '100.00 .* total' "${on[@]}" sh -c 'strace -c -o counts true; cat counts'
  "${on[@]}" gdb -nx -q -batch -ex 'set confirm off' -ex 'break square' -ex run -ex bt -ex 'print n' -ex continue -ex bt -ex delete -ex continue ./traced > got.gdb 2>&1
  for line in 'Breakpoint 1, square \(n=5\)' '#1 .* in main \(' '\$1 = 5' 'Thread 2 .*hit Breakpoint 1' '#1 .* in work \(' 'thread 25' 'exited with code 03'; do
    check_match "$how: gdb: $line" "$line" cat got.gdb
  done
  check_match "$how: gdb -p" "name = '?.*sleep|exe = '.*sleep'" "${on[@]}" sh -c 'sleep 60 & until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done; gdb -nx -q -batch -p $! -ex "info proc" -ex detach 2>&1; kill $!'
  check_output "$how: an auxiliary vector of the program's own" same "${on[@]}" python3 -c '
import ctypes, struct
value = ctypes.CDLL(None).getauxval; value.restype = ctypes.c_ulong
data = open("/proc/self/auxv", "rb").read(); pairs = dict(struct.iter_unpack("QQ", data))
print("same" if all(value(k) == pairs[k] for k in (3, 5, 7, 9)) else pairs)'
done
done_testing
