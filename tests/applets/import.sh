#!/usr/bin/env bash
# udocker import: images and containers from archives of every kind, and hostile ones.
. "$(dirname "$0")/../support/support.sh"
udocker() { "$UDOCKER" -q "$@"; }
tar=$(need_image musl.tar)
digits() { sha256sum < "$1" | cut -d' ' -f1; }

check_match "image from a tar file" "^Info: added layer $(digits "$tar")$" "$UDOCKER" import "$tar" plain:1
check "it verifies" udocker verify plain:1
check_same "platform" "linux/$(uname -m | sed 's/x86_64/amd64/;s/aarch64/arm64/')" "$(udocker inspect plain:1 | jq -r '.os+"/"+.architecture')"
check_same "diff id of the plain tar" "[\"sha256:$(digits "$tar")\"]" "$(udocker inspect plain:1 | jq -c .rootfs.diff_ids)"
check_same "keys the Python tool writes" "created by udocker" "$(udocker inspect plain:1 | jq -r .comment)"
cp "$tar" work.tar; for z in gzip xz bzip2 zstd; do
  $z -kf work.tar 2>/dev/null; f=$(ls work.tar.* | head -1)
  check "image from $z" udocker import "$f" "packed:$z"
  check_same "$z: diff id is that of the tar inside" "sha256:$(digits "$tar")" "$(udocker inspect packed:$z | jq -r .rootfs.diff_ids[0])"
  rm "$f"
done
check "from stdin" sh -c '"$1" -q import - stdin:1 < "$2"' _ "$UDOCKER" "$tar"
check "saved, skopeo accepts it" sh -c '"$1" -q save -o saved.tar packed:gzip && skopeo copy -q docker-archive:saved.tar dir:saved.dir' _ "$UDOCKER"
check "--platform" udocker import --platform linux/arm64/v8 "$tar" plain:arm
check_same "--platform is noted" "arm64 v8" "$(udocker inspect plain:arm | jq -r '.architecture+" "+.variant')"
gzip -c work.tar > moved.tgz
check "--mv" udocker import --mv moved.tgz moved:1
check_status 1 "--mv: the file is gone" test -e moved.tgz
check "--mv: the image is whole" udocker verify moved:1
cp work.tar again.tar; check "--mv of content that is there" udocker import --mv again.tar moved:2; check_status 1 "and the file is gone" test -e again.tar
ln -s work.tar link.tar; check "--mv of a link takes its content" udocker import --mv link.tar moved:3; check "and leaves the target" test -s work.tar

# Containers
id=$(udocker import --tocontainer --name=c "$tar")
check_same "--tocontainer prints the id" 36 "${#id}"
check_same "unpacked" "$(tar -xOf "$tar" ./bin/busybox | sha256sum)" "$(sha256sum < "$UDOCKER_DIR/containers/c/ROOT/bin/busybox")"
check_same "image name" "IMPORTED:unknown" "$(cat "$UDOCKER_DIR/containers/c/imagerepo.name")"
check_match "listed" "$id.*IMPORTED:unknown" udocker ps
id=$(udocker import --tocontainer - my:1 < "$tar"); check_same "from stdin, with a name for its image" "my:1" "$(cat "$UDOCKER_DIR/containers/$id/imagerepo.name")"
check_status 1 "a name that is taken" udocker import --tocontainer --name=c "$tar"
check_match "a plain tar is no clone archive, but accepted" 'no clone archive' "$UDOCKER" import --clone --name=pc "$tar"
check "its content is a root" test -x "$UDOCKER_DIR/containers/pc/ROOT/bin/busybox"
check "ps with it" udocker ps -m -s

# Archives that are not tar
mkdir -p tree/etc tree/sub; echo hello > tree/etc/motd; ln tree/etc/motd tree/sub/hard; ln -s ../etc/motd tree/sub/soft; head -c 300000 /dev/urandom > tree/sub/data; chmod 750 tree/sub
same_tree() { check_same "$1: text" hello "$(cat "$2/etc/motd")"; check "$1: data" cmp tree/sub/data "$2/sub/data"; check_same "$1: symbolic link" ../etc/motd "$(readlink "$2/sub/soft")"; check_same "$1: second name" hello "$(cat "$2/sub/hard")"; }
python3 - <<'PY'
import os, stat, zipfile
def newc(out, name, st, data, ino):
    raw = name.encode() + b"\0"
    head = b"070701" + b"".join(b"%08X" % v for v in (ino, st.st_mode, 0, 0, st.st_nlink, int(st.st_mtime), len(data), 8, 1, 0, 0, len(raw), 0))
    out.write(head + raw); out.write(b"\0" * (-(len(head) + len(raw)) % 4)); out.write(data); out.write(b"\0" * (-len(data) % 4))
