#!/usr/bin/env bash
# The ptrace engine by hand: with a seccomp listener, with stops only, and without seccomp; on glibc and musl roots.
. "$(dirname "$0")/../../support/support.sh"
here=$SUPPORT/../engines/ptrace
ln -s "$UDOCKER" udocker-proot
ln -s "$UDOCKER" proot
mkdir root musl out
tar -C root -xf "$(need_image bookworm.tar)" --exclude=./dev --no-same-owner
tar -C musl -xf "$(need_image musl.tar)" --no-same-owner
chmod -R u+rwX root musl
mkdir -p root/dev root/probe/in root/tmp
echo secret > out/outside && chmod 777 out/outside
outside=$(sha256sum out/outside; stat -c '%a %s %Y' out/outside)
check "build the probe" cc -static -O1 -o root/probe/probe "$here/probe.c"
check "build the FIFO's openers" cc -static -pthread -O1 -o root/probe/fifo "$here/fifo.c"
check "build what opens under signals" cc -static -pthread -O1 -o root/probe/restart "$here/restart.c"
fifo=$(root/probe/fifo "$WORK/fifo")
check "build what asks for its CPUs" cc -static -O1 -o root/probe/affinity "$here/affinity.c"
check "build the probe of numbers" cc -static -O1 -o root/probe/numbers "$here/numbers.c"
cp "$here/../common/peers.py" "$here/../common/attributes.py" root/probe
cp root/probe/probe root/probe/in/file
ln -s /probe/in/file root/probe/link
ln -s ../in/file root/probe/in/link
ln -s /probe/in root/probe/dirlink
ln -s "$WORK/out/outside" root/probe/out
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PROOT_TMP_DIR=$TMPDIR
system=(-b /dev -b /proc -b /sys)
before=$(find root | sort | sha256sum)

for how in listener stops P2; do
  base=(./udocker-proot --kill-on-exit "${system[@]}")
  [ $how = stops ] && base+=(--no-listener)
  [ $how = P2 ] && base+=(--no-seccomp)
  on=("${base[@]}" -r "$WORK/root" -w /)
  check_output "$how: output" hello "${on[@]}" /bin/echo hello
  check_status 3 "$how: exit status" "${on[@]}" sh -c 'exit 3'
  check_status 143 "$how: killed by a signal" "${on[@]}" sh -c 'kill -TERM $$'
  check_status 127 "$how: no such program" "${on[@]}" /no/such
  check_status 126 "$how: no program" "${on[@]}" /etc/passwd
  check_match "$how: no call escapes, none is wrongly refused" " 0 bad$" "${on[@]}" /probe/probe "$WORK/out/outside"
  check_match "$how: the same for an emulated root" " 0 bad$" "${on[@]}" -0 /probe/probe "$WORK/out/outside"
  check_output "$how: /proc in guest terms" "/usr/bin/readlink / /tmp" "${on[@]}" -w /tmp sh -c 'echo $(readlink /proc/self/exe /proc/self/root /proc/self/cwd)'
  check_output "$how: maps show no host path" 0 "${on[@]}" sh -c "grep -c $WORK/root /proc/self/maps; true"
  check_output "$how: mounts" "/ /dev /proc /sys" "${on[@]}" sh -c 'echo $(cut -d" " -f2 /proc/mounts | sort)'
  check_output "$how: scripts of scripts" "/tmp/b one" "${on[@]}" sh -c 'printf "#!/bin/echo -e\n" > /tmp/a; printf "#!/tmp/a\n" > /tmp/b; chmod +x /tmp/a /tmp/b; /tmp/b one 2>/dev/null | sed "s,/tmp/a ,,"; rm /tmp/a /tmp/b'
  check_output "$how: emulated root" "0 0" "${on[@]}" -0 sh -c 'echo $(id -u) $(id -g)'
  check_output "$how: emulated user" "33 34" "${on[@]}" -i 33:34 sh -c 'echo $(id -u) $(id -g)'
  check_output "$how: changed ids" "42 42" "${on[@]}" -0 perl -e '$) = "42 42"; $( = 42; $> = 42; $< = 42; exec "sh", "-c", "echo \$(id -u) \$(id -g)"'
  check_output "$how: every id after every change" "0000 0080 0070 7770 7777 7777 7777 7777" "${on[@]}" -0 python3 -c '
