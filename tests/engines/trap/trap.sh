# The trap engine on glibc and musl roots, with and without patched libraries.
. "$(dirname "$0")/../../support/support.sh"
here=$SUPPORT/../engines/trap
ln -s "$UDOCKER" udocker-trap
mkdir root musl lib
tar -C root -xf "$(need_image bookworm.tar)" --exclude=./dev --no-same-owner
tar -C musl -xf "$(need_image musl.tar)" --no-same-owner
chmod -R u+rwX root musl
mkdir -p root/dev root/src root/probe/in out
echo secret > out/outside && chmod 777 out/outside
check "build the probe" cc -static -O1 -o root/probe/probe "$SUPPORT/../engines/ptrace/probe.c"
cp "$SUPPORT"/../engines/common/{peers,attributes}.py root/probe
cp root/probe/probe root/probe/in/file
ln -s /probe/in/file root/probe/link
ln -s ../in/file root/probe/in/link
ln -s /probe/in root/probe/dirlink
ln -s "$WORK/out/outside" root/probe/out
cp "$here"/*.c root/src/
# A 32-bit program that ends with status 7.
make_32() { printf '_start: mov $1,%%eax; mov $7,%%ebx; int $0x80\n.globl _start\n' | cc -m32 -nostdlib -static -no-pie -x assembler -o "$1" - 2>/dev/null; }
has32=
make_32 root/probe/small32 && { root/probe/small32; [ $? != 7 ] || has32=1; }
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
base=(./udocker-trap --kill-on-exit "--lib=$WORK/lib" -b /proc -b /dev -b /sys)
T1=("${base[@]}" "--cache=$WORK/lib/copies")
T2=("${base[@]}")

for mode in T1 T2; do
  declare -n start=$mode
  on=("${start[@]}" -r "$WORK/root")
  check_output "$mode: a program of the root" "PRETTY_NAME" "${on[@]}" /bin/sh -c 'cut -d= -f1 /etc/os-release | head -1'
  check_output "$mode: the guest's /" "$(ls root)" "${on[@]}" /bin/ls /
  check_output "$mode: working directory" /usr/lib "${on[@]}" -w /usr/lib /bin/pwd
  check_output "$mode: /proc/self/exe" /usr/bin/readlink "${on[@]}" readlink /proc/self/exe
  check_output "$mode: command line and name" "cat /proc/self/cmdline /proc/self/comm cat" "${on[@]}" sh -c 'cat /proc/self/cmdline /proc/self/comm | tr "\0" " "'
  check_status 3 "$mode: exit status" "${on[@]}" sh -c 'exit 3'
  check_status 143 "$mode: killed by a signal" "${on[@]}" sh -c 'kill -TERM $$'
  check_status 127 "$mode: no such program" "${on[@]}" /no/such
  check_output "$mode: scripts" "one two" "${on[@]}" sh -c 'printf "#!/bin/sh -e\necho \$1 two\n" > /tmp/s; chmod +x /tmp/s; exec /tmp/s one'
  check_output "$mode: emulated root" "0 0" "${on[@]}" -0 sh -c 'echo $(id -u) $(id -g)'
  check_output "$mode: emulated user" "33 34" "${on[@]}" -i 33:34 sh -c 'echo $(id -u) $(id -g)'
  filters() { sed -n 's/^Seccomp_filters:[^0-9]*//p' /proc/self/status; }
  check_output "$mode: an emulated root needs one filter" "$(($(filters) + 1))" "${on[@]}" -0 sh -c 'ls -l /etc/passwd >/dev/null; sed -n "s/^Seccomp_filters:[^0-9]*//p" /proc/self/status'
  check_output "$mode: changed ids last over exec" "42 42" "${on[@]}" -0 perl -e '$) = "42 42"; $( = 42; $> = 42; $< = 42; exec "sh", "-c", "echo \$(id -u) \$(id -g)"'
  check "$mode: compile" "${on[@]}" sh -c 'gcc -O1 -pthread -o /tmp/signals /src/signals.c && gcc -O1 -pthread -static -o /tmp/signals-static /src/signals.c && gcc -O1 -pthread -o /tmp/stress /src/stress.c && gcc -O1 -pthread -o /tmp/facilities /src/facilities.c'
  check_output "$mode: signals" "signals: all good" "${on[@]}" /tmp/signals
  check_output "$mode: signals in a static program" "signals: all good" "${on[@]}" /tmp/signals-static
  check_match "$mode: stress" "^calls [0-9]+ signals [0-9]+/[0-9]+ children [0-9]+$" "${on[@]}" /tmp/stress 3
  check "$mode: threads, processes, pipes of Python" "${on[@]}" python3 -c '
