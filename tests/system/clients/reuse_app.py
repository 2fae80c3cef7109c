# SPDX-License-Identifier: Apache-2.0
"""reuse_app - what clients/reuse_load.py asks, for WSGI servers and http.server; with a body after HEAD and 204.

wsgi: the application `app`. Run by itself: PORT, threads or single, reads or ignores (the bodies of requests), and
the address to listen on (127.0.0.1).
"""
import http.server
import sys


def app(environ, start):
    path, method = environ["PATH_INFO"].encode(), environ["REQUEST_METHOD"]
    if method == "POST":
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        path = b"posted " + path
    start("204 No Content" if path.startswith(b"/204") else "200 OK",
          [] if path.startswith(b"/204") else [("Content-Length", str(len(path)))])
    return [path]


def make():
    return app


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self, before=b""):
        content = before + self.path.encode()
        if self.path.startswith("/204"):
            self.send_response(204)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = do_DELETE = do_GET

    def do_POST(self):
        if sys.argv[3] == "reads":
            self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET(b"posted ")

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    kind = http.server.ThreadingHTTPServer if sys.argv[2] == "threads" else http.server.HTTPServer
    kind.request_queue_size = 1024
    kind((sys.argv[4] if len(sys.argv) > 4 else "127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
