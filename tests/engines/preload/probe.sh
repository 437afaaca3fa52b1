#!/usr/bin/env bash
# The same program in guests of glibc 2.31, 2.36 and 2.41 and of musl must see the same things in F1 and F3.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../support/support.sh"
expected() {
  cat <<END
argv0 probe
environment 
constructor the probe file
exe /tmp/probe
realpath /etc/probe
realpath own memory /etc/probe
link /etc/probe
link size 10
link kind 1
stat 15
glob /etc/probe
nftw 1 0
passwd 1234 /home/probe /bin/probe-shell
group probes b
grouplist 2 2
chdir 0
cwd /etc
relative 0 0 0
openat 1
mkstemp 1 /tmp/ab 0
tmpfile 1
child my name
spawn 0 status 7
child my name
vfork status 7
system 3
popen from popen
pclose 0
bind 0
connect 0
name /tmp/socket
symlink 0
new link /etc/probe 1
rename 0
unlink 0
climb 0
outside -1
raw call 0
threads 36000
dladdr 1
dlopen 1
cmdline probe
comm probe
child last name
END
}

prepare() {  # what the probe looks for
  local root=$1
  echo "the probe file" >"$root/etc/probe"
  ln -s /etc/probe "$root/etc/link"
  mkdir -p "$root/etc/deep" "$root/tmp"
  echo x >"$root/etc/deep/file"
  echo 'probe:x:1234:1234:a:/home/probe:/bin/probe-shell' >>"$root/etc/passwd"
  echo 'probes:x:4321:a,b,probe' >>"$root/etc/group"
}

for guest in bookworm trixie bullseye musl; do
  "$UDOCKER" -q import "$(need_image $guest.tar)" "$guest:1" >/dev/null
  check "$guest: create" "$UDOCKER" -q create --name=$guest $guest:1
  root=$("$UDOCKER" inspect -p $guest)
  prepare "${root:?no root of $guest}"
  if [ $guest = musl ]; then
    command -v musl-gcc >/dev/null || { skip "no musl-gcc"; continue; }
    rm -f "$root/bin/sh"  # a static one
    check "musl: compile" musl-gcc -O1 -pthread "$here/probe.c" -o "$root/tmp/probe"
  else
    cp "$here/probe.c" "$root/tmp/"
    "$UDOCKER" -q setup --execmode=F1 $guest
    check "$guest: the guest's own compiler, in F1" "$UDOCKER" -q run --nobanner $guest gcc -O1 -pthread /tmp/probe.c -o /tmp/probe -ldl
  fi
  for mode in F1 F2 F3 F4; do
    check "$guest: setup $mode" "$UDOCKER" -q setup --execmode=$mode $guest
    "$UDOCKER" -q run --nobanner -e PATH=/tmp:/bin:/usr/bin $guest probe "$WORK" >seen 2>&1
    check_same "$guest $mode: sees what is expected" "" "$(expected | diff - seen)"
  done
  [ $guest = musl ] || check_output "$guest: python" "True /usr/bin/python3 3" "$UDOCKER" -q run --nobanner $guest \
    python3 -c 'import os,subprocess,sys;print(os.path.exists("/etc/probe"), sys.executable, subprocess.call(["sh","-c","exit 3"]))'
  chmod -R u+rwX "$root" 2>/dev/null
  "$UDOCKER" -q rm -f $guest
done
done_testing