import os, signal, subprocess, threading, tempfile, multiprocessing
def work(n):
    for i in range(50):
        with tempfile.NamedTemporaryFile() as f: os.stat(f.name)
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
assert subprocess.check_output(["sh", "-c", "echo $0", "x"]) == b"x\n"
with multiprocessing.Pool(2) as p: assert p.map(abs, [-1, -2]) == [1, 2]
hits = []
signal.signal(signal.SIGALRM, lambda *a: hits.append(1)); signal.setitimer(signal.ITIMER_REAL, .01, .01)
while len(hits) < 5: os.stat("/etc/passwd")
signal.setitimer(signal.ITIMER_REAL, 0)
'
  check_match "$mode: no call escapes, none is wrongly refused" " 0 bad$" "${on[@]}" /probe/probe "$WORK/out/outside"
  check_match "$mode: the same for an emulated root" " 0 bad$" "${on[@]}" -0 /probe/probe "$WORK/out/outside"
  check_output "$mode: maps show no host path" 0 "${on[@]}" sh -c "grep -c $WORK/root /proc/self/maps; true"
  check_output "$mode: programs of other processes" "/usr/bin/sleep" "${on[@]}" sh -c 'sleep 60 & for i in $(seq 300); do [ "$(cat /proc/$!/comm)" = sleep ] && break; sleep 0.1; done; readlink /proc/$!/exe; kill $!'
  check_output "$mode: a socket's long name is read as it was given" "$(printf "/tmp/%060d/name\n" 1 1)" "${on[@]}" python3 -c '
import os, socket
name = "/tmp/%060d/name" % 1; os.makedirs(os.path.dirname(name))
server = socket.socket(socket.AF_UNIX); server.bind(name); server.listen(1); print(server.getsockname())
client = socket.socket(socket.AF_UNIX); client.connect(name); print(client.getpeername())
os.unlink(name); os.rmdir(os.path.dirname(name))'
  check_output "$mode: owners of sockets and ids of peers" "0:0 42:43 42:43 0:0 42:43" timeout 60 "${on[@]}" -0 --owners "$WORK/peers" python3 /probe/peers.py
  check_output "$mode: attributes of root are listed and copied" "attributes: all good" timeout 60 "${on[@]}" -0 --owners "$WORK/attributes" python3 /probe/attributes.py
  check_output "$mode: chroot inside" "tmp" "${on[@]}" -0 sh -c 'mkdir -p /tmp/r/tmp /tmp/r/bin; cp /probe/probe /tmp/r/bin/; chroot /tmp/r /bin/probe exit && cd /tmp/r && ls -d tmp; rm -r /tmp/r'
  check_output "$mode: listings show binds" "a added" "${on[@]}" -b "$WORK/out:/a" -b "$WORK/out/outside:/etc/added" sh -c 'echo $(ls / | grep -x a) $(ls /etc | grep -x added)'
  check_output "$mode: or not, where that is asked for" "secret 0" "${on[@]}" -b "$WORK/out/outside:/etc/added:unlisted" sh -c 'echo $(cat /etc/added; ls /etc | grep -cx added)'
  check_match "$mode: read-only binds" "Read-only file system" "${on[@]}" -0 -b "$WORK/out:/mnt:ro" touch /mnt/new
  for way in "" 0 1 2 3 4 5; do check_output "$mode: what a guest may use of the kernel${way:+, descriptors by way $way}" "facilities: all good" "${on[@]}" /tmp/facilities $way; done
  check_output "$mode: ids of a set-id program" "0 42 0 43;0 0 0 0" "${on[@]}" -0 --owners "$WORK/setid" sh -c 'cp /usr/bin/python3 /tmp/p && chown 42:43 /tmp/p && chmod 6755 /tmp/p
    for i in 1 2; do /tmp/p -c "import os; print(os.getuid(), os.geteuid(), os.getgid(), os.getegid())"; chmod 755 /tmp/p; done | paste -sd";"; rm /tmp/p'
  check_output "$mode: no descriptor of ours is open" "$(ls /proc/self/fd | wc -l)" "${on[@]}" -0 --owners "$WORK/owners" sh -c 'ls /proc/self/fd | wc -l'
  check_output "$mode: the engine's descriptor is not the program's" "good" "${on[@]}" python3 -c '
