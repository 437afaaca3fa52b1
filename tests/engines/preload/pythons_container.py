#!/usr/bin/env python3
"""pythons_container.py DIR MODE: leaves the container at DIR as the Python udocker 1.3 does after `setup --execmode=MODE`.

Absolute links point to host paths, the loader's texts are cut by zeros, ELF headers carry ROOT/ before their names (the
double slash is part of the format), and the notes beside ROOT say so. Written after the description of the format."""
import os
import re
import shutil
import stat
import subprocess
import sys
import time

container, mode = os.path.realpath(sys.argv[1]), sys.argv[2]
root = container + "/ROOT"


def note(name, text):
    with open(f"{container}/{name}", "w") as out:
        out.write(text)


def files():
    for top, dirs, names in os.walk(root):
        for name in names + dirs:
            yield os.path.join(top, name)


directories, changed = set(), False
for path in list(files()):
    if re.search(r"/lib[^/]*\.so[.\d]*$", path):
        directories.add(os.path.dirname(path))
    if os.path.islink(path) and os.readlink(path).startswith("/"):
        target = os.readlink(path)
        above = os.path.dirname(path)
        mode_above = os.stat(above).st_mode
        os.chmod(above, mode_above | stat.S_IWUSR)
        os.unlink(path)
        os.symlink(root + target, path)
        os.chmod(above, mode_above)
        changed = True
if changed:
    note("ld.lib.dirs", ":".join(sorted(directories)))
loader = "/lib64/ld-linux-x86-64.so.2"
if mode != "F1":
    note("ld.so.path", loader)
    real = os.path.realpath(root + "/usr" + loader)
    shutil.copy2(real, container + "/ld.so.orig")
    with open(real, "rb") as source:
        text = source.read()
    for old, new in ((b"\0/etc/ld.so", b"\0/" + bytes(9)), (b"\0/lib", b"\0/" + bytes(3)), (b"\0/usr", b"\0/" + bytes(3)),
                     (b"\0LD_LIBRARY_PATH\0", b"\0LD_LIBRARY_REAL\0")):
        text = text.replace(old, new)
    with open(real, "r+b") as target:
        target.write(text)
if mode in ("F3", "F4"):
    for path in files():
        if os.path.islink(path) or not os.path.isfile(path):
            continue
        if not (os.access(path, os.X_OK) or re.search(r"lib[^/]*\.so[.\d]*$", path)):
            continue
        with open(path, "rb") as source:
            if source.read(4) != b"\x7fELF":
                continue
        get = lambda option: subprocess.run(["patchelf", option, path], capture_output=True, text=True).stdout.strip()
        interpreter, search = get("--print-interpreter"), get("--print-rpath")
        words = []
        if interpreter:
            words += ["--set-interpreter", root + "/" + interpreter]
        if search:
            words += ["--set-rpath", ":".join(p if p.startswith("$ORIGIN") else root + "/" + p for p in search.split(":"))]
        if words:
            subprocess.run(["patchelf", *words, path], check=True)
    note("patch.path", container)
    note("patch.time", str(int(time.time())))
note("execmode", mode)
note("root.path", root)
