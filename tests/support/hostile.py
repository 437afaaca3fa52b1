#!/usr/bin/env python3
"""hostile.py DIR CANARY: image archives that attack whoever unpacks them: DIR/NAME.tar, each one image NAME:1.

layers: DIR/NAME.tar holds layers made of well-formed headers with hostile meaning, or of malformed ones.
The file DIR/cases lists "NAME EXPECTED": `made` (a container results), `refused` (one Error), `either`.
"""
import hashlib
import io
import json
import os
import sys
import tarfile

R, S, L, D, F, C, B = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE,
                       tarfile.BLKTYPE)
OUT = CANARY = ""
UP = "../" * 30


def dump(value):
    return json.dumps(value).encode()


def raw_header(name=b"f", size=b"00000000000\0", kind=b"0", link=b"", mode=b"0000644\0", mtime=b"00000000000\0", uid=b"0000000\0",
               magic=b"ustar\00000", rest=b"", prefix=b""):
    """One header with fields of any bytes and a right checksum."""
    block = bytearray(512)

    def put(at, length, data):
        block[at:at + min(length, len(data))] = data[:length]
    put(0, 100, name), put(100, 8, mode), put(108, 8, uid), put(116, 8, b"0000000\0"), put(124, 12, size), put(136, 12, mtime)
    put(156, 1, kind), put(157, 100, link), put(257, 8, magic), put(345, 155, prefix)
    for at, data in rest or ():
        put(at, len(data), data)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pad(data):
    return data + b"\0" * (-len(data) % 512)


def file(name, content=b"x", **more):
    return raw_header(name, b"%011o\0" % len(content), **more) + pad(content)


def node(name, kind, link=b"", **more):
    return raw_header(name, kind=kind, link=link, **more)


def long_name(kind, text):
    return raw_header(b"././@LongLink", b"%011o\0" % len(text), kind=kind, magic=b"ustar  \0") + pad(text)


def record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    size = len(body)
    while len(b"%d" % size) + len(body) != size:
        size = len(b"%d" % size) + len(body)
    return b"%d" % size + body


def pax(*records, kind=b"x"):
    data = b"".join(r if isinstance(r, bytes) else record(*r) for r in records)
    return raw_header(b"pax", b"%011o\0" % len(data), kind=kind) + pad(data)


END = b"\0" * 1024


