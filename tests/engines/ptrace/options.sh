#!/usr/bin/env bash
# The ptrace engine's options and refusals: emulators, ports, a PRoot of the host's, bad input, hosts without ptrace, memory.
. "$(dirname "$0")/../../support/support.sh"
here=$SUPPORT/../engines/ptrace
ln -s "$UDOCKER" udocker-proot
mkdir musl foreign && tar -C musl -xf "$(need_image musl.tar)" --no-same-owner
chmod -R u+rwX musl
on=(./udocker-proot --kill-on-exit -r "$WORK/musl" -b /proc -b /dev)

# Programs of another machine, by the emulator found in PATH: static, dynamic, and one started by another.
cat > foreign.c <<'C'
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
int main(int count, char **words) {
    struct utsname name;
    struct stat stat_;
    char exe[200] = "";
    uname(&name);
    if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0) return 1;
    printf("%s %s %s %d\n", name.machine, words[0], exe, stat("/etc/os-release", &stat_));
    fflush(stdout);
    if (count > 1) execv(words[1], words + 1);
    return 5;
}
C
aarch64-linux-gnu-gcc -O1 -static -o musl/bin/foreign foreign.c && aarch64-linux-gnu-gcc -O1 -o musl/bin/foreign-dynamic foreign.c
cp -L /usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1 /usr/aarch64-linux-gnu/lib/libc.so.6 musl/lib/
for how in "" --no-listener --no-seccomp; do
  check_same "emulator $how" "aarch64 /bin/foreign /bin/foreign 0
aarch64 /bin/foreign-dynamic /bin/foreign-dynamic 0
status 5" "$("${on[@]}" $how -q qemu-aarch64-static /bin/foreign /bin/foreign-dynamic; echo status $?)"
  check_output "emulator $how from a native shell" "aarch64 foreign /bin/foreign 0 5" "${on[@]}" $how -q "qemu-aarch64-static" sh -c 'a=$(foreign); echo $a $?'
done
check_status 1 "no such emulator" "${on[@]}" -q qemu-nonsense /bin/foreign
check_match "no such emulator: named" "no such emulator in PATH: qemu-nonsense" "${on[@]}" -q qemu-nonsense /bin/foreign
check_status 126 "another machine's program without one" "${on[@]}" /bin/foreign
check_match "another machine's program: what to try" "made for another machine.*-q" "${on[@]}" /bin/foreign

# Bad input: one sentence and the exit status.
sentence() { # status "what" "text" command...
  local status=$1 what=$2 text=$3
  shift 3
  check_status "$status" "$what" "$@"
  check_match "$what: says so" "$text" "$@"
  check_same "$what: in one line" 1 "$("$@" 2>&1 >/dev/null </dev/null | wc -l)"
}
mkdir unreadable && chmod 0 unreadable
sentence 1 "missing root" "root directory.*none.*No such file" ./udocker-proot -r "$WORK/none" true
sentence 1 "unreadable root" "root directory.*unreadable.*Permission denied" ./udocker-proot -r "$WORK/unreadable" true
sentence 1 "a file as root" "root directory.*Not a directory" ./udocker-proot -r "$here/ptrace.sh" true
sentence 127 "no program" "cannot run nothing.*not found" "${on[@]}" nothing
sentence 126 "a directory as program" "cannot run /etc: Permission denied" "${on[@]}" /etc
sentence 1 "no working directory" "working directory /none" "${on[@]}" -w /none true
sentence 1 "a bad port" "not guest:host ports" "${on[@]}" -p 99999:1 true
sentence 1 "bad ids" "not uid:gid" "${on[@]}" -i someone true
sentence 1 "an option without its value" "needs a value" ./udocker-proot -r
cc -o refusing "$here/refusing.c"
number() { printf '#include <sys/syscall.h>\nSYS_%s\n' "$1" | cc -E -P - | tail -1; }
sentence 1 "no ptrace" "does not allow ptrace.*try another execution mode" ./refusing "$(number ptrace)" "${on[@]}" true
check_output "without pidfd_getfd" hello ./refusing "$(number pidfd_getfd)" "${on[@]}" echo hello
check_output "without process_vm_readv" 'NAME="musl test"' ./refusing "$(number process_vm_readv)" "${on[@]}" cat /etc/os-release
check_output "without process_vm_writev" 'NAME="musl test"' ./refusing "$(number process_vm_writev)" "${on[@]}" cat /etc/os-release
check_output "without seccomp(2)" 'NAME="musl test"' ./refusing "$(number seccomp)" "${on[@]}" cat /etc/os-release
# Kernels before 5.3 have no PTRACE_GET_SYSCALL_INFO.
check_output "without the request for a call's facts" hello ./refusing "$(number ptrace):0x420e" "${on[@]}" echo hello
check_output "without memfd_create's sealing or sched_setaffinity" hello ./refusing "$(number sched_setaffinity)" "${on[@]}" echo hello

# As udocker runs it.
check "container" "$UDOCKER" -q import --tocontainer --name=c "$(need_image musl.tar)"
root=$("$UDOCKER" inspect -p c)
run=("$UDOCKER" -q run --nobanner)
cp musl/bin/foreign "$root/bin/"
check_status 126 "run: another machine's program" "${run[@]}" --execmode=P1 c /bin/foreign
sentence 1 "run: no ptrace" "does not allow ptrace" ./refusing "$(number ptrace)" "${run[@]}" --execmode=P2 c true
chmod 0 "$root"
sentence 2 "run: unreadable root" "cannot be read" "${run[@]}" c true
chmod 755 "$root"
mv "$root" "$root.away"
sentence 2 "run: missing root" "no root directory" "${run[@]}" c true
mv "$root.away" "$root"
# A PRoot of the host's in the engine's place, by name and by path.
for mode in P1 P2; do for proot in proot "$(command -v proot)" ""; do
  check_output "$mode with the host's PRoot ${proot:-found in PATH}" "musl test 0 /tmp yes" env UDOCKER_USE_PROOT_EXECUTABLE="$proot" "${run[@]}" --execmode=$mode \
    -v "$WORK:/vol" -w /tmp c sh -c '. /etc/os-release; echo $NAME $(id -u) $(pwd) $([ -e /vol/foreign.c ] && echo yes)'
