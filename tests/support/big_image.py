#!/usr/bin/env python3
"""big_image.py KIND COUNT OUT: a docker archive that is large in one way, written as a stream.

entries   COUNT small files in directories of 1000, owned by many users
dirs      COUNT directories beside each other
links     COUNT hard links to a thousand files
pairs     COUNT files with a second name each
whiteouts COUNT files, and an upper layer that removes each of them
general   COUNT files below a link of a lower layer, which needs the general way of applying layers
layers    COUNT layers (at most some thousands) of one file each
bomb      a file that says to be COUNT MiB of zeros (the archive ends before)
window    COUNT MiB in a zstd frame with a window of 128 MiB (needs zstd)
xz        COUNT MiB in xz with the largest dictionary
"""
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import zlib

kind, count, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def header(name, size=0, kind=b"0", link=b"", uid=0):
    block = bytearray(512)

    def put(at, data):
        block[at:at + len(data)] = data
    put(0, name), put(100, b"0000755\0"), put(108, b"%07o\0" % uid), put(116, b"%07o\0" % uid), put(124, b"%011o\0" % size if size < 8 ** 11 else b"\x80" + size.to_bytes(11, "big"))
    put(136, b"10000000000\0"), put(156, kind), put(157, link), put(257, b"ustar\00000"), put(148, b" " * 8)
    put(148, b"%06o\0 " % sum(block))
    return bytes(block)


def file(name, content=b"x", uid=0):
    return header(name, len(content), uid=uid) + content + b"\0" * (-len(content) % 512)


def entries():
    for i in range(count):
        if i % 1000 == 0:
            yield header(b"d%d/" % (i // 1000), kind=b"5")
        yield file(b"d%d/f%d" % (i // 1000, i), uid=i % 5000)


def dirs():
    for i in range(count):
        yield header(b"a%d/" % i, kind=b"5")


def links():
    for i in range(1000):
        yield file(b"f%d" % i)
    for i in range(count):
        yield header(b"l%d" % i, kind=b"1", link=b"f%d" % (i % 1000))


def pairs():
    for i in range(count):
        yield file(b"d/f%d" % i)
    for i in range(count):
        yield header(b"l/f%d" % i, kind=b"1", link=b"d/f%d" % i)


def whiteouts():
    for i in range(count):
        yield file(b"w/.wh.f%d" % i, b"")


def lower():
    for i in range(count):
        yield file(b"w/f%d" % i)


def link_below():
    yield header(b"real/", kind=b"5")
    yield header(b"link", kind=b"2", link=b"real")


def through():
    for i in range(count):
        yield file(b"link/f%d" % i)


def zeros():
    yield header(b"zeros", count << 20)
    yield b"\0" * (1 << 20)


def noise():
    import random
    random.seed(1)
    block = random.randbytes(1 << 20)
    yield header(b"noise", count << 20)
    for i in range(count):
        yield block[i * 7 % 1000:] + block[:i * 7 % 1000]


class Layer:
    """A layer in a temporary file: too large for memory."""

    def __init__(self, pieces, squeeze=None):
        import tempfile
        self.file = tempfile.TemporaryFile()
        plain = hashlib.sha256()
        packer = zlib.compressobj(1, zlib.DEFLATED, 31) if squeeze is None else None
        process = subprocess.Popen(squeeze, stdin=subprocess.PIPE, stdout=self.file) if squeeze else None
        held = []
        for piece in (*pieces, b"\0" * 1024):
            plain.update(piece)
            if process:
                process.stdin.write(piece)
                continue
            held.append(piece)
            if len(held) >= 200:
                self.file.write(packer.compress(b"".join(held)))
                held = []
        if process:
            process.stdin.close()
            process.wait()
            self.file.seek(0, 2)
        else:
            self.file.write(packer.compress(b"".join(held)) + packer.flush())
        self.diff_id = "sha256:" + plain.hexdigest()



if kind == "layers":
    made = [Layer([file(b"f%d" % (i % 50), b"%d" % i)]) for i in range(count)]
elif kind == "whiteouts":
    made = [Layer(lower()), Layer(whiteouts())]
elif kind == "general":
    made = [Layer(link_below()), Layer(through())]
elif kind == "window":
    made = [Layer(noise(), ["zstd", "-q", "-3", "--long=27", "--zstd=wlog=27", "--stream-size=%d" % ((count << 20) + 1536)])]
elif kind == "xz":
    made = [Layer(noise(), ["xz", "-0", "--lzma2=preset=0,dict=64MiB"])]
else:
    made = [Layer({"entries": entries, "dirs": dirs, "links": links, "pairs": pairs, "bomb": zeros}[kind]())]
config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in made]}}).encode()
with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
    def add(name, file, size):
        info = tarfile.TarInfo(name)
        info.size = size
        tar.addfile(info, file)
    for i, layer in enumerate(made):
        size = layer.file.tell()
        layer.file.seek(0)
        add("%d" % i, layer.file, size)
    add("c", io.BytesIO(config), len(config))
    manifest = json.dumps([{"Config": "c", "RepoTags": ["%s:1" % kind], "Layers": ["%d" % i for i in range(len(made))]}]).encode()
    add("manifest.json", io.BytesIO(manifest), len(manifest))
