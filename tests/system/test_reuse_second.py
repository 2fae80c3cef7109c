#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_second - servers that have more to say than the answer, some milliseconds later, from the first connection on,
and a guard that takes silence for the end of an answer (raw): nothing of it is taken for the answer to the next request.

The server answers each line with the line, and says it again after a while, as the case has it.
"""
import contextlib
import functools
import re
import socket
import threading
import time

import lab

PORT, EXCHANGES = 5000, 300

# A connection for each exchange; what is not the answer to it is told.
CLIENT = f"""
import socket, sys, time
gap, count = float(sys.argv[1]), int(sys.argv[2])
for number in range(count):
    with socket.create_connection(("127.0.0.1", {PORT})) as s:
        s.sendall(b"line %d\\n" % number)
        said = b""
        while b"\\n" not in said:
            said += s.recv(1000) or b"the end\\n"
        # A slow program may have both at once.
        if said.splitlines()[0] != b"line %d" % number:
            print(number, said)
    time.sleep(gap)
"""


def later(*ms):
    """So many milliseconds after the answer, in turns."""
    def say(s, line, number):
        time.sleep(ms[number % len(ms)] / 1000)
        s.sendall(line)
    return say


def at_the_end(s, line, _):
    """With the end of the stream, in one segment."""
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    s.sendall(line)


def nothing(*_):
    pass


class Server:
    def __init__(self, say):
        self.say, self.answers = say, 0
        self.listener = socket.create_server(("127.0.0.1", PORT), backlog=100)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with s, contextlib.suppress(OSError), s.makefile("rb") as lines:
            for line in lines:
                s.sendall(line)
                self.answers += 1
                self.say(s, line, self.answers)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def ask(say, shim, gap_s, count):
    lab.ports(10000, 59999)
    with contextlib.closing(Server(say)):
        done = lab.run([lab.PYTHON, "-c", CLIENT, str(gap_s), str(count)], shim)
    lab.new_network()
    lab.equal(f"exit status\n{done}", done.status, 0)
    lab.equal("mixed up", done.stdout, "")
    return done


def compare(say, gap_s=0, count=EXCHANGES):
    """Return: connections served from the pool, and what the shim said."""
    rules = lab.scratch() / "rules"
    rules.write_text("[headroom]\nreuse = raw\nmax_uses = 1000\n")  # else each has a turn, by how busy the server is
    ask(say, None, gap_s, count)
    done = ask(say, {"options": ["-c", str(rules), "--summary"]}, gap_s, count)
    return int(re.search(r"reuse: (\d+) connect", done.stderr)[1]), done.stderr


def never(say, gap_s=0, count=EXCHANGES):
    hits, said = compare(say, gap_s, count)
    lab.equal("served from the pool", hits, 0)
    if "sent what nobody had asked for" not in said:
        raise lab.Failed(f"nothing was learned\n{said}")


def soon():
    """What ends without another word is seen off a moment later, and 16 of those are enough."""
    hits, said = compare(nothing, count=2 * EXCHANGES)
    if hits < EXCHANGES:
        raise lab.Failed(f"{hits} of {2 * EXCHANGES} connections were served from the pool\n{said}")
    return f"{hits} of {2 * EXCHANGES}"


def second():
    """One that was silent for as long as it takes needs no other to vouch for it."""
    hits, _ = compare(nothing, gap_s=0.03, count=2)
    lab.equal("served from the pool", hits, 1)


lab.main([
    *((f"{ms} ms later", functools.partial(never, later(ms))) for ms in (0.5, 3, 5, 10, 15)),
    ("5 to 15 ms later", functools.partial(never, later(*range(5, 16)))),
    ("later, asked now and then", functools.partial(never, later(*range(5, 16)), 0.03, 30)),
    ("with the end of the stream", functools.partial(never, at_the_end)),
    ("a server that has no more to say", soon),
    ("the second connection, after some milliseconds", second),
])