import os, signal, subprocess, threading
def ids(): return "%d%d%d%d" % (os.getuid(), os.geteuid(), os.getgid(), os.getegid())
seen = [ids()]; os.seteuid(8); os.seteuid(0); os.setegid(8)
seen.append("00%d0" % os.getegid()); os.setresgid(7, 0, 0); seen.append(ids()); os.setresuid(7, 7, 7)
seen.append(ids()[:3] + "0"); os.setegid(7); seen.append(ids())
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGSYS}); seen.append(ids())
t = threading.Thread(target=lambda: seen.append(ids())); t.start(); t.join()
seen.append(subprocess.run(["python3", "-c", "import os; print(%r %% (os.getuid(), os.geteuid(), os.getgid(), os.getegid()), end=str())" % "%d%d%d%d"], stdout=subprocess.PIPE).stdout.decode())
print(*seen)'
  check_output "$how: ids of a set-id program" "0 42 0 43" "${on[@]}" -0 --owners "$WORK/setid" sh -c 'cp /usr/bin/python3 /tmp/p && chown 42:43 /tmp/p && chmod 6755 /tmp/p && /tmp/p -c "import os; print(os.getuid(), os.geteuid(), os.getgid(), os.getegid())"; rm /tmp/p'
  check_output "$how: owners of sockets and ids of peers" "0:0 42:43 42:43 0:0 42:43" timeout 60 "${on[@]}" -0 --owners "$WORK/peers.$how" python3 /probe/peers.py
  check_output "$how: attributes of root are listed and copied" "attributes: all good" timeout 60 "${on[@]}" -0 --owners "$WORK/attributes.$how" python3 /probe/attributes.py
  check_output "$how: what ends the wait for a FIFO's other end" "$fifo" timeout 120 "${on[@]}" /probe/fifo /tmp/fifo
  check_output "$how: the CPUs of a busy program" "0 wrong" "${on[@]}" /probe/affinity
  check_output "$how: opens that signals interrupt are of their own files" "0 wrong" "${on[@]}" /probe/restart /tmp
  check_status 1 "$how: ids cannot be taken back" "${on[@]}" -0 perl -e '$> = 42; $< = 42; $< = 0; exit($< == 0 ? 0 : 1)'
  check_output "$how: kernel release" "9.8.7" "${on[@]}" -k 9.8.7 uname -r
  check_output "$how: chroot inside" "/ tmp" "${on[@]}" -0 sh -c 'mkdir -p /tmp/r/tmp /tmp/r/bin; cp /probe/probe /tmp/r/bin/; chroot /tmp/r /bin/probe exit && cd /tmp/r && echo / $(ls -d tmp); rm -r /tmp/r'
  check_status 0 "$how: threads, processes, sockets of Python" "${on[@]}" -0 python3 -c '
import os, signal, subprocess, threading, tempfile, multiprocessing, socket
def work(n):
    for i in range(40):
        with tempfile.NamedTemporaryFile() as f: os.stat(f.name)
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
assert subprocess.run(["cat"], input=b"x", stdout=subprocess.PIPE).stdout == b"x"
with multiprocessing.Pool(3) as pool: assert pool.map(abs, range(-9, 0)) == list(range(9, 0, -1))
name = "/tmp/" + "d" * 90; os.makedirs(name, exist_ok=True)
server = socket.socket(socket.AF_UNIX)
if os.path.exists(name + "/s"): os.unlink(name + "/s")
server.bind(name + "/s"); server.listen(1); assert server.getsockname() == name + "/s"
client = socket.socket(socket.AF_UNIX); client.connect(name + "/s")
os.unlink(name + "/s"); os.rmdir(name)'
  check "$how: gcc" "${on[@]}" sh -c 'cd /tmp && echo "int main(void){return 0;}" > t.c && gcc t.c -o t && ./t && rm t t.c'
  # Owners last over runs.
  rm -f owners owners.xattr
  check "$how: owners are taken" "${on[@]}" -0 --owners "$WORK/owners" sh -c 'touch /tmp/f && chown 5:6 /tmp/f && chmod 4750 /tmp/f && mknod /tmp/n c 1 3 && mkdir -m 2770 /tmp/g && chgrp 9 /tmp/g'
  check_output "$how: and shown again" "5 6 4750 character special file 9" "${on[@]}" -0 --owners "$WORK/owners" sh -c 'touch /tmp/g/x; echo $(stat -c "%u %g %a" /tmp/f) $(stat -c %F /tmp/n) $(stat -c %g /tmp/g/x)'
  check_match "$how: tar keeps them" "-rwsr-x--- 5/6 " "${on[@]}" -0 --owners "$WORK/owners" sh -c 'tar --numeric-owner -C /tmp -cf - f | tar --numeric-owner -tvf -'
  check "$how: clean up" "${on[@]}" -0 --owners "$WORK/owners" rm -r /tmp/f /tmp/n /tmp/g
  # Binds over missing and existing targets.
  mkdir -p vol/sub && echo vol > vol/file && rm -rf vol/new*
  binds=(-b "$WORK/vol:/a/b/c" -b "$WORK/vol/file:/etc/added" -b "$WORK/vol:/mnt/ro:ro")
  check_output "$how: binds" "vol vol vol" "${on[@]}" "${binds[@]}" sh -c 'echo $(cat /a/b/c/file /etc/added /mnt/ro/file)'
  check_output "$how: listings show them" "a b ro added" "${on[@]}" "${binds[@]}" sh -c 'echo $(ls / | grep -x a) $(ls /a) $(ls /mnt) $(ls /etc | grep -x added)'
  check_output "$how: or not, where that is asked for" "vol 0" "${on[@]}" -b "$WORK/vol/file:/etc/added:unlisted" sh -c 'echo $(cat /etc/added; ls /etc | grep -cx added)'
  check_match "$how: read-only binds" "Read-only file system" "${on[@]}" "${binds[@]}" touch /mnt/ro/new
  check_match "$how: read-only binds, for root" "Read-only file system" "${on[@]}" -0 "${binds[@]}" rm /mnt/ro/file
  check "$how: writable binds" "${on[@]}" "${binds[@]}" touch /a/b/c/new
  check_same "$how: the volume has it" yes "$([ -e vol/new ] && echo yes)"
  check_same "$how: nothing is made in the root" "$before" "$(find root | sort | sha256sum)"
  # The run ends with the first program.
  start=$(date +%s)
  check_status 4 "$how: orphans are ended" "${on[@]}" sh -c 'sleep 30 & exit 4'
  [ $(($(date +%s) - start)) -lt 15 ] && ok || fail "$how: waited for an orphan"
  on=("${base[@]}" -r "$WORK/musl" -w /)
  check_output "$how: musl" "musl 0 17" "${on[@]}" musl-stat /etc/os-release
  check_output "$how: busybox" "0 ash" "${on[@]}" -0 sh -c 'echo $(id -u) ash'
  check_output "$how: names of busybox's commands" "cat" "${on[@]}" cat /proc/self/comm
