#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_list - the list of sockets by a BPF program says what sock_diag says, and which ports are blocked besides."""
import contextlib
import ctypes
import json
import os
import random
import socket
import struct

import lab
import sock_diag

WAYS = ("sock_diag", "bpf")
ABORT = struct.pack("ii", 1, 0)


def headroom(way, *arguments, status=None):
    env = {"HEADROOM_LIST": way} if way else {}
    if lab.SANITIZER:
        env |= {"LD_PRELOAD": lab.SANITIZER, "ASAN_OPTIONS": "detect_leaks=0"}
    done = lab.run([str(lab.HEADROOM), *arguments], env=env)
    if "no BPF program lists sockets here" in done.stderr and way == "bpf" and status is None:
        raise lab.Skipped(f"no attaching here: needs root, Linux 6.8 and BTF: {done.stderr.strip()}")
    if status is not None:
        lab.equal(f"{arguments}: status", done.status, status)
    return done


def needs_programs():
    """Skips where the kernel cannot have them: what sock_diag lists there is not all that is compared here."""
    headroom("bpf", "check", "--all", "--sample", "0")


def both(*arguments):
    """The same JSON either way. Return: it."""
    seen = []
    for way in WAYS:
        done = headroom(way, *arguments, "--json")
        if done.stderr or done.status > 1:
            raise lab.Failed(f"{way} {arguments}: {done}")
        seen.append((json.loads(done.stdout), done.status))
    for answer, _ in seen:
        answer.pop("read_from", None)
    for key, value in seen[0][0].items():
        lab.equal(f"{arguments}: {key}", seen[1][0].get(key), value)
    lab.equal(f"{arguments}: status", seen[1][1], seen[0][1])
    return seen[1][0]


def connected(held, to, family=socket.AF_INET, bound=None, reuse=False):
    s = held.enter_context(socket.socket(family))
    if reuse:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if bound:
        s.bind(bound)
    s.connect(to)
    return s


def kinds():
    """IPv4, IPv6 and mapped; each state; bound early, late and not; to an interface."""
    needs_programs()
    lab.ports(40000, 40199, "40150-40154,40170-40179")
    lab.ipv6_on_loopback(["fd00::1"])
    with contextlib.ExitStack() as held:
        four = held.enter_context(socket.create_server(("127.0.0.1", 5000), backlog=100))
        six = held.enter_context(socket.create_server(("::", 5001), family=socket.AF_INET6, backlog=100, dualstack_ipv6=True))
        for port in range(40150, 40160):  # bound only
            s = held.enter_context(socket.socket(socket.AF_INET6 if port % 2 else socket.AF_INET))
            s.bind(("", port))
        peers = []
        for i in range(20):
            connected(held, ("127.0.0.1", 5000), bound=("127.0.0.2", 0) if i % 3 else None)
            peers.append(four.accept()[0])
            connected(held, ("::1" if i % 2 else "fd00::1", 5001), socket.AF_INET6)
            peers.append(six.accept()[0])
            connected(held, ("::ffff:127.0.0.1", 5001), socket.AF_INET6)
            peers.append(six.accept()[0])
        for peer in peers[:10]:  # CLOSE_WAIT and FIN_WAIT2
            peer.shutdown(socket.SHUT_WR)
        for i in range(12):  # TIME_WAIT
            with socket.create_connection(("127.0.0.1", 5000)):
                gone = four.accept()[0]
            gone.close()
        with socket.create_connection(("127.0.0.1", 5000)):  # a FIN_WAIT2 that nobody holds
            peers.append(four.accept()[0])
        for i in range(5):  # SYN_SENT: nobody answers
            s = held.enter_context(socket.socket())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
            s.setblocking(False)
            s.connect_ex(("192.0.2.1", 80))
        connected(held, ("127.0.0.1", 5000), bound=("127.0.0.1", 40170))
        connected(held, ("127.0.0.1", 5000), bound=("127.0.0.1", 40171), reuse=True)
        connected(held, ("127.0.0.1", 5001), bound=("127.0.0.1", 40171), reuse=True)
        held.callback(lambda: [p.close() for p in peers])
        wanted = {"ESTAB", "SYN-SENT", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT", "LISTEN", "CLOSE"}  # CLOSE: bound only

        def settled():
            """Each is there, and none that is about to become another."""
            return {s.state for s in sock_diag.tcp_sockets()} == wanted

        lab.wait_for(settled, "each state")
        # With --probe sock_diag's way asks the kernel about each port: what the table of ports tells.
        seen = both("check", "--all", "--probe", "--sample", "0")
        lab.equal("in doubt", seen.get("doubtful", 0), 0)
        one = both("check", "--probe", "--sample", "0", "127.0.0.1:5000", "[::1]:5001")
        lab.equal("sources and destinations", len(one["tuple_spaces"]) > 2, True)
        # `status` asks about single ports only where that would change its verdict.
        shown = [json.loads(headroom(way, "status", "--json").stdout) for way in WAYS]
        for key in ("states", "verdict"):
            lab.equal(f"status: {key}", shown[1][key], shown[0][key])
    return "7 states"


def unanswered():
    """SYN_RECV: what a listener has not answered is no socket with a port, and listed by sock_diag."""
    needs_programs()
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 5000), backlog=0))
        for _ in range(6):
            s = held.enter_context(socket.socket())
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", 5000))
        lab.equal("listening", bool(listener), True)
        both("check", "--all", "--probe", "--sample", "0")
    return "a full queue"


