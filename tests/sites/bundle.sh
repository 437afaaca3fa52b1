#!/usr/bin/env bash
# udocker bundle: an image and its engine in one file, without network, with a home that cannot be written to.
. "$(dirname "$0")/../support/support.sh"
check "load" "$UDOCKER" -q load -i "$(need_image busybox.docker.tar)"
check "make a bundle" "$UDOCKER" bundle -o app busybox:test
alone() { unshare --user --map-current-user --net -- env -u UDOCKER_DIR "$@"; }  # no route, no resolver, no store
store="$HOME/.cache/udocker-bundles"

check_match "eight started at once unpack once" '^1$' bash -c \
  'for i in 1 2 3 4 5 6 7 8; do unshare --user --map-current-user --net -- ./app echo run-$i > out.$i 2> err.$i & done; wait; cat err.* | grep -c unpacking'
check_same "and all run" "$(printf 'run-%s\n' 1 2 3 4 5 6 7 8)" "$(cat out.[1-8])"
check_same "into one container" 1 "$(ls -d "$store"/*/containers/*-*/ROOT | wc -l)"
check_output "arguments, spaces kept" "a b|c" alone ./app sh -c 'echo "$1|$2"' x "a b" c
check_same "standard input passes" "from stdin" "$(echo from stdin | ./app cat)"
check_status 7 "exit status" alone ./app sh -c 'exit 7'
check_status 143 "a signal" alone ./app sh -c 'kill -TERM $$'
check_same "nothing but the program's output" "" "$(./app true 2>&1)"
check_output "the image's environment" yes alone ./app sh -c 'echo $FROM_IMAGE'
for mode in P1 T1 R1 F1; do check_output "mode $mode" in alone env UDOCKER_DEFAULT_EXECUTION_MODE=$mode ./app echo in; done

chmod 555 "$HOME" "$HOME/.cache" && mv app moved && chmod -R u-w "$store"
check_output "a store that cannot be written to is used as it is" ok alone ./moved echo ok
chmod -R u+w "$store" && chmod 755 "$HOME/.cache" && rm -rf "$store" && chmod 555 "$HOME/.cache"
check_output "a read-only home: unpacked in TMPDIR" ok alone ./moved echo ok
check_same "there" 1 "$(ls -d "$TMPDIR/udocker-bundles-$(id -u)"/*/containers/*-*/ROOT | wc -l)"
check "--udocker-clean" alone ./moved --udocker-clean
check_same "leaves nothing unpacked" "" "$(ls "$TMPDIR/udocker-bundles-$(id -u)" | grep -v lock)"
mkdir others && chmod 777 others
check_match "a directory that others can write to is not used" "writable by others.*UDOCKER_BUNDLE_DIR" alone env UDOCKER_BUNDLE_DIR="$WORK/others" ./moved true
chmod 755 "$HOME" "$HOME/.cache"
check_match "help" "container image busybox:test.*" alone ./moved --udocker-help
root=$(alone ./moved --udocker-extract="$WORK/taken" 2>/dev/null)
check "extract" test -f "$root/etc/os-release"

mkdir data && echo from-host > data/f
check "options and a command inside" "$UDOCKER" bundle -o tool --options "-v $WORK/data:/data -e A=baked" --execmode P1 busybox:test sh -c 'echo "$A $B $(cat /data/f) $*"' tool
check_output "are used" "baked  from-host one two" ./tool one two
check_output "options of the environment" "baked set from-host x" env UDOCKER_BUNDLE_OPTIONS="-e B=set" ./tool x
check "F3 is set up when it is unpacked" "$UDOCKER" bundle -o f3 --execmode F3 busybox:test
check_output "and works" "musl 0 17" alone ./f3 musl-stat /etc/os-release
cp moved runc && cp moved udocker-runner
check_output "a bundle may be called runc" ok ./runc echo ok
check_output "or anything else" ok ./udocker-runner echo ok
head -c -400000 moved > cut && chmod +x cut
check_match "a bundle cut short says so" "cut short" env UDOCKER_BUNDLE_DIR="$WORK/cut.d" ./cut true
check_match "a missing output name" "must specify the file to write" "$UDOCKER" bundle busybox:test
check_match "a bad option of run is refused when the bundle is made" "nosuch" "$UDOCKER" bundle -o bad --options --nosuch busybox:test
check_same "and nothing is left" "" "$(ls bad* 2>/dev/null)"
strace -f -o trace -e trace=open,openat,readlink "$UDOCKER" version >/dev/null 2>&1
check_same "the plain program does not look for an archive" "" "$(grep -e /proc/self/exe -e "$(basename "$UDOCKER")\"" trace)"
check_match "licences" "GNU GENERAL PUBLIC LICENSE" "$UDOCKER" license
check_match "of udocker itself" "Apache License" "$UDOCKER" license
done_testing
