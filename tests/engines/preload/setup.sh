#!/usr/bin/env bash
# Changes of mode: any order comes back to the same tree, also when killed at any point; containers that the Python tool
# left in F modes are taken over.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../support/support.sh"

# A small tree with links, libraries and programs of every kind.
mkdir small && tar -C small -xf "$(need_image bookworm.tar)" --exclude=./dev --exclude='./usr/share/*' --exclude='./usr/include/*' \
  --exclude='./usr/lib/gcc/*' --exclude='./usr/lib/python3/*' --exclude='./usr/lib/python3.11/*' --exclude='./usr/lib/git-core/*' \
  --exclude='./var/lib/*' --exclude='*/perl/*' --exclude='*/perl-base/*' --exclude='*.a' 2>/dev/null
find small -type f -size +1200k ! -name libc.so.6 -delete
ln -sf /etc/alternatives/awk small/usr/bin/a-link
ln -sf / small/to-the-root
ln small/usr/bin/env small/usr/bin/env-by-another-name
chmod 555 small/etc/alternatives
tar -C small -cf small.tar . && chmod -R u+w small
"$UDOCKER" -q import --tocontainer --name=c small.tar >/dev/null
root=$("$UDOCKER" inspect -p c)
dir=$(dirname "${root:?no root}")
id=$(basename "$(readlink -f "$dir")")
list() { (cd "$root" && { find . -printf '%p %y %m %l %s %T@\n' | sort; find . -type f -readable -print0 | sort -z | xargs -0 sha256sum; }); }
same_tree() { list >after; check_same "$1" "" "$(diff before after | head -4)"; }
run() { "$UDOCKER" -q run --nobanner c "$@"; }
list >before

# ---- orders
for mode in P1 P2 F1 F2 F3 F4 R1 R2 R3 P1; do check "walk: $mode" "$UDOCKER" -q setup --execmode=$mode c; done
same_tree "the walk of the manual comes back"
RANDOM=7
for i in $(seq ${WALK:-8}); do  # WALK=50: a longer one
  modes=(P1 F1 F2 F3 F4 R1 T1)
  mode=${modes[RANDOM % 7]}
  check "random walk: $mode" "$UDOCKER" -q setup --execmode=$mode c
  case $mode in
    F*) check_output "$mode: a program runs" mawk run sh -c 'basename $(realpath /usr/bin/awk)' ;;
    *) list >after; check_same "$mode: the tree is as before" "" "$(diff before after | head -4)" ;;
  esac
done

# ---- what was changed reads as clean as before
"$UDOCKER" -q setup --execmode=F3 c
linted=0
for file in $(cd "$root" && find usr/bin usr/lib -type f -size +1k -size -300k | sort | awk 'NR % 3 == 0'); do
  cmp -s "small/$file" "$root/$file" && continue
  linted=$((linted + 1))
  [ "$(eu-elflint --gnu-ld "small/$file" 2>&1 | sort)" = "$(eu-elflint --gnu-ld "$root/$file" 2>&1 | sort)" ] || fail "eu-elflint dislikes $file" "$(eu-elflint --gnu-ld "$root/$file" 2>&1 | head -3)"
done
check "$linted changed programs and libraries were looked at" test $linted -ge 20

