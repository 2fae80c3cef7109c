#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_veth - towards another host: a second network namespace behind a veth pair, with real routes and TIME_WAIT."""
import contextlib
import functools
import re

import lab
from sock_diag import tuples

PORT, CAPACITY = 5000, 100
FAR, FAR6 = "10.77.0.100", "fd77::100"
NEAR = [f"10.77.0.{i}" for i in range(1, 5)]
NEAR6 = [f"fd77::{i}" for i in range(1, 4)]


@contextlib.contextmanager
def far_server(mode=""):
    with lab.far_network([f"{a}/24" for a in NEAR] + [f"{a}/64" for a in NEAR6], f"{FAR}/24") as far:
        lab.ip("addr", "add", f"{FAR6}/64", "dev", "far0", "nodad", inside=far)
        with lab.Hold(PORT, mode, inside=far):
            yield far


def fill(shim, expected, to=FAR, *options):
    with far_server(), lab.Process([lab.client("fill"), *options, to, str(PORT)], shim, stdin=True) as process:
        lab.wait_for(lambda: "held" in process.stdout(), "fill to reach the end", process)
        lab.equal("the kernel's count", tuples(PORT, ["ESTAB"]), expected)
        lab.equal("the program's", re.findall(r"opened (\d+), (.*)", process.stdout()),
                  [(str(lab.total(expected)), "connect EADDRNOTAVAIL")])
    return f"{lab.total(expected)} from {len(expected)} source{'s' * (len(expected) > 1)}"


def each(addresses):
    return dict.fromkeys(addresses, CAPACITY)


def mixed_list():
    """Loopback addresses in the list do not reach the far side; the connections go on without them, unharmed."""
    sources = {"sources": f"127.0.0.2,{NEAR[0]},127.0.0.3,{NEAR[1]}"}
    return fill(sources, each(NEAR[:2]))


def ipv6_without():
    """Which of several addresses is the natural source the kernel says (RFC 6724 leaves a tie here)."""
    with far_server():
        route = lab.run(["ip", "-6", "route", "get", FAR6]).stdout
    lab.new_network()
    return fill(None, each(re.findall(r"src (\S+)", route)), FAR6)


SAME_FD = """
import socket, sys
s = socket.socket()
print(s.connect_ex(("127.0.0.1", 5999)), end=" ")
print(s.connect_ex((sys.argv[1], 5000)), s.getsockname()[0])
"""


def same_fd_elsewhere():
    """A socket refused on loopback is used for the far side next: a source left over from the first would fail it."""
    seen = []
    for shim in (None, {}, {"sources": f"127.0.0.2,{NEAR[0]}"}, {"sources": f"127.0.0.2,{NEAR[0]}", "spread": "spill"}):
        lab.new_network()
        with far_server():
            seen.append(lab.run([lab.PYTHON, "-c", SAME_FD, FAR], shim).stdout)
    lab.equal("without", seen[0], f"111 0 {NEAR[0]}\n")
    lab.equal("with: no sources, even, spill", seen[1:], seen[:1] * 3)
    return "ECONNREFUSED, then connected, each time"


ONE_BY_ONE = """
import socket, sys
done = 0
try:
    while done < 350:
        s = socket.create_connection((sys.argv[1], 5000))
        s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        s.recv(1000)
        s.close()
        done += 1
except OSError as why:
    print(why.errno, end=" ")
print(done, flush=True)
"""


def time_wait(shim, k):
    """Connections closed by the client one after the other leave a TIME_WAIT each, until every port has one."""
    with far_server("http"):
        done = lab.run([lab.PYTHON, "-c", ONE_BY_ONE, FAR], shim)
        lab.wait_for(lambda: not tuples(PORT, ["FIN-WAIT-1", "FIN-WAIT-2"]), "the server to close the last ones, too")
        lab.equal("the kernel's count of TIME_WAIT", tuples(PORT, ["TIME-WAIT"]), each(NEAR[:k]))
    lab.equal("stdout: errno, connections", done.stdout, f"99 {k * CAPACITY}\n")
    return f"{k * CAPACITY} TIME_WAIT"


def of(function, *arguments):
    return functools.partial(function, *arguments)


lab.main([
    ("without", of(fill, None, each(NEAR[:1]))),
    ("shim, no sources", of(fill, {}, each(NEAR[:1]))),
    ("even 3", of(fill, {"sources": f"{NEAR[0]}-{NEAR[2]}"}, each(NEAR[:3]))),
    ("spill 3", of(fill, {"sources": f"{NEAR[0]}-{NEAR[2]}", "spread": "spill"}, each(NEAR[:3]))),
    ("spill: natural source and 2", of(fill, {"sources": f"{NEAR[1]}-{NEAR[2]}", "spread": "spill"}, each(NEAR[:3]))),
    ("a prefix", of(fill, {"sources": "10.77.0.2/31", "options": ["--strict"]}, each(NEAR[1:3]))),
    ("auto", of(fill, {"sources": "auto"}, each(NEAR))),
    ("auto, non-blocking", of(fill, {"sources": "auto"}, each(NEAR), FAR, "-n")),
    ("ipv6 without", ipv6_without),
    ("ipv6 even 3", of(fill, {"sources": f"{NEAR6[0]}-{NEAR6[2]}"}, each(NEAR6), FAR6)),
    ("ipv6 auto", of(fill, {"sources": "auto"}, each(NEAR6), FAR6)),
    ("loopback addresses in the list", mixed_list),
    ("one source, not the natural one", of(fill, {"sources": NEAR[2], "options": ["--strict"]}, each(NEAR[2:3]))),
    ("at last the natural one", of(fill, {"sources": NEAR[2]}, each([NEAR[0], NEAR[2]]))),
    ("one socket, two places", same_fd_elsewhere),
    ("TIME_WAIT without", of(time_wait, None, 1)),
    ("TIME_WAIT even 3", of(time_wait, {"sources": f"{NEAR[0]}-{NEAR[2]}"}, 3)),
])