def random_ports():
    """What binds and how: the port is blocked or not as connect() finds it."""
    needs_programs()
    lab.ports(40000, 40299, "40290-40299")
    random.seed(16)
    for _ in range(30):
        with contextlib.ExitStack() as held:
            server = held.enter_context(socket.create_server(("127.0.0.1", 5000), backlog=4000))
            for _ in range(random.randrange(20, 150)):
                s = held.enter_context(socket.socket(random.choice([socket.AF_INET, socket.AF_INET, socket.AF_INET6])))
                six = s.family == socket.AF_INET6
                address = random.choice(["::ffff:127.0.0.3", "::ffff:127.0.0.1"] if six else ["127.0.0.1", "127.0.0.3"])
                for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                    s.setsockopt(socket.SOL_SOCKET, option, random.random() < 0.3)
                with contextlib.suppress(OSError):
                    way = random.randrange(4)
                    if way == 1:
                        s.bind((address, random.choice([0, random.randrange(40000, 40290)])))
                    elif way == 2:
                        s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                        s.bind((address, 0))
                    elif way == 3:
                        s.bind(("", random.randrange(40000, 40290)))
                        if random.random() < 0.5:
                            s.listen()
                            continue
                        if random.random() < 0.5:
                            continue
                    s.connect(("::ffff:127.0.0.1" if six else "127.0.0.1", 5000))
                    if random.random() < 0.2:
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                        s.close()
            lab.equal("listening", bool(server), True)
            both("check", "--probe", "--sample", "0", "127.0.0.1:5000")
            seen = both("check", "--all", "--probe", "--sample", "0")
    lab.equal("capacity", "capacity" in json.dumps(seen), True)
    return "30 port spaces"


def elsewhere():
    """The network namespace that was asked for."""
    needs_programs()
    with lab.Hold(5000), lab.Process([lab.PYTHON, "-c",
                                      "import socket, sys\nheld = [socket.create_connection(('127.0.0.1', 5000)) for _ in range(9)]\n"
                                      "print('up', flush=True)\nsys.stdin.read()"], stdin=True) as process:
        lab.wait_for(lambda: "up" in process.stdout(), "the client", process)
        here = both("check", "--all", "--probe", "--sample", "0")
        ctypes.CDLL(None).unshare(lab.CLONE_NEWNET)
        there = both("check", "--all", "--probe", "--sample", "0", "--pid", str(process.pid))
        lab.equal("from outside", json.dumps(there).count("127.0.0.1:5000"), json.dumps(here).count("127.0.0.1:5000"))
        lab.equal("there", json.dumps(there).count("127.0.0.1:5000") > 0, True)
        lab.equal("nothing here", json.dumps(both("check", "--all", "--sample", "0")).count("127.0.0.1:5000"), 0)
    return "--pid"


HOLDER = """
import socket, struct, sys
held = []
for port in range(40000, 40040):
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    s.setsockopt(socket.IPPROTO_IP, 51, struct.pack("I", port | port << 16))  # IP_LOCAL_PORT_RANGE
    s.bind((sys.argv[1], 0))
    s.connect(("127.0.0.1", 5000))
    held.append(s)
print("up", flush=True)
sys.stdin.read()
"""


def owners():
    """`record` names the holder of each connection, also where another process has one on the same port."""
    needs_programs()
    lab.ports(40000, 40049)
    if socket.socket().getsockopt(socket.IPPROTO_IP, 51, 4) == b"":
        raise lab.Skipped("no IP_LOCAL_PORT_RANGE here: Linux 6.3")
    with contextlib.ExitStack() as held:
        held.enter_context(lab.Hold(5000))
        for source in ("127.0.0.2", "127.0.0.3"):
            holder = held.enter_context(lab.Process([lab.PYTHON, "-c", HOLDER, source], stdin=True))
            lab.wait_for(lambda p=holder: "up" in p.stdout(), "a holder", holder)
        told = []
        for way in WAYS:
            history = lab.scratch() / f"history-{way}"
            headroom(way, "record", "--once", "--history", str(history), status=0)
            done = lab.run([str(lab.HEADROOM), "report", "--since", "1h", "--history", str(history), "--json"])
            told.append([(series["source"], owner["group"], owner["processes"], owner["ports"])
                         for series in json.loads(done.stdout)["series"] for owner in series["owners"]])
    lab.equal("owners", told[1], told[0])
    lab.equal("ports of each", [one[2:] for one in told[1]], [(1, [40])] * 2)
    return "2 processes on the same ports"


def without_rights():
    """Whoever may not load programs has sock_diag, unasked; who asks for more is told."""
    needs_programs()
    drop = ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps", "-all"]
    for env, status in (({}, 0), ({"HEADROOM_LIST": "bpf"}, 2), ({"HEADROOM_LIST": "fast"}, 2)):
        done = lab.run([*drop, str(lab.HEADROOM), "check", "--all", "--sample", "0"], env=env)
        lab.equal(f"{env}: status, lines", (done.status, len(done.stderr.splitlines())), (status, status // 2))
    return "3 ways"


lab.main([
    ("kinds", kinds),
    ("unanswered", unanswered),
    ("random ports", random_ports),
    ("another network", elsewhere),
    ("owners", owners),
    ("without rights", without_rights),
])
