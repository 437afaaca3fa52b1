#!/usr/bin/env python3
"""archives.py KIND FILE: writes an image archive of one kind, small and always the same, for the tests of load."""
import bz2, gzip, hashlib, io, json, lzma, sys, tarfile


def layer(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def dump(value):
    return json.dumps(value).encode()


BASE = layer({"etc/os-release": b"NAME=base\n", "big": b"0123456789abcdef" * 8192})
UPPER = layer({"etc/motd": b"upper\n"})
EMPTY = layer({})


def config(layers, arch="amd64", cmd=("sh",)):
    return dump({"architecture": arch, "os": "linux", "config": {"Cmd": list(cmd), "Env": ["A=B"]},
                 "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(data) for data in layers]}})


class Archive:
    def __init__(self, path):
        self.tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)

    def add(self, name, content):
        info = tarfile.TarInfo(name)
        info.size = len(content)
        self.tar.addfile(info, io.BytesIO(content))
        return name

    def link(self, name, target, kind=tarfile.SYMTYPE):
        info = tarfile.TarInfo(name)
        info.type = kind
        info.linkname = target
        self.tar.addfile(info)

    def blob(self, content):
        self.add("blobs/sha256/" + sha(content), content)
        return {"digest": "sha256:" + sha(content), "size": len(content)}

    def oci_manifest(self, layers, conf, annotations=None, platform=None):
        typed = [dict(self.blob(data), mediaType="application/vnd.oci.image.layer.v1.tar") for data in layers]
        manifest = dump({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                         "config": dict(self.blob(conf), mediaType="application/vnd.oci.image.config.v1+json"), "layers": typed})
        entry = dict(self.blob(manifest), mediaType="application/vnd.oci.image.manifest.v1+json")
        if annotations:
            entry["annotations"] = annotations
        if platform:
            entry["platform"] = platform
        return entry

    def layout(self, entries):
        self.add("index.json", dump({"schemaVersion": 2, "manifests": entries}))
        self.add("oci-layout", dump({"imageLayoutVersion": "1.0.0"}))


def docker(a, entries):
    a.add("manifest.json", dump(entries))


def old_directory(a, ident, data, parent=None, extra=None):
    a.add(ident + "/VERSION", b"1.0")
    body = {"id": ident, "created": "2015-01-01T00:00:00Z"}
    if parent:
        body["parent"] = parent
    body.update(extra or {})
    a.add(ident + "/json", dump(body))
    a.add(ident + "/layer.tar", data)


def legacy(a):  # before Docker 1.10; children come before their parents
    old_directory(a, "c" * 64, EMPTY, "b" * 64, {"config": {"Cmd": ["top"]}, "architecture": "amd64", "os": "linux"})
    old_directory(a, "a" * 64, BASE)
    old_directory(a, "b" * 64, UPPER, "a" * 64)
    a.add("repositories", dump({"old/image": {"1": "c" * 64, "2": "b" * 64}}))


def legacy_by_id(a):
    old_directory(a, "b" * 64, UPPER, "a" * 64, {"architecture": "amd64", "os": "linux"})
    old_directory(a, "a" * 64, BASE)


def legacy_circle(a):
    old_directory(a, "a" * 64, BASE, "b" * 64)
    old_directory(a, "b" * 64, UPPER, "a" * 64)
    a.add("repositories", dump({"x": {"1": "a" * 64}}))


def multi(a):  # two images and three names; one layer is shared, the second time as a symbolic link
    one, two = config([BASE]), config([BASE, UPPER], cmd=("two",))
    a.add("1/layer.tar", BASE)
    a.link("2/layer.tar", "../1/layer.tar")
    a.add("3/layer.tar", UPPER)
    docker(a, [{"Config": a.add(sha(one) + ".json", one), "RepoTags": ["one:1", "one:latest"], "Layers": ["1/layer.tar"]},
               {"Config": a.add(sha(two) + ".json", two), "RepoTags": ["reg.example:5000/two:2"], "Layers": ["2/layer.tar", "3/layer.tar"]}])


def compressed(a):  # layers in every compression, manifest first
    parts = [layer({"f%d" % i: b"%d" % i}) for i in range(4)]
    conf = config(parts)
    docker(a, [{"Config": "conf", "RepoTags": ["packed:1"], "Layers": ["g", "x", "b", "p"]}])
    a.add("conf", conf)
    a.add("g", gzip.compress(parts[0][:600]) + gzip.compress(parts[0][600:]))
    a.add("x", lzma.compress(parts[1]))
    a.add("b", bz2.compress(parts[2]))
    a.add("p", parts[3])


def wrong_layer(a):
    conf = config([BASE])
    docker(a, [{"Config": a.add("c.json", conf), "RepoTags": ["bad:1"], "Layers": [a.add("l", UPPER)]}])


def missing_layer(a):
    conf = config([BASE])
    docker(a, [{"Config": a.add("c.json", conf), "RepoTags": ["bad:1"], "Layers": ["gone/layer.tar"]}])


def escaping(a):
    conf = config([BASE])
    a.link("l", "../../../../etc/passwd")
    docker(a, [{"Config": a.add("c.json", conf), "RepoTags": ["bad:1"], "Layers": ["l"]}])


def bad_name(a):
    conf = config([BASE])
    docker(a, [{"Config": a.add("c.json", conf), "RepoTags": ["../../up:1"], "Layers": [a.add("l", BASE)]}])


def docker25(a):  # both layouts, no name, an empty layer that is listed three times
    conf = config([BASE, EMPTY, EMPTY, UPPER, EMPTY])
    entry = a.oci_manifest([BASE, EMPTY, EMPTY, UPPER, EMPTY], conf)
    a.layout([entry])
    path = lambda data: "blobs/sha256/" + sha(data)
    docker(a, [{"Config": path(conf), "RepoTags": None, "Layers": [path(d) for d in (BASE, EMPTY, EMPTY, UPPER, EMPTY)]}])


def platforms(a):  # a nested index with attestations; the archive lacks the blobs of one platform
    entries = []
    for arch in ("arm64", "amd64", "s390x"):
        part = layer({"arch": arch.encode()})
        entries.append(a.oci_manifest([BASE, part], config([BASE, part], arch), platform={"os": "linux", "architecture": arch}))
    entries.append(dict(a.blob(dump({"schemaVersion": 2})), mediaType="application/vnd.oci.image.manifest.v1+json",
                        platform={"os": "unknown", "architecture": "unknown"},
                        annotations={"vnd.docker.reference.type": "attestation-manifest"}))
    entries.append({"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 7, "digest": "sha256:" + "0" * 64,
                    "platform": {"os": "linux", "architecture": "ppc64le"}})
    index = dump({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries})
    a.layout([dict(a.blob(index), mediaType="application/vnd.oci.image.index.v1+json",
                   annotations={"io.containerd.image.name": "docker.io/library/many:1", "org.opencontainers.image.ref.name": "1"})])


def names(a):  # what tools write as the name of an entry
    out = []
    for i, text in enumerate(("v1", "local/app:2", "app:3", "quay.io/org/app:4")):
        part = layer({"n": b"%d" % i})
        out.append(a.oci_manifest([part], config([part]), {"org.opencontainers.image.ref.name": text}))
    a.layout(out)


def damaged(a):
    a.oci_manifest([BASE], config([BASE]))
    entry = a.oci_manifest([UPPER], config([UPPER]), {"org.opencontainers.image.ref.name": "d:1"})
    a.add("blobs/sha256/" + sha(UPPER), UPPER[:-1] + b"x")
    a.layout([entry])


def artifact(a):
    manifest = dump({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                     "config": dict(a.blob(b"{}"), mediaType="application/vnd.cncf.helm.config.v1+json"), "layers": []})
    a.layout([dict(a.blob(manifest), mediaType="application/vnd.oci.image.manifest.v1+json")])


def many(a):  # 100 000 members
    conf = config([BASE])
    for i in range(100000):
        a.add("junk/%d" % i, b"x" * (i % 7))
    docker(a, [{"Config": a.add("c.json", conf), "RepoTags": ["many-files:1"], "Layers": [a.add("l", BASE)]}])


if __name__ == "__main__":
    archive = Archive(sys.argv[2])
    globals()[sys.argv[1]](archive)
    archive.tar.close()
