#!/usr/bin/env bash
# udocker export and import --clone: nothing is lost on the way.
. "$(dirname "$0")/../support/support.sh"
udocker() { "$UDOCKER" -q "$@"; }
# A root with all that is hard to carry
python3 - <<'PY'
import io, tarfile
out = tarfile.open("root.tar", "w", format=tarfile.PAX_FORMAT)
def add(name, kind=tarfile.REGTYPE, data=b"", mode=0o644, uid=0, gid=0, link="", pax=None, dev=(0, 0)):
    i = tarfile.TarInfo(name)
    i.type, i.mode, i.uid, i.gid, i.linkname, i.size, i.mtime, i.devmajor, i.devminor = kind, mode, uid, gid, link, len(data), 1500000000, *dev
    i.pax_headers = pax or {}
    out.addfile(i, io.BytesIO(data))
D, L, H, F, C, B = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE
for name, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("var", 0o2775), ("secret", 0o000), ("srv", 0o555)): add(name, D, mode=mode)
add("bin/su", data=b"su", mode=0o4755)
add("bin/ping", data=b"ping", mode=0o755, pax={"SCHILY.xattr.security.capability": "\x01\x00\x00\x02abc"})
add("etc/shadow", data=b"root::", mode=0o640, gid=42)
add("etc/none", data=b"none", mode=0o000)
add("etc/mail", data=b"mail", uid=8, gid=12)
add("etc/attr", data=b"attr", pax={"SCHILY.xattr.user.colour": "blue"})
add("etc/link", L, link="/etc/mail", uid=8)
add("etc/hard", H, link="etc/mail")
add("var/" + "d" * 120, D, mode=0o755); add("var/" + "d" * 120 + "/" + "n" * 200, data=b"long")
add("var/space \n\u00e9", data=b"odd")
add("var/pipe", F, mode=0o600)
add("etc/null", C, mode=0o666, dev=(1, 3)); add("etc/disk", B, mode=0o660, gid=6, dev=(8, 1))
add("var/uid", data=b"", uid=4000000, gid=3000000)
out.close()
PY
id=$(udocker import --tocontainer --name=c root.tar) || fail "make the container"
root=$UDOCKER_DIR/containers/c/ROOT
truncate -s 100M "$root/var/holes"; printf data | dd of="$root/var/holes" bs=1 seek=50000000 conv=notrunc status=none
list() { python3 - "$1" <<'PY'
import sys, tarfile
for m in sorted(tarfile.open(sys.argv[1]), key=lambda m: m.name):
    name = m.name.removeprefix("./") or "."
    if name in (".", "etc/..") : continue
    if m.issym(): m.mode = 0o777
    print(repr(name), m.type if m.type != b"\0" else b"0", oct(m.mode), m.uid, m.gid, m.linkname.removeprefix("./"), m.size, m.devmajor if m.ischr() or m.isblk() else 0,
          sorted((k, v) for k, v in m.pax_headers.items() if "xattr" in k))
PY
}
# The first of two names by alphabet is the file in ours, so look at both by content.
norm() { list "$1" | grep -v -e "'etc/hard'" -e "'etc/mail'" -e holes; }
check "to a file" udocker export -o out.tar c
check_same "modes, owners, devices, attributes, long names" "$(norm root.tar)" "$(norm out.tar)"
check_same "hard link" "b'1' ./etc/hard" "$(python3 -c 'import tarfile; m = tarfile.open("out.tar").getmember("./etc/mail"); print(m.type, m.linkname)')"
check_same "owner of both names" "8 12" "$(python3 -c 'import tarfile; m = tarfile.open("out.tar").getmember("./etc/hard"); print(m.uid, m.gid)')"
check_same "sorted" "$(tar -tf out.tar | LC_ALL=C sort -c 2>&1)" ""
check "holes are not written" test "$(stat -c %s out.tar)" -lt 1000000
mkdir gnu && check "GNU tar reads it" tar -xf out.tar -C gnu --no-same-owner --exclude=./etc/null --exclude=./etc/disk
check_same "GNU tar: size and data of the file with holes" "104857600 data" "$(stat -c %s gnu/var/holes) $(dd if=gnu/var/holes bs=1 skip=50000000 count=4 status=none)"
check "to stdout, twice the same bytes" sh -c '"$1" -q export c > o1.tar && "$1" -q export - c > o2.tar && "$1" -q export -o - c > o3.tar && cmp o1.tar o2.tar && cmp o1.tar o3.tar && cmp o1.tar out.tar' _ "$UDOCKER"
check "an existing file is replaced" udocker export -o out.tar c
check_match "what it says" '^Info: exporting to file x.tar$' "$UDOCKER" export -o x.tar c
check "back as a container" udocker import --tocontainer --name=back out.tar
check "the same again" sh -c '"$1" -q export back > back.tar && cmp back.tar out.tar' _ "$UDOCKER"
check "into an image and umoci" sh -c '"$1" -q import out.tar exported:1 && "$1" -q save -o img.tar exported:1 && skopeo copy -q docker-archive:img.tar oci:img:1' _ "$UDOCKER"

