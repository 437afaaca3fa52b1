#!/usr/bin/env bash
# udocker load: archives of every kind that tools write, and archives that are broken or hostile.
. "$(dirname "$0")/../support/support.sh"
make() { python3 "$SUPPORT/archives.py" "$1" "$1.tar" || fail "make archive $1"; }
udocker() { "$UDOCKER" -q "$@"; }
quiet_ids() { udocker inspect "$1" | python3 -c 'import json,sys; print(*json.load(sys.stdin)["config"]["Cmd"])'; }
count_layers() { python3 -c 'import json,sys; print(len(json.load(open(sys.argv[1]))["layers"]))' "$UDOCKER_DIR/repos/$1/manifest"; }
oci=$(need_image busybox.oci)

# Real tools
check_output "OCI layout in a directory, named after it" "busybox:latest" udocker load -i "$oci"
check_output "again: the same content is no failure" "busybox:latest" udocker load -i "$oci"
check_output "NAME is the repository" "site/bb:latest" udocker load -i "$oci" site/bb
check_output "--input=" "other:latest" udocker load --input="$oci" other
tar -C "$oci" -czf layout.tgz .
check_output "compressed layout from stdin" "loaded:latest" sh -c '"$1" -q load < layout.tgz' _ "$UDOCKER"
check_output "load - NAME" "dash:latest" sh -c 'cat layout.tgz | "$1" -q load - dash' _ "$UDOCKER"
tar -C "$oci" --zstd -cf layout.tar.zst . && check_output "zstd" "layout:latest" udocker load -i layout.tar.zst
skopeo copy -q "oci:$oci:latest" docker-archive:skopeo.tar:busybox:test
check_output "skopeo's docker-archive" "busybox:test" udocker load -i skopeo.tar
skopeo copy -q "oci:$oci:latest" dir:skopeo.dir
check_match "skopeo's dir" '^skopeo.dir:[0-9a-f]{12}$' udocker load -i skopeo.dir
for i in busybox:latest busybox:test layout:latest; do check "verify $i" udocker verify $i; done
check_same "the configuration keeps its digest" "$(skopeo inspect --raw "oci:$oci:latest" | jq -r .config.digest)" \
  "$(jq -r .config.digest "$UDOCKER_DIR/repos/busybox/latest/manifest")"

# docker save, all ages
make legacy
check_output "before 1.10: two names, any order" "old/image:1
old/image:2" udocker load -i legacy.tar
check_same "the chain of parents gives the layers" 3 "$(count_layers old/image/1)"
check_same "metadata of the top layer" top "$(quiet_ids old/image:1)"
make legacy_by_id
check_match "before 1.10, saved by id" '^legacy_by_id:[0-9a-f]{12}$' udocker load -i legacy_by_id.tar
make multi
check_output "several images, several names, a link for a layer" "one:1
one:latest
reg.example:5000/two:2" udocker load -i multi.tar
check_same "layers of the second" 2 "$(count_layers reg.example:5000/two/2)"
check_same "metadata of the second" two "$(quiet_ids reg.example:5000/two:2)"
check_output "NAME renames all of them" "all:1
all:latest
all:2" udocker load -i multi.tar all
make compressed
check_output "layers in any compression" "packed:1" udocker load -i compressed.tar
make docker25
check_match "since 25: no RepoTags" '^docker25:[0-9a-f]{12}$' udocker load -i docker25.tar
check_output "since 25 with NAME" "d25:latest" udocker load -i docker25.tar d25
check_same "a layer may be listed more than once" 5 "$(count_layers d25/latest)"

# OCI layouts
make platforms
check_output "the host's platform of several" "many:1" udocker load -i platforms.tar
check_same "it is this machine's" "$(uname -m | sed 's/x86_64/amd64/;s/aarch64/arm64/')" "$(udocker inspect many:1 | jq -r .architecture)"
check_output "--platform" "arm:1" udocker load --platform linux/s390x -i platforms.tar arm
check_same "it is the other machine's" s390x "$(udocker inspect arm:1 | jq -r .architecture)"
check_match "a platform that is not in it" 'Error: .*no image for linux/ppc64le.*linux/amd64' udocker load --platform linux/ppc64le -i platforms.tar x
make names
check_output "what tools write as ref.name" "names:v1
local/app:2
app:3
quay.io/org/app:4" udocker load -i names.tar

# What is there already
make wrong_layer
check_match "other content under a name that exists" 'already exist busybox latest' "$UDOCKER" load -i docker25.tar --input="$WORK/multi.tar" busybox
skopeo copy -q "oci:$oci:latest" docker-archive:clash.tar:one:1
before=$(sha256sum < "$UDOCKER_DIR/repos/one/1/manifest")
check_status 1 "nothing could be loaded" udocker load -i clash.tar
check_same "the image that was there is untouched" "$before" "$(sha256sum < "$UDOCKER_DIR/repos/one/1/manifest")"

# Broken and hostile
state() { (cd "$UDOCKER_DIR" && find . | sort | md5sum); }
before=$(state)
refuse() { make "$1"; check_status 1 "$1 is refused" udocker load -i "$1.tar"; check_match "$1 is refused with one clear line" "^Error: .*$2" udocker load -i "$1.tar"; check_same "$1 leaves nothing" 1 "$(udocker load -i "$1.tar" 2>&1 | wc -l)"; }
refuse wrong_layer "content of layer l"
refuse missing_layer "no file gone/layer.tar"
refuse escaping "leaves the archive"
refuse bad_name "not a usable image name"
refuse legacy_circle "circle"
refuse damaged "digest"
make artifact
check_match "an artifact is no image" 'artifact of type application/vnd.cncf.helm' "$UDOCKER" load -i artifact.tar
head -c 100000 multi.tar > cut.tar
check_match "a cut archive" 'Error: cut.tar: .*ends' udocker load -i cut.tar
head -c 3000 layout.tgz > cut.tgz
check_match "a cut compressed archive" '^Error: ' udocker load -i cut.tgz
head -c 100000 /dev/urandom > noise
check_match "no archive at all" 'Error: .*not a whole tar' udocker load -i noise
check_match "an empty file" 'Error: .*no image' udocker load -i /dev/null
check_match "no such file" 'Error: .*nowhere' udocker load -i nowhere
check_match "NAME with a tag" 'Error: enter image or repository/image without tag' udocker load -i multi.tar a:b
check_status 1 "two names" udocker load -i multi.tar a b
check_same "none of them left anything" "$before" "$(state)"

# Large, and killed
make many
check_output "100 000 members" "many-files:1" udocker load -i many.tar
mkfifo slow
python3 "$SUPPORT/archives.py" multi killed.tar
"$UDOCKER" -q load -i slow killed & pid=$!
exec 8> slow
head -c 60000 killed.tar >&8
sleep 0.5
kill -KILL $pid; wait $pid 2>/dev/null
exec 8>&-
check_status 1 "a killed load made no image" udocker inspect killed:1
udocker rmi many-files:1; check "prune takes what it left" udocker prune
check_same "nothing is left" "$before" "$(state)"
done_testing
