#!/usr/bin/env bash
# `udocker run` in R1, R2 and R3: volumes, users, devices, streams, signals, what the Python tool left, real packages.
. "$(dirname "$0")/../../support/support.sh"
if ! unshare -Urm true 2>/dev/null; then skip "no user namespaces on this host"; done_testing; exit 0; fi
check "a container" "$UDOCKER" -q import --tocontainer --name=c "$(need_image musl.tar)"
root=$("$UDOCKER" inspect -p c)
for tool in $("$root/bin/busybox" --list); do [ -e "$root/bin/$tool" ] || ln -s busybox "$root/bin/$tool"; done
mode=R1
run() { "$UDOCKER" -q run --nobanner --execmode=$mode "$@"; }
tree() { find "$root" -printf '%P %y %m %s %l %T@\n' | grep -v '^tmp' | sort | sha256sum; }

# a layer over /etc costs time: it is made for resolv.conf, not for the files that only help
files='cd /etc; echo $(for f in resolv.conf host.conf hosts; do [ -e $f ] && echo $f; done)'
[ ! -e /etc/resolv.conf ] || check_output "files of the host in /etc" "$(sh -c "$files")" run c sh -c "$files"
touch "$root/etc/resolv.conf"
check_output "only those that cost nothing" "resolv.conf" run c sh -c "$files"
rm "$root/etc/resolv.conf"

# volumes: any file or directory, over anything, and the tree stays as it was
mkdir -p v/d; echo F > v/f; ln -s f v/link; ln -s d v/linkdir; mkfifo v/fifo; echo S > 'v/a b'; echo C > v/co,ma
python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('v/sock')"
ln -s ../gone/x "$root/etc/dangling"; ln -s usr "$root/tousr"; changed=$(tree)
V=$WORK/v
check_output "a file over a file" F run -v "$V/f:/etc/passwd" c cat /etc/passwd
check_output "a file over nothing" F run -v "$V/f:/new/deep/f" c cat /new/deep/f
check_output "a file in the root directory" F run -v "$V/f:/f" c cat /f
check_output "a link to a file" F run -v "$V/link:/f" c cat /f
check_output "a link to a directory" "" run -v "$V/linkdir:/x" c ls /x
check_output "over a link that leads nowhere" F run -v "$V/f:/etc/dangling" c cat /etc/dangling
check_output "through a link to a directory" F run -v "$V:/tousr/v" c cat /usr/v/f
check_output "at the same path" F run -v "$V" c cat "$V/f"
check_output "names with blanks and commas" "S C" run -v "$V/a b:/n/a b" -v "$V/co,ma:/n/c,d" c sh -c 'echo $(cat "/n/a b" /n/c,d)'
check_output "pipes and sockets" "fifo sock" run -v "$V/fifo:/p/fifo" -v "$V/sock:/p/sock" c sh -c 'test -p /p/fifo && test -S /p/sock && echo $(ls /p)'
check_output "a volume in a volume" "F d" run -v "$V/d:/w" -v "$V/f:/w/new/f" -v "$V:/w/all" c sh -c 'echo $(cat /w/new/f) $(ls -d /w/all/d | cut -c8-)'
check_match "read-only" "[Rr]ead-only" run -v "$V:/x:ro" c touch /x/y
check_match "a read-only file" "[Rr]ead-only" run -v "$V/f:/x/y:ro" c sh -c 'echo > /x/y'
check_output "fifty at once" 50 run $(for i in $(seq 50); do echo "-v $V/f:/m/$i/f"; done) c sh -c 'cat /m/*/f | wc -l'
check_match "a directory over a file" "target is a file" run -v "$V:/etc/passwd" c true
check_match "a missing source" "invalid host volume path" run -v "$V/none:/x" c true
check_match "a read-only container" "[Rr]ead-only" run --read-only -v "$V:/x/y" c touch /etc/new
check_output "with volumes that are not" ok run --read-only -v "$V:/x/y" c sh -c 'touch /x/y/made && rm /x/y/made && echo ok'
check_same "the tree is untouched" "$changed" "$(tree)"
rm "$root/etc/dangling" "$root/tousr"; before=$(tree)

# devices
check_match "a device" '1, +3' run --device=/dev/null c ls -l /dev/null
check_output "under another name" ok run --device=/dev/null:/dev/mynull c sh -c 'echo x > /dev/mynull && test -c /dev/mynull && echo ok'
check_match "not a device" "invalid device: /etc/passwd" run --device=/etc/passwd c true
check_match "no such device" "invalid device: /dev/none" run --device=/dev/none c true

# users
me=$(id -u) mygroup=$(id -g)
while read -r user want; do
  check_output "--user=$user" "$want" run --user="$user" c sh -c 'echo $(id -u):$(id -g) $(touch /tmp/f && stat -c %u:%g /tmp/f && rm -f /tmp/f)'
done <<U
root 0:0 0:0
0:0 0:0 0:0
4321 4321:$mygroup 4321:$mygroup
4321:8765 4321:8765 4321:8765
somebody $me:$mygroup $me:$mygroup
U

