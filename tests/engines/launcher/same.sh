#!/usr/bin/env bash
# The same bundle under our launcher, runc and crun: what the program sees must be equal.
. "$(dirname "$0")/prepare.sh"
runtimes=()
for r in runc crun; do
  command -v $r >/dev/null || { skip "$r is not installed"; continue; }
  bundle probe -- true
  if $r --root "$WORK/st-$r" run --bundle probe p-$r >probe.log 2>&1; then runtimes+=($r); else skip "$r does not run here: $(tail -1 probe.log | cut -c1-100)"; fi
done
# same "what" SNIPPET -- args: stdout and status are equal
same() {
  local what=$1 want got r; shift
  bundle same "$@" || return
  want=$(ours run --bundle same o </dev/null 2>err; echo "status $?")
  [ ${#runtimes[@]} = 0 ] && { case $want in *"status 0") ok ;; *) fail "$what" "$want" "$(cat err)" ;; esac; return; }
  for r in "${runtimes[@]}"; do
    got=$($r --root "$WORK/st-$r" run --bundle same "s-$r" </dev/null 2>err-$r; echo "status $?")
    if [ "$got" = "$want" ]; then ok; else fail "$what: as $r" "$(diff <(echo "$got") <(echo "$want"))" "$(cat err)" "$(cat "err-$r")"; fi
  done
}
caps='p["capabilities"]={k:["CAP_CHOWN","CAP_KILL","CAP_SYS_ADMIN"] for k in ("bounding","effective","permitted","inheritable","ambient")}'
same "identity" "" -- sh -c 'id; cat /proc/self/status | grep -E "^(Cap|NoNewPrivs|Groups|Seccomp:)"'
same "capabilities" "$caps" -- grep ^Cap /proc/self/status
same "no capabilities" 'p["capabilities"]={}' -- grep ^Cap /proc/self/status
same "bounding only" 'p["capabilities"]={"bounding":["CAP_CHOWN"]}' -- grep ^Cap /proc/self/status
same "new privileges" 'p["noNewPrivileges"]=False' -- grep NoNewPrivs /proc/self/status
same "environment" 'p["env"]=["B=2","A=1","PATH=/bin","EMPTY="]' -- env
same "working directory" 'p["cwd"]="/tmp"' -- pwd
same "arguments" "" -- sh -c 'for a; do echo "<$a>"; done' x a '' 'b c' '$d'
same "status" "" -- sh -c 'exit 42'
same "names" 'c["hostname"]="other"' -- cat /proc/sys/kernel/hostname
same "rlimits" 'p["rlimits"]=[{"type":"RLIMIT_NOFILE","soft":100,"hard":200},{"type":"RLIMIT_CORE","soft":0,"hard":0},{"type":"RLIMIT_STACK","soft":4194304,"hard":8388608}]' -- grep -E "open files|core|stack" /proc/self/limits
same "umask" 'p["user"]["umask"]=0o77' -- sh -c umask
same "oom score" 'p["oomScoreAdj"]=100' -- cat /proc/self/oom_score_adj
same "devices" "" -- sh -c 'cd /dev; for f in *; do [ -h $f ] && echo "$f -> $(readlink $f)" || stat -c "%n %F %t:%T" $f; done'
same "mounts" "" -- sh -c 'cut -d" " -f2,3 /proc/mounts | sort | grep -v -E "^/sys/|^/proc/(acpi|asound|scsi|keys|latency|timer|sched)"'
same "mount flags" 'm.append({"destination":"/mnt","type":"tmpfs","source":"t","options":["nosuid","nodev","noexec","mode=700","size=64k"]})' -- sh -c 'grep " /mnt " /proc/mounts | cut -d" " -f2-3; stat -c %a /mnt; touch /mnt/x; cp /bin/busybox /mnt/x 2>/dev/null || echo full'
mkdir vol && echo v > vol/f
same "read-only bind" "m.append({'destination':'/tmp','type':'bind','source':'$WORK/vol','options':['bind','ro']})" -- sh -c 'cat /tmp/f; touch /tmp/g 2>&1 | sed "s/.*: //"'
same "recursive bind" "m.append({'destination':'/tmp','type':'none','source':'$WORK/vol','options':['rbind','rw']})" -- sh -c 'touch /tmp/g; ls /tmp'
same "relative source" "m.append({'destination':'/tmp','type':'bind','source':'../vol','options':['bind']})" -- ls /tmp
same "read-only root" 'c["root"]["readonly"]=True' -- sh -c 'touch /x 2>&1 | sed "s/.*: //"; touch /dev/shm/x && echo shm'
same "masked and read-only paths" 'l["maskedPaths"]=["/etc/passwd","/root","/proc/kcore"];l["readonlyPaths"]=["/tmp","/proc/sys"]' -- sh -c 'cat /etc/passwd; ls /root; touch /tmp/x 2>&1 | sed "s/.*: //"; touch /root/x 2>&1 | sed "s/.*: //"'
same "sysctl" 'l["sysctl"]={"kernel.msgmax":"4096","fs.mqueue.msg_max":"12"}' -- cat /proc/sys/kernel/msgmax /proc/sys/fs/mqueue/msg_max
same "process ids" "" -- sh -c 'echo $$'
same "session and group" "" -- sh -c 'set -- $(cat /proc/self/stat | sed "s/.*) //"); echo $3 $4'
same "descriptors" "" -- sh -c 'ls /proc/self/fd | wc -l'
same "network namespace" 'l["namespaces"].append({"type":"network"})' -- sh -c 'cat /proc/net/dev | grep -c :; cat /sys/class/net/lo/operstate >/dev/null 2>&1; grep -c . /proc/net/route'
same "no ipc namespace" 'l["namespaces"]=[n for n in l["namespaces"] if n["type"]!="ipc"];m[:]=[x for x in m if x["type"]!="mqueue"]' -- sh -c 'readlink /proc/self/ns/ipc'
same "personality" 'l["personality"]={"domain":"LINUX32"}' -- sh -c 'cat /proc/self/personality'
same "seccomp errno" 'l["seccomp"]={"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":17}]}' -- sh -c 'mkdir /tmp/zz 2>&1 | sed "s/.*: //"; grep Seccomp: /proc/self/status'
same "seccomp arguments" 'l["seccomp"]={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["kill"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":10,"op":"SCMP_CMP_EQ"}]}]}' -- sh -c 'kill -0 $$ && echo zero; kill -10 $$ 2>/dev/null || echo refused'
same "seccomp without no_new_privs" 'p["noNewPrivileges"]=False;l["seccomp"]={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["rmdir"],"action":"SCMP_ACT_ERRNO"}]}' -- sh -c 'rmdir /tmp 2>&1 | sed "s/.*: //"'
same "namespaces" '' -- sh -c 'ls /proc/self/ns | sort'
same "propagation" 'l["rootfsPropagation"]="shared"' -- sh -c 'grep " / / " /proc/self/mountinfo | grep -c shared'
done_testing
