# As emulated root: who owns a socket's file, and who a peer is, after setuid too. Prints "0:0 42:43 42:43 0:0 42:43".
import os, socket, stat, struct

def owner(path):
    s = os.stat(path)
    assert stat.S_ISSOCK(s.st_mode)
    return "%d:%d" % (s.st_uid, s.st_gid)

def peer(end):
    return "%d:%d" % struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1:]

os.chdir("/tmp")
server = socket.socket(socket.AF_UNIX)
server.bind("/tmp/peers")
os.chmod("peers", 0o777)
server.listen()
seen = [owner("peers")]
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.setresgid(43, 43, 43)
    os.setresuid(42, 42, 42)
    mine = [socket.socket(socket.AF_UNIX) for _ in "ab"]
    for end, name in zip(mine, ("peers.whole", "/tmp/peers.path")):
        end.bind(name)
        os.chmod(name, 0o777)
    end = socket.socket(socket.AF_UNIX)
    end.connect("peers")
    os.write(write, ("%s %s %s" % (owner("peers.whole"), owner("/tmp/peers.path"), peer(end))).encode())
    end.recv(1)
    os._exit(0)
end, _ = server.accept()
seen.append(os.read(read, 100).decode())
seen.append(peer(end))
end.send(b"x")
os.waitpid(child, 0)
for name in ("peers", "peers.whole", "peers.path"):
    os.unlink(name)
print(*seen)
