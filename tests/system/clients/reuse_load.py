# SPDX-License-Identifier: Apache-2.0
"""reuse_load - a connection for each request, in threads; counts what became of them.

PROTOCOL PORT THREADS COUNT [METHODS [PAUSE_S]]; http: each thread makes COUNT requests, in turns by METHODS (GET,HEAD,DELETE,POST).
The answer to GET is the path. A POST has a body that would be a request if the server did not read it. DELETE asks for
/204/...: no answer may have a body. redis: PING; memcached: get.
Prints `name count` for each of: good, wrong, refused, ended, timeout; and on standard error how long exchanges took.
"""
import collections
import http.client
import socket
import sys
import threading
import time

PROTOCOL, PORT, THREADS, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
METHODS = (sys.argv[5] if len(sys.argv) > 5 else "GET").split(",")
PAUSE_S = float(sys.argv[6]) if len(sys.argv) > 6 else 0
LIMIT_S = 30
ASK = {"redis": b"*1\r\n$4\r\nPING\r\n", "memcached": b"get x\r\n"}
GOOD = {"redis": b"+PONG\r\n", "memcached": b"END\r\n"}
counts, took, lock = collections.Counter(), [], threading.Lock()


def by_http(thread, number):
    method = METHODS[number % len(METHODS)]
    path = f"{'/204' if method == 'DELETE' else ''}/{thread}-{number}"
    body = f"GET /evil-{thread}-{number} HTTP/1.1\r\nX: ".encode() if method == "POST" else None
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=LIMIT_S)
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        content = answer.read()
        if method == "GET":
            return "good" if content == path.encode() else "wrong"
        if method == "POST":
            return "good" if content == b"posted " + path.encode() else "wrong"
        return "good" if answer.status in (200, 204) else "wrong"
    finally:
        connection.close()


def by_line(*_):
    with socket.create_connection(("127.0.0.1", PORT), timeout=LIMIT_S) as s:
        s.sendall(ASK[PROTOCOL])
        answer = b""
        while not answer.endswith(b"\r\n"):
            piece = s.recv(100)
            if not piece:
                raise ConnectionResetError
            answer += piece
    return "good" if answer == GOOD[PROTOCOL] else "refused" if b"max number of clients" in answer else "wrong"


def work(thread):
    exchange = by_http if PROTOCOL == "http" else by_line
    for number in range(COUNT):
        begun = time.monotonic()
        try:
            became = exchange(thread, number)
        except TimeoutError:
            became = "timeout"
        except ConnectionRefusedError:
            became = "refused"
        except (OSError, http.client.HTTPException):
            became = "ended"
        with lock:
            counts[became] += 1
            took.append(time.monotonic() - begun)
        time.sleep(PAUSE_S)


threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(" ".join(f"{name} {counts[name]}" for name in ("good", "wrong", "refused", "ended", "timeout")))
took.sort()
print(" ".join(f"p{n}_us {int(1e6 * took[len(took) * n // 100])}" for n in (50, 99)), file=sys.stderr)
