#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_deferral - old-style bind(ip, 0) before connect(): a full tuple space per destination, and nobody starves.

Without the shim the kernel picks a port at bind(), from a space per local IP that is shared by all destinations,
and the port is then closed to every connect() of the namespace.
"""
import functools
import re
import socket

import lab
from sock_diag import tcp_sockets, tuples

CAPACITY = 100


def opened(process):
    lab.wait_for(lambda: "held" in process.stdout(), "fill to reach the end", process)
    return [(int(n), f"{call} {error}") for n, call, error in
            re.findall(r"^\S+ \d+ opened (\d+), (\S+) (\S+)$", process.stdout(), re.M)]


def old_style(shim, expected, others, *options):
    """One binder fills two destinations; then programs without the shim try from other sources."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    fill = lab.client("fill")
    binder = [fill, *options, "-b", "127.0.0.3", "127.0.0.1", "5000", "127.0.0.1", "5001"]
    with lab.Hold(5000), lab.Hold(5001), lab.Process(binder, shim, stdin=True) as process:
        lab.equal("the binder, two destinations", opened(process), expected)
        for port, (count, _) in zip((5000, 5001), expected):
            lab.equal(f"the kernel's count to {port}", tuples(port), {"127.0.0.3": count} if count else {})
        with lab.Process([fill, "127.0.0.1", "5000"], stdin=True) as plain, \
                lab.Process([fill, "-s", "127.0.0.2", "127.0.0.1", "5001"], stdin=True) as no_port:
            for name, other in (("natural source", plain), ("IP_BIND_ADDRESS_NO_PORT", no_port)):
                lab.equal(f"another program, {name}", opened(other), [(others, "connect EADDRNOTAVAIL")])
        lab.equal("exit status", process.wait().status, 0)
    return f"{expected[0][0]} and {expected[1][0]}, others {others} each"


def hold_on_another():
    held = [socket.socket() for _ in range(CAPACITY)]
    for i, s in enumerate(held):
        s.bind(("127.9.9.9", 40000 + i))
    return held


def range_held(shim, source, ends, *options):
    """Another program holds every port on another address: bind(ip, 0) finds them all, connect() alone none."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    held = hold_on_another()
    with lab.Hold(5000), lab.Process([lab.client("fill"), *options, "-b", source, "127.0.0.1", "5000"], shim,
                                     stdin=True) as process:
        lab.equal("the binder", opened(process), [(CAPACITY, ends)])
        lab.equal("the kernel's count", tuples(5000), {source: CAPACITY})
        lab.equal("exit status", process.wait().status, 0)
    return f"{CAPACITY} connections where {len(held)} were held, then {ends}"


# A connection to its own host leaves the server's port for the last, so connect() has looked at that one alone in the end.
HELD_FOR_ANOTHER = """
import socket
kept, errors = [], set()
for i in range(60):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    errors.add(s.connect_ex(("127.0.0.1", 40100)))
    kept.append(s)
print(*errors)
s = socket.socket()
why = s.connect_ex(("127.0.0.1", 40100))
s.bind(("127.0.0.1", 0))
print(why, 40000 <= s.getsockname()[1] < 40100)
"""


def server_in_the_range(shim):
    """The same, and the server has the range's last port: before connect() bind(ip, 0) finds the others, and after it too."""
    lab.ports(40000, 40100)
    held = hold_on_another()
    with lab.Hold(40100):
        done = lab.run([lab.PYTHON, "-c", HELD_FOR_ANOTHER], shim)
        lab.equal("errno of connect(); then, and a port", (done.stdout, done.status), ("0\n99 True\n", 0))
    return f"{len(held)} held"


