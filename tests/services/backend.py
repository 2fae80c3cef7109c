#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""backend - a server at port 7000: /peers has the addresses that connected since it was last asked, all else is hello."""
import http.server
import json
import threading

seen, lock = {}, threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with lock:
            if self.path == "/peers":
                text = json.dumps(seen)
                seen.clear()
            else:
                seen[self.client_address[0]] = seen.get(self.client_address[0], 0) + 1
                text = "hello\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


Server(("0.0.0.0", 7000), Handler).serve_forever()
