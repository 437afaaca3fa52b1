#!/usr/bin/env python3
"""A registry that misbehaves as the first part of the repository name says: HOST:PORT/cut/image:1.

bad_registry.py PORTFILE [CERT KEY [CA]]   with CA, clients must show a certificate of it; serves on loopback until killed; writes its port to PORTFILE when ready.
GET /_log                             the requests so far as JSON: [method, path, range, has_authorization, authorization, host]
"""
import base64, gzip, hashlib, http.server, io, json, socketserver, ssl, sys, tarfile, threading, time
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

OCI = "application/vnd.oci.image."
LOG, COUNT, LOCK = [], {}, threading.Lock()
USER, PASSWORD = "some user", "pass,word: x"
BLOBS = {}          # digest -> bytes
TOKENS = {}         # token -> uses left


def digest(data, algorithm="sha256"):
    return algorithm + ":" + hashlib.new(algorithm, data).hexdigest()


def keep(data, algorithm="sha256"):
    d = digest(data, algorithm)
    BLOBS[d] = data
    return d


def layer(name, size):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        content = b"".join(hashlib.sha256(b"%s%d" % (name.encode(), i)).digest() for i in range(size // 32))
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), 1, mtime=0), digest(out.getvalue())


LAYERS = [layer("one", 300000), layer("two", 1000000), layer("three", 32)]


def descriptor(data, media_type, algorithm="sha256", **more):
    return dict({"mediaType": OCI + media_type, "digest": keep(data, algorithm), "size": len(data)}, **more)


def config(architecture="amd64", diff_ids=None, **more):
    return json.dumps({"architecture": architecture, "os": "linux", "config": {"Cmd": ["/one"]},
                       "rootfs": {"type": "layers", "diff_ids": [l[1] for l in LAYERS] if diff_ids is None else diff_ids}, **more}).encode()


def manifest(layers=None, configuration=None, algorithm="sha256", **more):
    document = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                "config": descriptor(configuration or config(), "config.v1+json", algorithm),
                "layers": [descriptor(l[0], "layer.v1.tar+gzip", algorithm) for l in LAYERS] if layers is None else layers}
    document.update(more)
    return json.dumps(document).encode()


def index(*entries):
    return json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": list(entries)}).encode()


def entry(data, architecture=None, media_type="manifest.v1+json", os="linux", variant=None, **more):
    d = descriptor(data, media_type, **more)
    if architecture:
        d["platform"] = {"os": os, "architecture": architecture, **({"variant": variant} if variant else {})}
    return d


def attestation():
    return entry(manifest([], b"{}"), "unknown", os="unknown", annotations={"vnd.docker.reference.type": "attestation-manifest"})


def deep(levels):
    data = manifest()
    for _ in range(levels):
        data = index(entry(data, "amd64", "index.v1+json"))
    return data


def schema1():
    return json.dumps({"schemaVersion": 1, "name": "x", "tag": "1", "architecture": "amd64", "fsLayers": [{"blobSum": keep(l[0])} for l in reversed(LAYERS)],
                       "history": [{"v1Compatibility": config().decode()}]}).encode()