def members(*items):
    """Layer of (type, path, content or link target, changes)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for kind, path, extra, *changes in items:
            info = tarfile.TarInfo(path)
            info.type = kind
            info.mode = 0o755 if kind == D else 0o644
            for change in changes:
                for key, value in change.items():
                    setattr(info, key, value)
            if kind == R:
                info.size = len(extra)
                tar.addfile(info, io.BytesIO(extra))
            else:
                info.linkname = extra
                tar.addfile(info)
    return out.getvalue()


def image(name, expected, *layers, diff_ids=None, **config):
    path = os.path.join(OUT, name + ".tar")
    conf = dump(dict({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
        "type": "layers", "diff_ids": diff_ids or ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers]}}, **config))
    files = {"%d.tar" % i: data for i, data in enumerate(layers)}
    files["c.json"] = conf
    archive(name, expected, dict(files, **{"manifest.json": dump([{"Config": "c.json", "RepoTags": [name + ":1"], "Layers": ["%d.tar" % i for i in range(len(layers))]}])}))


def archive(name, expected, files):
    with tarfile.open(os.path.join(OUT, name + ".tar"), "w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with open(os.path.join(OUT, "cases"), "a") as cases:
        cases.write("%s %s\n" % (name, expected))


def ways_out():
    out, abs_file = CANARY, CANARY + "/file"
    image("dots", "either", members((R, UP + out[1:] + "/evil", b"x")))
    image("dots-inside", "either", members((R, "a/../../../" + out[1:] + "/evil", b"x"), (R, "a/b/../../../c", b"x")))
    image("absolute", "made", members((R, out + "/evil", b"x"), (D, out + "/evil-dir", ""), (S, out + "/evil-link", "x")))
    image("link-then-file", "made", members((S, "x", out), (R, "x/evil", b"x")))
    image("link-up-then-file", "made", members((S, "x", UP + out[1:]), (R, "x/evil", b"x")))
    image("link-below-then-file", "made", members((S, "x", out)), members((R, "x/evil", b"x"), (D, "x/evil-dir", "")))
    image("link-above-then-file", "made", members((R, "x/evil", b"x")), members((S, "x", out)))
    image("link-chain", "made", members((S, "a", "b/c"), (D, "b", ""), (S, "b/c", "../d"), (S, "d", out), (R, "a/evil", b"x")))
    image("link-then-same-file", "made", members((S, "x", abs_file), (R, "x", b"evil")))
    image("link-below-same-file", "made", members((S, "x", abs_file)), members((R, "x", b"evil")))
    image("link-then-directory", "made", members((S, "x", out), (D, "x", "", {"mode": 0o000}), (R, "x/evil", b"")))
    image("directory-then-link", "made", members((D, "x", ""), (R, "x/a", b""), (S, "x", out), (R, "x/evil", b"")))
    image("link-then-whiteout", "either", members((S, "x", out), (R, "x/.wh.file", b"")))
    image("link-below-whiteout", "either", members((S, "x", out)), members((R, "x/.wh.file", b""), (R, "x/.wh..wh..opq", b"")))
    image("whiteout-dots", "refused", members((R, "a/.wh...", b"")))
    image("whiteout-dot", "refused", members((R, "a/.wh..", b"")))
    image("whiteout-empty", "refused", members((R, "a/.wh.", b"")))
    image("whiteout-up", "either", members((R, UP + out[1:] + "/.wh.file", b""), (R, out + "/.wh..wh..opq", b"")))
    image("whiteout-root", "made", members((R, "a", b"")), members((R, ".wh..wh..opq", b""), (R, "b", b"")))
    image("hard-absolute", "refused", members((L, "x", abs_file)))
    image("hard-up", "refused", members((L, "x", UP + abs_file[1:])))
    image("hard-then-write", "refused", members((L, "x", abs_file), (R, "x", b"evil")))
    image("hard-through-link", "either", members((S, "s", out), (L, "x", "s/file"), (R, "x", b"evil")))
    image("hard-of-link", "made", members((S, "s", abs_file), (L, "x", "s"), (R, "x", b"evil")))
    image("hard-below-link", "either", members((S, "s", out)), members((L, "x", "s/file")))
    image("hard-self", "either", members((L, "x", "x")))
    image("hard-circle", "either", members((L, "a", "b"), (L, "b", "a")))
    image("hard-directory", "refused", members((D, "d", ""), (L, "x", "d")))
    image("root-is-link", "refused", members((S, ".", out), (R, "evil", b"x")))
    image("root-is-file", "refused", members((R, "./", b""), (R, "/", b"x"), (S, "a/..", out)))
    image("circle", "refused", members((S, "a", "b"), (S, "b", "a"), (R, "a/x", b"x")))
    image("proc", "made", members((S, "p", "/proc/self/root" + out), (R, "p/evil", b"x"), (S, "q", "/proc/self/cwd"), (R, "q/evil", b"")))


def kinds():
    image("devices", "made", members((C, "opt/null", "", {"devmajor": 1, "devminor": 3, "mode": 0o666}), (B, "opt/disk", "", {"devmajor": 8}), (C, "dev/sda", "")))
    image("set-id", "made", members((R, "bin/sh", b"x", {"mode": 0o6755}), (D, "d", "", {"mode": 0o7777})))
    image("duplicates", "made", members(*[(R, "f", b"%d" % i) for i in range(200)]))
    image("over-each-other", "made", members((R, "z", b""), (R, "x", b"1"), (D, "x", ""), (R, "x/y", b""), (S, "x", "y"), (F, "x", ""), (C, "x", ""),
                                             (L, "x", "z"), (R, "x", b"last")))
    image("over-lower", "made", members((D, "a", ""), (R, "a/in", b""), (R, "b", b""), (S, "c", "a"), (F, "d", "")),
          members((R, "a", b"file"), (D, "b", ""), (R, "b/in", b""), (D, "c", ""), (R, "c/in", b""), (D, "d", "")))
    image("names", "made", members((R, "new\nline\t\x1b[31m", b""), (R, "\udcff\udcfe\udc80", b""), (R, " ", b""), (R, "-rf", b""), (R, "n" * 255, b""), (R, "a\\b", b"")))
    image("name-too-long", "refused", members((R, "n" * 256, b"")))
    image("path-too-long", "refused", members((R, "/".join(["n" * 200] * 30), b"")))
    image("path-too-deep", "refused", members((R, "d/" * 900 + "f", b"")))
    image("link-too-long", "refused", members((S, "l", "x" * 5000)))
    image("link-empty", "refused", node(b"l", b"2") + END)
    image("many-links", "made", members((R, "f", b"x"), *[(L, "l%d" % i, "f") for i in range(1200)]))
    image("empty-name", "either", raw_header(b"", kind=b"0") + END)
    image("type-unknown", "made", raw_header(b"vol", kind=b"V") + raw_header(b"q", kind=b"?") + file(b"f") + END)


def numbers():
    image("huge-size", "refused", raw_header(b"f", b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff") + END)
    image("negative-size", "refused", raw_header(b"f", b"\xff" * 12) + END)
    image("size-beyond-end", "refused", raw_header(b"f", b"77777777777\0") + END)
    image("octal-nonsense", "either", raw_header(b"f", b"99999999999\0", mode=b"zzzzzzz\0") + END)
    image("times", "made", raw_header(b"a", mtime=b"\xff" * 12) + raw_header(b"b", mtime=b"\x80\0\0\0\x7f" + b"\xff" * 7) + file(b"c", mtime=b"77777777777\0") + END)
    image("pax-times", "made", pax((b"mtime", b"-99999999999.9")) + file(b"a") + pax((b"mtime", b"1e9")) + file(b"b") + pax((b"mtime", b"99999999999999999999")) + file(b"c") + END)
    image("owners", "made", pax((b"uid", b"18446744073709551615"), (b"gid", b"-1")) + file(b"a") + file(b"b", uid=b"\xff" * 8) + END)
    image("pax-size", "refused", pax((b"size", b"1152921504606846976")) + file(b"a") + END)
    image("pax-size-negative", "refused", pax((b"size", b"-1")) + file(b"a") + END)
    image("sparse-huge", "either", old_sparse([(0, 1)], 1 << 59, b"x"))
    image("sparse-overlap", "refused", old_sparse([(100, 10), (50, 10)], 1000, b"x" * 20))
    image("sparse-beyond", "refused", old_sparse([(1000, 10)], 100, b"x" * 10))
    image("sparse-wrap", "refused", old_sparse([(0o77777777777, 0o77777777777)], 0o77777777777, b""))
    image("sparse-map", "refused", pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"100")) + file(b"f", pad(b"999999999\n0\n")) + END)
    image("sparse-text", "refused", pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")) + file(b"f", pad(b"x\n")) + END)
    image("sparse-no-end", "refused", pax((b"GNU.sparse.size", b"9"), (b"GNU.sparse.map", b"0,9,9")) + file(b"f") + END)


def old_sparse(segments, real, data):
    rest = [(386 + 24 * i, b"%011o\0%011o\0" % pair) for i, pair in enumerate(segments)]
    rest.append((483, b"%011o\0" % real if real < 8 ** 11 else b"\x80" + real.to_bytes(11, "big")))
    return raw_header(b"s", b"%011o\0" % len(data), kind=b"S", magic=b"ustar  \0", rest=rest) + pad(data) + END


def extremes():
    image("pax-length", "refused", pax(b"9999999 path=x\n") + file(b"a") + END)
    image("pax-length-0", "refused", pax(b"0 path=x\n") + file(b"a") + END)
    image("pax-no-newline", "refused", pax(b"10 path=xx") + file(b"a") + END)
    image("pax-no-key", "refused", pax(b"6 =ab\n") + file(b"a") + END)
    image("pax-zero", "refused", pax((b"path", b"a\0b")) + file(b"a") + END)
    image("pax-up", "either", pax((b"path", (UP + CANARY[1:] + "/evil").encode())) + file(b"a") + END)
    image("pax-global", "either", pax((b"path", (CANARY + "/evil").encode()), kind=b"g") + file(b"a") + file(b"b") + END)
    image("pax-huge", "refused", pax((b"path", b"p" * (6 << 20))) + file(b"a") + END)
    image("pax-many", "refused", b"".join(pax((b"SCHILY.xattr.user.%d" % i, b"v" * (1 << 20))) for i in range(8)) + file(b"a") + END)
    image("pax-keys", "refused", pax(*[(b"SCHILY.xattr.user.%d" % i, b"") for i in range(5000)]) + file(b"a") + END)
    image("pax-global-many", "refused", b"".join(pax((b"SCHILY.xattr.user.%d" % i, b"v" * (1 << 20)), kind=b"g") for i in range(3)) + file(b"a") + END)
    image("pax-without-file", "made", file(b"a") + pax((b"path", b"x")) + END)
    image("xattrs", "made", pax((b"SCHILY.xattr.security.capability", b"\1" * 20), (b"SCHILY.xattr.trusted.overlay.opaque", b"y"), (b"SCHILY.xattr.system.posix_acl_access", b"\xff" * 8),
                                (b"SCHILY.xattr.user.x", b"v" * 5000), (b"SCHILY.xattr.", b"v"), (b"LIBARCHIVE.xattr.user.%zz", b"***")) + file(b"a") + END)
    image("gnu-long", "refused", long_name(b"L", b"n" * 100000 + b"\0") + file(b"a") + END)
    image("gnu-huge", "refused", long_name(b"L", b"n" * (6 << 20)) + file(b"a") + END)
    image("gnu-link", "either", long_name(b"K", (CANARY + "/file").encode() + b"\0") + node(b"x", b"2") + long_name(b"K", (CANARY + "/file").encode() + b"\0") + node(b"y", b"1") + END)
    image("cut-header", "refused", file(b"a") + raw_header(b"b")[:300])
    image("cut-file", "refused", raw_header(b"a", b"00000002000\0") + b"x" * 100)
    image("checksum", "refused", b"x" + raw_header(b"aa")[1:] + END)
    image("garbage", "refused", file(b"a") + b"\xde\xad" * 256 + END)
    image("after-the-end", "made", file(b"a") + END + file(b"hidden") + b"z" * 100)
    image("no-end", "made", file(b"a"))
    image("nothing", "made", b"")
    image("not-tar", "refused", b"MZ" * 5000)


def documents():
    base = members((R, "etc/x", b"x"))
    sha = hashlib.sha256(base).hexdigest()

    def layout(name, expected, index, **blobs):
        archive(name, expected, dict({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index if isinstance(index, bytes) else dump(index)}, **blobs))

    def blob(data):
        return "blobs/sha256/" + hashlib.sha256(data).hexdigest()

    def entry(data, kind="manifest", **more):
        return dict({"mediaType": "application/vnd.oci.image.%s.v1+json" % kind, "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}, **more)
    image("wrong-diff-id", "refused", base, diff_ids=["sha256:" + "0" * 64])
    image("odd-diff-ids", "either", base, diff_ids=["../../x"])
    image("extra-diff-ids", "either", base, diff_ids=["sha256:" + sha] * 3)
    conf = dump({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha]}})
    good = {"schemaVersion": 2, "config": entry(conf, "config"), "layers": [dict(entry(base), mediaType="application/vnd.oci.image.layer.v1.tar")]}

    def manifest(name, expected, **changes):
        text = dump(dict(good, **changes))
        layout(name, expected, {"schemaVersion": 2, "manifests": [entry(text, annotations={"org.opencontainers.image.ref.name": name + ":1"})]},
               **{blob(base): base, blob(conf): conf, blob(text): text})
    manifest("good", "made")
    manifest("layer-size", "refused", layers=[dict(good["layers"][0], size=7)])
    manifest("layer-size-negative", "refused", layers=[dict(good["layers"][0], size=-7)])
    manifest("layer-size-text", "refused", layers=[dict(good["layers"][0], size="7")])
    manifest("layer-digest", "refused", layers=[dict(good["layers"][0], digest="sha256:" + "0" * 64)])
    manifest("layer-digest-path", "refused", layers=[dict(good["layers"][0], digest="sha256:../../../../" + CANARY)])
    manifest("layer-digest-unknown", "refused", layers=[dict(good["layers"][0], digest="md5:" + "0" * 32)])
    manifest("layer-media-type", "either", layers=[dict(good["layers"][0], mediaType="text/plain; \x1b[31m")])
    manifest("layer-null", "refused", layers=[None])
    manifest("layers-object", "either", layers={"a": 1})
    manifest("config-null", "refused", config=None)
    manifest("config-digest", "refused", config=dict(good["config"], digest="sha256:" + "1" * 64))
    manifest("config-other-type", "refused", config=dict(good["config"], mediaType="application/vnd.example"))
    layout("index-of-itself", "refused", {"manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "sha256:" + "2" * 64, "size": 5}]})
    inner, blobs = dump(good), {blob(base): base, blob(conf): conf}
    blobs[blob(inner)] = inner
    current = entry(inner)
    for _ in range(12):
        text = dump({"schemaVersion": 2, "manifests": [dict(current, platform={"os": "linux", "architecture": "amd64"})]})
        blobs[blob(text)] = text
        current = entry(text, "index")
    layout("index-deep", "refused", {"manifests": [current]}, **blobs)
    blobs, level = {}, []
    for i in range(40):
        text = dump({"schemaVersion": 2, "config": entry(b"%d" % i, "none"), "layers": []})
        blobs[blob(text)] = text
        level.append(entry(text))
    for depth in range(7):
        following = []
        for i in range(40):
            text = dump({"schemaVersion": 2, "n": [depth, i], "manifests": level})
            blobs[blob(text)] = text
            following.append(entry(text, "index"))
        level = following
    layout("index-fan", "refused", {"manifests": [level[0]]}, **blobs)
    for name, text in {"json-deep": b'{"manifests":' + b"[" * 100000, "json-deep-object": b'{"a":' * 100000, "json-wide": b'{"manifests":[' + b"0," * 3000000 + b"0]}",
                       "json-cut": b'{"manifests":[{"digest"', "json-empty": b"", "json-null": b"null", "json-number": b"1e999", "json-nan": b'{"manifests":[NaN]}',
                       "json-text": b'"x"', "json-list": b"[]", "json-zero": b'{"manifests":"\0"}', "json-utf8": b'{"\xff\xfe":"\xed\xa0\x80"}', "json-surrogate": b'{"a":"\\ud800"}',
                       "json-twice": b'{"manifests":[],"manifests":{"a":[]}}', "json-huge-number": b'{"schemaVersion":' + b"9" * 100000 + b"}", "json-after": b"{} {}",
                       "json-types": b'{"schemaVersion":[],"manifests":[{"digest":{},"size":[],"annotations":[1],"platform":"x","mediaType":7}]}'}.items():
        layout(name, "refused", text)
        archive("docker-" + name, "refused", {"manifest.json": text})
        archive("config-" + name, "either", {"manifest.json": dump([{"Config": "c", "RepoTags": ["config-%s:1" % name], "Layers": ["l"]}]), "c": text, "l": base})
    for i, ref in enumerate(["../../../evil:1", "/etc/evil:1", "a/../b:1", ".hidden:1", "a:../../x", "a b:1", "x:\n", "", ":", "a" * 5000 + ":1", "-a:1", "a/.:1"]):
        archive("tag-%d" % i, "either", {"manifest.json": dump([{"Config": "c", "RepoTags": [ref], "Layers": ["l"]}]), "c": conf, "l": base})
    archive("config-path", "refused", {"manifest.json": dump([{"Config": UP + "etc/passwd", "RepoTags": ["config-path:1"], "Layers": [UP + CANARY[1:] + "/file"]}])})
    archive("layer-path", "refused", {"manifest.json": dump([{"Config": "c", "RepoTags": ["layer-path:1"], "Layers": [CANARY + "/file"]}]), "c": conf})
    archive("env", "made", {"manifest.json": dump([{"Config": "c", "RepoTags": ["env:1"], "Layers": ["l"]}]), "l": base, "c": dump(
        {"config": {"Env": [None, 1, "A", "=x", "LD_PRELOAD=/evil", "X=" + "y" * 100000], "Cmd": {"a": 1}, "User": "../x", "WorkingDir": UP, "ExposedPorts": ["x"], "Volumes": 7, "Entrypoint": ""}})})


if __name__ == "__main__":
    OUT, CANARY = sys.argv[1], sys.argv[2]
    os.makedirs(OUT, exist_ok=True)
    for group in (ways_out, kinds, numbers, extremes, documents):
        group()