names = [os.path.relpath(os.path.join(d, n), "tree") for d, ds, fs in os.walk("tree") for n in sorted(ds + fs)]
with open("t.cpio", "wb") as out:
    left = {}
    for name in names:
        st = os.lstat("tree/" + name)
        data = b""
        if stat.S_ISLNK(st.st_mode): data = os.readlink("tree/" + name).encode()
        elif stat.S_ISREG(st.st_mode):
            left[st.st_ino] = left.get(st.st_ino, 0) + 1
            if left[st.st_ino] == st.st_nlink: data = open("tree/" + name, "rb").read()  # with the last name only
        newc(out, name, st, data, st.st_ino & 0xffffffff)
    class S: st_mode = st_mtime = 0; st_nlink = 1
    newc(out, "TRAILER!!!", S, b"", 0)
with zipfile.ZipFile("t.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for name in names:
        st = os.lstat("tree/" + name)
        info = zipfile.ZipInfo(name + ("/" if stat.S_ISDIR(st.st_mode) else ""), (2024, 1, 1, 0, 0, 0))
        info.create_system, info.external_attr, info.compress_type = 3, st.st_mode << 16, zipfile.ZIP_DEFLATED
        z.writestr(info, os.readlink("tree/" + name) if stat.S_ISLNK(st.st_mode) else b"" if stat.S_ISDIR(st.st_mode) else open("tree/" + name, "rb").read())
with zipfile.ZipFile("evil.zip", "w") as z:
    z.writestr("../../escaped", "out"); z.writestr("/etc/absolute", "in")
    link = zipfile.ZipInfo("up"); link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    z.writestr(link, "../../.."); z.writestr("up/through", "out")
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as z: z.writestr("zeros", bytes(20_000_000))
PY
check "cpio" udocker import --tocontainer --name=cpio t.cpio; same_tree cpio "$UDOCKER_DIR/containers/cpio/ROOT"
check_same "cpio: hard links stay" 2 "$(stat -c %h "$UDOCKER_DIR/containers/cpio/ROOT/etc/motd")"
gzip -k t.cpio; check "compressed cpio from stdin" sh -c '"$1" -q import --tocontainer --name=cpioz - < t.cpio.gz' _ "$UDOCKER"; same_tree cpioz "$UDOCKER_DIR/containers/cpioz/ROOT"
check "zip" udocker import --tocontainer --name=zip t.zip; same_tree zip "$UDOCKER_DIR/containers/zip/ROOT"
check "zip to an image: its layer is a tar" udocker import t.zip zipped:1
check "which skopeo takes" sh -c '"$1" -q save -o z.tar zipped:1 && skopeo copy -q docker-archive:z.tar dir:z.dir' _ "$UDOCKER"
"$UDOCKER" -q import --tocontainer --name=evil evil.zip >/dev/null 2>&1
check_same "a zip cannot leave the container" "" "$(find . -name escaped -o -name through | grep -v '/containers/[^/]*/ROOT/' | grep -v '/\.staging/[^/]*/ROOT/')"

# Refusals
state() { (cd "$UDOCKER_DIR" && find . | grep -v '^./.staging$' | sort | md5sum); }
before=$(state)
check_match "the tag exists" 'Info: tag already exists in repo: 1' "$UDOCKER" import "$tar" plain:1
check_status 1 "and that is a failure" udocker import "$tar" plain:1
for how in "bomb.zip x:1" "--tocontainer --name=x bomb.zip"; do  # shellcheck disable=SC2086
  check_match "a bomb that is no tar: $how" '^Error: .*bomb.zip: unpacks to more than the limit of 1000000 bytes' env UDOCKER_MAX_UNPACKED_SIZE=1000000 "$UDOCKER" import $how
done
check_match "no such file" 'Error: tar file does not exist:  nowhere' udocker import nowhere x:1
check_match "no image name" 'Error: must specify image:tag' udocker import "$tar"
check_match "no file" 'Error: must specify tar filename' udocker import
check_match "a bad name" 'Error: must specify image:tag' udocker import "$tar" 'a b'
head -c 2000000 work.tar > cut.tar; check_match "a cut archive" 'Error: cut.tar: not a whole tar archive' udocker import cut.tar x:1
gzip -c work.tar | head -c 500000 > cut.tgz; check_status 1 "a cut compressed archive" udocker import cut.tgz x:1
check_status 1 "a cut archive, to a container" udocker import --tocontainer --name=x cut.tgz
head -c 300000 /dev/urandom > noise; check_match "noise" 'Error: noise: not an archive that can be read' udocker import noise x:1
: > empty; check_status 1 "an empty file" udocker import empty x:1
check_same "nothing is left of them" "$before" "$(state)"
done_testing