done

# Kernels before Linux 4.8 report the two stops at a call's entry in the other order.
if [ "$(uname -m)" = x86_64 ]; then
  check "build the kernel with the old order" cc -O1 -o oldorder "$here/oldorder.c"
  on=(timeout 120 ./oldorder ./udocker-proot --no-listener --kill-on-exit "${system[@]}" -r "$WORK/root" -w /)
  check_match "old order: no call escapes, none is wrongly refused" " 0 bad$" "${on[@]}" /probe/probe "$WORK/out/outside"
  check_match "old order: the same for an emulated root" " 0 bad$" "${on[@]}" -0 /probe/probe "$WORK/out/outside"
  check_output "old order: threads, processes, an exit status" "True 7" "${on[@]}" -0 python3 -c '
import os, subprocess, threading
seen = []
threads = [threading.Thread(target=lambda: [seen.append(os.listdir("/etc")) for i in range(40)]) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(all(s == seen[0] for s in seen), subprocess.run(["sh", "-c", "cd /tmp && touch old && mv old new && chown 5 new && rm new && exit 7"]).returncode)'
fi

# Every number there is: none tells a file of the host from one that nobody has.
for how in "" "-0" "--no-seccomp -0"; do
  check_match "every number ${how:-as it is}: no call escapes" " 0 bad$" ./udocker-proot $how "${system[@]}" -r "$WORK/root" -w / /probe/numbers escape "$WORK/out/outside" "$WORK/out/nothing"
done
check_same "the host's file is as it was" "$outside" "$(sha256sum out/outside; stat -c '%a %s %Y' out/outside)"
# Refused although the kernel would not: mounts, namespaces of others, handles, quotas, bpf, io_uring, the new mount calls.
expected="165 166 167 168 169 175 176 179 246 304 308 313 320 321 425 426 427 428 429 430 431 432 433 442 443 457 458 467"
[ "$(uname -m)" = x86_64 ] && check_same "no other call is refused" "" "$(comm -13 <(printf '%s\n' $expected | sort) <(comm -13 <(root/probe/numbers refused | cut -d' ' -f1 | sort) <(./udocker-proot -r "$WORK/root" -w / "${system[@]}" /probe/numbers refused | cut -d' ' -f1 | sort)))"

check_status 143 "a signal sent to the engine ends the command" timeout --preserve-status -s TERM 1 ./proot -r "$WORK/root" "${system[@]}" sleep 20
check_match "no root" "No such file" ./proot -r "$WORK/none" true
check_match "bad option" "unknown option: --nonsense" ./proot --nonsense
check_match "missing bind is dropped" "nothing to bind" ./proot -r "$WORK/root" -b /no/such -w / true
ports='
import socket, threading
s = socket.socket(); s.bind(("127.0.0.1", 80)); s.listen(1)
c = socket.socket(); c.connect(("127.0.0.1", 80)); a, _ = s.accept()
print(s.getsockname()[1], c.getpeername()[1])'
check_output "free ports in place of those not mapped" "80 80" ./proot -r "$WORK/root" "${system[@]}" -w / -n python3 -c "$ports"
check_output "mapped ports" "80 80" ./proot -r "$WORK/root" "${system[@]}" -w / -p "80:$(free_port)" python3 -c "$ports"
cp "$here/links" root/tmp/links
for how in "" --no-listener "--no-seccomp -0"; do
  check_output "hard links as symbolic links ${how:-with a listener}" "$(bash "$here/links" "$WORK/links")" ./proot -r "$WORK/root" $how "${system[@]}" -l -H -w / bash /tmp/links /tmp/l
done
check_same "none of their files is left" "" "$(find root/tmp -name '.l2s*')"
check_match "without -H the hidden file is listed" '\.l2s\.one0001' ./proot -r "$WORK/root" -l -w /tmp sh -c 'echo > one; ln one two; ls -A; rm one two'
check_same "no stand-ins are left" "" "$(ls "$PROOT_TMP_DIR")"
done_testing
