# Commands killed at random points, and many at once: the store stays whole and everything works afterwards.
# CRASH_ROUNDS rounds (30) of seven kills each.
. "$(dirname "$0")/../support/support.sh"
. "$SUPPORT/registry.sh"
rounds=${CRASH_ROUNDS:-30}

mkdir t && cd t || exit 1
mkdir -p base/bin base/usr && for i in $(seq 300); do mkdir -p "base/usr/d$((i % 20))" && head -c $((i * 40)) /dev/urandom > "base/usr/d$((i % 20))/f$i"; done
cp /bin/busybox base/bin/sh
tar -cf 1.tar -C base . && mkdir -p up/usr/d1 && touch up/usr/d1/.wh.f1 && echo n > up/usr/new && tar -cf 2.tar -C up .
umoci --log=error init --layout oci && umoci --log=error new --image oci:a || exit 1
for i in 1 2; do umoci --log=error raw add-layer --image oci:a $i.tar; done
tar -C oci -cf image.tar .
"$UDOCKER" load -i image.tar base >/dev/null 2>&1
c=$("$UDOCKER" -q create --name=base base:a)
files=$(find "$UDOCKER_DIR/containers/$c/ROOT" | wc -l)

whole() { # all that is listed is whole, but for what others have removed meanwhile
  local image id
  for image in $("$UDOCKER" -q images | awk '{print $1}'); do "$UDOCKER" -q verify "$image" >/dev/null 2>&1 || { echo "image $image is not whole"; return 1; }; done
  for id in $("$UDOCKER" -q ps | awk '/-/ && !/CONTAINER/ {print $1}'); do
    [ "$(find "$UDOCKER_DIR/containers/$id/ROOT" 2>/dev/null | wc -l)" = "$files" ] || [ ! -e "$UDOCKER_DIR/containers/$id" ] || { echo "container $id is not whole"; return 1; }
    [ -s "$UDOCKER_DIR/containers/$id/container.json" ] || [ ! -e "$UDOCKER_DIR/containers/$id" ] || { echo "container $id has no metadata"; return 1; }
  done
}
# Others at work in the same store all the time; they must never fail but for a reason of their own.
others() {
  while [ ! -e enough ]; do
    for c in images ps "create --force --name=other base:a" "rm other" prune; do
      # shellcheck disable=SC2086
      "$UDOCKER" -q $c > other.out 2>&1 </dev/null || { echo "$c: $(tail -1 other.out)" >> others.log; }
    done
  done
}
tidy() { # all but the base, and what others have at work, is removed
  local item
  for item in $("$UDOCKER" -q ps | awk "/-/ && !/CONTAINER/ && !/'other'/ {print \$1}"); do [ "$item" = "$c" ] || "$UDOCKER" -q rm -f "$item" >/dev/null 2>&1; done
  for item in $("$UDOCKER" -q images | awk '{print $1}'); do [ "$item" = base:a ] || "$UDOCKER" -q rmi -f "$item" >/dev/null 2>&1; done
}
killed() { # MILLISECONDS COMMAND...
  local after=$1 pid; shift
  "$@" >/dev/null 2>&1 </dev/null & pid=$!
  sleep "0.$(printf %03d "$after")"
  kill -9 $pid 2>/dev/null
  wait $pid 2>/dev/null
}
start_bad_registry
bad=0
: > others.log
others & other=$!
for i in $(seq "$rounds"); do
  name=x$i
  killed $((RANDOM % 60)) "$UDOCKER" load -i image.tar "$name"
  killed $((RANDOM % 90)) "$UDOCKER" create --name="$name" base:a
  killed $((RANDOM % 90)) "$UDOCKER" clone --name="k$i" base
  "$UDOCKER" load -i image.tar "r$i" >/dev/null 2>&1
  killed $((RANDOM % 20)) "$UDOCKER" rmi "r$i:a"
  "$UDOCKER" create --force --name="y$i" base:a >/dev/null 2>&1
  killed $((RANDOM % 30)) "$UDOCKER" rm "y$i"
  killed $((RANDOM % 120)) "$UDOCKER" pull "$BAD/plain/image:1"
  "$UDOCKER" create --force --name="s$i" base:a >/dev/null 2>&1
  killed $((RANDOM % 60)) "$UDOCKER" setup --execmode=F3 "s$i"
  "$UDOCKER" -q setup --execmode=P2 "s$i" > setup.out 2>&1 || { bad=$((bad + 1)); echo "  round $i: setup after a killed one: $(tail -1 setup.out)"; }
  why=$(whole) || { bad=$((bad + 1)); echo "  round $i: $why"; }
  tidy
done
touch enough; wait $other
check_same "others were not disturbed" "" "$(sort others.log | uniq -c | sort -rn | head -5)"
check "a killed pull can be done again" "$UDOCKER" -q pull "$BAD/plain/image:1"
check "and is whole" "$UDOCKER" -q verify "$BAD/plain/image:1"
check_same "$rounds rounds of killed load, create, clone, rmi, rm, pull, setup: all that is listed is whole" 0 "$bad"
find "$UDOCKER_DIR/layers" "$UDOCKER_DIR/repos" "$UDOCKER_DIR/.staging" '(' -name '.*' -o -name '*.lock.*' ')' -type f -exec touch -d '1 hour ago' {} + 2>/dev/null  # temporary files count as somebody's while they are fresh
check "prune" "$UDOCKER" prune
check_same "nothing is left in the staging place" "" "$(ls -A "$UDOCKER_DIR/.staging" 2>/dev/null)"
check_same "nor among the layers" "" "$(ls -A "$UDOCKER_DIR/layers" | grep '^\.' | xargs)"
check "a rerun works" "$UDOCKER" create --force --name=again base:a
check "all is whole" whole
for id in $("$UDOCKER" -q ps | awk '/-/ && !/CONTAINER/ {print $1}'); do "$UDOCKER" -q rm -f "$id" >/dev/null 2>&1; done
check_same "all containers can be removed" 0 "$("$UDOCKER" -q ps | grep -c base:a)"
check_same "names of removed containers are gone" "" "$(find "$UDOCKER_DIR/containers" -type l | xargs)"

# many at once in one store
cat > many.sh <<'S'
n=$1
"$UDOCKER" load -i image.tar "m$((n % 5))" >/dev/null 2>"e$n" || exit 1
"$UDOCKER" -q create --name="m$n" base:a >/dev/null 2>>"e$n" || exit 2
"$UDOCKER" images >/dev/null 2>>"e$n" || exit 3
"$UDOCKER" -q pull "$BAD/plain/image:1" >/dev/null 2>>"e$n" || exit 7
"$UDOCKER" -q run "m$n" /bin/sh -c 'exit 9' >/dev/null 2>>"e$n"; [ $? = 9 ] || exit 8
"$UDOCKER" ps >/dev/null 2>>"e$n" || exit 4
"$UDOCKER" -q rm "m$n" >/dev/null 2>>"e$n" || exit 5
"$UDOCKER" rmi "m$((n % 5)):a" >/dev/null 2>>"e$n" || grep -Eq 'Error: (deleting image|image .*)' "e$n" || exit 6
S
export BAD
seq 32 | xargs -P 32 -I{} sh -c 'sh many.sh {} || echo "{} $?"' > many.out 2>&1
check_same "32 processes at once: load, create, pull, run, rm, rmi" "" "$(cat many.out; [ -s many.out ] && cat e* | sort | uniq -c | sort -rn | head -5)"
check "the store is whole afterwards" whole
check "and its image usable" "$UDOCKER" create base:a
done_testing
