#!/usr/bin/env bash
# The same bundle under our launcher, runc and crun: what the program sees must be equal.
# Where the host's control groups are of a kind that crun refuses, all three run below a namespace that has a good one.
. "$(dirname "$0")/prepare.sh"
if [ -z "${SAME_INNER:-}" ] && command -v crun >/dev/null && bundle probe -- true && ! crun --root "$WORK/st-crun" run --bundle probe p >probe.log 2>&1 &&
   unshare -Urm --cgroup mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null; then
  export SAME_INNER=1
  unshare -Urm --cgroup bash -c 'mount -t cgroup2 none /sys/fs/cgroup && bash "$0"' "$0"
  exit
fi
runtimes=()
for r in runc crun; do
  command -v $r >/dev/null || { skip "$r is not installed"; continue; }
  bundle probe -- true
  if $r --root "$WORK/st-$r" run --bundle probe p-$r >probe.log 2>&1; then runtimes+=($r); else skip "$r does not run here: $(tail -1 probe.log | cut -c1-100)"; fi
done
# same "what" SNIPPET -- args: stdout and status are equal; without="crun" leaves one out that is known to differ
without=
same() {
  local what=$1 want got r; shift
  bundle same "$@" || return
  want=$(ours run --bundle same o </dev/null 2>err; echo "status $?")
  [ ${#runtimes[@]} = 0 ] && { case $want in *"status 0") ok ;; *) fail "$what" "$want" "$(cat err)" ;; esac; return; }
  for r in "${runtimes[@]}"; do
    case " $without " in *" $r "*) continue ;; esac
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
same "devices" "" -- sh -c 'cd /dev; rm -f core; for f in *; do [ -h $f ] && echo "$f -> $(readlink $f)" || stat -c "%n %F %t:%T" $f; done'
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
without=runc same "personality" 'l["personality"]={"domain":"LINUX32"}' -- sh -c 'cat /proc/self/personality'
same "seccomp errno" 'l["seccomp"]={"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":17}]}' -- sh -c 'mkdir /tmp/zz 2>&1 | sed "s/.*: //"; grep Seccomp: /proc/self/status'
same "seccomp arguments" 'l["seccomp"]={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["kill"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":10,"op":"SCMP_CMP_EQ"}]}]}' -- sh -c 'kill -0 $$ && echo zero; kill -10 $$ 2>/dev/null || echo refused'
same "seccomp without no_new_privs" 'p["noNewPrivileges"]=False;l["seccomp"]={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["rmdir"],"action":"SCMP_ACT_ERRNO"}]}' -- sh -c 'rmdir /tmp 2>&1 | sed "s/.*: //"'
same "namespaces" '' -- sh -c 'ls /proc/self/ns | sort'
same "environment: the last one counts" 'p["env"]=["A=1","A=2","PATH=/bin"]' -- env
without=crun same "environment: not NAME=VALUE" 'p["env"]=["NOEQ","PATH=/bin"]' -- env
same "no PATH, no search" 'p["env"]=[]' -- env
same "capabilities left out" 'p.pop("capabilities")' -- grep ^Cap /proc/self/status
same "ambient only" 'p["capabilities"]={"ambient":["CAP_CHOWN"],"bounding":["CAP_CHOWN"]}' -- grep ^Cap /proc/self/status
same "oom score that may not be" 'p["oomScoreAdj"]=-150' -- cat /proc/self/oom_score_adj
same "a name without a uts namespace" 'l["namespaces"]=[n for n in l["namespaces"] if n["type"]!="uts"]' -- true
same "a working directory to make" 'p["cwd"]="/tmp/made/here"' -- pwd
same "no such program" "" -- /no/such
same "not executable" "" -- /etc/passwd
same "tmpcopyup" 'm.append({"destination":"/etc","type":"tmpfs","source":"tmpfs","options":["tmpcopyup","size=1m"]})' -- sh -c 'ls -l /etc | tr -s ' ' | cut -d' ' -f1,3-5,9-; cat /etc/group; touch /etc/new && echo new'
same "tmpcopyup, read-only" 'm.append({"destination":"/etc","type":"tmpfs","source":"tmpfs","options":["tmpcopyup","size=1m","ro"]})' -- sh -c 'cat /etc/group; touch /etc/new 2>/dev/null || echo refused'
same "recursive read-only" "m.append({'destination':'/mnt','type':'bind','source':'$WORK/vol','options':['rbind','rro']})" -- sh -c 'cat /mnt/f; touch /mnt/x 2>/dev/null || echo refused'
same "a target without a slash" "m.append({'destination':'tmp','type':'bind','source':'$WORK/vol','options':['rbind']})" -- ls /tmp
same "a missing source" "m.append({'destination':'/tmp','type':'bind','source':'$WORK/nope','options':['bind']})" -- true
same "flags of proc" '[x.update(options=["ro","hidepid=2"]) for x in m if x["type"]=="proc"]' -- sh -c 'grep " /proc " /proc/mounts'
same "sysctl with slashes" 'l["sysctl"]={"net/ipv4/ip_forward":"1"};l["namespaces"].append({"type":"network"})' -- cat /proc/sys/net/ipv4/ip_forward
same "sysctl of the host" 'l["sysctl"]={"vm.swappiness":"10"}' -- true
same "a device that is not there" "l['devices']=[{'path':'/dev/nope','type':'c','major':10,'minor':1}]" -- true
same "propagation" 'l["rootfsPropagation"]="shared"' -- sh -c 'grep " / / " /proc/self/mountinfo | grep -c shared'
done_testing
