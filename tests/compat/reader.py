#!/usr/bin/env python3
"""reader.py TOP [all | new ID]: reads a store the way the Python tool does and prints every statement of its layout
that does not hold. Written from the compatibility reference alone (section 2); knows nothing of the program under test.

all      images, layers, containers and names
new ID   the container was just created: exactly ROOT, container.json and imagerepo.name
"""
import hashlib, json, os, re, stat, sys

TOP = sys.argv[1]
BAD = []
UUID = re.compile(r"[a-z0-9]+(-[a-z0-9]+){4}")
MARKERS = {"TAG", "v1", "v2", "manifest", "ancestry", "container.json", "PROTECT"}


def require(condition, *words):
    if not condition:
        BAD.append(" ".join(str(w) for w in words))


def text(path):
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


def one_line_json(path):
    content = text(path)
    require("\n" not in content.rstrip("\n"), path, "is not one line")
    try:
        return json.loads(content)
    except ValueError as error:
        require(False, path, "is not JSON:", error)
        return {}


def is_repository():
    for name in ("repos", "layers", "containers", "bin", "lib"):
        require(os.path.isdir(os.path.join(TOP, name)), "no directory", name)


def images():
    repos = os.path.join(TOP, "repos")
    for directory, _, files in os.walk(repos):
        if os.path.isfile(os.path.join(directory, "TAG")):
            yield os.path.relpath(os.path.dirname(directory), repos), os.path.basename(directory), directory


def layer_file(name):
    return os.path.join(TOP, "layers", name)


def layers_and_metadata(directory):
    """(layer files bottom to top, metadata), by the table of section 2.3."""
    v1, v2 = (os.path.isfile(os.path.join(directory, v)) for v in ("v1", "v2"))
    require(v1 != v2, directory, "has not exactly one of v1 and v2")
    if v2:
        require(os.path.getsize(os.path.join(directory, "v2")) == 0, directory, "v2 is not empty")
        manifest = one_line_json(os.path.join(directory, "manifest"))
        require(text(os.path.join(directory, "manifest")) == json.dumps(manifest), directory, "manifest is not as json.dumps writes it")
        if "fsLayers" in manifest:
            return [layer["blobSum"] for layer in reversed(manifest["fsLayers"])], json.loads(manifest["history"][0]["v1Compatibility"])
        return [layer["digest"] for layer in manifest["layers"]], json.loads(text(layer_file(manifest["config"]["digest"])))
    ancestry = one_line_json(os.path.join(directory, "ancestry"))
    metadata = os.path.join(directory, "container.json")
    if not os.path.exists(metadata):
        metadata = layer_file(ancestry[0] + ".json")
    return [i + ".layer" for i in reversed(ancestry)], json.loads(text(metadata))


def check_image(repository, tag, directory):
    require(text(os.path.join(directory, "TAG")) == "%s:%s" % (os.path.dirname(directory), tag), directory, "TAG holds", text(os.path.join(directory, "TAG")))
    layers, metadata = layers_and_metadata(directory)
    require(isinstance(metadata, dict) and metadata, directory, "has no metadata")
    for layer in layers:
        require(os.path.isfile(layer_file(layer)), directory, "lacks", layer)
        require(os.path.islink(os.path.join(directory, layer)), directory, "has no link to", layer)
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if os.path.islink(path):
            target = os.readlink(path)
            require(not target.startswith("/"), path, "is an absolute link")
            real = os.path.realpath(path)
            require(os.path.dirname(real) == os.path.realpath(os.path.join(TOP, "layers")), path, "leads out of layers:", target)
            require(os.path.exists(real), path, "dangles")
            require(name == "container.json" or os.path.basename(real) == name, path, "names", real)
        elif os.path.isdir(path):
            pass  # a repository below
        else:
            require(name in MARKERS, directory, "holds an unknown file", name)  # `verify` of the Python tool would warn
    for marker in ("v1", "PROTECT"):
        path = os.path.join(directory, marker)
        require(not os.path.exists(path) or os.path.getsize(path) == 0, path, "is not empty")


