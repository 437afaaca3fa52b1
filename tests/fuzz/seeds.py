#!/usr/bin/env python3
"""seeds.py DIR: first inputs for the fuzz targets that read archives: DIR/TARGET/NAME."""
import io
import os
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import archives  # noqa: E402


def save(target, name, data):
    os.makedirs(os.path.join(sys.argv[1], target), exist_ok=True)
    with open(os.path.join(sys.argv[1], target, name), "wb") as out:
        out.write(data)


def tar(form, members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, kind, extra in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(extra)
                archive.addfile(info, io.BytesIO(extra))
            else:
                info.linkname = extra
                archive.addfile(info)
    return out.getvalue()


R, S, L, D, F, C = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE
COMMON = [("d", D, ""), ("d/f", R, b"content"), ("s", S, "d/f"), ("h", L, "d/f"), ("p", F, ""), ("c", C, ""), ("n" * 120, R, b"x"),
          ("d/.wh.f", R, b""), ("d/.wh..wh..opq", R, b"")]
for name, form in (("ustar", tarfile.USTAR_FORMAT), ("pax", tarfile.PAX_FORMAT), ("gnu", tarfile.GNU_FORMAT)):
    members = [m for m in COMMON if form != tarfile.USTAR_FORMAT or len(m[0]) < 100]
    data = tar(form, members)
    save("tar_fuzz", name, data)
    save("layers_fuzz", name, data + b"NEXTLAYER" + tar(form, members[1:3]))
pax = tarfile.TarInfo("sparse")
pax.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s", "GNU.sparse.realsize": "4096", "SCHILY.xattr.user.a": "b", "mtime": "-1.5"}
body = b"1\n0\n3\n".ljust(512, b"\0") + b"abc"
pax.size = len(body)
out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
    archive.addfile(pax, io.BytesIO(body))
save("tar_fuzz", "sparse", out.getvalue())
save("layers_fuzz", "sparse", out.getvalue())
archives.BASE = archives.layer({"etc/os-release": b"NAME=base\n"})
for name in ("legacy", "legacy_by_id", "legacy_circle", "multi", "compressed", "wrong_layer", "escaping", "docker25", "platforms", "names", "damaged", "artifact"):
    path = os.path.join(sys.argv[1], "archive")
    made = archives.Archive(path)
    getattr(archives, name)(made)
    made.tar.close()
    with open(path, "rb") as file:
        save("load_fuzz", name, file.read())
    os.remove(path)
for name in ("/bin/true", "/lib64/ld-linux-x86-64.so.2"):
    if os.path.exists(name) and os.path.getsize(name) < 300000:
        with open(name, "rb") as file:
            save("elf_fuzz", os.path.basename(name), file.read())