BINDS_AGAIN = """
import socket
def tries(call):
    try:
        call()
    except OSError as why:
        return why.errno
    return 0
for to in "192.0.2.50", "192.0.2.60", "10.1.0.1":
    s = socket.socket()
    s.bind(("10.1.0.2", 0))
    first = tries(lambda: s.connect((to, 9)))
    print(to, first, s.getsockname()[1] != 0, tries(lambda: s.bind(("10.1.0.2", 0))), tries(lambda: s.connect((to, 9))))
    s = socket.socket()
    s.bind(("10.1.0.2", 0))
    print(to, tries(lambda: s.connect((to, 9))), tries(lambda: s.bind(("10.1.0.2", 0))), tries(lambda: s.listen(1)))
"""


def bound_again():
    """After connect() the port is gone if a packet went out (a router's answer, a refusal), and stays if there was no route."""
    with lab.far_network(["10.1.0.2/24"], "10.1.0.1/24") as far:
        lab.run(["ip", "route", "add", "unreachable", "192.0.2.50"], inside=far)
        lab.run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0"], inside=far)
        lab.ip("route", "add", "192.0.2.50", "via", "10.1.0.1")
        lab.ip("route", "add", "unreachable", "192.0.2.60")
        seen = [lab.run([lab.PYTHON, "-c", BINDS_AGAIN], shim).stdout for shim in (None, {})]
    lab.equal("bind() after connect()", seen[1], seen[0])
    # EHOSTUNREACH both, then bind() may come again or not: EINVAL.
    lab.equal("of them", [line.split()[3] for line in seen[0].splitlines()[::2]], ["0", "22", "0"])
    return "as without"


WITHOUT = ([(CAPACITY, "bind EADDRINUSE"), (0, "bind EADDRINUSE")], 0)
DEFERRED = ([(CAPACITY, "connect EADDRNOTAVAIL"), (CAPACITY, "connect EADDRNOTAVAIL")], CAPACITY)


