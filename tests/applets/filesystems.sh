#!/usr/bin/env bash
# Stores on file systems that are full, read-only, out of inodes, or lack what others have: it works, or one sentence
# says why not, nothing half-made is listed, and everything works again afterwards.
. "$(dirname "$0")/../support/support.sh"
. "$SUPPORT/registry.sh"
unshare -rm true || { fail "user namespaces are needed to mount small file systems"; done_testing; exit; }
python3 "$SUPPORT/big_image.py" entries 3000 many.tar
mkdir -p base/bin base/usr && for i in $(seq 60); do head -c 120000 /dev/urandom > "base/usr/f$i"; done
ln base/usr/f1 base/usr/hard && ln -s f1 base/usr/soft && tar -C base -cf root.tar . && rm -rf base
refuse() { local what=$1; shift; python3 "$SUPPORT/no_call.py" "$what" "$@"; }

# inside OPTIONS SCRIPT: runs it in a namespace of its own with a tmpfs at ./small, which is the store's place
inside() { UDOCKER_DIR=$WORK/small/store unshare -rm bash -c "mount -t tmpfs -o $1 small small && . ./functions; $2" 2>&1; }
mkdir small
cat > functions <<'S'
u() { "$UDOCKER" --allow-root "$@"; }
q() { "$UDOCKER" --allow-root -q "$@"; }
# fails REGEX COMMAND...: it fails with one sentence that matches
fails() {
  local want=$1 out; shift
  out=$("$@" 2>&1 </dev/null) && { echo "BAD: should fail: $*"; return; }
  [ "$(printf '%s\n' "$out" | grep -c '^Error: ')" = 1 ] || echo "BAD: not one sentence: $*: $out"
  printf '%s\n' "$out" | grep -Eq "^Error: .*($want)" || echo "BAD: $*: $out"
}
works() { local out; out=$("$@" 2>&1 </dev/null) || echo "BAD: fails: $*: $out"; }
none() { [ -z "$(ls -A "$UDOCKER_DIR/containers" "$UDOCKER_DIR/.staging" 2>/dev/null | grep -v :)" ] || echo "BAD: left: $(ls -A "$UDOCKER_DIR/containers" "$UDOCKER_DIR/.staging")"; }
S
full="No space left on device"

check_same "a full disk: create" "" "$(inside size=14m "works q import $WORK/root.tar a:1; fails '$full' u create a:1; none; works q images; works q ps; works q verify a:1; works q rmi a:1; works q prune")"
check_same "a full disk: load" "" "$(inside size=5m "fails '$full' u import $WORK/root.tar a:1; fails '$full' u import --tocontainer $WORK/root.tar; none; [ -z \"\$(q images)\" ] || echo BAD: listed; works q prune; [ -z \"\$(ls -A \$UDOCKER_DIR/layers)\" ] || echo BAD: blobs; works q import $WORK/many.tar b:1")"
registry=127.0.0.1:$(free_port)
start_registry plain "${registry#*:}" "$WORK/data"
"$UDOCKER" -q import root.tar a:1 && "$UDOCKER" -q save -o saved.tar a:1 && skopeo copy --quiet --dest-tls-verify=false docker-archive:saved.tar "docker://$registry/team/a:1"
check_same "a full disk: pull" "" "$(inside size=5m "fails '$full' u pull $registry/team/a:1; [ -z \"\$(q images)\" ] || echo BAD: listed; works q prune; [ -z \"\$(ls -A \$UDOCKER_DIR/layers)\" ] || echo BAD: blobs; works q import $WORK/many.tar b:1")"
check_same "a full disk: it is pulled where there is room" "" "$(inside size=30m "works q pull $registry/team/a:1; works q verify $registry/team/a:1; works q create $registry/team/a:1")"
check_same "a full disk: clone" "" "$(inside size=12m "works q import --tocontainer --name=c $WORK/root.tar; fails '$full' u clone --name=d c; [ \$(q ps | wc -l) -le 2 ] || echo BAD: listed; works q rm c; works q import --tocontainer --name=c $WORK/root.tar")"
check_same "a full disk: export and save" "" "$(inside size=18m "works q import $WORK/root.tar a:1; works q create --name=c a:1; fails '$full' u save -o $WORK/small/s.tar a:1; fails '$full' u export -o $WORK/small/x.tar c; fails '$full' u export --clone -o $WORK/small/x.tar c
  [ -z \"\$(ls $WORK/small/*.tar 2>/dev/null)\" ] || echo BAD: left; works q export -o $WORK/after.tar c")"
