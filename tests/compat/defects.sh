#!/usr/bin/env bash
# One test for each defect of the Python tool that the reference lists (section 7). They fail on the old behaviour.
. "$(dirname "$0")/common.bash"
. "$SUPPORT/registry.sh"
make_roots
make_image glibc small --config.cmd bash --config.workingdir /srv/made
publish small library/small:1 team/app:1
export UDOCKER_REGISTRY="http://$REGISTRY" UDOCKER_INDEX="http://$REGISTRY"
q() { "$UDOCKER" -q "$@"; }
r() { "$UDOCKER" -q run "$@"; }
q pull small:1
c=$(q create --name=c small:1)
root=$UDOCKER_DIR/containers/$c/ROOT
# layers TAR...: an image `NAME:1` of these layers, loaded
image_of() { local name=$1 tar; shift; rm -rf l; umoci --log=error init --layout l; umoci --log=error new --image l:1; for tar in "$@"; do umoci --log=error raw add-layer --image l:1 "$tar"; done; tar -C l -cf l.tar .; q load -i l.tar "$name" >/dev/null; }

# 1 R: without a terminal output was lost and the status always 1
check_output "1: R1 in a pipe keeps all output" "$(seq 1 2000 | cksum)" sh -c '"$1" -q run --execmode=R1 c bash -c "for i in {1..2000}; do echo \$i; done" | cksum' _ "$UDOCKER"
check_status 5 "1: and the status" r --execmode=R1 c bash -c 'exit 5'

# 2 R, then --purge: passwd and group were deleted
before=$(cat "$root/etc/passwd" "$root/etc/group")
q setup --execmode=R1 c; r c true; r -v /etc/hostname c true; r c true
check "2: setup --purge after R runs" q setup --purge c
check_same "2: passwd and group are there" "$before" "$(cat "$root/etc/passwd" "$root/etc/group")"
q setup --execmode=P1 c

# 3 extraction
mkdir -p low/opt/dev low/gone low/tmp low/bin && echo x > low/opt/dev/x && echo y > low/gone/y && chmod 1777 low/tmp && cp /bin/busybox low/bin/busybox && chmod 4755 low/bin/busybox
for n in sh stat ls; do ln -s busybox low/bin/$n; done
tar -C low --owner=0 --group=0 -cf low.tar opt gone tmp bin; mkdir up && : > up/.wh.gone && tar -C up --owner=0 --group=0 -cf up.tar .wh.gone
image_of layered low.tar up.tar
l=$(q create layered:1)
check_status 1 "3: a whiteout at the top of a layer counts" test -e "$UDOCKER_DIR/containers/$l/ROOT/gone"
check "3: a directory named dev elsewhere keeps its files" test -e "$UDOCKER_DIR/containers/$l/ROOT/opt/dev/x"
check_output "3: set-id and sticky bits are seen" "4755 1777" sh -c '"$1" -q run "$2" stat -c %a /bin/busybox /tmp | xargs' _ "$UDOCKER" "$l"
printf 'not a tar archive' > noise.tar; image_of noise noise.tar
check_status 1 "3: a layer that cannot be unpacked is a failure" q create noise:1
check_output "3: and prints no id" "" sh -c '"$1" -q create noise:1 2>/dev/null; true' _ "$UDOCKER"

# 4 pull
start_bad_registry
check_status 1 "4: a corrupt blob is refused" q pull "$BAD/corrupt/image:1"
check_status 1 "4: and there is no such image" q inspect "$BAD/corrupt/image:1"
check "4: a cut transfer is taken up again" q pull "$BAD/cut/image:1"
bad_log > log
check "4: from where it was" grep -q "GET /v2/cut/image/blobs/.* bytes=[1-9]" log
check "4: waits where the registry asks for it" q pull "$BAD/m429/image:1"

# 5 authentication
check "5: access_token, and blanks in a challenge" q pull "$BAD/spaced/image:1"
check "5: relative redirects" q pull "$BAD/relative/image:1"

