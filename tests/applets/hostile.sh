#!/usr/bin/env bash
# Images that attack: nothing outside the new container is ever touched, what fails leaves nothing and says one sentence,
# and memory stays small. HOSTILE_LONG=1 takes a million entries where the short run takes some ten thousand.
. "$(dirname "$0")/../support/support.sh"
mkdir canary && echo alive > canary/file && mkdir canary/sub && touch -d '2001-01-01' canary/file canary/sub canary
python3 "$SUPPORT/hostile.py" cases "$WORK/canary" || fail "make the archives"
state() { find "$WORK/canary" /tmp/evil /etc/evil -printf '%p %y %s %m %n %l %T@\n' 2>/dev/null; cat canary/file; ls -A "$WORK"; }
one_error() { [ "$(printf '%s\n' "$1" | grep -c '^Error: ')" = 1 ] && [ "$(printf '%s\n' "$1" | grep -vc '^\(Error\|Info\|Warning\): ')" = 0 ]; }
"$UDOCKER" -q images >/dev/null; touch out
before=$(state)
odd() { fail "$1" "wanted: $2, got: $3" "$(head -c 600 out)"; }
while read -r name expected; do
  got=made
  timeout 60 "$UDOCKER" load -i "cases/$name.tar" > out 2>&1 </dev/null || got=refused
  if [ $got = made ]; then
    image=$("$UDOCKER" -q images | awk 'NF {print $1; exit}')
    timeout 60 "$UDOCKER" create "$image" > out 2>&1 </dev/null || got=refused
    "$UDOCKER" -q rmi -f "$image" >/dev/null 2>&1
  fi
  [ "$expected" = either ] || [ "$expected" = $got ] || odd "$name" "$expected" "$got"
  if [ $got = refused ]; then
    one_error "$(cat out)" || odd "$name: one sentence" "one Error" "$(wc -l < out) lines"
    [ -z "$(ls -A "$UDOCKER_DIR/containers")" ] || fail "$name: a failed create leaves nothing" "$(ls -A "$UDOCKER_DIR/containers")"
  else
    id=$(tail -1 out)
    strange=$(find "$UDOCKER_DIR/containers/$id/ROOT" '(' -type b -o -type c -o -perm /7000 -o ! -user "$(id -u)" ')' -print -quit)
    [ -z "$strange" ] || fail "$name: neither devices nor set-id files" "$strange"
    "$UDOCKER" -q rm -f "$id" > out 2>&1 || odd "$name: the container can be removed" "removed" "$?"
  fi
  ok
done < cases/cases
check_same "the canaries live" "$before" "$(state)"
check_same "nothing is left in the staging place" "" "$(ls -A "$UDOCKER_DIR/.staging" 2>/dev/null)"
check "prune" "$UDOCKER" -q prune
check_same "nor among the layers" "" "$(ls -A "$UDOCKER_DIR/layers")"

# Memory and time: KIND COUNT
[ -n "${HOSTILE_LONG:-}" ] && many=1000000 large=3000 || many=20000 large=300
peak() { # WHAT COMMAND...
  local what=$1 got; shift
  got=$(python3 "$SUPPORT/peak.py" "$@" 2>out) || { fail "$what" "$(tail -3 out)"; return; }
  awk -v got="$got" 'BEGIN {exit !(got < 64)}' && ok || fail "$what: peak memory of $got MB"
}
for case in "entries $many" "dirs $many" "links $many" ${HOSTILE_LONG:+"pairs $many"} "whiteouts $many" "general $many" "layers 500" "window $large" "xz $large"; do
  # shellcheck disable=SC2086
  set -- $case
  python3 "$SUPPORT/big_image.py" "$1" "$2" big.tar || fail "make an image: $1"
  peak "load of $2 $1" "$UDOCKER" -q load -i big.tar
  peak "create of $2 $1" "$UDOCKER" -q create --name=c "$1:1"
  peak "clone of $2 $1" "$UDOCKER" -q clone --name=d c
  peak "export of $2 $1" "$UDOCKER" -q export -o x.tar c
  peak "removing $2 $1" "$UDOCKER" -q rm c d
  "$UDOCKER" -q rmi "$1:1" >/dev/null 2>&1
  rm -f x.tar big.tar
done
python3 "$SUPPORT/big_image.py" layers 300 big.tar && "$UDOCKER" -q load -i big.tar >/dev/null
check "few files may be open: more layers than that" bash -c 'ulimit -n 80 && "$0" -q create --name=few layers:1 && "$0" -q rm few' "$UDOCKER"
no_threads() { bash -c 'ulimit -u 1 && exec "$0" -q "$@"' "$UDOCKER" "$@"; }
check "no thread may be started: create" no_threads create --name=alone layers:1
check "clone" no_threads clone --name=alone2 alone
check "setup" no_threads setup --execmode=F1 alone
check "export" no_threads export -o x.tar alone2
check "import" no_threads import --tocontainer --name=alone3 x.tar
check "save" no_threads save -o y.tar layers:1
check "verify" no_threads verify layers:1
check "rm" no_threads rm alone alone2 alone3
"$UDOCKER" -q rmi layers:1 >/dev/null 2>&1
check "load" no_threads load -i y.tar
"$UDOCKER" -q rmi layers:1 >/dev/null 2>&1
rm -f big.tar x.tar y.tar

# Bombs
python3 "$SUPPORT/big_image.py" bomb 9000 bomb.tar
check_output "a bomb loads" "bomb:1" "$UDOCKER" -q load -i bomb.tar
check_match "what no honest image unpacks to is refused" "^Error: .*more than the limit of 8589934592 bytes .*UDOCKER_MAX_UNPACKED_SIZE" "$UDOCKER" create bomb:1
check_match "a limit of one's own" "^Error: .*more than the limit of 1000000 bytes" env UDOCKER_MAX_UNPACKED_SIZE=1000000 "$UDOCKER" create bomb:1
python3 "$SUPPORT/big_image.py" entries 200 entries.tar && "$UDOCKER" -q load -i entries.tar >/dev/null
check_match "a limit for the number of files" "^Error: .*more files than the limit of 100 .*UDOCKER_MAX_UNPACKED_FILES" env UDOCKER_MAX_UNPACKED_FILES=100 "$UDOCKER" create entries:1
gzip -1 < bomb.tar > bomb.tgz
check_match "an archive has the limit too" "^Error: .*more than the limit of 1000 bytes" env UDOCKER_MAX_UNPACKED_SIZE=1000 "$UDOCKER" load -i bomb.tgz x
check_same "nothing is left" "" "$(ls -A "$UDOCKER_DIR/containers" "$UDOCKER_DIR/.staging" 2>/dev/null | grep -v :)"
done_testing