check_same "no inodes" "" "$(inside size=60m,nr_inodes=400 "works q load -i $WORK/many.tar; fails '$full' u create entries:1; none; works q verify entries:1; works q rmi entries:1; works q import --tocontainer $WORK/root.tar")"
check_same "a quota" "" "$(inside size=100m "works q import $WORK/root.tar a:1; fails '[Qq]uota exceeded' python3 $SUPPORT/no_call.py pwrite64=EDQUOT \$UDOCKER --allow-root create a:1; none; works q create a:1")"
check_same "a quota that shows at the end" "" "$(inside size=100m "works q import $WORK/root.tar a:1; fails '[Qq]uota exceeded' python3 $SUPPORT/no_call.py syncfs=EDQUOT \$UDOCKER --allow-root create a:1; none")"
check_same "a read-only store" "" "$(inside size=100m "works q import $WORK/root.tar a:1; works q create --name=c a:1; mount -o remount,ro small small
  for c in images ps 'verify a:1' 'inspect c' 'inspect a:1' 'export -o /dev/null c' 'save -o /dev/null a:1'; do works q \$c; done
  fails 'Read-only file system' u create a:1; fails 'Read-only file system' u rm c; fails 'Read-only file system' u rmi a:1; fails 'Read-only file system' u import $WORK/many.tar b:1
  fails 'Read-only file system' u clone c; fails 'Read-only file system' u protect c; fails 'Read-only file system' u rename c d; fails 'Read-only file system' u load -i $WORK/many.tar")"

# A file system that lacks something: all still works
round() { # CALLS=ERRNO
  rm -rf "$WORK/lacking" x.tar s.tar
  export UDOCKER_DIR=$WORK/lacking
  local out
  for c in "images" "load -i many.tar" "import root.tar a:1" "create --name=c a:1" "create --name=e entries:1" "clone --name=d c" "verify a:1" "ps" "export -o x.tar d" "save -o s.tar a:1" \
    "rename d f" "protect f" "unprotect f" "tag a:1 b:1" "rm c f e" "rmi b:1" "rmi a:1" "rmi entries:1" "prune"; do
    # shellcheck disable=SC2086
    out=$(refuse "$1" "$UDOCKER" -q $c 2>&1 </dev/null) || { echo "$c: $out"; return; }
  done
  ls -A "$UDOCKER_DIR/layers" "$UDOCKER_DIR/containers" "$UDOCKER_DIR/repos" | grep -v ':$' | grep .
}
for what in flock=ENOSYS flock=EOPNOTSUPP link,linkat=EPERM link,linkat=EOPNOTSUPP setxattr,lsetxattr,fsetxattr=EOPNOTSUPP chown,lchown,fchownat=EPERM \
  copy_file_range=EOPNOTSUPP renameat2=EINVAL syncfs=ENOSYS fsync=EINVAL utimensat=EPERM fallocate=EOPNOTSUPP; do
  check_same "without ${what%=*} (${what#*=})" "" "$(round $what)"
done
export UDOCKER_DIR=$WORK/plain
check "import for a container without hard links" refuse link,linkat=EPERM "$UDOCKER" -q import --tocontainer --name=nolinks root.tar
root=$("$UDOCKER" -q inspect -p nolinks)
check "a hard link is a copy there" cmp "$root/usr/f1" "$root/usr/hard"
check_match "no symbolic links: one sentence" "^Error: .*Operation not permitted" refuse symlink,symlinkat=EPERM "$UDOCKER" -q import root.tar nosym:1

# Locks that are left: of a dead process, of another boot of this host, and one that lives
L=$UDOCKER_DIR/repos/.lock
place=$(hostname)/$(cat /proc/sys/kernel/random/boot_id)/$(readlink /proc/self/ns/pid)
echo "udocker $place 999999999 1" > "$L"
check "a lock of a process that is gone is taken over" timeout 20 "$UDOCKER" -q import root.tar l1:1
echo "udocker $place $$ 12345" > "$L"
check "a lock of a process whose number was used again is taken over" timeout 20 "$UDOCKER" -q import root.tar l2:1
echo "udocker $(hostname)/00000000-0000-0000-0000-000000000000/x 1 1" > "$L"
check "a lock from before the host was started is taken over" timeout 20 "$UDOCKER" -q import root.tar l3:1
echo "udocker elsewhere/x/y 1 1" > "$L" && touch -d '2 hours ago' "$L"
check "a lock of another host that has been silent for long is taken over" timeout 20 "$UDOCKER" -q import root.tar l4:1
echo "udocker elsewhere/x/y 1 1" > "$L"
check_status 124 "a fresh one of another host is waited for" timeout 3 "$UDOCKER" -q import root.tar l5:1
check "readers do not wait" timeout 20 "$UDOCKER" images
rm -f "$L"
check "and all works when it is gone" timeout 60 "$UDOCKER" -q import root.tar l5:1
done_testing
