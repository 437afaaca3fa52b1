#!/usr/bin/env bash
# udocker save: what it writes is read by skopeo, umoci (through skopeo) and udocker itself.
. "$(dirname "$0")/../support/support.sh"
udocker() { "$UDOCKER" -q "$@"; }
blobs() { jq -c '[.config.digest, [.layers[].digest]]' "$1"; }
oci=$(need_image busybox.oci)
digest=$(skopeo inspect --raw "oci:$oci:latest" | jq -r .config.digest)
check "load" udocker load -i "$oci" bb

check "to a file" udocker save -o bb.tar bb:latest
check "skopeo accepts it" skopeo copy -q docker-archive:bb.tar oci:back.oci:latest
check_same "the configuration keeps its digest" "$digest" "$(skopeo inspect --raw docker-archive:bb.tar:bb:latest | jq -r .config.digest)"
check "umoci unpacks it" umoci unpack --rootless --image back.oci:latest back.bundle
check_same "its content is whole" "$(tar -xOf "$(need_image musl.tar)" ./bin/busybox | sha256sum)" "$(sha256sum < back.bundle/rootfs/bin/busybox)"
check "to stdout" sh -c '"$1" -q save bb:latest > stdout.tar && "$1" -q save -o - bb:latest > dash.tar && cmp stdout.tar bb.tar && cmp dash.tar bb.tar' _ "$UDOCKER"
check "through a pipe into load" sh -c '"$1" -q save bb | "$1" -q load again && cmp "$UDOCKER_DIR/repos/again/latest/manifest" "$UDOCKER_DIR/repos/again/latest/manifest"' _ "$UDOCKER"
check_same "digest after the round trip" "$digest" "$(jq -r .config.digest "$UDOCKER_DIR/repos/again/latest/manifest")"

# Several images that share layers
python3 "$SUPPORT/archives.py" multi multi.tar
python3 "$SUPPORT/archives.py" docker25 docker25.tar
check "load more" sh -c '"$1" -q load -i multi.tar && "$1" -q load -i docker25.tar d25' _ "$UDOCKER"
check "several images, one of them by two names" udocker save -o several.tar one:1 one:latest reg.example:5000/two:2 d25 bb
check_same "images and their names" '[["one:1","one:latest"],["reg.example:5000/two:2"],["d25:latest"],["bb:latest"]]' "$(tar -xOf several.tar manifest.json | jq -c '[.[].RepoTags]')"
check_same "layers of each" '[1,2,5,1]' "$(tar -xOf several.tar manifest.json | jq -c '[.[].Layers|length]')"
check_same "no layer is stored twice" "" "$(tar -tvf several.tar | awk '/layer.tar$/ && /^-/ {print $NF}' | sort | uniq -d)"
base=$(tar -xOf several.tar manifest.json | jq -r '.[1].Layers[0]')
check_same "the shared one is there once" 1 "$(tar -tf several.tar | grep -c "^$base$")"
for i in one:1 reg.example:5000/two:2 d25:latest bb:latest; do
  check "skopeo reads $i of several" skopeo copy -q "docker-archive:several.tar:$i" "dir:dir.$(echo "$i" | tr '/:' '__')"
done
mkdir parts; tar -C parts -xf several.tar
check "repositories names top layers, and parents lead to the bottom" python3 - <<'PY'
import json
top = json.load(open("parts/repositories"))
images = {tag: m["Layers"] for m in json.load(open("parts/manifest.json")) for tag in m["RepoTags"]}
content = lambda i: open("parts/%s/layer.tar" % i, "rb").read()
for repo, tags in top.items():
    for tag, ident in tags.items():
        chain = []
        while ident:
            body = json.load(open("parts/%s/json" % ident))
            assert open("parts/%s/VERSION" % ident).read() == "1.0" and body["id"] == ident
            chain.insert(0, content(ident))
            ident = body.get("parent")
        want = [open("parts/" + l, "rb").read() for l in images[repo + ":" + tag]]
        assert chain == want, (repo, tag, len(chain), len(want))
PY
rm parts/manifest.json
check_output "a loader that knows the old format only" "one:1
one:latest
bb:latest
d25:latest
reg.example:5000/two:2" sh -c 'export UDOCKER_DIR=$PWD/fresh; tar -C parts -cf - . | "$1" -q load | sort -t: -k1,1 > names; grep -E "^(one|bb|d25|reg)" names | awk "/^one/" ; grep ^bb names; grep ^d25 names; grep ^reg names' _ "$UDOCKER"
check "load all of them into a fresh repository" sh -c 'UDOCKER_DIR=$PWD/fresh2 "$1" -q load -i several.tar' _ "$UDOCKER"
for i in one/1 d25/latest bb/latest reg.example:5000/two/2; do
  check_same "same blobs: $i" "$(blobs "$UDOCKER_DIR/repos/$i/manifest")" "$(blobs "$WORK/fresh2/repos/$i/manifest")"
done

# Images of the Python tool: v1, layers compressed, digests of the compressed file
top=$(printf 'a%.0s' $(seq 64)); dir=$UDOCKER_DIR/repos/py/1
mkdir -p "$dir"; tar -C "$(mktemp -d)" -czf "$UDOCKER_DIR/layers/$top.layer" . ; touch "$dir/v1"; printf '%s:1' "${dir%/1}" > "$dir/TAG"
printf '["%s"]' "$top" > "$dir/ancestry"
printf '{"id":"%s","architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"config":{"Cmd":null}}' "$top" \
  "$(sha256sum < "$UDOCKER_DIR/layers/$top.layer" | cut -d' ' -f1)" > "$UDOCKER_DIR/layers/$top.json"
ln -s "../../../layers/$top.layer" "../../../layers/$top.json" "$dir/"
check "a v1 image" udocker save -o py.tar py:1
check "skopeo accepts it, so its diff ids are true" skopeo copy -q docker-archive:py.tar dir:py.dir

# Refusals
check_match "an existing file" 'Error: output file already exists: bb.tar' udocker save -o bb.tar bb
check_match "an image that is not there" 'Error: save image failed: nothing:1' udocker save -o x.tar bb nothing:1
check_match "no image" 'Error: must specify image:tag or repository/image:tag' udocker save -o x.tar
check_match "a terminal" 'refusing to write an archive to a terminal' script -qec "$UDOCKER -q save bb" /dev/null
rm "$UDOCKER_DIR"/layers/$top.layer
check_match "an image that is not whole" 'Error: save image failed: py:1: .*layer is missing' udocker save -o x.tar py:1
check_status 1 "a full disk" udocker save -o /dev/full bb
check_same "no file was left" "" "$(ls | grep -E '^x.tar|tmp\.|\.tmp$')"
done_testing
