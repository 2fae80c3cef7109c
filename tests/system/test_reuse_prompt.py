#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_prompt - what is sent in small pieces is not held back for longer on a used connection than on a new one.

Nagle's algorithm holds the second small piece back until the first is acknowledged, which on an old connection takes 40 ms. The kernel
counts how often that time ran out (DelayedACKs, per network namespace): it is what is compared, and not a time.
"""
import functools
import pathlib
import re
import socket

import lab
import serving

PORT, REQUESTS = 5000, 200
CLIENT = f"""
import socket, sys
size, flags, pieces = int(sys.argv[1]), int(sys.argv[2]), [word.encode().decode("unicode_escape").encode() for word in sys.argv[3:]]
for _ in range({REQUESTS}):
    with socket.create_connection(("127.0.0.1", {PORT})) as s:
        for piece in pieces:
            s.sendall(piece)
        answer = b""
        while len(answer) < size:
            got = s.recv(size - len(answer) if flags else 100, flags)
            if not got:
                sys.exit(1)
            answer += got
"""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
# Guard: what a request is made of, what ends it, an answer.
HTTP = ("http", ("GET / HTTP/1.1\\r\\n", "Host: a\\r\\n\\r\\n"), b"\r\n\r\n", (HEAD, b"ok"))
REDIS = ("redis", ("*2\\r\\n$4\\r\\nECHO\\r\\n", "$2\\r\\nok\\r\\n"), b"$2\r\nok\r\n", (b"$2\r\n", b"ok\r\n"))
RAW = ("raw", ("two ", "words\\n"), b"\n", (b"some ", b"ok\n"))


def delayed():
    names, values = re.findall(r"^TcpExt: (.*)$", pathlib.Path("/proc/self/net/netstat").read_text(), re.M)
    return int(dict(zip(names.split(), values.split()))["DelayedACKs"])


def answer(connection, ends, pieces):
    """Nagle's algorithm is left on."""
    with connection:
        heard = b""
        while got := connection.recv(4096):
            heard += got
            if heard.endswith(ends):
                heard = b""
                for piece in pieces:
                    connection.sendall(piece)


def compare(guard, request, ends, pieces, flags=0):
    """Return: what is to be said."""
    lab.ports(10000, 59999)
    # Without a time of the user's a connection's turn ends by time, and a slow machine would use few again.
    rules = lab.scratch() / "rules"
    rules.write_text("[headroom]\nidle_timeout = 10s\n")
    with socket.create_server(("127.0.0.1", PORT), backlog=100) as server:
        serving.each_in_a_thread(server, functools.partial(answer, ends=ends, pieces=pieces))
        waits = []
        for shim in (None, {"options": ["--reuse", guard, "--summary"], "env": {"HEADROOM_CONFIG": str(rules)}}):
            before = delayed()
            done = lab.run([lab.PYTHON, "-c", CLIENT, str(len(b"".join(pieces))), str(int(flags)), *request], shim)
            lab.equal(f"{guard}: exit status", done.status, 0)
            waits.append(delayed() - before)
        server.shutdown(socket.SHUT_RDWR)
    used = sum(map(int, re.findall(r"reuse: (\d+) connect", done.stderr)))
    if used < REQUESTS // 2:
        raise lab.Failed(f"{guard}: {used} over a used connection: {done.stderr}")
    if waits[1] > waits[0] + used // 10:
        raise lab.Failed(f"{guard}: an acknowledgement came late {waits[0]} times without reuse, {waits[1]} times with")
    return f"{guard}: {used} over used ones, late {waits[1]} times"


def whole(pieces):
    return (pieces[0] + pieces[1],)


def answers():
    return "; ".join(compare(guard, whole(request), ends, pieces) for guard, request, ends, pieces in (HTTP, REDIS, RAW))


def in_one_call():
    return "; ".join(compare(guard, whole(request), ends, pieces, socket.MSG_WAITALL)
                     for guard, request, ends, pieces in (HTTP, REDIS, RAW))


def requests():
    return "; ".join(compare(guard, request, ends, whole(pieces)) for guard, request, ends, pieces in (HTTP, REDIS, RAW))


lab.main([
    ("answers in two pieces", answers),
    ("answers in two pieces, taken by one call", in_one_call),
    ("requests in two pieces", requests),
])