# streams and status
big() { head -c 20000000 /dev/zero; }
check_same "twenty megabytes out" "$(big | sha256sum)" "$(run c sh -c 'head -c 20000000 /dev/zero' | sha256sum)"
check_same "and in" "$(big | sha256sum)" "$(big | run c sha256sum)"
check_same "errors apart" "out" "$(run c sh -c 'echo out; echo err >&2' 2>err)"; check_same "on their own stream" err "$(cat err)"
run c sh -c 'yes' 2>/dev/null | head -1 >/dev/null; check_same "a reader that goes away" 141 "${PIPESTATUS[0]}"
check_match "closed standard input" "Bad file descriptor|can't dup2" sh -c '"$0" -q run --nobanner --execmode=R1 c cat <&-' "$UDOCKER"
for n in 0 1 77 255; do check_status $n "status $n" run c sh -c "exit $n"; done
check_status 137 "killed" run c sh -c 'kill -9 $$'
check_status 2 "no such program" run c nosuch
for s in TERM INT HUP QUIT USR1 USR2 R2:ALRM R2:37; do
  mode=R1; case $s in R2:*) mode=R2; s=${s#R2:} ;; esac
  rm -f out; env --default-signal=INT,QUIT "$UDOCKER" -q run --nobanner --execmode=$mode c sh -c "trap 'echo got $s; exit 9' $s; echo ready; for i in \$(seq 400); do sleep 0.05; done" > out & pid=$!
  wait_for grep -q ready out; kill -$s $pid; wait $pid; check_same "SIG$s is passed on" "9 got $s" "$? $(tail -1 out)"
done
mode=R1
check_same "twenty runs at once" "     20 5" "$(for i in $(seq 20); do (run -v "$V:/many/$i" c sh -c "test -e /many/$i/f && exit 5"; echo $?) & done | sort | uniq -c)"
check_same "the tree is untouched by all that" "$before" "$(tree)"

# what runs of the Python tool in an R mode left: links without target, saved originals
leave() {
  mkdir -p "$root/../.bind_orig_files" "$root/.bind_host_files" "$root/../.mountpoints" "$root/data"
  for f in passwd group; do mv "$root/etc/$f" "$root/../.bind_orig_files/#etc#$f"; ln -s "/.bind_host_files/#etc#$f" "$root/etc/$f"; ln -s '#etc' "$root/../.mountpoints/#etc#$f"; done
  ln -s '#' "$root/../.mountpoints/#data"
}
whole() { find "$root" -printf '%P %y %m %l\n' | grep -v '^tmp' | sort | sha256sum; }
tidy=$(whole)
for m in R1 P1 R2; do
  leave; mode=$m
  check_match "$m after the Python tool" '^root:x:0:0' run c head -1 /etc/passwd
  check_same "$m put the originals back" "regular file" "$(stat -c %F "$root/etc/passwd")"
  rm -rf "$root/data" "$root/../.mountpoints"
done
leave; check "setup repairs too" "$UDOCKER" setup --execmode=P1 c; check_same "with the same mode" "regular file" "$(stat -c %F "$root/etc/passwd")"
rm -rf "$root/data" "$root/../.mountpoints"
leave; check "setup --purge" "$UDOCKER" setup --purge c; check_same "leaves it as it was created" "$tidy" "$(whole)"

# R2 and R3: other owners than the one mapped id, users, set-id programs, packages
check "a Debian container" "$UDOCKER" -q import --tocontainer --name=d "$(need_image bookworm.tar)"
cat > pack.sh <<'P'
set -e
mkdir -p /tmp/p/DEBIAN /tmp/p/opt/tool && cd /tmp
printf 'Package: tool\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n' > p/DEBIAN/control
printf '#!/bin/sh\nset -e\nuseradd -r -m toolman\nchown toolman:games /opt/tool/f\nchmod 4755 /opt/tool/f\n' > p/DEBIAN/postinst
chmod 755 p/DEBIAN/postinst; echo x > p/opt/tool/f
dpkg-deb -b p tool.deb >/dev/null
apt-get install -y /tmp/tool.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
stat -c '%U:%G %a' /opt/tool/f
su toolman -s /bin/sh -c 'echo $(id -un) $(touch ~/mine && stat -c %U ~/mine)'
passwd -S toolman | cut -d' ' -f1,2
apt-get purge -y tool >/dev/null 2>&1; userdel -r toolman 2>/dev/null; id toolman 2>/dev/null || echo gone
P
for m in R2 R3; do
  mode=$m
  check_output "$m: apt, useradd, chown, su" "toolman:games 4755;toolman toolman;toolman L;gone" sh -c '"$@" | paste -sd";"' _ "$UDOCKER" -q run --nobanner --execmode=$m -v "$WORK/pack.sh:/pack.sh" d sh /pack.sh
  check_output "$m --user" "4321:8765" run --user=4321:8765 d sh -c 'echo $(id -u):$(id -g)'
done
done_testing