# 6 names
check "6: host:port/image" q pull "$REGISTRY/team/app:1"
check_match "6: is listed so" "^$REGISTRY/team/app:1 " q images
check "6: localhost" q pull "localhost:${REGISTRY#*:}/team/app:1"
digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/team/app:1")
check "6: a digest with a path" q pull "team/app@$digest"
check "6: tag and digest" q pull "team/app:1@$digest"
check "6: create of a digest" q create "team/app@$digest"

# 7 load and save
skopeo copy -q "oci:$WORK/oci/small:latest" docker-archive:one.tar:first/name:a
umoci --log=error config --image "$WORK/oci/small:latest" --tag other --config.cmd ls
skopeo copy -q "oci:$WORK/oci/small:other" docker-archive:two.tar:second:b
q load -i one.tar >/dev/null; q load -i two.tar >/dev/null
check "7: save of two images that share a layer" q save -o both.tar first/name:a second:b
q rmi first/name:a; q rmi second:b
check_output "7: load of both, named by RepoTags" "first/name:a second:b" sh -c '"$1" -q load -i both.tar | sort | xargs' _ "$UDOCKER"
check_same "7: each has its own configuration" '["bash"] ["ls"]' "$(q inspect first/name:a | jq -c .config.Cmd) $(q inspect second:b | jq -c .config.Cmd)"
check "7: skopeo reads what we save" skopeo copy -q docker-archive:both.tar:second:b dir:skopeo.dir
check_same "7: repositories names the top layer" "$(tar -xOf both.tar --wildcards '*manifest.json' | jq -r '.[0].Layers[-1]' | sed 's|/.*||')" \
  "$(tar -xOf both.tar --wildcards '*repositories' | jq -r '."first/name".a')"
rm -rf ref && cp -r "$WORK/oci/small" ref && jq '.manifests |= [.[0] | .annotations["org.opencontainers.image.ref.name"] = "site/tool:7"]' ref/index.json > i && mv i ref/index.json && tar -C ref -cf ref.tar .
check_output "7: an OCI name with its tag, printed plainly" "site/tool:7" q load -i ref.tar

# 8 platforms
check "8: an index with entries that say no platform" q pull "$BAD/noplatform/image:1"
check "8: a variant that only some entries have" q pull --platform=linux/arm64/v8 "$BAD/index/image:1"
check_same "8: is the one asked for" arm64 "$(q inspect "$BAD/index/image:1" | jq -r .architecture)"

# 9 parser
check_output "9: options in any order" "B /etc" r --env A=B --volume /tmp --workdir /etc c bash -c 'echo $A $PWD'
check "9: create --name X" q create --name spaced small:1
check "9: setup --execmode X" q setup --execmode P1 spaced
check_output "9: -it" ok r -it c echo ok
check_output "9: --" ok r -- c echo ok
check_output "9: empty arguments" "3 []" r c bash -c 'echo "$# [$2]"' x a "" b
check_output "9: a repeated option" b r --name=z1 --workdir=/etc --env A=a --env A=b c bash -c 'echo $A'

# 10 volumes
mkdir -p vol; echo v > vol/f; mkdir -p "$root/database"; echo d > "$root/database/f"
check_status 1 "10: :ro cannot be written" r -v "$WORK/vol:/data:ro" c bash -c 'echo x > /data/f'
check_output "10: and can be read" v r -v "$WORK/vol:/data:ro" c cat /data/f
check_output "10: /data is not /database" d r -v "$WORK/vol:/data" -w /database c cat f
check_output "10: R modes bind any file" v r --execmode=R1 -v "$WORK/vol/f:/opt/file" c cat /opt/file

# 11 users
check_output "11: name:group" "0 50" r --user=root:staff c bash -c 'echo $(id -u) $(id -g)'
printf 'broken line\n:::\n' >> "$root/etc/passwd"; printf 'broken\n' >> "$root/etc/group"
check_output "11: malformed lines" user r --user=user c bash -c 'echo $USER'
check_output "11: no /etc/group, no /etc/passwd" "0" r "$l" sh -c 'busybox id -u'

