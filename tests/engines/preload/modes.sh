#!/usr/bin/env bash
# One container through all modes and back: programs run in each, and the tree is what it was, byte for byte.
. "$(dirname "$0")/../../support/support.sh"

"$UDOCKER" -q import "$(need_image bookworm.tar)" guest:1 >/dev/null
check "create" "$UDOCKER" -q create --name=c guest:1
root=$("$UDOCKER" inspect -p c)
dir=$(dirname "${root:?no root}")
tree() { (cd "$root" && { find . -printf '%p %y %m %l %s %T@\n' | sort; find . -type f -readable -print0 | sort -z | xargs -0 sha256sum; } | sha256sum); }
before=$(tree)
# Names of processes: a program called by a link, scripts, and an argv[0] of the caller's choice.
mkdir names && ln -s /bin/cat names/called-by-a-link
printf '#!/bin/sh -e\ncat /proc/$$/comm; tr "\\0" " " </proc/$$/cmdline; echo; echo $0\n' >names/a-script-of-a-long-name
cat >names/all <<'END'
/tmp/called-by-a-link /proc/self/comm /proc/self/cmdline | tr '\0' ' '; echo
/tmp/a-script-of-a-long-name 1 '2 3'
exec -a 'any name' /bin/cat /proc/self/comm /proc/self/cmdline | tr '\0' ' '; echo
exec -a short readlink /proc/self/exe
END
chmod +x names/a-script-of-a-long-name
names="called-by-a-lin
/tmp/called-by-a-link /proc/self/comm /proc/self/cmdline 
a-script-of-a-l
/bin/sh -e /tmp/a-script-of-a-long-name 1 2 3 
/tmp/a-script-of-a-long-name
cat
any name /proc/self/comm /proc/self/cmdline 
/usr/bin/readlink"
for mode in P2 F1 F2 F3 F4 R1 F3 F1 P1 F4 F2 T1; do
  check "setup $mode" "$UDOCKER" -q setup --execmode=$mode c
  case $mode in
    [PRT]*) check_same "$mode: the tree is as before" "$before" "$(tree)" ;;
    F3 | F4) check_output "$mode: the loader is named by its host path" "$root//lib64/ld-linux-x86-64.so.2" \
      python3 -c 'import sys; d = open(sys.argv[1], "rb").read(); i = d.find(b"/lib64/ld-linux"); print(d[d.rfind(b"\0", 0, i) + 1:d.find(b"\0", i)].decode())' "$root/usr/bin/env" ;;
  esac
  check_output "$mode: a program runs" "Debian" "$UDOCKER" -q run --nobanner c sh -c '. /etc/os-release; echo ${NAME%% *}'
  check_output "$mode: names of processes" "$names" "$UDOCKER" -q run --nobanner -v "$WORK/names:/tmp" c bash /tmp/all
done
check "setup F3" "$UDOCKER" -q setup --execmode=F3 c
run() { "$UDOCKER" -q run --nobanner "$@"; }
mkdir -p data && echo from-host >data/file
check_output "a volume" from-host run -v "$WORK/data:/data" c cat /data/file
ln -s "$WORK/data/file" data/raw
check_output "a link in a volume is read as the host wrote it, and leads to nothing here" "$WORK/data/file 1 1" \
  run -v "$WORK/data:/data" c sh -c 'test -r /data/raw; a=$?; cd /data; test -e raw; echo $(readlink raw) $a $?'
check_output "a link made in a volume is what the guest wrote" "/data/file" sh -c '"$0" -q run --nobanner -v "$1/data:/data" c ln -s /data/file /data/link && readlink "$1/data/link"' "$UDOCKER" "$WORK"
check_output "and the guest follows it" "/data/file 10 from-host 0" run -v "$WORK/data:/data" c sh -c 'cd /data; test -r link; a=$?; echo $(readlink link; stat -c %s /data/link; cat /data/link) $a'
check_match "a read-only volume refuses" "[Rr]ead-only" run -v "$WORK/data:/data:ro" c sh -c 'echo x >/data/no'
check_output "a link in the container leads inside" "$(cat "$root/usr/lib/os-release" | head -1)" run c sh -c 'ln -sfn /usr/lib/os-release /tmp/l && head -1 /tmp/l'
check_output "the host knows the link as inside too" "$root/usr/lib/os-release" readlink "$root/tmp/l"
check_output "a program built inside, which nobody patched, runs" 42 \
  run c sh -c 'cd /tmp && echo "int main(){return 42;}" >x.c && gcc -o x x.c && { ./x; echo $?; rm x x.c l; }'
