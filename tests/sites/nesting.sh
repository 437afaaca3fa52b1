#!/usr/bin/env bash
# Modes within modes, and in a box like Docker's. The table that comes out must be the one in README.md.
# UDOCKER_TABLE=FILE writes it there, to be put into the README when it changed on purpose.
. "$(dirname "$0")/../support/support.sh"
here=$(cd "$(dirname "$0")" && pwd)
check "load" "$UDOCKER" -q load -i "$(need_image busybox.docker.tar)"
for c in outer inner fixed outer-fixed; do check "create $c" "$UDOCKER" -q create --name=$c busybox:test; done
for c in inner fixed; do echo "inner $c" > "$("$UDOCKER" inspect -p $c)/etc/mark"; done
check "set up F3" "$UDOCKER" -q setup --execmode=F3 fixed
check "set up the outer one" "$UDOCKER" -q setup --execmode=F3 outer-fixed
cp "$UDOCKER" "$WORK/udocker.bin"
inner='P1 P2 T1 T2 F1 F3 R1'
# What is run inside: the same store at the same path; the program is a dynamic one.
nested() { echo "export HOME='$HOME' UDOCKER_DIR='$UDOCKER_DIR' TMPDIR='$TMPDIR'; exec '$WORK/udocker.bin' --allow-root -q run --nobanner"; }
judge() {  # judge MODE COMMAND...: yes or no
  local t0=$(date +%s%N)
  local mode=$1 container=inner option=--execmode=$1 out
  shift
  case $mode in F3) container=fixed option= ;; esac
  out=$("$@" "$(nested) $option $container sh -c 'cat /etc/mark; musl-stat /etc/os-release'" 2>>"$WORK/errors.log" </dev/null)
  if [ "$out" = "$(printf 'inner %s\nmusl 0 17' $container)" ]; then echo yes; else echo no; echo "^ $mode in: $*" | cut -c1-200 >> "$WORK/errors.log"; fi
}
row() {  # row NAME COMMAND...
  local name=$1 line mode
  shift
  line="| $name |"
  for mode in $inner; do line+=" $(judge $mode "$@") |"; done
  echo "$line"
}
in_mode() { local mode=$1; shift; timeout -k 2 60 "$UDOCKER" -q run --nobanner --execmode=$mode -v "$WORK" outer sh -c "$@"; }
in_fixed() { timeout -k 2 60 "$UDOCKER" -q run --nobanner -v "$WORK" outer-fixed sh -c "$@"; }
# No capabilities, Docker's filter of system calls, /proc and /sys masked: what an unprivileged Docker container has.
mkdir box && ln -s "$("$UDOCKER" inspect -p outer)" box/rootfs && ln -s "$UDOCKER" udocker-runc
python3 - "$WORK" <<'P'
import json, os, sys
work = sys.argv[1]
bind = lambda path, *more: {"destination": path, "type": "none", "source": path, "options": ["rbind", *more]}
json.dump({"ociVersion": "1.0.2", "hostname": "box", "root": {"path": "rootfs"},
  "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin:/usr/bin"], "args": ["sh", "-c", "@"], "noNewPrivileges": True,
              "capabilities": {k: [] for k in ("bounding", "effective", "permitted", "inheritable", "ambient")}},
  "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
             {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]},
             {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["mode=1777"]},
             bind("/sys", "ro"), bind(work)],
  "linux": {"namespaces": [{"type": t} for t in ("user", "pid", "ipc", "uts", "mount")],
            "uidMappings": [{"containerID": 0, "hostID": os.getuid(), "size": 1}], "gidMappings": [{"containerID": 0, "hostID": os.getgid(), "size": 1}],
            "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
                            "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            "seccomp": json.load(open("/usr/share/containers/seccomp.json"))}}, open(work + "/box/template.json", "w"))
P
in_box() {
  mkdir -p run.box && python3 -c 'import json, sys; c = json.load(open("box/template.json")); c["process"]["args"][2] = sys.argv[1]; json.dump(c, open("box/config.json", "w"))' "$1"
  timeout -k 2 60 ./udocker-runc --root "$WORK/run.box" run -b box "box$RANDOM"
}
check_match "the box makes no user namespace" "Operation not permitted|refused" in_box "$WORK/udocker.bin --allow-root doctor"
{
  echo "| within | ${inner// / | } |"
  echo "|---|$(for m in $inner; do printf -- '---|'; done)"
  row "the host" sh -c
  for mode in P1 P2 T1 T2 F1 R1 R2; do row "$mode" in_mode $mode; done
  row "F3" in_fixed
  row "a Docker-like box" in_box
} > table.md
[ -z "${UDOCKER_TABLE:-}" ] || cp table.md "$UDOCKER_TABLE"
sed -n '/<!-- nesting -->/,/<!-- end -->/p' "$here/../../README.md" | grep '^|' > wanted.md
if cmp -s table.md wanted.md; then ok; else fail "the table of the README" "$(diff wanted.md table.md)" "$(tail -n 20 errors.log)"; fi
done_testing
