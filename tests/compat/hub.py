#!/usr/bin/env python3
"""hub.py PORTFILE: Docker Hub's search interface with a few repositories, for tests."""
import http.server, json, os, sys
from urllib.parse import parse_qs, urlsplit

REPOSITORIES = [("gromacs/gromacs", "GROMACS molecular dynamics", 40, False), ("gromacs", "official", 3, True), ("site/gromacs-tools", "more\nlines", 0, False)]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path not in ("/v2/search/repositories", "/v2/search/repositories/"):
            self.send_error(404)
            return
        query = parse_qs(url.query).get("query", ["*"])[0]
        hits = [{"repo_name": n, "short_description": d, "star_count": s, "is_official": o} for n, d, s, o in REPOSITORIES if query == "*" or query in n]
        body = json.dumps({"count": 1, "next": None, "results": hits}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".tmp", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
server.serve_forever()
