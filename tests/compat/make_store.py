#!/usr/bin/env python3
"""make_store.py TOP BUSYBOX: a store as the Python tool leaves it (compatibility reference, section 2): images of every
kind, containers in every state. Written by hand from the reference."""
import gzip, hashlib, io, json, os, sys, tarfile

TOP, BUSYBOX = sys.argv[1:3]
for name in ("repos", "layers", "containers", "bin", "lib", "doc"):
    os.makedirs(os.path.join(TOP, name))


def put(path, data=b""):
    path = os.path.join(TOP, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def layer(files, programs=False):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
                continue
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content.encode()))
        if programs:
            tar.add(BUSYBOX, "bin/busybox")
            for name in ("sh", "cat", "ls", "id", "echo", "true"):
                info = tarfile.TarInfo("bin/" + name)
                info.type, info.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(info)
    return out.getvalue()


BASE = layer({"etc/": None, "root/": None, "tmp/": None, "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "which": "lower\n"}, True)
UPPER = layer({"which": "upper\n"})


def config(**more):
    return json.dumps(dict({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["cat", "/which"], "Env": ["KIND=%s" % more.pop("kind")], "WorkingDir": "/"}}, **more))


def blob(data):
    data = data.encode() if isinstance(data, str) else data
    name = "sha256:" + hashlib.sha256(data).hexdigest()
    put("layers/" + name, data)
    return name, len(data)


def link(repository, tag, name, to=None):
    directory = os.path.join(TOP, "repos", repository, tag)
    os.makedirs(directory, exist_ok=True)
    os.symlink("../" * (repository.count("/") + 3) + "layers/" + (to or name), os.path.join(directory, name))


def tag_file(repository, tag):
    put("repos/%s/%s/TAG" % (repository, tag), os.path.join(TOP, "repos", repository) + ":" + tag)


def v2(repository, tag, kind):
    base, upper = blob(gzip.compress(BASE, 1, mtime=0)), blob(gzip.compress(UPPER, 1, mtime=0))
    conf = blob(config(kind=kind))
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": conf[1], "digest": conf[0]},
                "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": s, "digest": d} for d, s in (base, upper)]}
    tag_file(repository, tag)
    put("repos/%s/%s/v2" % (repository, tag))
    put("repos/%s/%s/manifest" % (repository, tag), json.dumps(manifest))
    for name in (conf[0], base[0], upper[0]):
        link(repository, tag, name)


def schema1(repository, tag):
    base, upper = blob(gzip.compress(BASE, 1, mtime=0)), blob(gzip.compress(UPPER, 1, mtime=0))
    manifest = {"schemaVersion": 1, "name": repository, "tag": tag, "architecture": "amd64",
                "fsLayers": [{"blobSum": upper[0]}, {"blobSum": base[0]}], "history": [{"v1Compatibility": config(kind="schema1")}]}
    tag_file(repository, tag)
    put("repos/%s/%s/v2" % (repository, tag))
    put("repos/%s/%s/manifest" % (repository, tag), json.dumps(manifest))
    for name in (base[0], upper[0]):
        link(repository, tag, name)


def v1(repository, tag, kind, with_config):
    ids = [hashlib.sha256((kind + n).encode()).hexdigest() for n in ("top", "bottom")]
    for i, data in zip(ids, (UPPER, BASE)):
        put("layers/%s.layer" % i, data)
        put("layers/%s.json" % i, config(kind=kind, id=i))
    tag_file(repository, tag)
    put("repos/%s/%s/v1" % (repository, tag))
    put("repos/%s/%s/ancestry" % (repository, tag), json.dumps(ids))
    for i in ids:
        link(repository, tag, i + ".layer")
        link(repository, tag, i + ".json")
    if with_config:
        name = hashlib.sha256(b"config" + kind.encode()).hexdigest() + ".json"
        put("layers/" + name, config(kind=kind))
        link(repository, tag, "container.json", name)


v2("site/two", "1", "v2")
v2("one", "sha256:" + "a" * 64, "digest")
v2("a", "b", "outer")
v2("a/b", "c", "inner")
schema1("old/schema", "1")
v1("loaded", "1", "loaded", True)
v1("imported", "1", "imported", False)
put("repos/imported/1/PROTECT")


def container(number, names=(), files=None, metadata=True):
    identifier = "%08d-0000-3000-8000-000000000000" % number
    directory = os.path.join(TOP, "containers", identifier)
    os.makedirs(directory + "/ROOT")
    with tarfile.open(fileobj=io.BytesIO(BASE)) as tar:
        tar.extractall(directory + "/ROOT")
    if metadata:
        put("containers/%s/container.json" % identifier, config(kind="container%d" % number))
        put("containers/%s/imagerepo.name" % identifier, "site/two:1")
    for name, content in (files or {}).items():
        put("containers/%s/%s" % (identifier, name), content)
    for name in names:
        os.symlink(identifier, os.path.join(TOP, "containers", name))
    return directory


container(1, ["first", "again"])
container(2, ["guarded"], {"PROTECT": ""})
d = container(3, ["second_mode"], {"execmode": "P2", "osenv.json": '{"osversion": "x", "PROOT_NEW_SECCOMP": 1}'})
put(d + "/root.path", d + "/ROOT")
container(4, ["bare"], metadata=False)
# left by an R mode: files displaced by links to a place that exists during runs only
d = container(5, ["ran"], {"execmode": "R1", "config.json": "{}"})
put(d + "/root.path", d + "/ROOT")
os.makedirs(d + "/ROOT/.bind_host_files")
os.makedirs(d + "/.bind_orig_files")
for name in ("passwd", "group"):
    os.rename(d + "/ROOT/etc/" + name, d + "/.bind_orig_files/#etc#" + name)
    os.symlink("/.bind_host_files/#etc#" + name, d + "/ROOT/etc/" + name)
# mount points made for volumes
d = container(6, ["mounted"])
os.makedirs(d + "/.mountpoints")
os.makedirs(d + "/ROOT/data/deep")
put(d + "/ROOT/etc/hosts")
os.symlink("#", d + "/.mountpoints/#data#deep")
os.symlink("#etc", d + "/.mountpoints/#etc#hosts")
# left by F1: absolute links turned to the host's path
d = container(7, ["linked"], {"execmode": "F1"})
put(d + "/root.path", d + "/ROOT")
os.symlink(d + "/ROOT/bin/busybox", d + "/ROOT/bin/absolute")
# no ROOT, and ROOT that is no directory: listed with N and D
for number, kind in ((8, "N"), (9, "D")):
    d = container(number, ["none" + kind])
    import shutil
    shutil.rmtree(d + "/ROOT")
    if kind == "D":
        put(d + "/ROOT", "a file")
put("lib/VERSION", "1.2.11")