# ---- killed
"$UDOCKER" -q setup --execmode=P1 c
kill_at() {  # kill_at CALL NUMBER command...: SIGKILL at the call
  local call=$1 number=$2; shift 2
  strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$number" "$@" 2>/dev/null
  [ $? = 137 ]
} 2>/dev/null
killed=0
for point in symlink:20 rename:30 pwrite64:2 pwrite64:90 utimensat:150 ftruncate:1; do
  call=${point%:*} number=${point#*:}
  for change in P1:F3 F4:P1; do
    from=${change%:*} to=${change#*:}
    "$UDOCKER" -q setup --execmode=$from c
    kill_at "$call" "$number" "$UDOCKER" -q setup --execmode=$to c && killed=$((killed + 1))
    check_output "killed at $point on the way $change: the next run works" mawk run sh -c 'basename $(realpath /usr/bin/awk)'
    check "and back" "$UDOCKER" -q setup --execmode=P1 c
    same_tree "killed at $point on the way $change: the tree comes back"
  done
done
check "enough of them were really killed ($killed)" test $killed -ge 8
check_same "no leftovers" "" "$(ls -A "$dir" | grep -E 'pending|\.tmp$|patch\.|ld\.so\.orig')"

# ---- the Python tool's containers
interpreters() { (cd "$root" && find . -type f -perm -u+x -exec patchelf --print-interpreter {} + 2>/dev/null | sort | uniq -c); }
pythons() { python3 "$here/pythons_container.py" "$@"; }
mkdir data && echo 'int main(void) { return 42; }' >new.c && gcc -o data/new new.c || fail "cannot build a program"
for mode in F1 F2 F3 F4; do
  pythons "$dir" $mode
  check_output "the Python tool's $mode: a program runs" mawk run sh -c 'basename $(realpath /usr/bin/awk)'
  if [ $mode = F4 ]; then
    check_output "the Python tool's F4: a new program, which is changed when it is executed" "42 $root//lib64/ld-linux-x86-64.so.2 42" \
      sh -c '"$1" -q run --nobanner -v "$3/data:/data" c sh -c "cp /data/new /tmp/new; /tmp/new; echo \$?" | xargs printf "%s "
        printf "%s " $(patchelf --print-interpreter "$2/tmp/new"); "$1" -q run --nobanner c /tmp/new; echo $?' _ "$UDOCKER" "$root" "$WORK"
  fi
  check "the Python tool's $mode: setup P1" "$UDOCKER" -q setup --execmode=P1 c
  if [ $mode = F4 ]; then
    check_output "the Python tool's F4: the new program is back too" /lib64/ld-linux-x86-64.so.2 patchelf --print-interpreter "$root/tmp/new"
    rm -f "$root/tmp/new"
  fi
  list >after
  # It restores headers through patchelf, so that the bytes of patched files differ; all else is the same.
  check_same "the Python tool's $mode: links and loader are as before" "" \
    "$(diff <(sed -E 's/ [0-9]+ [0-9.]+$//; /^[0-9a-f]{64} /d' before) <(sed -E 's/ [0-9]+ [0-9.]+$//; /^[0-9a-f]{64} /d' after) | head -4)"
  check_same "the Python tool's $mode: no host path is left in a program" "" "$(interpreters | grep -F "$dir")"
  check_same "the Python tool's $mode: the loader has its bytes again" "$(sha256sum <small/usr/lib64/ld-linux-x86-64.so.2)" "$(sha256sum <"$root/usr/lib64/ld-linux-x86-64.so.2")"
  check_output "the Python tool's $mode: P1 runs" mawk run sh -c 'basename $(realpath /usr/bin/awk)'
  "$UDOCKER" -q rm -f c
  "$UDOCKER" -q import --tocontainer --name=c small.tar >/dev/null
  root=$("$UDOCKER" inspect -p c) && dir=$(dirname "$root") && id=$(basename "$(readlink -f "$dir")")
  list >before
done
# Moved to another place, by hand or with the whole repository.
pythons "$dir" F3
mv udocker moved && export UDOCKER_DIR="$WORK/moved"
root=$("$UDOCKER" inspect -p c) && dir=$(dirname "$root")
check_match "moved: run says what to type" "setup --execmode=F3 --force $id" run true
check "moved: and that works" "$UDOCKER" -q setup --execmode=F3 --force "$id"
check_output "moved: a program runs" mawk run sh -c 'basename $(realpath /usr/bin/awk)'
check "moved: back" "$UDOCKER" -q setup --execmode=P1 c
check_same "moved: no host path is left" "" "$(find "$root" -lname "*containers*"; interpreters | grep -F containers)"

# ---- root
"$UDOCKER" -q setup --execmode=F1 c
check_match "root is refused with the manual's message" "this engine does not support execution as root.*P, T and R modes" \
  "$UDOCKER" run --nobanner --user=root c true
chmod -R u+rwX "$root" small
done_testing