done; done
check_match "a PRoot that is not there" "executable not found: /no/proot" env UDOCKER_USE_PROOT_EXECUTABLE=/no/proot "${run[@]}" --execmode=P1 c true

# Ports: UDP and TCP, mapped both ways; datagrams' senders in guest terms.
ports='
import socket, sys
def pair(kind, family, host):
    s = socket.socket(family, kind); s.bind((host, 81))
    if kind == socket.SOCK_STREAM: s.listen(1)
    c = socket.socket(family, kind); c.connect((host, 81)); c.send(b"x")
    print(s.getsockname()[1], c.getpeername()[1], end=" ")
    s.close(); c.close()
pair(socket.SOCK_STREAM, socket.AF_INET, "127.0.0.1")
pair(socket.SOCK_DGRAM, socket.AF_INET, "127.0.0.1")
pair(socket.SOCK_STREAM, socket.AF_INET6, "::1")
print()'
host=(./udocker-proot --kill-on-exit -r /)
for how in "" --no-listener --no-seccomp; do
  check_output "-p $how" "81 81 81 81 81 81 " "${host[@]}" $how -p "81:$(free_port)" python3 -c "$ports"
  check_output "-n $how" "81 81 81 81 81 81 " "${host[@]}" $how -n python3 -c "$ports"
  check_output "--netcoop reaches a port of the host's $how" yes "${host[@]}" $how --netcoop python3 -c '
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1)
c = socket.socket(); c.connect(s.getsockname()); print("yes")'
  check_output "names of datagram senders $how" "/tmp/dgram/b /tmp/dgram/b 2 /tmp/dgram/b /tmp/dgram/b" ./udocker-proot --kill-on-exit $how -r / -b "$WORK/tmp:/tmp" -w /tmp python3 -c '
import ctypes, os, socket
from ctypes import addressof
os.makedirs("/tmp/dgram", exist_ok=True); os.chdir("/tmp/dgram")
for n in ("a", "b"):
    if os.path.exists(n): os.unlink(n)
a = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); a.bind("/tmp/dgram/a")
b = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); b.bind("/tmp/dgram/b")
for _ in range(4): b.sendto(b"x", "/tmp/dgram/a")
names = [a.recvfrom(9)[1], a.recvmsg(9)[3]]
def struct(words): return type("S", (ctypes.Structure,), {"_fields_": [("f%d" % i, {"p": ctypes.c_void_p, "i": ctypes.c_int}[w]) for i, w in enumerate(words)]})
rooms = [ctypes.create_string_buffer(110) for _ in range(2)]; data = ctypes.create_string_buffer(9)
vector = struct("pp")(addressof(data), 9)
headers = (struct("pippppiii") * 2)(*[(addressof(x), 110, addressof(vector), 1) for x in rooms])
got = ctypes.CDLL(None).recvmmsg(a.fileno(), headers, 2, 0, None)
print(*names, got, *[x.raw[2:h.f1].rstrip(b"\0").decode() for x, h in zip(rooms, headers)])'
  # A name that does not fit on the host's side is the guest's own again.
  long=$WORK/$(printf 'x%.0s' $(seq 90)) && mkdir -p "$long"
  check_output "long names of sockets $how" "/tmp/name /tmp/name" ./udocker-proot --kill-on-exit $how -r / -b "$long:/tmp" -w / python3 -c '
import os, socket
a = socket.socket(socket.AF_UNIX); a.bind("/tmp/name"); a.listen(1)
b = socket.socket(socket.AF_UNIX); b.connect("/tmp/name"); print(a.getsockname(), b.getpeername()); os.unlink("/tmp/name")'
done
# A path that is the same on both sides, made, and then looked for at every place below where a copy of it may have been.
cat > places.c <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static int make(const char *name) {
    char copy[4096];
    strcpy(copy, name);
    int result = close(open(copy, O_CREAT | O_WRONLY, 0600));
    strcpy(copy, "/no/such/file");
    return result;
}
static int find(const char *name) {
    char room[16384] __attribute__((aligned(16)));
    int lost = 0;
    size_t size = strlen(name) + 1;
    for (char *at = room; at + size < room + sizeof room; at += 16) {
        memcpy(at, name, size);
        if (access(at, F_OK)) ++lost;
    }
    return lost;
}
int main(int count, char **words) {
    int made = make(words[1]), lost = find(words[1]);
    printf("%d %d %d\n", made, lost, unlink(words[1]));
    return 0;
}
C
cc -O0 -w -o places places.c
for how in "" --no-listener --no-seccomp; do
  check_output "a name where a copy of it was $how" "0 0 0" ./udocker-proot $how -r / ./places "$WORK/placed"
done
# The tracer's memory with 200 processes.
"${on[@]}" sh -c 'for i in $(seq 200); do sleep 60 & done; echo ready; read x' < <(sleep 60) > ready & pid=$!
wait_for test -s ready
kib=$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")
[ "${kib:-999999}" -lt 30000 ] && ok || fail "the tracer of 200 processes takes $kib KiB"
kill $pid
wait $pid 2>/dev/null
done_testing
