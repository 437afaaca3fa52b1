#!/usr/bin/env bash
# The OCI command line: the life of a container, exec, terminals, hooks, options and messages.
. "$(dirname "$0")/prepare.sh"
state() { ours state "$1" | python3 -c "import json,sys; print(json.load(sys.stdin)['$2'])"; }

bundle b -- sh -c 'echo started; exec sleep 100'
check "create" quietly ours create --bundle b --pid-file pid c1
check_same "created" created "$(state c1 status)"
check_same "the pid file" "$(state c1 pid)" "$(cat pid)"
check_status 1 "the same name twice" quietly ours create --bundle b c1
check_same "the program does not run yet" 0 "$(tr '\0' ' ' < "/proc/$(cat pid)/cmdline" | grep -c sleep)"
check "start" ours start c1
is() { [ "$(state "$1" status)" = "$2" ]; }
wait_for is c1 running
check_same "running" running "$(state c1 status)"
check_status 1 "start twice" ours start c1
check_same "list" c1 "$(ours list -q)"
check_match "list as a table" "c1 +[0-9]+ +running +$WORK/b" ours list
check_match "list as JSON" '"status":"running"' ours list --format json
check_output "exec" "0 box /" ours exec c1 sh -c 'echo $(id -u) $(cat /proc/sys/kernel/hostname) $(pwd)'
check_status 5 "exec: status" ours exec c1 sh -c 'exit 5'
check_status 255 "exec: no such program" ours exec c1 /no/such
check_output "exec: environment and folder" "v /tmp" ours exec --env A=v --cwd /tmp c1 sh -c 'echo $A $(pwd)'
check_same "exec: standard input" in "$(echo in | ours exec c1 cat)"
check_output "exec: the same process ids" 1 ours exec c1 sh -c 'tr "\0" " " < /proc/1/cmdline | grep -c sleep'
check_match "exec with a terminal" "/dev/pts/0" ours exec -t c1 sh -c 'readlink /proc/self/fd/1'
check_match "ps" 'sleep 100' ours ps c1
check_match "ps as JSON" "^\[.*$(state c1 pid)" ours ps --format json c1
check_status 1 "delete while running" ours delete c1
check "kill" ours kill c1 KILL
wait_for is c1 stopped
check_same "stopped" stopped "$(state c1 status)"
check_match "kill after the end" "container not running" ours kill c1 TERM
check "delete" ours delete c1
check_status 1 "state of what is gone" ours state c1
check "delete --force of what is gone" ours delete --force c1
check_same "no state is left" "" "$(ls state)"

check_output "run" started sh -c '"$0" --root state run --bundle b2 r1' "$RUNC" "$(bundle b2 -- echo started)"
check_same "run deletes its state" "" "$(ls state)"
check_status 3 "run: status" sh -c '"$0" --root state run -b b3 r1' "$RUNC" "$(bundle b3 -- sh -c 'exit 3')"
bundle sig -- sh -c 'trap "exit 44" USR1; echo ready; while :; do sleep 0.05; done'
"$RUNC" --root state run -b sig s1 > sig.out & pid=$!
wait_for grep -q ready sig.out
kill -USR1 $pid; wait $pid
check_same "run passes signals on" 44 $?
check "run --detach" quietly ours run --detach --bundle b --pid-file pid d1
check_same "goes on" running "$(state d1 status)"
check "delete --force" ours delete --force d1
check "kill --all" sh -c '"$0" --root state run -d -b b k1 >/dev/null 2>&1 && "$0" --root state kill --all k1 KILL' "$RUNC"
check "delete" wait_for ours delete k1

# what cannot be is said by create, not by the program's end
bundle limit 'p["rlimits"]=[{"type":"RLIMIT_NOFILE","soft":2000000000,"hard":2000000000}]' -- true
check_match "create: a limit above what is allowed" "set RLIMIT_NOFILE" ours create -b limit w1
bundle user 'p["user"]["uid"]=77' -- true
check_match "create: a user that is not mapped" "become user 77: .* maps no such id" ours create -b user w2
check_match "create: no such program" "no such file" ours create -b nosuch "w3$(bundle nosuch -- /no/such)"
printf '#!/no/such/interpreter\n' > "$R/bin/broken"; chmod +x "$R/bin/broken"
check "create: only the kernel knows" quietly ours create -b broken "w4$(bundle broken -- /bin/broken)"
quietly ours delete --force w4
bash -c '"$0" --root state create -b broken w5 2> late.err </dev/null >/dev/null' "$RUNC"; quietly ours start w5
wait_for test -s late.err
check_match "start: the reason is on the program's standard error" "interpreter or loader is missing" cat late.err
quietly ours delete --force w5; rm "$R/bin/broken"
check_same "no state is left by any" "" "$(ls state)"
check_output "the state's place for the root of a user namespace" "$WORK/run/udocker-runc" unshare -Ur sh -c '"$0" --debug list >/dev/null; "$0" create -b "$1" ns1 >/dev/null 2>&1 </dev/null; ls -d "$XDG_RUNTIME_DIR/udocker-runc"; "$0" delete --force ns1' "$RUNC" "$WORK/b"

