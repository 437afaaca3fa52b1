#!/usr/bin/env python3
"""no_call.py NAME[,NAME...]=ERRNO COMMAND...: runs the command with these system calls refused (a file system without them)."""
import ctypes
import ctypes.util
import errno
import os
import struct
import sys

NUMBERS = {  # x86_64, aarch64
    "flock": (73, 32), "link": (86, None), "linkat": (265, 37), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "lchown": (94, None), "fchownat": (260, 54), "chown": (92, None), "symlink": (88, None), "symlinkat": (266, 36), "utimensat": (280, 88),
    "copy_file_range": (326, 285), "fsync": (74, 82), "syncfs": (306, 267), "fallocate": (285, 47), "renameat2": (316, 276),
    "pwrite64": (18, 68),
}
names, code = sys.argv[1].split("=")
machine = 0 if os.uname().machine == "x86_64" else 1
numbers = [NUMBERS[name][machine] for name in names.split(",") if NUMBERS[name][machine] is not None]
program = [(0x20, 0, 0, 0)]
for i, number in enumerate(numbers):
    program.append((0x15, len(numbers) - i, 0, number))
program.append((0x06, 0, 0, 0x7FFF0000))
program.append((0x06, 0, 0, 0x00050000 | getattr(errno, code)))
raw = b"".join(struct.pack("HBBI", *line) for line in program)
buffer = ctypes.create_string_buffer(raw)
libc = ctypes.CDLL(None, use_errno=True)
head = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.create_string_buffer(head), 0, 0):
    raise SystemExit("cannot refuse system calls: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[2], sys.argv[2:])
