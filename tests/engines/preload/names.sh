#!/usr/bin/env bash
# Every function that a libc of the guests exports has been looked at: wrapped by the object, passed on for a reason
# (passed.txt), or one that names no files (reviewed.txt).
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../support/support.sh"
command -v readelf >/dev/null || { skip "no readelf"; done_testing; exit 0; }

functions() { readelf -W --dyn-syms "$1" | awk '$7 != "UND" && ($4 == "FUNC" || $4 == "IFUNC") {sub(/@.*/, "", $8); print $8}' | sort -u; }
ln -s "$UDOCKER" fakechroot
mkdir root && tar -C root -xf "$(need_image musl.tar)" 2>/dev/null
chmod -R u+rwX root
XDG_CACHE_HOME="$WORK/cache" ./fakechroot --allow-static -r "$WORK/root" /bin/busybox true
object=$(echo cache/udocker/libudocker-*.so)
check "the object was unpacked" test -f "$object"
check_same "it needs no library" "" "$(readelf -d "$object" | grep NEEDED)"
check_same "it asks for no version" "" "$(readelf -V "$object" | grep -i 'version needs')"
# Any libc will do, 2.17 and older ones too: these names are in all of them, or in those of one kind.
check_same "what it asks for is weak and old" "WEAK _dl_debug_addr WEAK _r_debug WEAK environ WEAK free WEAK malloc" \
  "$(readelf -W --dyn-syms "$object" | awk '$7 == "UND" && $8 {print $5, $8}' | sort -k 2 | xargs)"
functions "$object" >wrapped
sed -n 's/^\([A-Za-z_0-9]*\):.*/\1/p' "$here/passed.txt" | sort >passed
check_same "no function is both wrapped and passed" "" "$(comm -12 wrapped passed)"
sort -u wrapped passed "$here/reviewed.txt" >known
for image in bullseye bookworm trixie; do
  mkdir -p "libs/$image"
  tar -C "libs/$image" --wildcards -xf "$(need_image $image.tar)" '*/libc.so.6' '*/libc-2*.so' '*/libpthread*' '*/libdl*' '*/librt*' '*/libutil*' 2>/dev/null
  for name in libc.so.6 libpthread.so.0 libdl.so.2 librt.so.1 libutil.so.1; do
    file=$(find "libs/$image" -name "$name" | head -1)
    check "$image has $name" test -e "$file"
    check_same "$image $name: every function is known" "" "$(functions "$file" | comm -23 - known | tr '\n' ' ')"
  done
done
check_same "musl: every function is known" "" "$(functions "$(echo root/lib/ld-musl-*.so.1)" | comm -23 - known | tr '\n' ' ')"
done_testing