def check_layers():
    for name in os.listdir(os.path.join(TOP, "layers")):
        if name.startswith("."):
            continue
        path = layer_file(name)
        require(os.path.isfile(path) and not os.path.islink(path), path, "is no file")
        match = re.fullmatch(r"(sha256|sha512):([0-9a-f]+)", name)
        if match:
            digest = hashlib.new(match.group(1))
            with open(path, "rb") as f:
                for block in iter(lambda: f.read(1 << 20), b""):
                    digest.update(block)
            require(digest.hexdigest() == match.group(2), path, "has another digest")
        else:
            require(re.fullmatch(r"[0-9A-Za-z]{64}\.(layer|json)", name), path, "has a name the Python tool does not know")


def check_container(directory):
    name = os.path.basename(directory)
    require(UUID.fullmatch(name), directory, "is no id")
    require(os.path.isdir(os.path.join(directory, "ROOT")), directory, "has no ROOT")
    metadata = one_line_json(os.path.join(directory, "container.json"))
    require(isinstance(metadata, dict) and metadata, directory, "container.json is empty")
    image = text(os.path.join(directory, "imagerepo.name"))
    require(image and image == image.strip() and ":" in image, directory, "imagerepo.name holds", repr(image))
    mode = os.path.join(directory, "execmode")
    if os.path.exists(mode):
        require(re.fullmatch(r"[PFRST][1-4]", text(mode)), mode, "holds", repr(text(mode)))
        root = text(os.path.join(directory, "root.path"))
        moved = text(mode)[0] != "F"  # a clone brings the path of its original; only F modes depend on it
        require(moved or root == os.path.realpath(os.path.join(directory, "ROOT")), directory, "root.path holds", repr(root))
        require(root.startswith("/") and root == root.strip(), directory, "root.path holds", repr(root))
        if text(mode) in ("F3", "F4"):
            require(text(os.path.join(directory, "patch.path")).strip() == os.path.realpath(directory), directory, "patch.path")
            require(re.fullmatch(r"[0-9]+(\.[0-9]+)?", text(os.path.join(directory, "patch.time")).strip()), directory, "patch.time")
        if text(mode) in ("F2", "F3", "F4"):
            require(os.path.isfile(os.path.join(directory, "ld.so.orig")), directory, "has no ld.so.orig")
    for record in (".mountpoints", ".bind_orig_files"):
        path = os.path.join(directory, record)
        for entry in os.listdir(path) if os.path.isdir(path) else []:
            require(entry.startswith("#"), path, "holds", entry)
            if record == ".mountpoints":
                target = os.readlink(os.path.join(path, entry))
                require(target.startswith("#") and entry.startswith(target), path, entry, "->", target)
    path = os.path.join(directory, "PROTECT")
    require(not os.path.exists(path) or os.path.getsize(path) == 0, path, "is not empty")


def check_containers():
    place = os.path.join(TOP, "containers")
    for name in os.listdir(place):
        path = os.path.join(place, name)
        if os.path.islink(path):
            require("/" not in os.readlink(path) and os.path.isdir(path), path, "->", os.readlink(path))
            require(not re.search(r"[/. \[\]]", name) and len(name) <= 2048, path, "is no valid name")
        elif os.path.isdir(path):
            check_container(path)  # any directory counts as a container


is_repository()
if sys.argv[2:3] == ["new"]:
    found = sorted(os.listdir(os.path.join(TOP, "containers", sys.argv[3])))
    require(found == ["ROOT", "container.json", "imagerepo.name"], "a new container holds", found)
else:
    for image in images():
        check_image(*image)
    check_layers()
    check_containers()
print("\n".join(BAD) if BAD else "as documented")
sys.exit(bool(BAD))
