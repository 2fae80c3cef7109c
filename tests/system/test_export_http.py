#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_export_http - `headroom export --listen`: answers, bad requests that do no harm, addresses, bad input."""
import concurrent.futures
import errno
import pathlib
import re
import signal
import socket

import lab
from exported import command, fill, HTTP, Listening, parse, PORT, values


def http_answers():
    # Of some of the 200 connections the client closes first, if the server does not get to it: a port each.
    lab.ports(10000, 59999)
    with lab.Hold(PORT), fill(10), Listening() as server:
        answer, body = server.get()
        lab.equal("type", answer.getheader("Content-Type"), "text/plain; version=0.0.4; charset=utf-8")
        lab.equal("samples", sum(values(parse(body), "in_use_ports").values()), 10)
        for method, path, status in (("GET", "/", 200), ("HEAD", "/metrics", 200), ("HEAD", "/", 200),
                                     ("GET", "/metrics?x=y", 200), ("GET", "/x", 404), ("GET", "/metrics/", 404),
                                     ("POST", "/metrics", 405), ("DELETE", "/", 405), ("PUT", "/x", 405)):
            answer, body = server.get(path, method)
            lab.equal(f"{method} {path}", answer.status, status)
            lab.equal(f"body of {method} {path}", bool(body), method != "HEAD")
            if status == 405:
                lab.equal("Allow", answer.getheader("Allow"), "GET, HEAD")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for answer, body in pool.map(lambda _: server.get(), range(200)):
                lab.equal("status", answer.status, 200)
                parse(body)
        server.send(signal.SIGTERM)
        lab.equal("status at the end", server.wait().status, 0)


def bad_requests():
    with Listening() as server:
        for request in (b"\0" * 1000, b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"\r\n" * 100,
                        b"GET " + b"/" * 100000, b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 20000,
                        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nx", b"\xff\xfe GET / \x80\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", HTTP), timeout=lab.PATIENCE_S) as one:
                try:
                    one.sendall(request)
                    one.shutdown(socket.SHUT_WR)
                    while one.recv(65536):
                        pass
                except OSError as why:  # it may hang up on us
                    if why.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                        raise
        idle = [socket.create_connection(("127.0.0.1", HTTP)) for _ in range(20)]
        lab.equal("still answers", server.get()[0].status, 200)
        for one in idle:
            one.close()


def other_addresses():
    """[::1], every address, a port of the kernel's choice; loopback if no address is given."""
    for at, listens in (("[::1]:9816", "[::1]:9816"), ("0.0.0.0:9816", "0.0.0.0:9816"), ("9816", "127.0.0.1:9816")):
        with Listening(at=at) as server:
            lab.equal(f"--listen {at}", server.stdout(), f"listening on http://{listens}/metrics\n")
    with Listening(at="127.0.0.1:0") as server:
        lab.equal("a port", int(re.search(r":(\d+)/", server.stdout())[1]) > 0, True)


def bad_input():
    with socket.create_server(("127.0.0.1", HTTP)):
        wrong = [["--listen", str(HTTP)], ["--listen", "192.0.2.1:1"]]
        wrong += [["--listen", text] for text in ("", "x", ":9816", "127.0.0.1", "127.0.0.1:99999", "::1:80",
                                                  "1.2.3.4:-1", "[1.2.3.4]:80", "localhost:80", "127.0.0.1:80x")]
        wrong += [["--textfile", path] for path in ("", "/nonexistent/x.prom", "/proc/x.prom", str(lab.scratch()))]
        wrong += [["--frob"], ["x"], ["--top"], ["--top", "0"], ["--top", "x"], ["--interval", "5"],
                  ["--state-dir", ""], ["--listen", "9817", "--textfile", "x"], ["--textfile", "x", "--interval", "0"]]
        for options in wrong:
            done = lab.run(command(*options))
            lab.equal(f"status, lines of {options}: {done.stderr}", (done.status, done.stderr.count("\n"), done.stdout),
                      (2, 1, ""))
    left_over = [p.name for p in lab.scratch().iterdir() if not p.name.startswith("std")]
    lab.equal("files left over", left_over, [])
    done = lab.run(["sh", "-c", f"{lab.HEADROOM} export >/dev/full"])
    lab.equal("a full device", (done.status, done.stderr.count("\n")), (2, 1))


def without_library():
    """The command works without libmicrohttpd; who wants to listen is told in one line."""
    found = [path for path in pathlib.Path("/usr/lib").rglob("libmicrohttpd.so.*") if not path.is_symlink()]
    if not found:
        raise lab.Skipped("no shared libmicrohttpd here")
    hide = f"mount --bind /dev/null {found[0]} && exec \"$@\""
    for options, status, lines in (([], 0, 0), (["--listen", "0"], 2, 1)):
        done = lab.run(["unshare", "-m", "sh", "-c", hide, "sh", str(lab.HEADROOM), "export", *options])
        lab.equal(f"{options}: status, lines", (done.status, len(done.stderr.splitlines())), (status, lines))
        lab.equal(f"{options}: names it", "libmicrohttpd" in done.stderr, bool(options))
    return "said in one line"


lab.main([
    ("without libmicrohttpd", without_library),
    ("HTTP", http_answers),
    ("bad requests", bad_requests),
    ("other addresses", other_addresses),
    ("bad input", bad_input),
])
