#!/usr/bin/env bash
# Job control, signals from the terminal and its size inside the ptrace engine, compared with the same shell outside.
. "$(dirname "$0")/../../support/support.sh"
here=$SUPPORT/../engines/ptrace
ln -s "$UDOCKER" udocker-proot
check "outside" python3 "$here/terminal.py" bash --norc --noprofile -i
for how in "" --no-listener --no-seccomp; do
  check "inside ${how:-with a listener}" python3 "$here/terminal.py" ./udocker-proot --kill-on-exit $how -r / bash --norc --noprofile -i
  check "inside ${how:-with a listener}, as an emulated root" python3 "$here/terminal.py" ./udocker-proot --kill-on-exit $how -0 -r / bash --norc --noprofile -i
done
check "container" "$UDOCKER" -q import --tocontainer --name=c "$(need_image musl.tar)"
for mode in ${MODES:-P1 P2}; do
  # Interrupts reach the program, whose status is the run's.
  check_same "$mode: a run ended by SIGINT" 130 "$("$UDOCKER" -q run --nobanner --execmode=$mode c sh -c 'kill -INT $$; sleep 5' >/dev/null 2>&1; echo $?)"
  check_same "$mode: SIGUSR1" 138 "$("$UDOCKER" -q run --nobanner --execmode=$mode c sh -c 'kill -USR1 $$; sleep 5' >/dev/null 2>&1; echo $?)"
  check_same "$mode: SIGSEGV" 139 "$("$UDOCKER" -q run --nobanner --execmode=$mode c sh -c 'kill -SEGV $$; sleep 5' >/dev/null 2>&1; echo $?)"
done
done_testing
