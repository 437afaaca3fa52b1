#!/usr/bin/env bash
# make_images.sh DIR: makes the images of the tests in DIR, each once and whole or not at all.
#   bookworm.tar trixie.tar bullseye.tar   root file systems (Debian minbase with gcc, python3, perl, git)
#   musl.tar                               a small musl user land: busybox, dynamic programs, musl's loader
#   bookworm.oci                           OCI layout made by umoci: the root and an upper layer with whiteouts
#   suites-ROOT.KEY.tar                    what tests/engines/suites adds to a root
#   mpi.tar                                Open MPI's and MPICH's libraries of this host's Debian, a shell
#   busybox.oci, busybox.docker.tar        a tiny image in two formats (umoci, skopeo)
# Package addresses come from this machine's own apt configuration.
set -eu
dir=$1
mkdir -p "$dir"
chmod 755 "$dir"
exec 9>"$dir/.lock"
flock 9
mirror() { apt-get indextargets --format '$(SITE) $(CODENAME)' 'Created-By: Packages' 2>/dev/null | awk '$2 !~ /-/ {print $1; exit}'; }
site=$(mirror)
mode=root
[ "$(id -u)" = 0 ] || mode=unshare
# debian LOG ARGUMENT...: mmdebstrap, three times at most, as a mirror may fail for a moment
debian() {
  local log=$1; shift
  for _ in 1 2 3; do mmdebstrap --quiet --mode=$mode --aptopt='Acquire::Retries "5"' "$@" 2>"$log" && return; sleep 5; done
  tail -5 "$log" >&2
  return 1
}

for suite in bookworm trixie bullseye; do
  [ -e "$dir/$suite.tar" ] && continue
  echo "making test image $suite" >&2
  debian "$dir/$suite.log" --variant=minbase --include=gcc,libc6-dev,make,python3,perl,git,file,ca-certificates \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    "$suite" "$dir/.new.$suite.tar" "deb $site $suite main"
  mv "$dir/.new.$suite.tar" "$dir/$suite.tar"
done

work=$(mktemp -d "$dir/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ ! -e "$dir/musl.tar" ]; then
  r=$work/musl
  mkdir -p "$r"/bin "$r"/lib "$r"/etc "$r"/tmp "$r"/root "$r"/dev "$r"/proc "$r"/sys "$r"/usr/bin
  cp /bin/busybox "$r/bin/busybox"
  for a in sh ls cat echo pwd id env mkdir rm mv cp ln touch stat find grep sed true false sleep readlink chmod chown tar; do ln -s busybox "$r/bin/$a"; done
  loader=$(readlink -f /lib/ld-musl-*.so.1)
  cp "$loader" "$r/lib/$(basename /lib/ld-musl-*.so.1)"
  printf '#include <stdio.h>\n#include <sys/stat.h>\nint main(int c, char** v) { struct stat s; int r = stat(c > 1 ? v[1] : "/etc/os-release", &s); printf("musl %%d %%ld\\n", r, r ? 0L : (long)s.st_size); return r != 0; }\n' > "$work/m.c"
  musl-gcc -o "$r/usr/bin/musl-stat" "$work/m.c"
  echo 'root:x:0:0:root:/root:/bin/sh' > "$r/etc/passwd"
  echo 'root:x:0:' > "$r/etc/group"
  echo 'NAME="musl test"' > "$r/etc/os-release"
  tar -C "$r" --numeric-owner --owner=0 --group=0 -cf "$dir/.musl.tmp" .
  mv "$dir/.musl.tmp" "$dir/musl.tar"
fi

if [ ! -e "$dir/mpi.tar" ]; then
  echo "making test image mpi" >&2
  suite=$(. /etc/os-release; echo "$VERSION_CODENAME")
  libraries=$(dpkg-query -W -f '${Package}\n' 'libopenmpi[0-9]*' 'libmpich[0-9]*' | grep -v dev | paste -sd,)
  debian "$dir/mpi.log" --variant=extract --include=base-files,dash,coreutils,libc-bin,openmpi-common,$libraries \
    "$suite" "$work/mpi.tar" "deb $site $suite main"
  mv "$work/mpi.tar" "$dir/mpi.tar"
fi

# make_oci NAME TAR: OCI layout with one layer
make_oci() {
  local o=$work/$1
  umoci --log=error init --layout "$o"
  umoci --log=error new --image "$o:latest"
  umoci --log=error raw add-layer --image "$o:latest" "$2"
}

if [ ! -e "$dir/busybox.oci" ] || [ ! -e "$dir/busybox.docker.tar" ]; then
  rm -rf "$dir/busybox.oci"
  make_oci busybox "$dir/musl.tar"
  umoci --log=error config --image "$work/busybox:latest" --config.cmd sh --config.env FROM_IMAGE=yes --config.workingdir /tmp
  skopeo copy --quiet "oci:$work/busybox:latest" "docker-archive:$work/busybox.docker.tar:busybox:test"
  mv "$work/busybox.docker.tar" "$dir/busybox.docker.tar"
  mv "$work/busybox" "$dir/busybox.oci"
fi
if [ ! -e "$dir/bookworm.oci" ]; then
  mkdir -p "$work/up/etc" "$work/up/opt/dev"
  echo upper > "$work/up/etc/upper"; echo kept > "$work/up/opt/dev/x"; : > "$work/up/etc/.wh.motd"; : > "$work/up/.wh.media"
  tar -C "$work/up" --owner=0 --group=0 --numeric-owner -cf "$work/up.tar" etc opt .wh.media
  make_oci bookworm "$dir/bookworm.tar"
  umoci --log=error raw add-layer --image "$work/bookworm:latest" "$work/up.tar"
  umoci --log=error config --image "$work/bookworm:latest" --config.cmd bash --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  mv "$work/bookworm" "$dir/bookworm.oci"
fi
here=$(cd "$(dirname "$0")" && pwd)
roots="bookworm musl"
[ "${UDOCKER_SUITES:-}" = all ] && roots="bookworm trixie bullseye musl"
"$here/../engines/suites/prepare" "$dir" $roots
chmod -R a+rX "$dir"
