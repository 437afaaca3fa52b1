#!/usr/bin/env bash
# 32-bit programs in the ptrace engine, static, dynamic and position-independent, and 64-bit code that uses the other tables.
. "$(dirname "$0")/../../support/support.sh"
here=$SUPPORT/../engines/ptrace
[ "$(uname -m)" = x86_64 ] || { skip "only x86_64 runs 32-bit programs beside 64-bit ones"; done_testing; exit; }
ln -s "$UDOCKER" udocker-proot
cc32=i686-linux-gnu-gcc
libraries=$(dirname "$($cc32 -print-file-name=libc.so.6)")
mkdir -p root/lib root/probe/in root/tmp root/dev root/proc out
cp "$libraries/ld-linux.so.2" "$libraries/libc.so.6" root/lib/
echo secret > out/outside && chmod 777 out/outside
outside=$(sha256sum out/outside; stat -c '%a %s %Y' out/outside)
check "build the probe of numbers" $cc32 -static -O1 -o root/probe/numbers "$here/numbers.c"
check "build the probe of tables" cc -static -O1 -o root/probe/tables "$here/tables.c"
check "build the static probe" $cc32 -static -O1 -o root/probe/probe-static "$here/probe.c"
check "build the dynamic probe" $cc32 -O1 -o root/probe/probe-dynamic "$here/probe.c"
check "build a static program" $cc32 -static -O1 -o root/probe/static "$here/names.c"
root/probe/static none >/dev/null 2>&1 || [ $? != 126 ] || { skip "this kernel runs no 32-bit programs"; done_testing; exit; }
check "build a program at a fixed place" $cc32 -no-pie -O1 -o root/probe/fixed "$here/names.c"
check "build a program that can lie anywhere" $cc32 -O1 -o root/probe/anywhere "$here/names.c"
ln -s /probe/in/file root/probe/link
ln -s ../in/file root/probe/in/link
ln -s /probe/in root/probe/dirlink
ln -s "$WORK/out/outside" root/probe/out
ln -s anywhere root/probe/other
printf '#!/probe/anywhere word\n' > root/probe/script
chmod +x root/probe/script

printf '#include <stdio.h>\n#include <sys/ptrace.h>\nint main(void) { printf("%%ld\\n", ptrace(PTRACE_TRACEME, 0, 0, 0)); return 0; }\n' > traces.c
check "build what wants to be traced" $cc32 -static -o root/probe/traces traces.c

check "build what refuses" cc -o refusing "$here/refusing.c"
# old: without PTRACE_GET_SYSCALL_INFO, as before Linux 5.3.
for how in listener stops P2 old; do
  on=(./udocker-proot --kill-on-exit -b /dev -b /proc -r "$WORK/root" -w /)
  [ $how = stops ] && on+=(--no-listener)
  [ $how = P2 ] || [ $how = old ] && on+=(--no-seccomp)
  [ $how = old ] && on=(./refusing "101:0x420e" "${on[@]}")
  for kind in static dynamic; do
    cp -f root/probe/probe-$kind root/probe/in/file
    check_match "$how, $kind: no call escapes, none is wrongly refused" " 0 bad$" "${on[@]}" /probe/probe-$kind "$WORK/out/outside"
    check_match "$how, $kind: the same for an emulated root" " 0 bad$" "${on[@]}" -0 /probe/probe-$kind "$WORK/out/outside"
  done
  cp root/probe/probe-static root/probe/in/file
  for program in static fixed anywhere; do
    check_output "$how: names of a program, $program" "first $program /probe/$program /probe/$program second" "${on[@]}" /probe/static run /probe/$program first second
  done
  check_output "$how: names of a link" "first other /probe/anywhere /probe/other second" "${on[@]}" /probe/fixed run /probe/other first second
  check_output "$how: names of a script" "/probe/anywhere script /probe/anywhere /probe/script word" "${on[@]}" /probe/script
  check "$how: threads with small stacks" "${on[@]}" /probe/anywhere threads
  check_match "$how: a 32-bit tracer is refused with a sentence" "a 32-bit program wants to trace: inside modes P1 and P2 only 64-bit programs can" "${on[@]}" /probe/traces
  check_output "$how: it hears so too" -1 sh -c '"$@" 2>/dev/null' _ "${on[@]}" /probe/traces
  check_same "$how: int 0x80 and x32 in 64-bit code reach nothing outside" "" "$("${on[@]}" /probe/tables /probe/in/file "$WORK/out/outside" | grep open)"
done
for how in "" "--no-seccomp -0"; do
  check_match "every number ${how:-as it is}: no call escapes" " 0 bad$" ./udocker-proot $how -b /dev -b /proc -r "$WORK/root" -w / /probe/numbers escape "$WORK/out/outside" "$WORK/out/nothing"
done
check_same "the host's file is as it was" "$outside" "$(sha256sum out/outside; stat -c '%a %s %Y' out/outside)"
done_testing