# 12 working directory
check_output "12: one that the image names and lacks is made" /srv/made r c pwd
check_output "12: without /root" /root r --nometa "$l" busybox pwd

# 13 environment
printf 'FROM_IMAGE=file\nCOMMENT=#kept\n#gone=1\n' > env.list
check_output "13: a file wins over the image" "file #kept ." r --env-file=env.list c bash -c 'echo $FROM_IMAGE $COMMENT $gone.'
check_output "13: -e wins over the file" option r --env-file=env.list -e FROM_IMAGE=option c bash -c 'echo $FROM_IMAGE'
check_output "13: -e USER" me r -e USER=me c bash -c 'echo $USER'

# 14 setup
q create --name=plain small:1 >/dev/null; rm -f "$UDOCKER_DIR/containers/plain/ROOT/usr/bin/list" "$UDOCKER_DIR/containers/plain/ROOT/usr/bin/"absolute*
find "$UDOCKER_DIR/containers/plain/ROOT" -lname '/*' -delete
check "14: to F3 without absolute links" q setup --execmode=F3 plain
check "14: and back" q setup --execmode=P1 plain
check_output "14: works" ok r plain echo ok
q setup --execmode=F3 plain & one=$!; q setup --execmode=F1 plain & two=$!; wait $one $two
check "14: two at once leave a container that works" r plain true

# 15 F modes
q clone --name=f c >/dev/null; q setup --execmode=F1 f
check_output "15: argv[0] is kept" other r f bash -c 'exec -a other bash -c "echo \$0"'
check_output "15: a variable whose name begins another" "1 2" r -e FAKE=1 -e FAKECHROOT=2 f bash -c 'env bash -c "echo \$FAKE \$FAKECHROOT"'
volumes=(); for i in $(seq 70); do mkdir -p v/$i; echo $i > v/$i/f; volumes+=(-v "$WORK/v/$i:/m/$i"); done
check_output "15: more than 64 volumes" 70 r "${volumes[@]}" f cat /m/70/f
gcc -O -static -x c -o "$UDOCKER_DIR/containers/f/ROOT/bin/static" - <<< '#include <stdio.h>
int main(void) { FILE* f = fopen("/etc/os-release", "r"); char b[64] = ""; if (f) fgets(b, 64, f); fputs(b, stdout); return 0; }'
check_output "15: a static program is contained" 'NAME="Ubuntu"' r f static

# 16 P modes
check_output "16: the release is the host's" "$(uname -r)" r c uname -r
check_status 4 "16: the status is the main program's" r c bash -c '(sleep 0.3; exit 9) & exit 4'
check_status 137 "16: a signal is told apart" r c bash -c 'kill -9 $$'

# 17 settings
mkdir -p "$HOME/.udocker" && printf 'http_insecure = False\ntimeout = "7"\nsysdirs_list = /dev, /proc\n' > "$HOME/.udocker/udocker.conf"
for line in "http_insecure = False" "timeout = 7" "sysdirs_list = \['/dev', '/proc'\]"; do check_match "17: $line" "^$line$" q showconf; done
printf '[DEFAULT]\ntopdir = %%(topdir)s/\ntmpdir = /var/tmp\n' > sample.conf
check_match "17: a file that names other keys" "^tmpdir = /var/tmp$" q --config=sample.conf showconf
printf 'tmpdir = /evil\n' > u.conf
check_status 1 "17: u.conf of the current directory is not read" sh -c '"$1" -q showconf | grep -q /evil' _ "$UDOCKER"
printf 'default_execution_mode = P2\n' > "$UDOCKER_DIR/udocker.conf"
check_match "17: the repository's file is read, default_execution_mode works" "^execmode: P2$" q setup spaced
rm "$UDOCKER_DIR/udocker.conf" "$HOME/.udocker/udocker.conf"
printf 'default_execution_mode = P2\n' > "$UDOCKER_DIR/containers/$c/container.conf"; rm -f "$UDOCKER_DIR/containers/$c/execmode"
check_output "17: container.conf" P2 r c bash -c 'echo $container_execmode'
rm "$UDOCKER_DIR/containers/$c/container.conf"
printf 'timeout = soon\n' > bad.conf
check_match "17: a bad value is named" "bad.conf:1: timeout" "$UDOCKER" --config=bad.conf showconf

