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
attribute 1
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

special() {
  cat <<END
own malloc 1
constructor of a library 1
plug-in 0: 15 0
plug-in 1: 15 0
plug-in 2: 15 0
other namespace: 15
host names of objects 0
plug-in's name /tmp/plugin.so
auxiliary vector /tmp/special
spawn 0 5 child /etc inside
child /etc/deep inside
vfork 5
here after a child went elsewhere /tmp 0
names below a moving directory 0
cancelled threads unwound 2
long socket 0 0
long name of a socket 0 1 0 1
openat2 1
child /tmp inside
after closing all 4
directory behind a link 1
END
}

prepare() {  # what the probe looks for
  local root=$1
  echo "the probe file" >"$root/etc/probe"
  ln -s /etc/probe "$root/etc/link"
  mkdir -p "$root/etc/deep" "$root/tmp"
  echo x >"$root/etc/deep/file"
  echo x >"$root/etc/only-here"
  ln -s deep "$root/etc/dir-link"
  echo 'probe:x:1234:1234:a:/home/probe:/bin/probe-shell' >>"$root/etc/passwd"
  echo 'probes:x:4321:a,b,probe' >>"$root/etc/group"
  # What the libc looks for by itself.
  echo 'probe:the-secret:1:0:9:7:::' >"$root/etc/shadow"
  echo '10.0.0.77 probe.test' >"$root/etc/hosts"
  echo 'hosts: files' >"$root/etc/nsswitch.conf"
  echo 'probe-service 4711/tcp' >"$root/etc/services"
  echo '/bin/probe-shell' >"$root/etc/shells"
  echo 'probe-device /probe ext4 ro 0 0' >"$root/etc/fstab"
  mkdir -p "$root/usr/share/zoneinfo/Test" "$root/var/run" "$root/run"
  python3 - "$root" <<'END'
import os, struct, sys
root = sys.argv[1]
def zone(path, name, hours):
    head = b"TZif2" + bytes(15)
    data = struct.pack(">6l", 0, 0, 0, 0, 1, len(name) + 1) + struct.pack(">lbb", hours * 3600, 0, 0) + name + b"\0"
    os.path.lexists(path) and os.unlink(path)
    open(path, "wb").write(head + data + head + data + b"\n" + name + b"-%d\n" % hours)
zone(root + "/usr/share/zoneinfo/Test/Zone", b"TST", 5)
zone(root + "/etc/localtime", b"LCL", 3)
run = root + "/var/run"
record = struct.pack("<hxxi32s4s32s256s", 7, 1, b"tty1", b"1", b"probe-user", b"host")
open((run if not os.path.islink(run) else root + "/run") + "/utmp", "wb").write(record.ljust(384, b"\0"))
for top, dirs, files in os.walk(root + "/usr/lib"):
    if os.path.basename(top) == "gconv":
        open(top + "/gconv-modules", "a").write("\nalias PROBESET// ISO-8859-1//\n")
        if os.path.exists(top + "/gconv-modules.cache"): os.unlink(top + "/gconv-modules.cache")
END
  for locale in C.utf8 C.UTF-8; do [ -d "$root/usr/lib/locale/$locale" ] && cp -r "$root/usr/lib/locale/$locale" "$root/usr/lib/locale/xx_XX.utf8"; done
}
inside() {
  cat <<END
locale in a constructor xx_XX.UTF-8
locale xx_XX.UTF-8
locale object 1
zone 05:00 TST
local time 03:00 LCL
shadow the-secret
host 77
address 0
service 4711
users 1
words /etc/probe
character set 1
session probe-user
shell /bin/probe-shell
table probe-device
walk /etc/deep/file 0
END
}

