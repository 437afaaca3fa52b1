#!/usr/bin/env bash
# Every way of calling the one file: links, copies, PATH, odd surroundings; general options and mistakes.
. "$(dirname "$0")/../support/support.sh"

mkdir bin
cp "$UDOCKER" bin/udocker
ln -s "$WORK/bin/udocker" bin/absolute
ln -s udocker bin/udocker-patchelf
ln bin/udocker bin/patchelf
cp "$UDOCKER" bin/udocker.py
ln -s udocker bin/proot-x86_64
check_match "by absolute path" "^version: " "$WORK/bin/udocker" version
check_match "by relative path" "^version: " bin/udocker version
check_match "by a link of another name" "^version: " bin/absolute version
check_match "as udocker.py" "^version: " bin/udocker.py version
check_match "by PATH" "^version: " env PATH="$WORK/bin:$PATH" udocker version
check_match "an engine by a symbolic link" "[0-9]\.[0-9]" bin/udocker-patchelf --version
check_match "an engine by a hard link" "[0-9]\.[0-9]" bin/patchelf --version
cp "$UDOCKER" bin/udocker-nosuch
check_status 1 "an unknown engine name is refused" bin/udocker-nosuch
check_match "and the names are listed" "udocker-patchelf" bin/udocker-nosuch
check "HOME unset" env -u HOME "$UDOCKER" version
check "empty environment" env -i "$UDOCKER" version
if command -v ldd >/dev/null && [ "$(ldd "$UDOCKER" 2>&1 | grep -c '=>')" = 0 ]; then
  ok
  mkdir -p jail && cp "$UDOCKER" jail/udocker
  check_match "in an empty root" "^version: " unshare -r chroot jail /udocker --allow-root version
else
  [ "${CONFIG:-release}" = release ] && fail "the program is static" "$(ldd "$UDOCKER" 2>&1)"
fi
check_match "no argument prints help" "^usage: udocker" "$UDOCKER"
check_match "-h" "^usage: udocker" "$UDOCKER" -h
check_match "--help" "^usage: udocker" "$UDOCKER" --help
check_match "help COMMAND" "^usage: udocker install" "$UDOCKER" help install
check_match "-V" "^version: " "$UDOCKER" -V
check_status 1 "unknown command" "$UDOCKER" pul
check_match "a suggestion" "did you mean pull" "$UDOCKER" pul
check_status 1 "unknown option" "$UDOCKER" install --forse
check_match "an option suggestion" "did you mean --force" "$UDOCKER" install --forse
check_status 1 "too many words" "$UDOCKER" version x
check_same "errors go to stderr" "" "$("$UDOCKER" nosuch 2>/dev/null)"
check_same "results go to stdout" "" "$("$UDOCKER" version 2>&1 >/dev/null)"
check_status 1 "a full disk is noticed" bash -c '"$1" version > /dev/full' _ "$UDOCKER"
echo 'http_insecure = perhaps' > bad.conf
check_match "a bad value names file and line" "bad.conf:1: http_insecure: expected true or false" "$UDOCKER" --config=bad.conf showconf
echo 'no_such_key = 1' > odd.conf
check_match "an unknown key names file and line" "odd.conf:1: unknown key no_such_key" "$UDOCKER" --config odd.conf showconf
check_match "UDOCKER_LOGLEVEL" "^verbose_level = 2" env UDOCKER_LOGLEVEL=2 "$UDOCKER" showconf
check_status 1 "a bad UDOCKER_LOGLEVEL" env UDOCKER_LOGLEVEL=high "$UDOCKER" showconf
check "install" "$UDOCKER" install
check "install --force" "$UDOCKER" install --force
check "proot-x86_64 is there" test -x "$UDOCKER_DIR/bin/proot-$(uname -m | sed s/aarch64/arm64/)"
check "no version file" test ! -e "$UDOCKER_DIR/lib/VERSION"
check "install --links" "$UDOCKER" install --links links
check "links work" links/udocker-patchelf --version
check "install --purge" "$UDOCKER" install --purge
if command -v unshare >/dev/null && unshare -r true 2>/dev/null; then
  check_status 1 "root is refused" unshare -r "$UDOCKER" version
  check_match "with the manual's words" "do not run as root" unshare -r "$UDOCKER" version
  check "--allow-root" unshare -r "$UDOCKER" --allow-root version
  without_proc() { unshare -rm sh -c 'mount -t tmpfs none /proc && exec "$@"' _ "$UDOCKER" --allow-root "$@"; }
  check "without /proc what needs none works" without_proc create --name=plain hello
  check_match "and running says what is missing" "needs /proc, and it is not mounted" without_proc run plain true
  check_status 1 "with a failing status" without_proc run plain true
  check_match "a store mounted noexec is named" "that file system is mounted noexec" unshare -rm sh -c \
    'mount --bind "$UDOCKER_DIR" "$UDOCKER_DIR" && mount -o remount,bind,noexec "$UDOCKER_DIR" && exec "$@"' _ "$UDOCKER" --allow-root run plain true
  check_output "the program in a read-only place, /tmp noexec" "hello" unshare -rm sh -c \
    'mount -t tmpfs -o noexec none "$TMPDIR" && mount --bind bin bin && mount -o remount,bind,ro bin && exec bin/udocker --allow-root -q run plain echo hello'
fi
done_testing
