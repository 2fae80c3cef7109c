#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_attach_own_ports - `headroom attach --own-ports`: each port of the range, for each source, before any ephemeral one."""
import errno
import json
import os
import socket

import attached
import lab
import sock_diag
from attached import CAPACITY, PORT, SOURCES, attach, cgroup, client, detach

OWN = 20000, 20099
OPTION = f"--own-ports={OWN[0]}-{OWN[1]}"


def taken(own=True):
    """{source: ports towards the server in the range of our own, or out of it}"""
    seen = {}
    for s in sock_diag.tcp_sockets():
        if s.dport == PORT and s.state != "LISTEN" and (OWN[0] <= s.sport <= OWN[1]) == own:
            seen.setdefault(s.source, []).append(s.sport)
    for source, ports in seen.items():
        lab.equal(f"different ports from {source}", len(set(ports)), len(ports))
    return {source: len(ports) for source, ports in seen.items()}


def fills(start, addresses):
    everything = dict.fromkeys(addresses, CAPACITY)
    with lab.Hold(PORT), cgroup() as folder, start(folder) as process:
        attach(folder, "--strict", OPTION, sources=addresses)
        lab.equal("attached", process.go(4 * CAPACITY), (4 * CAPACITY, 0, 0))
        lab.equal("ports of our own", taken(), everything)
        lab.equal("ephemeral ports", taken(own=False), {})
        lab.equal("then", process.go(4 * CAPACITY), (4 * CAPACITY, 0, 0))
        lab.equal("ephemeral ports", taken(own=False), everything)
        lab.equal("one more", process.go(1), (0, 1, errno.EADDRNOTAVAIL))
        detach(folder)
    return "4 x 100, then 4 x 100 ephemeral ones"


def glibc():
    return fills(client, SOURCES)


def raw():
    if os.uname().machine != "x86_64":
        raise lab.Skipped("for x86-64 only")
    return fills(lambda folder: client(folder, "attach_raw"), SOURCES)


def ipv6():
    addresses = [f"fd00::{i}" for i in range(1, 5)]
    lab.ipv6_on_loopback(addresses)
    return fills(lambda folder: client(folder, "attach_client", addresses[0]), addresses)


def threads():
    """Eight threads never choose the same."""
    with lab.Hold(PORT), cgroup() as folder, client(folder, "attach_client", "127.0.0.1", "8") as process:
        attach(folder, OPTION)
        lab.equal("attached", process.go(4 * CAPACITY), (4 * CAPACITY, 0, 0))
        lab.equal("in all", sum(taken().values()) + sum(taken(own=False).values()), 4 * CAPACITY)
        if sum(taken().values()) < 4 * CAPACITY * 0.98:
            raise lab.Failed(f"of our own {taken()}, others {taken(own=False)}")
    return "8 threads"


def two_processors():
    """Of few ports two processors would often choose the same: reservations keep them apart."""
    with lab.Hold(PORT), cgroup() as folder, client(folder, "attach_client", "127.0.0.1", "4") as process:
        attach(folder, "--own-ports=20000-20007", sources=["127.0.0.2"])
        lab.equal("attached", process.go(-20000), (20000, 0, 0))
        counted = {p["own_ports"]: p["opened"] for p in attached.listed(folder)["pairs"]}
        lab.equal("counted", sum(counted.values()), 20000)
    return f"{counted[True]} of 20000 by 8 ports"


def time_wait():
    """A port that is in TIME_WAIT from one source is free from the others, and taken from that one."""
    code = ("import socket, sys\nopen(sys.argv[1] + '/cgroup.procs', 'w').write('0')\n"
            "listener = socket.create_server(('127.0.0.1', 5000))\nports = []\nfor _ in range(400):\n"
            "    s = socket.create_connection(('127.0.0.1', 5000))\n    peer = listener.accept()[0]\n"
            "    ports.append(s.getsockname())\n    s.close()\n    peer.close()\n"
            "print(len(set(ports)), min(p for _, p in ports), max(p for _, p in ports))\n")
    with cgroup() as folder:
        attach(folder, OPTION)
        done = lab.run([lab.PYTHON, "-c", code, str(folder)])
        lab.equal("tuples, first and last port", (done.stdout.strip(), done.stderr), (f"400 {OWN[0]} {OWN[1]}", ""))
    return "400 in turn"


def passed_over():
    """Reserved ports, a listener, and what somebody has bound."""
    lab.ports(40000, 40099, "20010-20019")
    with lab.Hold(PORT), cgroup() as folder, client(folder) as process, socket.socket() as listener, \
            socket.socket() as bound:
        listener.bind(("0.0.0.0", 20050))
        listener.listen()
        bound.bind(("0.0.0.0", 20060))
        attach(folder, OPTION)
        lab.equal("connected", process.go(4 * 88), (4 * 88, 0, 0))
        lab.equal("ports of our own", taken(), dict.fromkeys(SOURCES, 88))
        lab.equal("and more", process.go(4), (4, 0, 0))
        lab.equal("ports of our own", taken(), dict.fromkeys(SOURCES, 88))
    return "12 of 100"


def last_port():
    """Of many sources the one that has the last port is found, whatever looking at random ports tells of the others."""
    lab.ports(40000, 40099, "20010-20024")
    addresses = [f"127.0.0.{i}" for i in range(2, 26)]
    with lab.Hold(PORT), cgroup() as folder, client(folder) as process:
        attach(folder, OPTION, sources=addresses)
        lab.equal("connected", process.go(24 * 85), (24 * 85, 0, 0))
        lab.equal("ports of our own", taken(), dict.fromkeys(addresses, 85))
    return "24 x 85"