touch only-there  # a file of the host
for guest in ${GUESTS:-bookworm trixie bullseye musl}; do
  "$UDOCKER" -q import "$(need_image $guest.tar)" "$guest:1" >/dev/null
  check "$guest: create" "$UDOCKER" -q create --name=$guest $guest:1
  root=$("$UDOCKER" inspect -p $guest)
  prepare "${root:?no root of $guest}"
  if [ $guest = musl ]; then
    command -v musl-gcc >/dev/null || { skip "no musl-gcc"; continue; }
    rm -f "$root/bin/sh"  # a static one
    check "musl: compile" musl-gcc -O1 -pthread "$here/probe.c" -o "$root/tmp/probe"
    check "musl: compile" musl-gcc -O1 "$here/inside.c" -o "$root/tmp/inside"
    check "musl: compile" musl-gcc -O1 -pthread "$here/cancel.c" -o "$root/tmp/cancel-threads"
  else
    cp "$here"/{probe,inside,special,cancel}.c "$root/tmp/"
    "$UDOCKER" -q setup --execmode=F1 $guest
    check "$guest: the guest's own compiler, in F1" "$UDOCKER" -q run --nobanner $guest sh -c "gcc -O1 -pthread /tmp/probe.c -o /tmp/probe -ldl && gcc -O1 /tmp/inside.c -o /tmp/inside &&
      gcc -O1 -fexceptions -pthread /tmp/cancel.c -o /tmp/cancel-threads &&
      cd /tmp && gcc -O1 -fPIC -shared -DLIBRARY special.c -o liblibrary.so && gcc -O1 -fPIC -shared -DPLUGIN special.c -o plugin.so &&
      gcc -O1 -fexceptions special.c -o special -pthread -L. -llibrary -Wl,-rpath,/tmp -ldl"
  fi
  for mode in F1 F2 F3 F4; do
    check "$guest: setup $mode" "$UDOCKER" -q setup --execmode=$mode $guest
    "$UDOCKER" -q run --nobanner -e PATH=/tmp:/bin:/usr/bin $guest probe "$WORK" >seen 2>&1
    check_same "$guest $mode: sees what is expected" "" "$(expected | diff - seen)"
    "$UDOCKER" -q run --nobanner $guest /tmp/inside >seen 2>&1
    inside >wanted
    if [ $guest = musl ]; then  # it has no dynamic shell
      inside | head -11 | grep -v '^words ' >wanted
      sed -i '/^words /d' seen
    fi
    check_same "$guest $mode: the libc opens the guest's files" "" "$(diff wanted seen)"
    check_output "$guest $mode: threads are cancelled where they wait" "0 not cancelled, 0 not unwound" "$UDOCKER" -q run --nobanner $guest /tmp/cancel-threads 100
  done
  # Hard programs: lazily bound and not, and with a library that the image preloads.
  for how in a=b LD_BIND_NOW=1 LD_PRELOAD=/tmp/plugin.so; do
    [ $guest = musl ] && continue
    "$UDOCKER" -q run --nobanner -e PATH=/tmp:/bin:/usr/bin -e $how $guest special "$WORK/only-there" >seen 2>&1
    check_same "$guest F4 $how: hard programs" "" "$(special | diff - seen)"
  done
  [ $guest = musl ] || check_output "$guest: the image's LD_PRELOAD is seen and used" "/tmp/plugin.so 1" "$UDOCKER" -q run --nobanner -e LD_PRELOAD=/tmp/plugin.so $guest \
    python3 -c 'import os,ctypes;print(os.environ["LD_PRELOAD"], int(hasattr(ctypes.CDLL(None), "plugin_sees")))'
  [ $guest = musl ] || check_output "$guest: python" "True /usr/bin/python3 3" "$UDOCKER" -q run --nobanner $guest \
    python3 -c 'import os,subprocess,sys;print(os.path.exists("/etc/probe"), sys.executable, subprocess.call(["sh","-c","exit 3"]))'
  chmod -R u+rwX "$root" 2>/dev/null
  "$UDOCKER" -q rm -f $guest
done
done_testing