import ctypes, errno, os, resource, threading
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
ours = min(soft, 1024) if min(soft, 1024) < hard else min(soft, 1024) - 1
libc = ctypes.CDLL(None, use_errno=True)
def refused(result): return result == -1 and ctypes.get_errno() == errno.EBADF
assert refused(libc.close(ours))
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
assert refused(libc.dup2(0, ours)) and refused(libc.dup3(0, ours, 0))
assert libc.close_range(3, 0xffffffff, 0) == 0 and os.stat("/etc/passwd").st_size
ended, failed = False, []
def look():
    while not ended:
        try: os.stat("/etc/passwd"); os.access("/etc/group", os.R_OK); open("/etc/passwd").close()
        except OSError as error: failed.append(error)
threads = [threading.Thread(target=look) for _ in range(4)]
[thread.start() for thread in threads]
seen = os.listdir("/proc/self/fd")
ended = True
[thread.join() for thread in threads]
assert not failed, failed
assert str(ours) not in seen, seen
assert not os.system("ls -d /etc >/dev/null")
print("good")'
  check_output "$mode: owners last" "5 6 4750" "${on[@]}" -0 --owners "$WORK/owners" sh -c 'rm -f /tmp/f; touch /tmp/f; chown 5:6 /tmp/f; chmod 4750 /tmp/f; sh -c "stat -c \"%u %g %a\" /tmp/f"'
  check_output "$mode: kernel release" 9.8.7 "${on[@]}" -k 9.8.7 uname -r
  check_output "$mode: own filters are accepted, tracing ones refused" "0 22" "${on[@]}" python3 -c '
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
def install(action):
    line = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, action))
    program = struct.pack("HxxxxxxQ", 1, ctypes.addressof(line))
    return 0 if libc.syscall(317, 1, 0, program) == 0 else ctypes.get_errno()
print(install(0x7fff0000), install(0x7ff00000))'
  if [ "$has32" ]; then
    check_status 7 "$mode: a 32-bit first program" "${on[@]}" /probe/small32
    check_match "$mode: a later one is refused with a sentence" "cannot run /probe/small32: not a 64-bit program of this processor; use execution mode P1" \
      "${on[@]}" sh -c /probe/small32
  else
    skip "no 32-bit program can be made or run here"
  fi
  check_output "$mode: a program in memory" "hi" "${on[@]}" python3 -c '
