#!/usr/bin/env bash
# udocker clone: the copy has everything, and is its own.
. "$(dirname "$0")/../support/support.sh"
udocker() { "$UDOCKER" -q "$@"; }
id=$(udocker import --tocontainer --name=first "$(need_image musl.tar)") || fail "make the container"
root=$UDOCKER_DIR/containers/first/ROOT
mkdir -p "$root/opt/a" "$root/opt/closed"; echo one > "$root/opt/a/one"; ln "$root/opt/a/one" "$root/opt/two"; ln -s /opt/two "$root/opt/soft"; mkfifo "$root/opt/pipe"
echo shut > "$root/opt/closed/f"; chmod 000 "$root/opt/closed/f" "$root/opt/closed"; truncate -s 64M "$root/opt/holes"; echo end >> "$root/opt/holes"
touch -d '2001-02-03 04:05:06.789' "$root/opt/a/one" "$root/opt/a"; setfattr -n user.x -v y "$root/opt/a/one" 2>/dev/null
printf 'note' > "$UDOCKER_DIR/containers/first/extra"
new=$(udocker clone --name=second first)
check_same "prints the new id" 36 "${#new}"
copy=$UDOCKER_DIR/containers/$new/ROOT
facts() { (cd "$1" && find . -printf '%p %y %m %n %l %TY%Tm%Td%TH%TM%TS' -type f -printf ' %s' -o -printf '' | sort; find . -type f -readable -exec sha256sum {} + | sort -k2); }
listing() { (cd "$1" && find . \( -type f -printf '%p %y %m %n %s %T@\n' \) -o -printf '%p %y %m %n %l %T@\n' 2>/dev/null | sort; find . -type f -readable -exec sha256sum {} + 2>/dev/null | sort -k2); }
check_same "names, modes, links, times, contents" "$(listing "$root" | md5sum)" "$(listing "$copy" | md5sum)"
check_same "hard links within the copy" "$(stat -c %i "$copy/opt/two")" "$(stat -c %i "$copy/opt/a/one")"
check_same "a directory that nobody may read keeps its mode" "0 0" "$(stat -c %a "$root/opt/closed") $(stat -c %a "$copy/opt/closed")"
check "holes stay holes" test "$(stat -c %b "$copy/opt/holes")" -lt 1000
check_same "attributes" "$(getfattr -n user.x --only-values "$root/opt/a/one" 2>/dev/null)" "$(getfattr -n user.x --only-values "$copy/opt/a/one" 2>/dev/null)"
check_same "files beside ROOT" note "$(cat "$UDOCKER_DIR/containers/second/extra")"
check_match "named" "$new.*second" udocker ps
echo changed > "$copy/opt/a/one"
check_same "a change of the copy stays there" one "$(cat "$root/opt/two")"
check "both export the same, but for that change" sh -c '"$1" -q clone --name=third first >/dev/null && "$1" -q export first > 1.tar && "$1" -q export third > 3.tar && cmp 1.tar 3.tar' _ "$UDOCKER"

# Owners that only the side store knows
python3 - <<'PY'
import io, tarfile
out = tarfile.open("owners.tar", "w")
for i in range(3000):
    m = tarfile.TarInfo("f%d" % i); m.uid, m.gid, m.mode, m.size = i, i + 1, 0o4711, 1
    out.addfile(m, io.BytesIO(b"x"))
out.close()
PY
udocker import --tocontainer --name=owned owners.tar >/dev/null
check "owners" sh -c '"$1" -q clone --name=owned2 owned >/dev/null && "$1" -q export owned > o1.tar && "$1" -q export owned2 > o2.tar && cmp o1.tar o2.tar && tar --numeric-owner -tvf o2.tar ./f2999 | grep -q "rws--x--x 2999/3000"' _ "$UDOCKER"

# Modes
udocker setup --execmode=F1 first
udocker clone --name=f1 first > f1.id
check_same "an F container is set up for its place" "$UDOCKER_DIR/containers/$(cat f1.id)/ROOT/opt/two" "$(readlink "$UDOCKER_DIR/containers/f1/ROOT/opt/soft")"
check_same "and the first one stays as it is" "$UDOCKER_DIR/containers/$id/ROOT/opt/two" "$(readlink "$root/opt/soft")"

check_match "no such container" 'Error: invalid container id' udocker clone nobody
check_match "a name that is taken" 'Error: container name already exists' udocker clone --name=second first
check_match "a bad name" 'Error: invalid container name' udocker clone --name=a/b first
before=$(ls -A "$UDOCKER_DIR/containers" | wc -l)
truncate -s 0 "$root/big"; head -c 300M /dev/zero > "$root/big"
"$UDOCKER" -q clone first >/dev/null & pid=$!
sleep 0.15; kill -KILL $pid; wait $pid 2>/dev/null
killed=$(ls -A "$UDOCKER_DIR/containers" | grep -vc '^\.lock')
check "a killed clone is not seen" test "$killed" -le "$((before + 1))"
work=$(dirname "$root")/.udocker-work-999999999-abcdef && mkdir -p "$work/0/work" && chmod 0 "$work/0/work"
udocker prune >/dev/null
check_same "and the work folder of a killed run" "" "$(ls -d "$work" 2>/dev/null)"
check_same "prune takes what it left" "" "$(ls "$UDOCKER_DIR/.staging" 2>/dev/null | grep -v lock)"
chmod 700 "$root/opt/closed" "$copy/opt/closed"; for c in "$UDOCKER_DIR"/containers/*/ROOT/opt/closed; do chmod 700 "$c" 2>/dev/null; done
done_testing
