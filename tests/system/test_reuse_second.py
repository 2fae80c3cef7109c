#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_second - servers that have more to say than the answer, some milliseconds later, from the first connection on,
and the guards that know nothing of it (raw, http): nothing of it is taken for the answer to the next request.

The server answers each request with its number, and says that again after a while, as the case has it.
"""
import contextlib
import functools
import re
import socket
import time

import lab
import serving

PORT, EXCHANGES = 5000, 300

# A connection for each exchange; what is not the answer to it is told.
CLIENT = f"""
import re, socket, sys, time
gap, count, kind, address = float(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
for number in range(count):
    with socket.create_connection((address, {PORT})) as s:
        s.sendall((b"/%d \\n" if kind == "raw" else b"GET /%d HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n") % number)
        said = b""
        while not re.search(rb"=.*\\n|the end", said):
            said += s.recv(1000) or b"the end"
        # A slow program may have both at once.
        if not re.search(rb"=.*\\n|the end", said)[0] == b"=%d\\n" % number:
            print(number, said)
    time.sleep(gap)
"""


def later(*ms):
    """So many milliseconds after the answer, in turns."""
    def say(s, answer, number):
        time.sleep(ms[number % len(ms)] / 1000)
        s.sendall(answer)
    return say


def at_the_end(s, answer, _):
    """With the end of the stream, in one segment."""
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    s.sendall(answer)


def nothing(*_):
    pass


class Server:
    def __init__(self, say, address):
        self.say, self.answers = say, 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, PORT), family=family, backlog=100)
        serving.each_in_a_thread(self.listener, self.serve)

    def serve(self, s):
        with s, contextlib.suppress(OSError), s.makefile("rb") as lines:
            for line in lines:
                asked = re.search(rb"/(\d+) ", line)
                if not asked:
                    continue
                answer = b"=%s\n" % asked[1]
                if line.startswith(b"GET"):
                    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer)
                s.sendall(answer)
                self.answers += 1
                self.say(s, answer, self.answers)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def ask(say, guard, shim, gap_s, count, address):
    lab.ports(10000, 59999)
    with contextlib.closing(Server(say, address)):
        done = lab.run([lab.PYTHON, "-c", CLIENT, str(gap_s), str(count), guard, address], shim)
    lab.new_network()
    lab.equal(f"exit status\n{done}", done.status, 0)
    lab.equal("mixed up", done.stdout, "")
    return done


def compare(say, guard, gap_s=0, count=EXCHANGES, address="127.0.0.1"):
    """Return: connections served from the pool, and what the shim said."""
    rules = lab.scratch() / "rules"
    rules.write_text(f"[headroom]\nreuse = {guard}\nmax_uses = 1000\nidle_timeout = 1m\n")  # whatever the rate, and how busy the server is
    ask(say, guard, None, gap_s, count, address)
    done = ask(say, guard, {"options": ["-c", str(rules), "--summary"]}, gap_s, count, address)
    return int(re.search(r"reuse: (\d+) connect", done.stderr)[1]), done.stderr


def never(say, guard, gap_s=0, count=EXCHANGES, address="127.0.0.1"):
    hits, said = compare(say, guard, gap_s, count, address)
    lab.equal("served from the pool", hits, 0)
    if "event=reuse_paused" not in said:
        raise lab.Failed(f"nothing was learned\n{said}")


def soon(guard):
    """What ends without another word is seen off a moment later, and 16 of those are enough."""
    hits, said = compare(nothing, guard, count=2 * EXCHANGES)
    # How many more than none depends on how busy the machine is: a late answer ends reuse for a while.
    if not hits:
        raise lab.Failed(f"none was served from the pool\n{said}")
    return f"{hits} of {2 * EXCHANGES}"


def second(guard, address="127.0.0.1"):
    """One that was silent for as long as it takes needs no other to vouch for it."""
    hits, _ = compare(nothing, guard, gap_s=0.03, count=2, address=address)
    lab.equal("served from the pool", hits, 1)


def of(function, *arguments, **named):
    return [(guard, functools.partial(function, *arguments[:1], guard, *arguments[1:], **named))
            for guard in ("raw", "http")]


lab.main([(f"{guard}, {name}", function) for name, cases in [
    *((f"{ms} ms later", of(never, later(ms))) for ms in (3, 5, 10, 15)),
    ("5 to 15 ms later", of(never, later(*range(5, 16)))),
    ("later, asked now and then", of(never, later(*range(5, 16)), 0.06, 10)),
    ("later, asked now and then, IPv6", of(never, later(*range(5, 16)), 0.06, 10, address="::1")),
    ("with the end of the stream", of(never, at_the_end)),
    ("with the end of the stream, IPv6", of(never, at_the_end, address="::1")),
    ("a server that has no more to say", of(soon)),
    ("the second connection, after some milliseconds", of(second)),
    ("the second connection, after some milliseconds, IPv6", of(second, address="::1")),
] for guard, function in cases])
