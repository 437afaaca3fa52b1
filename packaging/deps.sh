#!/bin/sh
# Debian packages for building and testing. Without arguments: installs them (root, or sudo). --missing: prints the missing ones.
# --ensure build|test|aarch64|release: does nothing when all are there, installs as root, and else says the one command to type.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)

build_packages() { echo make; "$here/toolchain/deps"; }
test_packages() {
  echo mmdebstrap umoci skopeo docker-registry apache2-utils openssl busybox-static musl-tools musl musl-dev curl jq xz-utils zstd \
    uidmap bubblewrap crun runc podman conmon golang-github-containers-common proot fakechroot patchelf elfutils golang-go strace gdb qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-i686-linux-gnu libc6-dev-i386-cross python3 util-linux procps gcc libc6-dev git attr file \
    openmpi-bin libopenmpi-dev mpich libmpich-dev slurm-wlm munge openssh-server openssh-client rpm rpm2cpio cpio \
    zsh fish groff-base cwltool environment-modules apparmor
}
# The sanitized builds and the fuzz targets use the distribution's clang and libraries. They are the longest part of a
# test run; with ccache the next run on the machine compiles what has changed, also from another checkout.
sanitizer_packages() {
  clang=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
  echo "ccache clang libclang-rt-${clang:-14}-dev libgtest-dev libgmock-dev picojson-dev libmbedtls-dev libcurl4-openssl-dev libseccomp-dev" \
    "libzstd-dev libdeflate-dev zlib1g-dev libarchive-dev libisal-dev liblzma-dev libbz2-dev"
}
cross_packages() { echo make; "$here/toolchain/deps" --target aarch64-linux-musl; }
aarch64_packages() { cross_packages; echo qemu-user-static qemu-system-arm cpio gcc-aarch64-linux-gnu libc6-dev-arm64-cross busybox-static; }
release_packages() { build_packages; cross_packages; echo rpm python3; }
missing() { for p in "$@"; do [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf '%s ' "$p"; done; }

case "${1:-}" in
  --missing) missing $(build_packages) $(test_packages) $(sanitizer_packages); exit ;;
  --ensure)
    case ${2:-} in
      build | aarch64 | release) wanted=$("$2_packages") ;;
      test) wanted="$(build_packages) $(test_packages) $(sanitizer_packages)" ;;
      *) echo "deps.sh: --ensure takes build, test, aarch64 or release" >&2; exit 2 ;;
    esac ;;
  "") wanted="$(build_packages) $(test_packages) $(sanitizer_packages)" ;;
  *) echo "usage: deps.sh [--missing | --ensure build|test|aarch64|release]" >&2; exit 2 ;;
esac
lack=$(missing $wanted)
[ -n "$lack" ] || exit 0
as_root=
if [ "$(id -u)" != 0 ]; then
  if sudo -n true 2>/dev/null; then as_root=sudo; else
    echo "packages are missing; run once: sudo apt-get install -y --no-install-recommends $lack" >&2
    exit 1
  fi
fi
echo "installing: $lack" >&2
export DEBIAN_FRONTEND=noninteractive
apt="$as_root apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5"
$apt update >&2 || true
$apt install -y --no-install-recommends $lack >&2