# preserved descriptors, terminal, console socket
bundle fds -- sh -c 'cat <&3; readlink /proc/self/fd/4 || echo closed'
check_same "--preserve-fds" "three closed" "$(echo three > three; ours run -b fds --preserve-fds 1 f1 3< three 4< three | xargs)"
bundle tty 'p["terminal"]=True;p["consoleSize"]={"height":30,"width":90}' -- sh -c 'test -t 0 && test -t 1 && readlink /proc/self/fd/0; test -c /dev/console && echo console'
check_same "a terminal" "/dev/pts/0 console" "$(ours run -b tty t1 </dev/null | tr -d '\r' | xargs)"
check_match "detached it needs a socket" "console-socket" ours run -d -b tty t2
cat > console.py <<'P'
import array, os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX); s.bind("console.sock"); s.listen(1)
p = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
c, _ = s.accept()
data, anc, _, _ = c.recvmsg(100, socket.CMSG_SPACE(4))
fd = array.array("i", anc[0][2])[0]
out = b""
try:
    while True:
        got = os.read(fd, 1000)
        if not got: break
        out += got
except OSError:
    pass
print(data.decode().strip("\0"), out.decode().split())
p.wait()
P
check_output "--console-socket" "/dev/ptmx ['/dev/pts/0', 'console']" python3 console.py "$RUNC" --root "$WORK/state" run -b tty --console-socket console.sock t3

# hooks
cat > hook.sh <<'P'
#!/bin/sh
echo "$1 $(python3 -c "import json,sys; s=json.load(sys.stdin); print(s['id'], s['status'], 'pid' in s, s['annotations']['k'])") $(pwd | sed "s#$(dirname "$2")/##") ${A:-}" >> "$2"
[ "$3" != "$1" ] || exit 9
P
chmod +x hook.sh
# hooked NAME FAILING: a bundle whose hooks note their calls in hooks.log
hooked() { bundle "$1" "c['annotations']={'k':'v'};c['hooks']={k:[{'path':'$WORK/hook.sh','args':['h',k,'$WORK/hooks.log','$2'],'env':['PATH=$PATH','A=b']}] for k in ('prestart','createRuntime','createContainer','poststart','poststop')}" -- sh -c 'sleep 0.2'; rm -f hooks.log; }
lines() { paste -sd';' hooks.log; }
before="prestart h1 creating True v hooks b;createRuntime h1 creating True v hooks b;createContainer h1 creating True v root b"
hooked hooks none
check "hooks" ours run -b hooks h1
check_same "in their order, with the state" "$before;poststart h1 running True v hooks b;poststop h1 stopped False v hooks b" "$(lines)"
hooked hooks none
check "with create" quietly ours create -b hooks h1
check_same "poststart comes later" "$before" "$(lines)"
check "kill" ours kill h1 KILL
check "delete" wait_for ours delete h1
check_same "poststop after kill" "$before;poststop h1 stopped False v hooks b" "$(lines)"
hooked hooks createRuntime
check_match "a failing hook ends it" "createRuntime hook .* failed with status 9" ours run -b hooks h1
check_same "poststop runs all the same" "prestart h1;createRuntime h1;poststop h1" "$(cut -d' ' -f1,2 hooks.log | paste -sd';')"
hooked hooks poststart
check_match "a failing poststart is a warning" "Warning: poststart hook .* failed" ours run -b hooks h1
hooked hooks poststop
check_match "so is a failing poststop" "Warning: poststop hook .* failed" ours run -b hooks h1
check_same "and nothing stays" "" "$(ls state)"
bundle badhook "c['hooks']={'createRuntime':[{'path':'/bin/false'}]}" -- true
check_match "a failing hook is named" "createRuntime hook /bin/false failed with status 1" ours run -b badhook h2
check_same "and nothing stays" "" "$(ls state)"
printf '#!/bin/sh\necho in-container > /tmp/hooked\n' > "$R/bin/hook"; chmod +x "$R/bin/hook"
bundle inhook "c['hooks']={'startContainer':[{'path':'/bin/hook'}]}" -- cat /tmp/hooked
check_output "startContainer runs inside" in-container ours run -b inhook h3
bundle slowhook "c['hooks']={'createRuntime':[{'path':'/bin/sleep','args':['sleep','20'],'timeout':1}]}" -- true
check_match "a hook that takes too long" "did not end within 1 seconds" ours run -b slowhook h4