# 18 run
count() { q ps | tail -n +2 | wc -l; }
n=$(count); r --pull=always small:1 true
check_same "18: --pull=always makes one container" $((n + 1)) "$(count)"
n=$(count); check_status 1 "18: a name that is taken" r --name=spaced small:1 true
check_same "18: leaves no container" $n "$(count)"
mkdir -p empty; check_output "18: --location takes no word" ok sh -c 'cd empty && "$1" -q run --location="$2" echo ok' _ "$UDOCKER" "$root"
check_same "18: and writes nothing here" "" "$(ls -A empty)"
check_output "18: -p with one number" ok r -p 8080 c echo ok
check_same "18: the banner is before the output" "executing: echo" "$("$UDOCKER" run c echo after 2>&1 | grep -B1 '^after$' | head -1 | xargs)"

# 19 devices
check_output "19: the device's own numbers" "$(stat -c %t:%T /dev/zero)" r --execmode=R1 --device=/dev/zero c stat -c %t:%T /dev/zero

# 20 the rest
check "20: export - C" sh -c '"$1" -q export - c | tar -tf - >/dev/null' _ "$UDOCKER"
check "20: COMMAND -h" q run -h
check_match "20: mkrepo without argument" "^Error: must specify" "$UDOCKER" mkrepo
printf '{}' > "$HOME/.udocker/keystore"; chmod 644 "$HOME/.udocker/keystore"
check_match "20: a keystore that others can read" "^(Error|Warning): keystore .* can be read by others" "$UDOCKER" login --username=u --password=p --registry="$BAD"
rm "$HOME/.udocker/keystore"
htpasswd -Bbn u right > "$WORK/htpasswd"
locked=127.0.0.1:$(free_port)
start_registry locked "${locked#*:}" "$WORK/registry" password
check_match "20: login asks the server" "^Error: invalid credentials" sh -c 'printf wrong | "$1" -q login --username=u --password-stdin --registry="http://$2"' _ "$UDOCKER" "$locked"
check_same "20: and stores nothing" "" "$(cat "$HOME/.udocker/keystore" 2>/dev/null)"

# 21 files of subordinate ids
s=$(q create small:1)
if unshare --map-root-user --map-auto true 2>/dev/null; then
  unshare --map-root-user --map-auto sh -c 'mkdir -p "$1/sub/deep" && echo x > "$1/sub/deep/f" && chown -R 5:5 "$1/sub" && chmod 700 "$1/sub"' _ "$UDOCKER_DIR/containers/$s/ROOT"
  check "21: rm takes them too" q rm "$s"
  check "21: all of them" test ! -e "$UDOCKER_DIR/containers/$s"
else
  skip "21: this host has no subordinate ids for $(id -un)"
fi

# 22 no program of the host is needed
check "22: pull" env PATH=/nowhere "$UDOCKER" -q pull team/app:1
check "22: create" env PATH=/nowhere "$UDOCKER" -q create --name=alone team/app:1
check_output "22: run" ok env PATH=/nowhere "$UDOCKER" -q run -e PATH=/bin alone echo ok
check "22: setup, export, import, save, load, clone, rm" env PATH=/nowhere /bin/sh -c 'set -e; u() { "$1" -q "$@"; }; t=$1; for m in F3 P1; do "$t" -q setup --execmode=$m alone; done; "$t" -q export -o a.tar alone; "$t" -q import a.tar alone:1; "$t" -q save -o s.tar alone:1; "$t" -q load -i s.tar alone2; "$t" -q clone --name=alone3 alone; "$t" -q ps -s; "$t" -q rm alone alone3' _ "$UDOCKER"
done_testing