import os
fd = os.memfd_create("x", os.MFD_CLOEXEC); os.write(fd, open("/bin/echo", "rb").read()); os.execve(fd, ["echo", "hi"], os.environ)'
  check_output "$mode: musl, dynamic" "musl 0 17" "${start[@]}" -r "$WORK/musl" /usr/bin/musl-stat /etc/os-release
  check_output "$mode: musl, static" "bin" "${start[@]}" -r "$WORK/musl" /bin/sh -c 'cd / && echo b*'
  mkdir -p root/probe/old root/probe/new && echo old > root/probe/old/f && echo new > root/probe/new/f && ln -sfn old root/probe/turn
  check_output "$mode: a link changed from outside is seen soon" new bash -c '
    (until [ -e root/probe/ready ]; do sleep 0.1; done; ln -sfn new root/probe/turn) &
    timeout 30 "$@" sh -c "cat /probe/turn/f >/dev/null; : > /probe/ready; until [ \$(cat /probe/turn/f) = new ]; do sleep 0.1; done; cat /probe/turn/f"
    rm root/probe/ready; wait' _ "${on[@]}"
  check_output "$mode: leftovers are killed" "" "${on[@]}" sh -c "sleep 100$$ & exit 0"
done
cp "$UDOCKER" root/src/udocker-trap
on=("${T1[@]}" -r "$WORK/root" -w /)
if "${on[@]}" /src/udocker-trap --version >/dev/null 2>&1; then
  check_output "inside itself" "0 /usr/bin/readlink bin" "${on[@]}" -b "$WORK/musl:/mnt" /src/udocker-trap -0 -r / -w /mnt sh -c 'echo $(id -u) $(readlink /proc/self/exe) $(ls -d b*)'
  check_output "inside itself, another root" "0 busybox" "${on[@]}" -i 5:5 -b "$WORK/musl:/mnt" /src/udocker-trap -0 -r /mnt -b /proc sh -c 'echo $(id -u) $(basename $(readlink /proc/self/exe))'
else
  skip "this build cannot run inside the test root"
fi
check_output "without any privilege" hello setpriv --no-new-privs --bounding-set=-all "${on[@]}" echo hello
pgrep -u "$(id -u)" -f "sleep 100$$" >/dev/null && fail "a leftover process lives on" || ok
# Every library of a root is loaded once, so that all those with call sites have copies, and the copies are disassembled.
libraries() { find "$1" -type f \( -name '*.so' -o -name '*.so.*' -o -name 'ld-*' \) -printf '/%P\n'; }
if command -v objdump >/dev/null; then
  roots=(root musl)
  # The long form: all roots of the tests, and the stress for ten minutes in both modes.
  if [ -n "${UDOCKER_TRAP_LONG:-}" ]; then
    for name in bullseye trixie; do
      mkdir "$name" && tar -C "$name" -xf "$(need_image "$name.tar")" --exclude=./dev --no-same-owner && chmod -R u+rwX "$name" && roots+=("$name")
    done
  fi
  for name in "${roots[@]}"; do
    libraries "$name" > "$name/libraries"
    check_output "$name: all libraries are loaded once" done "${base[@]}" "--cache=$WORK/lib/$name" -r "$WORK/$name" /bin/sh -c \
      '[ -x /usr/bin/musl-stat ] && program=/usr/bin/musl-stat || program=/bin/true
       while read -r file; do LD_PRELOAD=$file $program / || :; done </libraries >/dev/null 2>&1; echo done'
    check_match "$name: patched sites are whole instructions" "^[1-9][0-9]+ sites, none false$" \
      python3 "$here/sites_check.py" "$WORK/lib/$name" "$WORK/$name"
  done
else
  skip "no objdump for the check of patched sites"
fi
if [ -n "${UDOCKER_TRAP_LONG:-}" ]; then
  for mode in T1 T2; do
    declare -n start=$mode
    "${start[@]}" -r "$WORK/root" /tmp/stress 600 > "$WORK/stress.$mode" 2>&1 &
  done
  wait
  for mode in T1 T2; do
    check_match "$mode: ten minutes of stress" "^calls [0-9]+ signals ([0-9]+)/\\1 children [0-9]+$" cat "$WORK/stress.$mode"
    cat "$WORK/stress.$mode"
  done
fi
check "works without a place for files" env HOME=/nonexistent ./udocker-trap -r "$WORK/root" --cache=/proc/none /bin/true
done_testing
