# Sourced by the scripts of this folder: support.sh, which program this is, small local images and a registry with them.
# shellcheck shell=bash
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../support/support.sh"
. "$SUPPORT/registry.sh"
case $("$UDOCKER" version 2>/dev/null | sed -n 's/^version: //p') in 1.*) TOOL=python ;; *) TOOL=ours ;; esac

# expected NAME: what the program at hand does where the two differ on purpose (differences.tsv)
expected() {
  awk -F '\t' -v name="$1" -v tool=$TOOL '$1 == name { print tool == "python" ? $2 : $3; found = 1 } END { exit !found }' "$HERE/differences.tsv" ||
    fail "no difference named $1 is listed"
}

# make_roots: $WORK/roots/glibc and $WORK/roots/musl, small systems of dynamic programs of this host's glibc and of musl
make_roots() {
  local r=$WORK/roots/glibc program file
  mkdir -p "$r"/{bin,etc,root,tmp,usr/bin,home/user,var/tmp}
  ln -s usr/bin "$r/sbin"
  for program in bash ls cat env id rm mkdir touch pwd stat readlink true false sleep echo uname ln chmod; do
    cp -L "$(type -P $program)" "$r/bin/$program"
    for file in $(ldd "$(type -P $program)" | grep -o '/[^ ]*'); do
      mkdir -p "$r$(dirname "$file")" && cp -Ln "$file" "$r$file"
    done
  done
  ln -s bash "$r/bin/sh"
  ln -s /bin/ls "$r/usr/bin/list"  # an absolute link, as alternatives make them
  printf 'root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1000:A User:/home/user:/bin/bash\nother:x:77:78:O:/tmp:/bin/bash\n' > "$r/etc/passwd"
  printf 'root:x:0:\nusers:x:100:\nstaff:x:50:user\n' > "$r/etc/group"
  printf 'NAME="Ubuntu"\nVERSION_ID="22.04"\n' > "$r/etc/os-release"
  for program in python3:'Python 3.11.2' redis-server:'Redis server v=7.2'; do
    printf '#!/bin/sh\necho "%s"\n' "${program#*:}" > "$r/usr/bin/${program%%:*}"
    chmod 755 "$r/usr/bin/${program%%:*}"
  done
  r=$WORK/roots/musl
  mkdir -p "$r"/{bin,etc,root,tmp,lib,usr/bin}
  cp "$(readlink -f /lib/ld-musl-*.so.1)" "$r/lib/$(basename /lib/ld-musl-*.so.1)"
  printf '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { const char* l = getenv("LANG"); printf("openjdk version 1.8 LANG=%%s\\n", l ? l : ""); return 0; }\n' > "$WORK/java.c"
  musl-gcc -O -o "$r/usr/bin/java" "$WORK/java.c"
  cp /bin/busybox "$r/bin/busybox"
  ln -s busybox "$r/bin/sh"
  printf 'root:x:0:0:root:/root:/bin/sh\n' > "$r/etc/passwd"
  printf 'root:x:0:\n' > "$r/etc/group"
}

# make_image ROOT NAME [umoci config words]: an OCI layout $WORK/oci/NAME with this root as its one layer
make_image() {
  local root=$1 name=$2 o=$WORK/oci/$2
  shift 2
  mkdir -p "$WORK/oci"
  tar -C "$WORK/roots/$root" --numeric-owner --owner=0 --group=0 -cf "$WORK/$name.rootfs.tar" .
  umoci --log=error init --layout "$o" && umoci --log=error new --image "$o:latest" &&
    umoci --log=error raw add-layer --image "$o:latest" "$WORK/$name.rootfs.tar" &&
    umoci --log=error config --image "$o:latest" --config.env PATH=/usr/local/bin:/usr/bin:/bin --config.env FROM_IMAGE=yes "$@"
}

# publish NAME REPOSITORY:TAG...: into the registry on loopback, started on the first call; sets REGISTRY to HOST:PORT
publish() {
  local name=$1 to
  shift
  if [ -z "${REGISTRY:-}" ]; then
    REGISTRY=127.0.0.1:$(free_port)
    start_registry compat "${REGISTRY#*:}" "$WORK/registry"
  fi
  for to in "$@"; do skopeo copy --quiet --dest-tls-verify=false "oci:$WORK/oci/$name:latest" "docker://$REGISTRY/$to"; done
}

# the words both programs answer with go to different streams
both() { "$@" 2>&1; }
id_pattern='[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