def costs_nobody():
    """The ephemeral range is whole for all others; a server may listen on a port that is in use here."""
    with lab.Hold(PORT), cgroup() as folder, client(folder) as process, lab.Process(
            [lab.client("attach_client"), "127.0.0.1", str(PORT)], stdin=True) as other, socket.socket() as server:
        attach(folder, OPTION)
        lab.equal("attached", process.go(4 * CAPACITY), (4 * CAPACITY, 0, 0))
        other._stdin.write(f"{CAPACITY}\n".encode())
        lab.equal("another program", other.wait().stdout, f"{CAPACITY} connected, 0 failed, errno 0\n")
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("0.0.0.0", OWN[0]))
        server.listen()
    return "100 of 100"


def own_range():
    """A program that wants its ports from a range of its own (IP_LOCAL_PORT_RANGE) gets them from there."""
    code = ("import socket, struct, sys\n"
            "open(sys.argv[1] + '/cgroup.procs', 'w').write('0')\n"
            "held = []\n"
            "for family, to in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::ffff:127.0.0.1')):\n"
            "    for i in range(20):\n"
            "        s = socket.socket(family)\n"
            "        s.setsockopt(0, 51, struct.pack('I', 40050 << 16 | 40021))\n"
            "        s.connect((to, 5000))\n"
            "        held.append(s)\n"
            "names = [s.getsockname() for s in held]\n"
            "print(all(40021 <= n[1] <= 40050 for n in names), len({n[0].split(':')[-1] for n in names}))\n")
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder, OPTION)
        done = lab.run([lab.PYTHON, "-c", code, str(folder)])
        if "Protocol not available" in done.stderr:
            raise lab.Skipped("no IP_LOCAL_PORT_RANGE here")
        lab.equal("all in it; sources", (done.stdout.strip(), done.stderr), ("True 4", ""))
    return "40 of 40"


def refusals():
    with cgroup() as folder:
        attach(folder)
        detach(folder)
        for arguments, words in (
                ((f"--own-ports=40050-40149",), "50 of these ports are in the ephemeral range 40000-40099"),
                (("--own-ports=1-2000",), "below 1024"), (("--own-ports=20000",), "is not a range"),
                (("--own-ports=20009-20000",), "is not a range"), (("--own-ports=20000-70000",), "is not a range"),
                (("--force",), "goes with --own-ports")):
            done = attached.headroom("attach", str(folder), "--sources", "127.0.0.2", *arguments)
            lab.equal(f"{arguments}: status, stdout, lines",
                      (done.status, done.stdout, len(done.stderr.splitlines())), (2, "", 1))
            if words not in done.stderr:
                raise lab.Failed(f"{arguments}: {done.stderr}")
        attach(folder, "--own-ports=40050-40149", "--force", sources=["127.0.0.2"])
    return "6 mistakes, one forced"


def capacities():
    done = attached.headroom("report", "--json")
    return {space["capacity"] for process in json.loads(done.stdout)["processes"] for space in process["spaces"]}


def another_range():
    """The ephemeral range is widened after the attachment: `--list` and `status` say so, and `--refresh` heeds it."""
    with lab.Hold(PORT), cgroup() as folder, client(folder) as process:
        attach(folder, "--strict")
        lab.equal("attached", process.go(4 * CAPACITY), (4 * CAPACITY, 0, 0))
        lab.equal("capacity", capacities(), {CAPACITY})
        lab.equal("changed", attached.listed(folder)["range_changed"], False)
        lab.ports(40000, 40000 + 2 * CAPACITY - 1)
        lab.equal("changed", attached.listed(folder)["range_changed"], True)
        for words in (["attach", "--list"], ["status"]):
            if "headroom attach --refresh" not in attached.headroom(*words).stdout:
                raise lab.Failed(f"{words[0]} does not tell")
        for said in "refreshed", "nothing has changed":
            done = attached.headroom("attach", "--refresh", str(folder))
            lab.equal("--refresh", (done.status, done.stdout, done.stderr), (0, f"{said}: {folder}\n", ""))
        lab.equal("capacity", capacities(), {2 * CAPACITY})
        lab.equal("more", process.go(4 * CAPACITY), (4 * CAPACITY, 0, 0))
        lab.equal("one more", process.go(1), (0, 1, errno.EADDRNOTAVAIL))
        detach(folder)
        attach(folder, OPTION)
        lab.ports(OWN[0] - CAPACITY, OWN[0] + 9)
        done = attached.headroom("attach", "--refresh", str(folder))
        lab.equal("ports of our own in it", (done.status, done.stdout, len(done.stderr.splitlines())),
                  (0, f"refreshed: {folder}\n", 1))
        if f"10 of the ports {OWN[0]}-{OWN[1]} are in the ephemeral range" not in done.stderr:
            raise lab.Failed(done.stderr)
    return f"{CAPACITY} ports, then {2 * CAPACITY}"


lab.main([
    ("a program of glibc", glibc),
    ("a static program without libc", raw),
    ("IPv6", ipv6),
    ("threads", threads),
    ("two processors", two_processors),
    ("TIME_WAIT", time_wait),
    ("passed over", passed_over),
    ("the last port", last_port),
    ("costs nobody", costs_nobody),
    ("a range of the program's own", own_range),
    ("another range", another_range),
    ("mistakes", refusals),
])
