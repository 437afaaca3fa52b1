#!/usr/bin/env python3
"""sites_check.py CACHE ROOT: every change of a patched copy lies on whole instructions of the original.

Disassembles the originals, which ROOT/libraries names, with objdump and compares: a changed range must be `mov $n,%eax; syscall` or
`syscall; cmp $imm32,%rax`, and no direct jump of the program may lead into its middle."""
import os
import re
import struct
import subprocess
import sys


def instructions(path):
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", ".text", path], capture_output=True, text=True).stdout
    found, targets = {}, set()
    for line in text.splitlines():
        match = re.match(r"\s*([0-9a-f]+):\s+(\S.*)", line)
        if not match:
            continue
        found[int(match[1], 16)] = match[2]
        jump = re.match(r"(?:notrack |bnd )?(?:j\w+|call\w*|loop\w*)\s+([0-9a-f]+)\b", match[2])
        if jump:
            targets.add(int(jump[1], 16))
    return found, targets


def bias(path):  # .text: address minus file offset
    text = subprocess.run(["objdump", "-h", "-j", ".text", path], capture_output=True, text=True).stdout
    fields = [line.split() for line in text.splitlines() if " .text " in line][0]
    return int(fields[3], 16) - int(fields[5], 16)


def changed(original, copy):
    at, out = 0, []
    while at < len(original):
        if original[at:at + 4096] == copy[at:at + 4096]:
            at += 4096
            continue
        for i in range(at, min(at + 4096, len(original))):
            if original[i] != copy[i] and (not out or i > out[-1] + 7):
                out.append(i)
        at += 4096
    return out


def check(original_path, copy):
    original = open(original_path, "rb").read()
    found, targets = instructions(original_path)
    offset = bias(original_path)
    sites = 0
    for at in changed(original, copy):
        place = at + offset
        first = found.get(place, "")
        if re.match(r"mov\s+\$0x[0-9a-f]+,%eax", first) and found.get(place + 5) == "syscall":
            size = 7
        elif first == "syscall" and re.match(r"cmp\s+\$0x[0-9a-f]+,%rax", found.get(place + 2, "")):
            size = 8
        else:
            print(f"false site in {original_path} at {place:x}: {first}")
            return None
        if any(place < target < place + size for target in targets):
            print(f"jump into a site of {original_path} at {place:x}")
            return None
        sites += 1
    return sites


def main():
    cache, root = sys.argv[1:]
    originals = [root + line.rstrip("\n") for line in open(os.path.join(root, "libraries"))]
    by_size = {}
    for path in originals:
        by_size.setdefault(os.path.getsize(path), []).append(path)
    total = 0
    for name in sorted(os.listdir(cache)):
        data = open(os.path.join(cache, name), "rb").read()
        if len(data) < 64:
            continue
        _, _, _, size, _, announced = struct.unpack("<QQQQII", data[-40:])
        originals_here = [p for p in by_size.get(size, []) if sum(a != b for a, b in zip(open(p, "rb").read(), data)) < 5000]
        if not originals_here:
            print(f"no original for {name}")
            return 1
        sites = check(originals_here[0], data)
        if sites != announced:
            print(f"{originals_here[0]}: {sites} sites found, {announced} announced")
            return 1
        total += sites
    print(f"{total} sites, none false")
    return 0 if total else 1


sys.exit(main())
