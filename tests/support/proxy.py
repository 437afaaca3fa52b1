#!/usr/bin/env python3
"""A small proxy on loopback: HTTP (absolute form and CONNECT), SOCKS4, SOCKS4a, SOCKS5, told apart by the first byte.

proxy.py PORTFILE LOGFILE [USER PASSWORD]   with USER every client has to say who it is; LOGFILE gets "KIND TARGET" lines.
"""
import base64, os, select, socket, socketserver, struct, sys
from urllib.parse import urlsplit

NEED = sys.argv[3:5]


def log(kind, target):
    with open(sys.argv[2], "a") as f:
        f.write("%s %s\n" % (kind, target))


def relay(a, b):
    while True:
        for s in select.select([a, b], [], [])[0]:
            data = s.recv(65536)
            if not data:
                return
            (b if s is a else a).sendall(data)


def until(sock, end):
    data = b""
    while not data.endswith(end):
        c = sock.recv(1)
        if not c:
            raise OSError
        data += c
    return data


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            first = self.request.recv(1, socket.MSG_PEEK)
            {b"\4": self.socks4, b"\5": self.socks5}.get(first, self.http)()
        except OSError:
            pass

    def exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.request.recv(n - len(data))
            if not piece:
                raise OSError
            data += piece
        return data

    def socks4(self):
        _, _, port, ip = struct.unpack(">BBH4s", self.exactly(8))
        user = until(self.request, b"\0")[:-1].decode()
        host, kind = socket.inet_ntoa(ip), "socks4"
        if ip[:3] == b"\0\0\0":
            host, kind = until(self.request, b"\0")[:-1].decode(), "socks4a"
        if NEED and user != NEED[0]:
            return self.request.sendall(b"\0\x5d" + b"\0" * 6)
        log(kind, "%s:%d" % (host, port))
        with socket.create_connection((host, port)) as s:
            self.request.sendall(b"\0\x5a" + b"\0" * 6)
            relay(self.request, s)

    def socks5(self):
        _, n = self.exactly(2)
        methods = self.exactly(n)
        if NEED:
            if 2 not in methods:
                return self.request.sendall(b"\5\xff")
            self.request.sendall(b"\5\2")
            user = self.exactly(self.exactly(2)[1]).decode()
            password = self.exactly(self.exactly(1)[0]).decode()
            if [user, password] != NEED:
                return self.request.sendall(b"\1\1")
            self.request.sendall(b"\1\0")
        else:
            self.request.sendall(b"\5\0")
        kind = self.exactly(4)[3]
        if kind == 1:
            host, name = socket.inet_ntoa(self.exactly(4)), "socks5"
        elif kind == 3:
            host, name = self.exactly(self.exactly(1)[0]).decode(), "socks5h"
        else:
            host, name = socket.inet_ntop(socket.AF_INET6, self.exactly(16)), "socks5"
        port = struct.unpack(">H", self.exactly(2))[0]
        log(name, "%s:%d" % (host, port))
        with socket.create_connection((host, port)) as s:
            self.request.sendall(b"\5\0\0\1" + b"\0" * 6)
            relay(self.request, s)

    def http(self):
        head = until(self.request, b"\r\n\r\n").decode("latin-1")
        line, *fields = head.split("\r\n")
        if NEED:
            wanted = "proxy-authorization: basic " + base64.b64encode(":".join(NEED).encode()).decode()
            if wanted.lower() not in [f.lower() for f in fields]:
                return self.request.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
        method, target, version = line.split(" ")
        if method == "CONNECT":
            log("connect", target)
            host, port = target.rsplit(":", 1)
            with socket.create_connection((host.strip("[]"), int(port))) as s:
                self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                return relay(self.request, s)
        url = urlsplit(target)
        log("http", url.netloc)
        path = url.path + ("?" + url.query if url.query else "")
        kept = [f for f in fields if f and not f.lower().startswith(("proxy-", "connection:"))]
        with socket.create_connection((url.hostname, url.port or 80)) as s:
            s.sendall("\r\n".join(["%s %s %s" % (method, path, version), *kept, "Connection: close", "", ""]).encode("latin-1"))
            while data := s.recv(65536):
                self.request.sendall(data)


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".tmp", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
server.serve_forever()