def any_address(shim, expected):
    """bind(0.0.0.0, 0) chooses no source, so sources may be spread over."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    command = [lab.client("fill"), "-b", "0.0.0.0", "127.0.0.1", "5000"]
    with lab.Hold(5000), lab.Process(command, shim, stdin=True) as process:
        total = lab.total(expected)
        [(count, call)] = opened(process)
        lab.equal("the kernel's count", tuples(5000), expected)
        lab.equal("the program's", count, total)
    return f"{count}, then {call}"


def ipv6(shim, expected):
    lab.ipv6_on_loopback(("fd00::1", "fd00::2"))
    lab.ports(40000, 40000 + CAPACITY - 1)
    command = [lab.client("fill"), "-b", "fd00::2", "fd00::1", "5000", "fd00::1", "5001"]
    with lab.Hold(5000), lab.Hold(5001), lab.Process(command, shim, stdin=True) as process:
        lab.equal("two destinations", opened(process), expected)
    return f"{expected[0][0]} and {expected[1][0]}"


SOURCE_ADDRESS = """
import socket, sys
held, failed = [], ""
for port in (5000, 5001):
    try:
        while True:
            held.append(socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.3", 0)))
    except OSError as why:
        failed += f" {why.errno}"
print(f"opened {len(held)}, errno{failed}", flush=True)
sys.stdin.read()
"""


def python_source_address(shim, expected):
    """A real program's way to do it: source_address of python3's socket module."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    with lab.Hold(5000), lab.Hold(5001), lab.Process([lab.PYTHON, "-c", SOURCE_ADDRESS], shim, stdin=True) as process:
        lab.wait_for(lambda: process.stdout().endswith("\n"), "python3 to reach the end", process)
        lab.equal("the program's count", process.stdout().strip(), expected)
    return expected


def blocks_nothing():
    """While bound but not connected, a deferred socket holds no port in the kernel's view."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    many = "import socket, sys\n" \
           "held = [socket.socket() for _ in range(150)]\n" \
           "[s.bind(('127.0.0.3', 0)) for s in held]\n" \
           "print('bound', flush=True)\nsys.stdin.read()\n"
    with lab.Process([lab.PYTHON, "-c", many], {}, stdin=True) as process:
        lab.wait_for(lambda: "bound" in process.stdout(), "150 binds", process)
        holding = [s for s in tcp_sockets() if s.source == "127.0.0.3" and s.sport]
        lab.equal("sockets with a port", holding, [])
    return "150 binds in a range of 100, no port taken"


def named_exhaustion():
    """getsockname() on each makes the ports real: now the range is the limit, and it says so honestly."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    many = "import socket, sys\nheld, ports = [], []\n" \
           "try:\n" \
           "    for _ in range(150):\n" \
           "        held.append(socket.socket()); held[-1].bind(('127.0.0.3', 0))\n" \
           "        ports.append(held[-1].getsockname()[1])\n" \
           "except OSError as why: print('errno', why.errno, end=' ')\n" \
           "ports = [p for p in ports if p]\n" \
           "print('named', len(ports), 'distinct', len(set(ports)), flush=True)\nsys.stdin.read()\n"
    seen = []
    for shim in (None, {}):
        lab.new_network()
        with lab.Process([lab.PYTHON, "-c", many], shim, stdin=True) as process:
            lab.wait_for(lambda p=process: p.stdout().endswith("\n"), "150 binds", process)
            ports = {s.sport for s in tcp_sockets() if s.source == "127.0.0.3"}
            seen.append((process.stdout().partition("named")[2].strip(), len(ports)))
    # sock_diag lists sockets that are bound and nothing else from Linux 6.8 on.
    listed = CAPACITY if lab.kernel() >= (6, 8) else 0
    lab.equal("without: named, kernel's count", seen[0], (f"{CAPACITY} distinct {CAPACITY}", listed))
    lab.equal("with: named, kernel's count", seen[1], seen[0])
    return f"{CAPACITY} distinct ports, like without"


def of(function, *arguments):
    return functools.partial(function, *arguments)


BOTH = [(CAPACITY, "connect EADDRNOTAVAIL")] * 2
lab.main([
    ("old-style bind: without", of(old_style, None, *WITHOUT)),
    ("old-style bind: shim", of(old_style, {}, *DEFERRED)),
    ("old-style bind: even 3", of(old_style, {"sources": "127.0.0.4-127.0.0.6"}, *DEFERRED)),
    ("old-style bind, non-blocking: shim", of(old_style, {}, *DEFERRED, "-n")),
    ("old-style bind, mapped: shim", of(old_style, {}, *DEFERRED, "-m")),
    ("bind(0.0.0.0, 0): without", of(any_address, None, {"127.0.0.1": CAPACITY})),
    ("bind(0.0.0.0, 0): shim", of(any_address, {}, {"127.0.0.1": CAPACITY})),
    ("bind(0.0.0.0, 0): even 2", of(any_address, {"sources": "127.0.0.1-127.0.0.2"},
                                    {"127.0.0.1": CAPACITY, "127.0.0.2": CAPACITY})),
    ("ipv6: without", of(ipv6, None, WITHOUT[0])),
    ("ipv6: shim", of(ipv6, {}, BOTH)),
    ("python3 source_address: without", of(python_source_address, None, f"opened {CAPACITY}, errno 98 98")),
    ("python3 source_address: shim", of(python_source_address, {}, f"opened {2 * CAPACITY}, errno 99 99")),
    ("bound sockets block no port", blocks_nothing),
    ("named sockets each have their own port", named_exhaustion),
    ("bound again after connect()", bound_again),
    ("range held on another address, without", of(range_held, None, "127.0.0.3", "bind EADDRINUSE")),
    ("range held on another address", of(range_held, {}, "127.0.0.3", "connect EADDRNOTAVAIL")),
    ("range held on another address, the server's port in it, without", of(server_in_the_range, None)),
    ("range held on another address, the server's port in it", of(server_in_the_range, {})),
    ("range held on another address, non-blocking", of(range_held, {}, "127.0.0.3", "connect EADDRNOTAVAIL", "-n")),
])
