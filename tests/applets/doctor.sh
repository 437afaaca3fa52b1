# doctor and mode auto in places that allow less and less.
. "$(dirname "$0")/../support/support.sh"
box() { python3 "$SUPPORT/box.py" "$@"; }
field() { python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1], {"d": d, "mode": {m["mode"]: m for m in d["modes"]}}))' "$1"; }
"$UDOCKER" import --tocontainer --name=c "$(need_image musl.tar)" >/dev/null || exit 1

check_match "text names every probe and mode" "user namespaces +yes" "$UDOCKER" doctor
check_match "and the choice" "^Mode auto takes R1 here\.$" "$UDOCKER" doctor
check_same "the same as JSON" "R1 True 12" "$("$UDOCKER" doctor --json | field 'd["auto"], mode["T1"]["works"], len(d["modes"])' | tr -d "(),'")"
check_status 0 "exit status where something works" "$UDOCKER" doctor

# without NAMES MODE EXIT: what auto takes there, also in a run
without() {
  local calls=$1 mode=$2 status=$3 got
  got=$(box --deny "$calls" "$UDOCKER" doctor --json | field 'd["auto"]')
  check_same "auto without $calls" "$mode" "$got"
  check_status "$status" "exit status without $calls" box --deny "$calls" "$UDOCKER" doctor
  check_match "advice without $calls" "To ask the administrator for:" box --deny "$calls" "$UDOCKER" doctor
}
without unshare T1 0
without unshare,seccomp P2 0
without unshare,seccomp,ptrace F1 1
check_match "what a mode lacks" "P1  lacks ptrace \(Operation not permitted\)" box --deny ptrace "$UDOCKER" doctor
check_match "auto runs with namespaces" "^[1-9]$" "$UDOCKER" -q run --nobanner --execmode=auto c /bin/sh -c 'echo $$'
check_match "auto runs without" "^[0-9]+$" box --deny unshare "$UDOCKER" -q run --nobanner --execmode=auto c /bin/sh -c 'echo $$'
check_output "auto runs in a box like Docker's" hello box --docker "$UDOCKER" -q run --nobanner --execmode=auto c /bin/echo hello
check_same "auto in a box like Docker's" T1 "$(box --docker "$UDOCKER" doctor --json | field 'd["auto"]')"
check "answers are kept" test -s "$UDOCKER_DIR/lib/probes.json"

# T1 keeps patched copies in a folder; where it cannot it is T2, and doctor says so.
note='mode["T1"]["works"], mode["T1"]["note"][:5]'
check_same "no note where copies can be kept" "True" "$("$UDOCKER" doctor --json | field "$note" | tr -d "(),'" | xargs)"
mkdir locked && chmod 555 locked
check_same "a folder that cannot be written" "True as T2" "$(UDOCKER_LIB=$PWD/locked "$UDOCKER" doctor --json | field "$note" | tr -d "(),'")"
check_output "T1 runs there" hello env UDOCKER_LIB="$PWD/locked" "$UDOCKER" -q run --nobanner --execmode=T1 c /bin/echo hello
check_same "a home that cannot be written" "R1 True as T2" "$(env -u UDOCKER_DIR HOME="$PWD/locked" "$UDOCKER" doctor --json | field "d['auto'], $note" | tr -d "(),'")"
readonly_store='mount --bind "$UDOCKER_DIR" "$UDOCKER_DIR" && mount -o remount,ro,bind "$UDOCKER_DIR" && "$0" --allow-root'
check_same "a read-only store" "R1 True as T2" "$(unshare -r -m sh -c "$readonly_store doctor --json" "$UDOCKER" | field "d['auto'], $note" | tr -d "(),'")"
check_output "T1 runs from a read-only store" hello unshare -r -m sh -c "$readonly_store -q run --nobanner --execmode=T1 c /bin/echo hello 2>/dev/null" "$UDOCKER"
mkdir noexec
inside='mount -t tmpfs -o noexec none noexec && UDOCKER_LIB=$PWD/noexec "$0" --allow-root'
check_same "a noexec folder" "True as T2" "$(unshare -r -m sh -c "$inside doctor --json" "$UDOCKER" | field "$note" | tr -d "(),'")"
check_match "is named" "a folder for executable files +no: " unshare -r -m sh -c "$inside doctor" "$UDOCKER"
check_output "T1 runs with a noexec folder" hello unshare -r -m sh -c "$inside -q run --nobanner --execmode=T1 c /bin/echo hello" "$UDOCKER"
done_testing