check_output "exit status of a signal" 143 sh -c '"$0" -q run --nobanner c sh -c "kill -TERM \$\$"; echo $?' "$UDOCKER"
check_match "a static program goes to the trap engine, or is refused by a sentence" "libs found|statically linked" run c /sbin/ldconfig -p
# Go's own system calls are no library's, also where its linker made a dynamic program.
cat >"$root/tmp/go.c" <<'END'
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
__asm__(".section .note.go.buildid,\"a\",@note\n.long 4, 4, 4\n.ascii \"Go\\0\\0\"\n.ascii \"made\"\n.text");
int main(void) {
  char text[100];
  long fd = syscall(SYS_openat, AT_FDCWD, "/tmp/go.c", O_RDONLY), size = read(fd, text, sizeof text);
  puts(size > 0 ? "the container's" : "the host's");
}
END
check "build one like it" run c gcc -o /tmp/go /tmp/go.c
check_output "a dynamic program with system calls of its own sees the container" "the container's" run c /tmp/go
check_output "also one that a program starts" "the container's 0" run c sh -c 'echo $(/tmp/go; echo $?)'
# Where no filter can be set, as inside some unprivileged containers.
gcc -o noseccomp "$(dirname "$0")/noseccomp.c" || fail "cannot build noseccomp"
cp /bin/busybox "$root/tmp/busybox"
check_output "dynamic programs need no seccomp" inside ./noseccomp "$UDOCKER" -q run --nobanner c sh -c 'ls / >/dev/null && echo inside'
check_match "a static program is refused by one sentence" "^Error: /tmp/busybox is statically linked, which modes F1 to F4 cannot confine" ./noseccomp "$UDOCKER" -q run --nobanner c /tmp/busybox true
check_status 126 "with a status that says so" ./noseccomp "$UDOCKER" -q run --nobanner c /tmp/busybox true
check_match "also one that a program starts" "^udocker: /tmp/busybox is statically linked, which modes F1 to F4 cannot confine" ./noseccomp "$UDOCKER" -q run --nobanner c sh -c '/tmp/busybox true; echo $?'
check_match "a dynamic one with system calls of its own is too" "^Error: /tmp/go makes system calls of its own .Go., which modes F1 to F4 cannot confine" ./noseccomp "$UDOCKER" -q run --nobanner c /tmp/go
check_output "or runs all the same" "static" ./noseccomp "$UDOCKER" -q run --nobanner --allow-static c /tmp/busybox echo static
check_output "under the trap engine it sees the container, and so does what it starts" "$(cat "$root/etc/debian_version")" run c /tmp/busybox sh -c 'exec cat /etc/debian_version'
check_output "a link that it makes is one of the tree's" "/etc/debian_version $root/etc/debian_version" sh -c \
  '"$1" -q run --nobanner c /tmp/busybox sh -c "cd /tmp; busybox=/tmp/busybox; \$busybox ln -s /etc/debian_version made; \$busybox readlink made" | xargs printf "%s "; readlink "$2/tmp/made"' _ "$UDOCKER" "$root"
rm "$root/tmp/busybox" "$root/tmp/made" "$root/tmp/go" "$root/tmp/go.c"
pid=
"$UDOCKER" -q setup --execmode=P1 c
"$UDOCKER" -q setup --execmode=F4 c & pid=$!
sleep 0.05
kill -KILL $pid 2>/dev/null
wait $pid 2>/dev/null
check "a killed setup can be done again" "$UDOCKER" -q setup --execmode=F4 c
check "and undone" "$UDOCKER" -q setup --execmode=P1 c
check_same "nothing of it is left" "" "$(ls "$dir" | grep -E 'patch\.|ld.so.orig|pending')"
done_testing
