#!/usr/bin/env bash
# A person at a terminal: sizes, interrupts, job control, settings left as they were; R1, R2 and the OCI command line.
. "$(dirname "$0")/prepare.sh"
check "a Debian container" "$UDOCKER" -q import --tocontainer --name=d "$(need_image bookworm.tar)"
R=$("$UDOCKER" inspect -p d)
session() { timeout 300 python3 "$HERE/pty.py" "$@" | xargs; }
good="size resize winch interrupt job status 9 settings kept"
for mode in R1 R2; do
  check_same "udocker run, $mode" "$good" "$(session "$UDOCKER" -q run --nobanner --execmode=$mode d bash --norc -i)"
done
bundle tty 'p["terminal"]=True' -- bash --norc -i
check_same "run of a bundle" "$good" "$(session "$RUNC" --root "$WORK/state" run -b tty t1)"
bundle long -- sleep 1000
quietly ours run --detach --bundle long e1
check_same "exec --tty" "$good" "$(session "$RUNC" --root "$WORK/state" exec --tty e1 bash --norc -i)"
ours delete --force e1
done_testing