# The whole container
udocker setup --execmode=F1 c
check "--clone" udocker export --clone -o clone.tar c
check_same "its members" "./ ./ROOT/ ./container.json ./execmode ./imagerepo.name ./root.path" "$(tar -tf clone.tar | grep -v '^./ROOT/.' | grep -v -e ld.lib.dirs -e ld.so.path | tr '\n' ' ' | sed 's/ $//')"
cid=$(udocker import --clone --name=copy clone.tar)
check_same "import --clone prints another id" 36 "${#cid}"
check_same "metadata came along" "$(cat "$UDOCKER_DIR/containers/c/container.json")" "$(cat "$UDOCKER_DIR/containers/copy/container.json")"
check_same "mode F1 is set up for the new place" "$UDOCKER_DIR/containers/$cid/ROOT" "$(cat "$UDOCKER_DIR/containers/copy/root.path")"
check_same "links lead to the new place" "$UDOCKER_DIR/containers/$cid/ROOT/etc/mail" "$(readlink "$UDOCKER_DIR/containers/copy/ROOT/etc/link")"
check_same "a plain export shows the guest's links" /etc/mail "$(udocker export copy | python3 -c 'import sys, tarfile; print([m.linkname for m in tarfile.open(fileobj=sys.stdin.buffer, mode="r|") if m.name == "./etc/link"][0])')"
udocker export copy > copy.tar
check_same "and all else as before" "$(norm out.tar | grep -v etc/link)" "$(norm copy.tar | grep -v etc/link)"
tar -C "$UDOCKER_DIR/containers/c" -cf python.tar . 2>/dev/null
check "what the Python tool's tar writes" udocker import --clone --name=python python.tar
check "is a container" test -s "$UDOCKER_DIR/containers/python/container.json"

# Hostile clone archives
python3 - <<'PY'
import io, tarfile
out = tarfile.open("evil.tar", "w")
def add(name, kind=tarfile.REGTYPE, link="", data=b"x"):
    i = tarfile.TarInfo(name); i.type, i.linkname, i.mode = kind, link, 0o755
    i.size = len(data) if kind == tarfile.REGTYPE else 0
    out.addfile(i, io.BytesIO(data))
add("ROOT", tarfile.DIRTYPE)
add("container.json", data=b"{}")
add("out", tarfile.SYMTYPE, "../../../..")
add("out/escaped")
out.close()
PY
check_status 1 "links beside ROOT are not followed" udocker import --clone evil.tar
check_same "nothing escaped" "" "$(find "$WORK" -name escaped 2>/dev/null)"

# Refusals
check_match "no such container" 'Error: invalid container id' udocker export -o y.tar nobody
check_match "no container" 'Error: must specify' udocker export -o y.tar
check_match "a terminal" 'refusing to write an archive to a terminal' script -qec "$UDOCKER -q export c" /dev/null
check_status 1 "a full disk" udocker export -o /dev/full c
check_status 1 "a directory that is not there" udocker export -o nowhere/y.tar c
check_same "no file was left" "" "$(ls -A | grep -E '^y.tar|\.tmp')"
done_testing
