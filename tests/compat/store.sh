#!/usr/bin/env bash
# One store for both tools: what the Python tool leaves serves every command, and what we write is as it expects.
. "$(dirname "$0")/common.bash"
u() { "$UDOCKER" -q "$@"; }
python3 "$HERE/make_store.py" "$UDOCKER_DIR" /bin/busybox
as_documented() { check_output "$1" "as documented" python3 "$HERE/reader.py" "$UDOCKER_DIR" "${@:2}"; }
id() { printf '%08d-0000-3000-8000-000000000000' "$1"; }

# images
check_output "images" "$(printf '%s    .\n' a/b:c a:b | sort; printf 'imported:1    P\nloaded:1    .\nold/schema:1    .\none:sha256:%064d    .\nsite/two:1    .\n' 0 | tr 0 a)" sh -c '"$1" -q images | LC_ALL=C sort' _ "$UDOCKER"
check_match "images -p" '^linux/amd64 +\. old/schema:1$' u images -p
check_match "images -l" '^    /sha256:[0-9a-f]{64} \(0 MB\)$' u images -l
one=one:sha256:$(printf 'a%.0s' $(seq 64))
for image in site/two:1 a:b a/b:c old/schema:1 loaded:1 imported:1 "$one"; do
  check "verify $image" u verify "$image"
  check_output "$image is quiet when whole" "" sh -c '"$1" verify "$2" 2>&1 | grep -E "Warning|Error"; true' _ "$UDOCKER" "$image"
  kind=$(u inspect "$image" | jq -r '.config.Env[0]')
  c=$(u create "$image")
  check_output "create $image: layers in order, metadata" "upper" u run "$c"
  check_output "$image: its environment" "$kind" u run "$c" sh -c 'echo KIND=$KIND'
  check_output "save and load $image" "$image" sh -c '"$1" -q save -o s.tar "$2" && "$1" -q --repo="$3" load -i s.tar; rm -f s.tar' _ "$UDOCKER" "$image" "$(d=$WORK/other.$RANDOM; u mkrepo "$d"; echo "$d")"
done
check "by digest with @" u inspect "${one/:/@}"
check_status 1 "rmi of what is protected" u rmi imported:1
check "unprotect" u unprotect imported:1
check "tag" u tag loaded:1 loaded:again
check "rmi loaded:1" u rmi loaded:1
check "the tag keeps the layers" u verify loaded:again
check "rmi of the schema 1 image" u rmi old/schema:1
check "shared blobs stay" u verify site/two:1
check "rmi a:b" u rmi a:b
check "a/b:c below it stays" u verify a/b:c

# containers
rows=$(u ps -m)
row() { check_match "ps: $1" "^$(id "$2") $3" echo "$rows"; }
row "names" 1 "\. W P1  \['again', 'first'\] +site/two:1 "
row "protection" 2 "P W P1  \['guarded'\]"
row "mode" 3 "\. W P2  \['second_mode'\]"
row "no metadata" 4 "\. W P1  \['bare'\]"
row "no ROOT" 8 "\. N P1  \['noneN'\]"
row "ROOT is a file" 9 "\. D P1  \['noneD'\]"
check_match "ps -p without metadata" "^$(id 4) \. W unknown/unknown " u ps -p
check "ps -s" u ps -m -s -p
for name in first again guarded second_mode ran mounted linked; do
  check_output "run $name" lower u run "$name"
done
check_output "run ran as root of its own file" root u run ran sh -c 'cat /etc/passwd | { IFS=: read -r n rest; echo $n; }'
for mode in P1 R1 T1; do
  check "setup ran to $mode" u setup --execmode=$mode ran
  check_output "ran in $mode" "root lower" u run ran sh -c 'IFS=: read -r n rest < /etc/passwd; echo $n $(cat /which)'
