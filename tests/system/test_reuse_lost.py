#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_lost - a request that nobody answers on a connection that was used: an error, no signal, no answer of somebody else's,
and it is not asked again where the server may have died of it.

The server answers the first request of a connection, and does with the next what a case says. Without reuse each is the first.
"""
import contextlib
import socket
import struct
import time

import lab
import serving

PORT, TELL, LATE_S = 5000, 5001, 1.2
LINGER_0 = struct.pack("ii", 1, 0)

# What is asked in several pieces; before the next one it waits for `look` ms until the connection shows something. Before an empty
# first piece it tells the server that it has a connection.
CLIENT = f"""
import errno, select, signal, socket, sys, time
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
def ask(pieces, look):
    with socket.create_connection(("127.0.0.1", {PORT})) as s:
        try:
            if not pieces[0]:
                socket.create_connection(("127.0.0.1", {TELL})).close()
            for number, piece in enumerate(pieces):
                if number or not pieces[0]:
                    poll = select.poll()
                    poll.register(s, select.POLLIN)
                    poll.poll(look)
                if piece:
                    s.sendall(piece)
            return s.recv(1000)
        except OSError as error:
            return errno.errorcode[error.errno]
first, *pieces = [word.encode().decode("unicode_escape").encode() for word in sys.argv[2:]]
print(ask([first], 0))
time.sleep(0.02)
print(ask(pieces, int(sys.argv[1])), flush=True)
"""


class Server:
    def __init__(self, ends, answer, second):
        """second: None without reuse."""
        self.ends, self.answer, self.second, self.requests = ends, answer, second, 0
        self.told = socket.create_server(("127.0.0.1", TELL))
        self.listener = socket.create_server(("127.0.0.1", PORT), backlog=100)
        serving.each_in_a_thread(self.listener, self.serve)

    def serve(self, s):
        heard = b""
        while not heard.endswith(self.ends):
            heard += s.recv(1000)
        self.requests += 1
        s.sendall(self.answer)
        with s, contextlib.suppress(OSError):
            if self.second:
                self.second(self, s)

    def listens_no_longer(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def compare(guard, request, answer, second, pieces, look_ms):
    """Return: the server, and what the program with reuse printed."""
    words = [piece.encode("unicode_escape").decode() for piece in (request, *pieces)]
    for shim in (None, {"options": ["--reuse", guard, "--summary"]}):
        server = Server(request[-1:].encode(), answer, second if shim else None)
        done = lab.run([lab.PYTHON, "-c", CLIENT, str(look_ms if shim else 20), *words], shim)
        server.listens_no_longer()
        lab.new_network()
        lab.equal(f"exit status\n{done}", done.status, 0)
        if not shim:
            lab.equal("without", done.stdout, f"{answer}\n" * 2)
    if "1 connect() call served by a parked" not in done.stderr:
        raise lab.Failed(f"nothing was reused\n{done}")
    return server, done.stdout.splitlines()[1]


def no_signal():
    """It resets when the first half of a request is there."""
    def second(server, s):
        if s.recv(1000):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)

    said = compare("raw", "whole\n", b"ok\n", second, ("first ", "half\n"), 20000)[1]
    lab.equal("the second half", said, "ECONNRESET")
    return "an error"


def nobody_elses():
    """It sends once more before the next request is there, and listens no longer: another connection cannot be had."""
    def second(server, s):
        server.told.accept()
        server.listens_no_longer()
        s.sendall(b"late\n")
        s.recv(1000)

    said = compare("raw", "whole\n", b"ok\n", second, ("", "next\n"), 20000)[1]
    if "late" in said:
        raise lab.Failed("the answer to nobody's request was taken for that to the next one")
    return said


def not_again():
    """It works at a GET for more than a second, and dies of it."""
    def second(server, s):
        if s.recv(1000):
            server.requests += 1
            time.sleep(LATE_S)

    request, answer = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    server, said = compare("http", request, answer, second, (request,), 0)
    lab.equal("the second GET, and how many the server had", (said, server.requests), ("b''", 2))
    return "not asked again"


lab.main([
    ("no signal", no_signal),
    ("nobody else's answer", nobody_elses),
    ("not again after a second", not_again),
])
