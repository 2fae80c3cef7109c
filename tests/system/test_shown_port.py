#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_shown_port - who asks for the port of bind(ip, 0) before connect() has one range for each destination, and the
port that was shown is the port of the connection.

Without the shim the first destination takes the range from all others. Where something was done to the socket that
the exchange would undo, or others have it, all is as without.
"""
import functools
import re
import socket

import lab
from sock_diag import tcp_sockets, tuples

SO_PEEK_OFF = 42  # <asm-generic/socket.h>
CAPACITY, PORTS = 100, (5000, 5001, 5002)
IPV4, MAPPED, IPV6 = ("127.0.0.9", "127.0.0.1"), ("::ffff:127.0.0.9", "::ffff:127.0.0.1"), ("fd00::9", "fd00::1")
PLAIN = [(CAPACITY, "bind EADDRINUSE"), (0, "bind EADDRINUSE"), (0, "bind EADDRINUSE")]
SHIM = [(CAPACITY, "connect EADDRNOTAVAIL")] * 3


def ready(ipv6):
    lab.ports(40000, 40000 + CAPACITY - 1)
    if ipv6:
        lab.ipv6_on_loopback(("fd00::1", "fd00::9"))


def opened(process):
    """Return: for each port the number and the end, the connections from other ports than were shown, the signals."""
    lab.wait_for(lambda: "held" in process.stdout(), "shown to reach the end", process)
    lines = re.findall(r"^\d+ opened (\d+), (\S+ \S+), other ports (\d+), not shown (\d+)$", process.stdout(), re.M)
    signals = int(re.search(r"held, (\d+) signals", process.stdout())[1])
    return [(int(n), end) for n, end, _, _ in lines], sum(int(other) for _, _, other, _ in lines), signals


def fills(shim, expected, *options, addresses=IPV4, sources=None):
    ready(addresses == IPV6)
    source, to = addresses
    command = [lab.client("shown"), *options, source, to, *map(str, PORTS)]
    with lab.Hold(PORTS[0]), lab.Hold(PORTS[1]), lab.Hold(PORTS[2]), lab.Process(command, shim, stdin=True) as process:
        counts, other, signals = opened(process)
        lab.equal("opened", counts, expected)
        lab.equal("another port than was shown", other, 0)
        lab.equal("signals", signals, 0)
        for port, (count, _) in zip(PORTS, expected):
            lab.equal(f"the kernel's count to {port}", sum(tuples(port, ["ESTAB"]).values()), count)
        lab.equal("exit status", process.wait().status, 0)
    return ", ".join(str(count) for count, _ in expected)


def needs_option(way):
    if way == "peek-offset":
        with socket.socket() as any_socket:
            try:
                any_socket.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, 0)
            except OSError:
                raise lab.Skipped("TCP has no SO_PEEK_OFF before Linux 6.9") from None


def as_without(way, *options):
    """What is not exchanged: the same as the kernel gives."""
    needs_option(way)
    seen = []
    for shim in (None, {}):
        lab.new_network()
        ready(False)
        command = [lab.client("shown"), *options, "-w", way, *IPV4, *map(str, PORTS)]
        with lab.Hold(PORTS[0]), lab.Hold(PORTS[1]), lab.Hold(PORTS[2]), \
                lab.Process(command, shim, stdin=True) as process:
            counts, other, signals = opened(process)
            # Where plain bind() fails, with the shim connect() does, or works: that is deferral's.
            # After a connect() that failed the kernel gives any port.
            seen.append((counts[0][0], other if way != "refused" else None, signals))
            lab.equal("exit status", process.wait().status, 0)
    lab.equal("with the shim", seen[1], seen[0])
    return f"{seen[0]}"


def not_exchanged(way):
    """And the port is taken from all destinations, as without: connect() of another program finds none left."""
    needs_option(way)
    ready(False)
    command = [lab.client("shown"), "-w", way, *IPV4, str(PORTS[0])]
    with lab.Hold(PORTS[0]), lab.Hold(PORTS[1]), lab.Process(command, {}, stdin=True) as process:
        counts, other, _ = opened(process)
        lab.equal("opened", (counts[0][0], other), (CAPACITY, 0))
        with lab.Process([lab.client("fill"), "127.0.0.1", str(PORTS[1])], stdin=True) as plain:
            lab.wait_for(lambda: "held" in plain.stdout(), "fill to reach the end", plain)
            lab.equal("another program", re.findall(r"opened (\d+)", plain.stdout()), ["0"])
        lab.equal("exit status", process.wait().status, 0)
    return "taken as without"


def at_once(processes, threads):
    """Many at a time, in a range of their own size: none fails, whatever was taken from under it meanwhile."""
    lab.ports(40000, 41999)
    each = 1200 // processes
    with lab.Hold(PORTS[0]), lab.Hold(PORTS[1]):
        command = [lab.client("shown"), "-t", str(threads), "-c", str(each), *IPV4, str(PORTS[0]), str(PORTS[1])]
        running = [lab.Process(command, {}, stdin=True) for _ in range(processes)]
        others = 0
        for process in running:
            counts, other, _ = opened(process)
            lab.equal("ends", {end for _, end in counts}, {"limit 0"})
            others += other
        total = {port: sum(tuples(port, ["ESTAB"]).values()) for port in PORTS[:2]}
        least = processes * each
        if any(count < least for count in total.values()):
            raise lab.Failed(f"the kernel has {total}, wanted at least {least} each")
        for process in running:
            lab.equal("exit status", process.wait().status, 0)
    return f"{total}, {others} from another port than was shown"


def held_elsewhere(shim):
    """Another program holds the range on another address: only bind() finds ports, and those are kept."""
    ready(False)
    holder = "import socket, sys\n" \
             "held = [socket.socket() for _ in range(100)]\n" \
             "[s.bind(('127.9.9.9', 40000 + i)) for i, s in enumerate(held)]\n" \
             "print('bound', flush=True)\nsys.stdin.read()\n"
    command = [lab.client("shown"), *IPV4, str(PORTS[0])]
    with lab.Process([lab.PYTHON, "-c", holder], stdin=True) as other, lab.Hold(PORTS[0]):
        lab.wait_for(lambda: "bound" in other.stdout(), "the range to be held", other)
        with lab.Process(command, shim, stdin=True) as process:
            counts, lied, _ = opened(process)
            lab.equal("opened, and from another port", (counts[0][0], lied), (CAPACITY, 0))
            lab.equal("exit status", process.wait().status, 0)
    return f"{CAPACITY}, each from the port that was shown"


def nothing_listens(shim):
    """After it, and while it connects: a listener would be seen by those who look for one."""
    ready(False)
    with lab.Hold(PORTS[0]), lab.Process([lab.client("shown"), *IPV4, str(PORTS[0])], shim, stdin=True) as process:
        opened(process)
        listening = {s.sport for s in tcp_sockets() if s.state == "LISTEN"}
        lab.equal("listening", listening, {PORTS[0]})
    return "none"


def java(how, shim, expected):
    lab.needs("java", "javac")
    ready(False)
    if not (lab.shared() / "FillBound.class").exists():
        done = lab.run(["javac", "-d", str(lab.shared()), str(lab.HERE / "clients/FillBound.java")])
        lab.equal("javac's exit status", done.status, 0)
    command = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Xmx64m", "-cp", str(lab.shared()), "FillBound",
               how, *IPV4, *map(str, PORTS)]
    with lab.Hold(PORTS[0]), lab.Hold(PORTS[1]), lab.Hold(PORTS[2]), lab.Process(command, shim, stdin=True) as process:
        lab.wait_for(lambda: process.stdout().endswith("\n"), "java to reach the end", process)
        lab.equal("it says", process.stdout(), f"{expected} opened, 0 from another port than was shown\n")
        lab.equal("exit status", process.wait().status, 0)
    return expected


def of(function, *arguments, **named):
    return functools.partial(function, *arguments, **named)


def with_option(*cases):
    """Where the kernel has no IP_LOCAL_PORT_RANGE nothing is exchanged."""
    return cases if lab.has_port_range_option() else ()


lab.main([
    ("three destinations: without", of(fills, None, PLAIN)),
    *with_option(
        ("three destinations", of(fills, {}, SHIM)),
        ("three destinations, non-blocking", of(fills, {}, SHIM, "-n")),
        ("three destinations, the usual options", of(fills, {}, SHIM, "-w", "options")),
        ("three destinations, the usual options later", of(fills, {}, SHIM, "-w", "options-later")),
        ("three destinations, IPv6", of(fills, {}, SHIM, addresses=IPV6)),
        ("three destinations, mapped", of(fills, {}, SHIM, addresses=MAPPED)),
        ("three destinations, bind(0.0.0.0, 0)", of(fills, {}, SHIM, addresses=("0.0.0.0", "127.0.0.1"))),
        ("three destinations, even 2", of(fills, {"sources": "127.0.0.4-127.0.0.5"}, SHIM)),
        *((f"java {how}: without", of(java, how, None, f"{CAPACITY} 0 0")) for how in ("constructor", "channel")),
        *((f"java {how}", of(java, how, {}, f"{CAPACITY} {CAPACITY} {CAPACITY}"))
          for how in ("constructor", "socket", "timeout", "channel")),
    ),
    *((f"{way}: as without", of(as_without, way)) for way in
      ("maxseg", "window", "quickack", "peek-offset", "async", "dup", "epoll", "fork", "refused")),
    *((f"{way}: the port is kept", of(not_exchanged, way)) for way in
      ("maxseg", "window", "quickack", "peek-offset", "reuseaddr", "async", "dup", "epoll", "fork")),
    ("4 processes at once", of(at_once, 4, 1)),
    ("8 threads at once", of(at_once, 1, 8)),
    ("the range is held on another address: without", of(held_elsewhere, None)),
    ("the range is held on another address", of(held_elsewhere, {})),
    ("nothing listens", of(nothing_listens, {})),
])
