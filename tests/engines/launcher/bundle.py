#!/usr/bin/env python3
"""bundle.py DIR ROOT [SNIPPET] -- args: writes DIR/config.json, a rootless bundle; SNIPPET is Python that changes `c`."""
import json, os, sys
words = sys.argv[1:]
cut = words.index("--")
where, root = words[0], words[1]
args = words[cut + 1:]
uid, gid = os.geteuid(), os.getegid()
caps = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
c = {
    "ociVersion": "1.0.2",
    "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/",
                "env": ["PATH=/usr/bin:/bin", "HOME=/root"], "noNewPrivileges": True,
                "capabilities": {k: caps for k in ("bounding", "effective", "permitted", "inheritable", "ambient")}},
    "root": {"path": root, "readonly": False},
    "hostname": "box",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=4096k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]},
    ],
    "linux": {
        "uidMappings": [{"containerID": 0, "hostID": uid, "size": 1}],
        "gidMappings": [{"containerID": 0, "hostID": gid, "size": 1}],
        "namespaces": [{"type": t} for t in ("pid", "ipc", "uts", "mount", "user")],
        "maskedPaths": ["/proc/kcore", "/sys/firmware", "/proc/nothing"],
        "readonlyPaths": ["/proc/sys"],
    },
}
if cut > 2:
    exec(words[2], {"c": c, "p": c["process"], "l": c["linux"], "m": c["mounts"], "json": json})
os.makedirs(where, exist_ok=True)
with open(os.path.join(where, "config.json"), "w") as f:
    json.dump(c, f)