# seccomp in Docker's format: by capability, architecture, kernel and argument
cat > docker.json <<'P'
{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1,
 "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]},{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]}],
 "syscalls":[
  {"names":["rmdir","unlinkat","nosuchcall"],"action":"SCMP_ACT_ERRNO","errnoRet":18,"comment":"","args":[],"includes":{},"excludes":{"caps":["CAP_CHOWN"]}},
  {"names":["sethostname"],"action":"SCMP_ACT_ERRNO","errnoRet":28,"includes":{"caps":["CAP_KILL"]},"excludes":{}},
  {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":17,"includes":{"minKernel":"4.8"}},
  {"names":["chmod","fchmodat"],"action":"SCMP_ACT_ERRNO","errnoRet":17,"includes":{"minKernel":"99.1"}},
  {"names":["sync"],"action":"SCMP_ACT_KILL_PROCESS","includes":{"arches":["s390x"]}},
  {"name":"kill","action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":10,"valueTwo":0,"op":"SCMP_CMP_EQ"}]}]}
P
said='2>&1 | sed "s/.*: //"'
program="rmdir /tmp/none $said; hostname x $said; mkdir /tmp/none $said; chmod 700 /tmp && echo chmod; sync && echo sync; kill -10 \$\$ $said"
bundle docker "l['seccomp']=json.load(open('docker.json'))" -- sh -c "$program"
check_same "Docker's seccomp format" "Invalid cross-device link;No space left on device;File exists;chmod;sync;Operation not permitted" "$(ours run -b docker s1 | paste -sd';')"
bundle docker "l['seccomp']=json.load(open('docker.json'));p['capabilities']={k:['CAP_CHOWN'] for k in ('bounding','effective','permitted')}" -- sh -c "$program"
check_same "with other capabilities" "No such file or directory;Operation not permitted" "$(ours run -b docker s2 2>/dev/null | sed -n 1,2p | paste -sd';')"
bundle containers "l['seccomp']=json.load(open('/usr/share/containers/seccomp.json'))" -- sh -c 'grep Seccomp: /proc/self/status; mkdir /tmp/d && rmdir /tmp/d && echo works; chroot / true 2>/dev/null || echo refused'
check_same "the profile that Podman and Buildah use" "Seccomp: 2;works;refused" "$(ours run -b containers s3 | tr '\t' ' ' | paste -sd';')"

# spec, features, messages
mkdir sp && check "spec" ours spec --bundle sp --rootless
check "is JSON that maps us" python3 -c "import json,os; c=json.load(open('sp/config.json')); assert c['linux']['uidMappings'][0]['hostID']==os.geteuid()"
check_match "spec does not overwrite" exists ours spec --bundle sp
check "features" sh -c '"$0" features | python3 -c "import json,sys; f=json.load(sys.stdin); assert f[\"ociVersionMin\"] and \"rbind\" in f[\"mountOptions\"]"' "$RUNC"
check_match "version" 'spec: 1\.' ours --version
check_match "help" 'Commands:' ours --help
check_match "help of a command" 'pid-file' ours create --help
check_match "an unknown command" "invalid command" ours frobnicate
check_status 3 "with runc's status" ours frobnicate
bundle owndev 'm[:]=[x for x in m if not x["destination"].startswith("/dev")]' -- sh -c 'echo lost > /dev/null && head -c 2 /dev/zero | od -An -tx1 && readlink /dev/fd; test -c /dev/null && echo device'
check_output "the standard devices in the root's own /dev" "00 00 /proc/self/fd device" sh -c '"$0" --root state run -b owndev o1 | xargs' "$RUNC"
check_same "which stays as it was" "" "$(ls "$R/dev")"
bundle twice 'p["rlimits"]=[{"type":"RLIMIT_CORE","soft":1,"hard":2},{"type":"RLIMIT_CORE","soft":1,"hard":2}]' -- true
check_match "a limit given twice" "RLIMIT_CORE twice" ours run -b twice o2
check_match "a bad id" "invalid container ID" ours run -b b ../x
check_match "an unknown namespace" "unknown type foo" ours run -b bad1 "x$(bundle bad1 'l["namespaces"].append({"type":"foo"})' -- true)"
check_match "a missing root" "No such file" ours run -b bad2 "x$(bundle bad2 'c["root"]["path"]="/no/such"' -- true)"
check_status 1 "a missing program" ours run -b bad3 "x$(bundle bad3 -- nosuchprogram; true)"
ours --log l.json --log-format json run -b bad2 y 2>/dev/null
check_match "--log-format json" '"level":"error","msg":".*No such' cat l.json
check_same "nothing stays of failures" "" "$(ls state)"
check_match "pause without a group says so" "control group|^$" sh -c '"$0" --root state run -d -b b p1 >/dev/null 2>&1; "$0" --root state pause p1; "$0" --root state delete --force p1' "$RUNC"
done_testing
