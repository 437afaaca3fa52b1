# Attributes that only root may give, beside the user's own: listed in every form, copied by cp and tar.
import ctypes, errno, os, subprocess
os.chdir("/tmp")
for name in ("attr", "attr.copy", "attr.out"):
    subprocess.run(["rm", "-rf", name])
open("attr", "w").close()
wanted = ["security.capability", "trusted.a"]
try:
    os.setxattr("attr", "user.b", b"own")
    wanted.append("user.b")
except OSError:
    pass
os.symlink("attr", "attr.link")
capability = bytes([1, 0, 0, 2]) + bytes([0, 32]) + bytes(14)
os.setxattr("attr", "trusted.a", b"1")
os.setxattr("attr.link", "security.capability", capability)
fd = os.open("attr", os.O_RDONLY)
for what in ("attr", "/tmp/attr", "attr.link", fd):
    assert sorted(os.listxattr(what)) == wanted, (what, os.listxattr(what))
assert os.listxattr("attr.link", follow_symlinks=False) == []
# Every error is the kernel's own: small room, no room, bad memory, long names, no name, no file.
libc = ctypes.CDLL(None, use_errno=True)
def get(path, name, out, room):
    result = libc.getxattr(path, name, out, ctypes.c_size_t(room))
    return result if result >= 0 else errno.errorcode[ctypes.get_errno()]
room = ctypes.create_string_buffer(65536)
bad = ctypes.c_void_p(8)
for name, size in ((b"trusted.a", 1), (b"user.b", 3)):
    if name.decode() not in wanted: continue
    assert get(b"attr", name, room, 65536) == size and get(b"/tmp/attr.link", name, None, 0) == size and room.raw[size] == 0
    assert get(b"attr", name, bad, 65536) == "EFAULT" and get(b"attr", name, None, 0) == size
assert "user.b" not in wanted or get(b"attr", b"user.b", room, 2) == "ERANGE"
assert get(b"attr", b"user.none", room, 10) in ("ENODATA", "EOPNOTSUPP") and get(b"attr.none", b"user.b", room, 10) == "ENOENT"
assert get(b"attr", b"user." + b"n" * 300, room, 10) == "ERANGE" and get(b"attr", b"", room, 10) == "ERANGE" and get(b"attr", bad, room, 10) == "EFAULT"
assert get(b"attr/", b"user.b", room, 10) == "ENOTDIR" and libc.listxattr(b"attr", room, ctypes.c_size_t(3)) == -1 and ctypes.get_errno() == errno.ERANGE
subprocess.run(["cp", "-a", "attr", "attr.copy"], check=True)
assert os.getxattr("attr.copy", "security.capability") == capability and sorted(os.listxattr("attr.copy")) == wanted
os.mkdir("attr.out")
subprocess.run("tar --xattrs --xattrs-include='*' -cf - attr | tar --xattrs --xattrs-include='*' -C attr.out -xf -", shell=True, check=True)
assert os.getxattr("attr.out/attr", "security.capability") == capability
os.removexattr("attr", "trusted.a")
wanted.remove("trusted.a")
assert sorted(os.listxattr("attr")) == wanted
subprocess.run(["rm", "-r", "attr", "attr.link", "attr.copy", "attr.out"], check=True)
print("attributes: all good")
