# Attributes that only root may give, beside the user's own: listed in every form, copied by cp and tar.
import os, subprocess
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