FOREIGN = b"foreign bytes " * 1000
INLINE = b"inline bytes"
OTHER = {
    "index": lambda h: index(attestation(), entry(manifest(configuration=config("arm64")), "arm64", variant="v8"), entry(manifest(), "amd64")),
    "nested": lambda h: index(attestation(), entry(index(entry(manifest(configuration=config("s390x")), "s390x"), entry(manifest(), "amd64")), None, "index.v1+json")),
    "noplatform": lambda h: index(entry(manifest(configuration=config("arm64"))), entry(manifest())),
    "onlyarm": lambda h: index(attestation(), entry(manifest(configuration=config("arm64")), "arm64")),
    "deep4": lambda h: deep(4),
    "deep20": lambda h: deep(20),
    "sha512": lambda h: manifest(algorithm="sha512"),
    "nolayers": lambda h: manifest([], config(diff_ids=[])),
    "emptyblob": lambda h: manifest([descriptor(b"", "layer.v1.tar")], config(diff_ids=[digest(b"")])),
    "twice": lambda h: manifest([descriptor(LAYERS[0][0], "layer.v1.tar+gzip")] * 3, config(diff_ids=[LAYERS[0][1]] * 3)),
    "artifact": lambda h: manifest([], artifactType="application/vnd.example.sbom", config=dict(descriptor(b"{}", ""), mediaType="application/vnd.oci.empty.v1+json")),
    "foreign": lambda h: manifest([{"mediaType": OCI + "layer.nondistributable.v1.tar", "digest": digest(FOREIGN), "size": len(FOREIGN), "urls": [h.base() + "/foreign"]}]),
    "inline": lambda h: manifest([{"mediaType": OCI + "layer.v1.tar", "digest": digest(INLINE), "size": len(INLINE), "data": base64.b64encode(INLINE).decode()}]),
    "schema1": lambda h: schema1(),
    "html": lambda h: b"<html>please log in to this hotel's network</html>",
    "noconfig": lambda h: b'{"schemaVersion":2,"layers":[]}',
    "baddigest": lambda h: b'{"schemaVersion":2,"config":{"digest":"sha256:../../../x","size":1},"layers":[]}',
    "hugesize": lambda h: manifest([dict(descriptor(LAYERS[0][0], "layer.v1.tar+gzip"), size=1 << 62)]),
    "wrongsize": lambda h: manifest([dict(descriptor(LAYERS[0][0], "layer.v1.tar+gzip"), size=len(LAYERS[0][0]) + 1)]),
    "deepjson": lambda h: b"[" * 100000,
    "binary": lambda h: bytes(range(256)) * 10,
}
CHALLENGES = {  # style -> WWW-Authenticate lines
    "token": ['Bearer realm="%s/token/plain",service="My, Registry",scope="repository:%s:pull"'],
    "spaced": ['Bearer realm = "%s/token/access" , service="a b, c" , scope="repository:%s:pull" ,error="invalid_token"'],
    "bare": ["Bearer realm=%s/token/plain,service=bare,scope=repository:%s:pull"],
    "noscope": ['Bearer realm="%s/token/plain"%.0s'],
    "basic": ['Basic realm="ECR %.0s%.0s"'],
    "harbor": ['Basic realm="harbor"%.0s%.0s', 'Bearer realm="%s/token/plain",service="harbor-registry",scope="repository:%s:pull"'],
    "ghcr": ['Bearer realm="%s/token/needlogin",service="ghcr.io",scope="repository:%s:pull"'],
    "quay": ['Bearer realm="%s/v2/auth",service="quay.io",scope="repository:%s:pull"'],
    "gitlab": ['Bearer realm="%s/jwt/auth",service="container_registry",scope="repository:%s:pull",error="invalid_token"'],
    "expire": ['Bearer realm="%s/token/short",service="s",scope="repository:%s:pull",error="invalid_token"'],
    "deny": ['Bearer realm="%s/token/deny",service="s",scope="repository:%s:pull"'],
    "refresh": ['Bearer realm="%s/token/refresh",service="acr",scope="repository:%s:pull"'],
    "notoken": ['Bearer realm="%s/token/empty",service="s",scope="repository:%s:pull"'],
    "never": ['Bearer realm="%s/token/useless",service="s",scope="repository:%s:pull"'],
    "nochallenge": [],
    "storage": ['Bearer realm="%s/token/plain",service="s",scope="repository:%s:pull"'],
    "needlogin": ['Bearer realm="%s/token/needlogin",service="s",scope="repository:%s:pull"'],
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def base(self):
        return SCHEME + "://" + self.headers.get("Host", "")

    def count(self, *key):
        with LOCK:
            COUNT[key] = COUNT.get(key, 0) + 1
            return COUNT[key]

    def reply(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, message, headers=()):
        self.reply(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), headers)

    def cut(self):
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(2)

    def basic_ok(self):
        wanted = "Basic " + base64.b64encode(("%s:%s" % (USER, PASSWORD)).encode()).decode()
        return self.headers.get("Authorization") == wanted

    def token(self, kind):
        with LOCK:
            value = "tok.%s.%d" % (kind, len(TOKENS))
            TOKENS[value] = 2 if kind == "short" else 10**9
        if kind == "deny":
            return self.error(401, "UNAUTHORIZED", "authentication required")
        if kind == "needlogin" and not self.basic_ok():
            return self.error(401, "UNAUTHORIZED", "incorrect username or password")
        if kind == "empty":
            return self.reply(200, b"{}")
        if kind == "useless":
            value = "wrong%d" % self.count("useless")
        key = "access_token" if kind == "access" else "token"
        self.reply(200, json.dumps({key: value, "expires_in": 300}).encode(), [("Content-Type", "application/json")])

    def authorized(self, style, repository):
        given = self.headers.get("Authorization", "")
        if style == "basic":
            return self.basic_ok()
        with LOCK:
            token = given[7:] if given.startswith("Bearer ") else ""
            if TOKENS.get(token, 0) <= 0:
                return False
            TOKENS[token] -= 1
            return True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.note()
        form = parse_qs(body)
        if self.path == "/token/refresh" and form.get("grant_type") == ["refresh_token"] and form.get("refresh_token") == ["identity"]:
            return self.token("refresh")
        self.error(401, "UNAUTHORIZED", "bad refresh token")

    def note(self):
        with LOCK:
            LOG.append([self.command, self.path, self.headers.get("Range", ""), "Authorization" in self.headers, self.headers.get("Authorization", ""),
                        self.headers.get("Host", "")])

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        if parts[0] == "_log":
            return self.reply(200, json.dumps(LOG).encode())
        self.note()
        if "search" in parts or "find" in parts:
            return self.search(parts, parse_qs(url.query))
        if parts[0] == "token":
            return self.token(parts[1])
        if parts[0] == "jwt":
            return self.token("gitlab")
        if parts[0] == "foreign":
            return self.reply(200, FOREIGN)
        if parts[0] == "storage":
            return self.storage(parts, url.query)
        if parts[0] == "hop":
            return self.hop(parts)
        if parts == ["v2", "auth"]:
            return self.token("needlogin" if parse_qs(url.query).get("account") == [USER] else "deny")
        if parts == ["v2"]:
            return self.reply(200, b"{}")
        if parts[0] != "v2" or len(parts) < 5:
            return self.error(404, "NAME_UNKNOWN", "no such path")
        how, repository, kind, reference = parts[1], "/".join(parts[1:-2]), parts[-2], parts[-1]
        if how in CHALLENGES and not self.authorized(how, repository):
            lines = [("WWW-Authenticate", c % (self.base(), repository)) for c in CHALLENGES[how]]
            return self.error(401, "UNAUTHORIZED", "authentication required", lines)
        if kind == "tags":
            return self.tags(repository, url.query)
        if kind == "manifests":
            return self.serve_manifest(how, reference)
        if kind == "blobs":
            return self.serve_blob(how, reference)
        self.error(404, "NAME_UNKNOWN", "no such path")

    def search(self, parts, query):
        """/new: Docker Hub's newer interface, /old: only the v1 interface; 50 hits each."""
        page, size = int(query.get("page", ["1"])[0]), int(query.get("page_size", query.get("n", ["10"]))[0])
        hits = [{"repo_name": "hit%02d" % i, "short_description": "about " + query.get("query", query.get("q", [""]))[0] + "\nmore", "star_count": i,
                 "is_official": i == 0} for i in range(50)][(page - 1) * size:page * size]
        if parts[0] == "new" and parts[1] == "v2":
            return self.reply(200, json.dumps({"count": 50, "results": hits}).encode())
        if parts[0] == "old" and parts[1] == "v1":
            for hit in hits:
                hit["name"], hit["description"] = hit.pop("repo_name"), hit.pop("short_description")
            return self.reply(200, json.dumps({"num_pages": -(-50 // size), "page": page, "results": hits}).encode())
        self.reply(404, b"<html>nothing here</html>")

    def tags(self, repository, query):
        last = parse_qs(query).get("last", [""])[0]
        pages = {"": (["a", "b"], "b"), "b": (["c"], "c"), "c": (["d"], "")}
        tags, following = pages[last]
        link = [("Link", '</v2/%s/tags/list?last=%s>; rel="next"' % (repository, following))] if following else []
        self.reply(200, json.dumps({"name": repository, "tags": tags}).encode(), link)

    def serve_manifest(self, how, reference):
        n = self.count(how, "manifest", reference)
        if reference in BLOBS:
            data = BLOBS[reference]
        elif ":" in reference:
            return self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        else:
            data = OTHER.get(how, lambda h: manifest())(self)
            keep(data)
        if how == "m429" and n == 1:
            return self.error(429, "TOOMANYREQUESTS", "slow down", [("Retry-After", "1")])
        if how == "m429date" and n == 1:
            return self.error(429, "TOOMANYREQUESTS", "slow down", [("Retry-After", formatdate(time.time() + 2, usegmt=True))])
        if how == "m429long":
            return self.error(429, "TOOMANYREQUESTS", "slow down", [("Retry-After", "3600"), ("ratelimit-limit", "100;w=21600")])
        if how == "m500" and n <= 2:
            return self.error(500, "UNKNOWN", "oops")
        if how == "m503":
            return self.error(503, "UNAVAILABLE", "down for maintenance")
        if how == "denied":
            return self.error(403, "DENIED", "requested access to the resource is denied")
        if how == "loop":
            return self.reply(307, headers=[("Location", self.path)])
        if how == "file":
            return self.reply(307, headers=[("Location", "file:///etc/passwd")])
        if how == "mcut" and n <= 2:
            self.reply(200, data[: len(data) // 2], length=len(data))
            return self.cut()
        if how == "mendless":
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            try:
                for _ in range(4000):
                    self.wfile.write(b" " * 65536)
            except OSError:
                pass
            return
        if how == "silent" and n == 1:
            time.sleep(8)
            return self.cut()
        kind = OCI + ("index.v1+json" if b'"manifests"' in data else "manifest.v1+json")
        if how == "schema1":
            kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
        if how in ("html", "binary"):
            kind = "text/html"
        self.reply(200, data, [("Content-Type", kind), ("Docker-Content-Digest", digest(data))])

    def serve_blob(self, how, reference):
        if reference not in BLOBS:
            return self.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        data = BLOBS[reference]
        n = self.count(how, "blob", reference)
        big = len(data) > 1000
        start = 0
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and how not in ("cutnorange",):
            start = int(asked[6:].split("-")[0])
            if start >= len(data):
                return self.error(416, "RANGE", "range")
        if how in ("relative", "chain", "storage", "signed", "otherhost"):
            where = {"relative": "../../../../storage/plain/" + reference, "chain": "/hop/5/" + reference,
                     "signed": "/storage/signed/%s?sig=%d" % (reference, n)}.get(how)
            if not where:
                where = self.base().replace("127.0.0.1", "localhost") + "/storage/noauth/" + reference
            return self.reply(307, headers=[("Location", where)])
        if how == "b429" and n == 1:
            return self.error(429, "TOOMANYREQUESTS", "slow down", [("Retry-After", "1")])
        if how == "b500" and n <= 2:
            return self.error(500, "UNKNOWN", "oops")
        if how == "b404" and big:
            return self.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        if how == "b416" and start:
            return self.error(416, "RANGE", "no")
        if how == "corrupt" and big or how == "corruptonce" and big and n == 1:
            data = data[:500] + b"X" + data[501:]
        if how == "short" and big:
            return self.reply(200, data[: len(data) // 2])
        if how == "long" and big:
            return self.reply(200, data + b"more")
        self.body(how, data, start, n, big)

    def body(self, how, data, start, n, big):
        part = data[start:]
        headers = [("Content-Range", "bytes %d-%d/%d" % (start, len(data) - 1, len(data)))] if start else []
        status = 206 if start else 200
        if how == "badrange" and start:
            headers = [("Content-Range", "bytes 7-%d/%d" % (len(data) - 1, len(data)))]
        cuts = big and (how in ("cut", "cutnorange", "badrange", "b416") and n <= 2 or how == "cutalways")
        if cuts:
            self.reply(status, part[: min(len(part) // 2, 50000 if how == "cutalways" else 10**9)], headers, len(part))
            return self.cut()
        if how == "stall" and big and n == 1:
            self.reply(status, part[:1000], headers, len(part))
            time.sleep(12)
            return self.cut()
        if how == "slow" and big:
            self.reply(status, b"", headers, len(part))
            step = max(1, len(part) // 8)
            for at in range(0, len(part), step):
                time.sleep(0.3)
                self.wfile.write(part[at:at + step])
            return
        self.reply(status, part, headers)

    def hop(self, parts):
        left = int(parts[1])
        where = "../%d/%s" % (left - 1, parts[2]) if left else "/storage/plain/" + parts[2]
        self.reply(302, headers=[("Location", where)])

    def storage(self, parts, query):
        if parts[1] == "noauth" and "Authorization" in self.headers:
            return self.reply(400, b"<Error>Only one auth mechanism allowed</Error>")
        if parts[1] == "signed" and query == "sig=1":
            return self.reply(403, b"<Error>Request has expired</Error>")
        self.body("plain", BLOBS[parts[2]], int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0]), 1, True)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
SCHEME = "http"
if len(sys.argv) > 3:
    SCHEME = "https"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    if len(sys.argv) > 4:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(sys.argv[1] + ".tmp", "w") as f:
    f.write(str(server.server_address[1]))
import os
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
server.serve_forever()