done
check "setup ran back" u setup --execmode=P1 ran
check "displaced files are back" test -f "$UDOCKER_DIR/containers/$(id 5)/ROOT/etc/passwd" -a ! -L "$UDOCKER_DIR/containers/$(id 5)/ROOT/etc/passwd"
check "setup linked to P1" u setup --execmode=P1 linked
check_same "links of the guest again" /bin/busybox "$(readlink "$UDOCKER_DIR/containers/$(id 7)/ROOT/bin/absolute")"
check "setup --purge" u setup --purge mounted
check "made mount points are gone" test ! -e "$UDOCKER_DIR/containers/$(id 6)/ROOT/data" -a ! -e "$UDOCKER_DIR/containers/$(id 6)/ROOT/etc/hosts"
check "and nothing else" test -e "$UDOCKER_DIR/containers/$(id 6)/ROOT/etc/passwd"
check_status 2 "run without metadata" u run bare
check "run --nometa without metadata" u run --nometa bare true
check "inspect" u inspect first
check_output "inspect -p by name" "$UDOCKER_DIR/containers/$(id 1)/ROOT" u inspect -p again
check "export" u export -o e.tar first
check "export --clone" u export --clone -o ec.tar second_mode
check "import --clone" u import --clone --name=back ec.tar
check_same "keeps the mode" P2 "$(cat "$UDOCKER_DIR/containers/back/execmode")"
check "clone" u clone --name=twin first
check "name, rename, rmname" sh -c '"$1" -q name first third && "$1" -q rename third fourth && "$1" -q rmname fourth' _ "$UDOCKER"
check_status 1 "rm of the guarded one" u rm guarded
check "unprotect it" u unprotect guarded
for number in 2 3 4 8 9; do check "rm $number" u rm "$(id $number)"; done
check_same "names go with them" "" "$(find "$UDOCKER_DIR/containers" -xtype l)"
check "install beside the Python tool's files" u install
check_same "its version file stays" 1.2.11 "$(cat "$UDOCKER_DIR/lib/VERSION")"
as_documented "the store is still what the Python tool knows"

# a store of ours
rm -rf "$UDOCKER_DIR"
make_roots
make_image glibc small --config.cmd ls
publish small library/small:1
export UDOCKER_REGISTRY="http://$REGISTRY"
check "pull" u pull small:1
digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/library/small:1")
check "pull by digest" u pull "small@$digest"
check "load" u load -i "$(need_image busybox.docker.tar)"
tar -C "$WORK/roots/musl" -cf m.tar .
check "import" u import m.tar imported:1
check "tag" u tag imported:1 site/again:x
check "protect" u protect site/again:x
as_documented "images of every kind"
id=$(u create --name=c small:1)
as_documented "a new container" new "$id"
check "install" u install
check "no version file" test ! -e "$UDOCKER_DIR/lib/VERSION"
check "names" u name c second
check "protect a container" u protect c
check_status 1 "setup of a protected container" u setup --execmode=P2 c
check "unprotect it" u unprotect c
check "import --tocontainer" u import --tocontainer --name=tocont m.tar
check_same "without a name for its image" "IMPORTED:unknown" "$(cat "$UDOCKER_DIR/containers/tocont/imagerepo.name")"
for mode in F1 F2 F3 F4 R1 R2 T1 P2 S1; do
  "$UDOCKER" -q setup --execmode=$mode c >/dev/null 2>&1
  check_same "$mode is recorded" $mode "$(cat "$UDOCKER_DIR/containers/$id/execmode")"
  [ $mode = T1 ] || [ $mode = S1 ] || check "run in $mode" u run -v "$WORK:/data" -v /etc/hostname c ls /data
  as_documented "the store with a container in $mode"
done
check "clone" u clone --name=copy c
as_documented "at the end"
printf 'x' | env UDOCKER_REGISTRY="http://127.0.0.1:1" "$UDOCKER" -q login --username=me --password-stdin >/dev/null 2>&1
check_same "keystore" '{"http://127.0.0.1:1": {"auth": "bWU6eA==", "email": ""}}' "$(cat "$HOME/.udocker/keystore")"
check_same "keystore's mode" 600 "$(stat -c %a "$HOME/.udocker/keystore")"
done_testing
