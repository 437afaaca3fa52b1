#!/bin/sh
# Builds smoke.cpp with the static toolchain and checks the program: what it is made of, and that it runs with nothing around it.
# usage: tests/toolchain/smoke.sh [TARGET]; needs toolchain/build to have run
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
target=${1:-x86_64-linux-musl}
prefix=$("$here/../../toolchain/build" --target "$target" --print)
[ -f "$prefix/share/complete" ] || { echo "smoke.sh: run toolchain/build --target $target first" >&2; exit 1; }
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
fail() { echo "FAIL $*"; exit 1; }

# What must not reach a compilation does not: all of these would break it.
export LIBRARY_PATH=/nonexistent CPATH=/nonexistent CPLUS_INCLUDE_PATH=/nonexistent GCC_EXEC_PREFIX=/nonexistent/
"$prefix/bin/c++" -std=c++20 -O2 -Wall -Wextra "$here/smoke.cpp" -o "$dir/smoke" -Wl,--gc-sections -s \
  -larchive -lcurl -lmbedtls -lmbedx509 -lmbedcrypto -lseccomp -lisal -ldeflate -lzstd -llzma -lbz2 -lz
unset LIBRARY_PATH CPATH CPLUS_INCLUDE_PATH GCC_EXEC_PREFIX

headers=$(readelf -lW "$dir/smoke") dynamic=$(readelf -dW "$dir/smoke")
case $headers in *INTERP*) fail "the program asks for an interpreter" ;; esac
case $headers in *GNU_RELRO*) ;; *) fail "no RELRO" ;; esac
case $headers in *"GNU_STACK "*" RW "*) ;; *) fail "executable stack" ;; esac
case $dynamic in *NEEDED*) fail "the program needs a shared library" ;; esac
case $dynamic in *"NOW PIE"*) ;; *) fail "not a PIE bound at start" ;; esac
if ! strings -a "$dir/smoke" | grep -q __stack_chk_fail && ! "$prefix/bin/nm" "$prefix/lib/libarchive.a" 2>/dev/null | grep -q __stack_chk_fail; then
  fail "no stack protector"
fi
if strings -a "$dir/smoke" | grep -F "$prefix"; then fail "the path of the toolchain is in the program"; fi
echo "ok   static-pie, RELRO, no executable stack, no path"

run=
[ "${target%%-*}" = "$(uname -m)" ] || run=qemu-${target%%-*}-static
url= ca=
if [ -z "$run" ] && command -v openssl >/dev/null 2>&1; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$dir/key" -out "$dir/cert" -days 2 \
    -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null
  : >"$dir/server"
  openssl s_server -accept 127.0.0.1:0 -www -key "$dir/key" -cert "$dir/cert" >"$dir/server" 2>&1 &
  server=$!
  port=
  for _ in $(seq 300); do port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$dir/server"); [ -n "$port" ] && break; sleep 0.1; done
  [ -n "$port" ] || fail "openssl s_server does not start: $(cat "$dir/server")"
  url=https://127.0.0.1:$port/ ca=$dir/cert
fi
(cd "$dir" && timeout 100 $run ./smoke "$prefix/share/ca-bundle.pem" $url $ca)

# An empty root: no /dev, no /proc, no files but these.
if [ -z "$run" ] && unshare -r true 2>/dev/null; then
  mkdir "$dir/root"
  cp "$dir/smoke" "$prefix/share/ca-bundle.pem" "$dir/root/"
  [ -z "$ca" ] || cp "$ca" "$dir/root/cert"
  timeout 100 unshare -r chroot "$dir/root" /smoke /ca-bundle.pem $url ${ca:+/cert} >"$dir/empty" || { cat "$dir/empty"; fail "in an empty root"; }
  echo "ok   the same in an empty root"
fi

if [ -z "$run" ]; then
  mkdir "$dir/b"
  cp "$prefix/share/busybox" "$dir/b/"
  (
    cd "$dir/b"
    for a in $(./busybox --list); do ln -s busybox "$a"; done
    mkdir t && echo 'one two' >t/f && ln -s f t/l
    PATH=$PWD ./sh -c 'set -e; test "$(tar -c t | gzip -9 | gunzip | tar -x -O -f - t/f | awk "{ print \$2 }")" = two
      test "$(sed s/one/1/ t/f | grep -c "^1 ")" = 1; test "$(echo $((6 * 7)))" = 42; test "$(readlink t/l)" = f
      id -u >/dev/null; vi --help 2>&1 | grep -q Edit; wget --help 2>&1 | grep -q Retrieve; [ "$(printf abc | sha256sum | cut -c1-6)" = ba7816 ]'
  ) || fail "busybox"
  echo "ok   busybox, $(stat -c %s "$prefix/share/busybox") bytes"
fi
