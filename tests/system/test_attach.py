#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_attach - `headroom attach`: programs that run already, of any kind, reach sources x range."""
import contextlib
import errno
import functools
import os
import re

import attached
import lab
import sock_diag
from attached import CAPACITY, PORT, SOURCES, attach, cgroup, client, detach

PYTHON_CLIENT = """
import socket, sys
held = []
for line in sys.stdin:
    failed = error = 0
    for _ in range(int(line)):
        s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
        try:
            s.connect((sys.argv[1], int(sys.argv[2])))
        except OSError as why:
            failed, error = failed + 1, why.errno
            continue
        held.append(s)
    print(f"{int(line) - failed} connected, {failed} failed, errno {error}", flush=True)
"""


UDP_CLIENT = """
import collections, socket, sys
held = []
for line in sys.stdin:
    if line.startswith("close"):
        gone = [s for s in held if s.getsockname()[0] == line.split()[1]]
        held = [s for s in held if s not in gone]
        for s in gone:
            s.close()
        print("0 0 0", flush=True)
        continue
    failed = error = 0
    for _ in range(int(line)):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            s.connect(("127.0.0.1", 5353))
        except OSError as why:
            failed, error = failed + 1, why.errno
            continue
        held.append(s)
    print(dict(collections.Counter(s.getsockname()[0] for s in held)), file=sys.stderr, flush=True)
    print(f"{int(line) - failed} connected, {failed} failed, errno {error}", flush=True)
"""


def fills(start):
    """start(folder): a client. It is there before it is attached; afterwards it is as if nothing had been."""
    with lab.Hold(PORT), cgroup() as folder:
        with start(folder) as process:
            lab.equal("before", process.go(10), (10, 0, 0))
            attach(folder, "--strict")
            lab.equal("attached", process.go(4 * CAPACITY), (4 * CAPACITY, 0, 0))
            lab.reaches(PORT, {"127.0.0.1": 10, **dict.fromkeys(SOURCES, CAPACITY)}, process)
            lab.equal("one more", process.go(1), (0, 1, errno.EADDRNOTAVAIL))
            counted = {p["source"]: p["open"] for p in attached.listed(folder)["pairs"]}
            lab.equal("counted, with what was there before", counted,
                      {"127.0.0.1": 10, **dict.fromkeys(SOURCES, CAPACITY)})
            detach(folder)
            lab.equal("detached", process.go(CAPACITY), (CAPACITY - 10, 10, errno.EADDRNOTAVAIL))
            lab.equal("exit status", process.wait().status, 0)
    return "4 x 100, and 100 without"


def musl():
    if not os.access(lab.client("attach_musl"), os.X_OK):
        raise lab.Skipped("musl-gcc is not installed")
    return fills(lambda folder: client(folder, "attach_musl"))


def uring():
    with lab.Process([lab.client("attach_uring")], stdin=True) as probe:
        if probe.wait().status == 77:
            raise lab.Skipped("needs Linux with io_uring")
    return fills(lambda folder: client(folder, "attach_uring"))


def redis_benchmark():
    """It runs already, each request by a connection of its own, when it is attached."""
    lab.needs("redis-server", "redis-benchmark")
    lab.ports(20000, 59999)
    with lab.Process(["redis-server", "--port", str(PORT), "--save", "", "--protected-mode", "no",
                      "--dir", str(lab.scratch())]) as server, \
            cgroup() as folder:
        lab.wait_for(lambda: lab.listening(PORT), "redis", server)
        with attached.Client(folder, ["redis-benchmark", "-p", str(PORT), "-k", "0", "-c", "4", "-n", "100000000",
                                      "-t", "ping_inline"]) as process:
            lab.wait_for(lambda: "127.0.0.1" in sock_diag.tuples(PORT), "its connections", process)
            attach(folder)
            lab.wait_for(lambda: set(SOURCES) <= set(sock_diag.tuples(PORT)), "its connections from each source", process)
            lab.equal("runs", process.running(), True)
    return "from 4 sources"


def raw():
    if os.uname().machine != "x86_64":
        raise lab.Skipped("for x86-64 only")
    return fills(lambda folder: client(folder, "attach_raw"))


def python(to="127.0.0.1"):
    return lambda folder: attached.Client(folder, [lab.PYTHON, "-c", PYTHON_CLIENT, to, str(PORT)])


def ipv6():
    addresses = [f"fd00::{i}" for i in range(1, 5)]
    lab.ipv6_on_loopback(addresses)
    with lab.Hold(PORT), cgroup() as folder, client(folder, "attach_client", addresses[0]) as process:
        attach(folder, "--strict", sources=["fd00::1-fd00::4"])
        lab.equal("attached", process.go(4 * CAPACITY), (4 * CAPACITY, 0, 0))
        lab.reaches(PORT, dict.fromkeys(addresses, CAPACITY), process)
        detach(folder)
    return "4 x 100"


def udp():
    """connect() of UDP: each source has the range, and a socket that goes gives its port back."""
    full = dict.fromkeys(SOURCES, CAPACITY)
    with cgroup() as folder, attached.Client(folder, [lab.PYTHON, "-c", UDP_CLIENT]) as process:
        def opened():
            return {p["source"]: p["open"] for p in attached.listed(folder)["udp"]}
        attach(folder)
        lab.equal("attached", process.go(4 * CAPACITY), (4 * CAPACITY, 0, 0))
        lab.equal("from", eval(process.stderr().splitlines()[-1]), full)
        lab.equal("counted", opened(), full)
        lab.equal("one more", process.go(1), (0, 1, errno.EAGAIN))
        process.go(f"close {SOURCES[0]}")
        lab.wait_for(lambda: opened() == {**full, SOURCES[0]: 0}, "the ends", process)
        lab.equal("as many again", process.go(CAPACITY), (CAPACITY, 0, 0))
        detach(folder)
    return "4 x 100"


def udp_left_alone():
    """An IPv6 UDP socket, one that has a port, and one that was unbound and looks elsewhere (getaddrinfo() does)."""
    path = lab.scratch() / "rules"
    path.write_text("[to 127.0.0.1:5001]\nshim = off\n[headroom]\nsources = 127.0.0.8\n")
    code = """
import ctypes, socket, sys
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
libc = ctypes.CDLL(None)
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.connect(("::ffff:127.0.0.1", 5353))
print(s.getsockname()[0], s.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 40055))
s.connect(("127.0.0.1", 5353))
print(*s.getsockname())
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", 5353))
print(s.getsockname()[0])
libc.connect(s.fileno(), (ctypes.c_char * 16)(), 16)  # AF_UNSPEC
s.connect(("127.0.0.1", 5001))
print(s.getsockname()[0])
"""
    with cgroup() as folder:
        attach(folder, "-c", str(path), sources=[])
        done = lab.run([lab.PYTHON, "-c", code, str(folder)])
        lab.equal("seen", (done.stdout.splitlines(), done.stderr),
                  (["::ffff:127.0.0.1 0", "127.0.0.1 40055", "127.0.0.8", "127.0.0.1"], ""))
    return "3 ways"


def threads():
    """Four threads choose at once: near the end two may choose the last port of a source."""
    with lab.Hold(PORT), cgroup() as folder, client(folder, "attach_client", "127.0.0.1", "4") as process:
        attach(folder, "--strict")
        connected, failed, error = process.go(4 * CAPACITY)
        for _ in range(3):
            connected += process.go(4 * CAPACITY - connected)[0]
        if connected < 4 * CAPACITY * 0.98:
            raise lab.Failed(f"{connected} of {4 * CAPACITY} connected, {failed} failed with errno {error}")
        lab.equal("in the kernel", lab.total(sock_diag.tuples(PORT)), connected)
    return f"{connected} of {4 * CAPACITY}"


def rules():
    """The rule file: the first rule that matches decides; `off`; a program's name."""
    path = lab.scratch() / "rules"
    path.write_text("[to 127.0.0.1:5001]\nshim = off\n[to 127.0.0.0/8:5002 proc=another]\nsources = 127.0.0.9\n"
                    "[to 127.0.0.0/8:5002 proc=attach_client]\nsources = 127.0.0.7\n[headroom]\nsources = 127.0.0.8\n")
    with contextlib.ExitStack() as held:
        for port in (5000, 5001, 5002):
            held.enter_context(lab.Hold(port))
        folder = held.enter_context(cgroup())
        attach(folder, "-c", str(path), sources=[])
        for port, source in ((5000, "127.0.0.8"), (5001, "127.0.0.1"), (5002, "127.0.0.7")):
            process = held.enter_context(
                attached.Client(folder, [lab.client("attach_client"), "127.0.0.1", str(port)]))
            lab.equal("connected", process.go(20), (20, 0, 0))
            lab.equal(f"to port {port} from", sock_diag.tuples(port), {source: 20})
    return "3 rules"


def sticky():
    """The same source as under the shim, for each destination."""
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder, "--spread", "sticky")
        for i in range(1, 9):
            to = f"127.0.1.{i}"
            with client(folder, "attach_client", to) as process:
                lab.equal("attached", process.go(2), (2, 0, 0))
                seen = {s.source for s in sock_diag.tcp_sockets() if s.dport == PORT and s.destination == to}
                process.wait()
            done = lab.run([lab.PYTHON, "-c", "import socket, sys; s = socket.create_connection((sys.argv[1], 5000));"
                            "print(s.getsockname()[0])", to], {"sources": ",".join(SOURCES), "spread": "sticky"})
            lab.equal(f"to {to}", seen, {done.stdout.strip()})
    return "8 destinations"


def spill():
    """The kernel's own source until half of its ports are in use."""
    with lab.Hold(PORT), cgroup() as folder, client(folder) as process:
        attach(folder, "--spread", "spill")
        lab.equal("first", process.go(20), (20, 0, 0))
        lab.equal("from", sock_diag.tuples(PORT), {"127.0.0.1": 20})
        lab.equal("more", process.go(300), (300, 0, 0))
        seen = sock_diag.tuples(PORT)
        if not 35 <= seen["127.0.0.1"] <= CAPACITY or seen[SOURCES[0]] < 35:
            raise lab.Failed(f"past the knee: {seen}")
    return f"{seen['127.0.0.1']} of the kernel's own"


def own_source():
    """A socket with a source or a port of its own keeps it; so does one of a program under the shim."""
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder)
        code = ("import socket, sys\nopen(sys.argv[1] + '/cgroup.procs', 'w').write('0')\n"
                "print({socket.create_connection(('127.0.0.1', 5000)).getsockname()[0] for _ in range(20)})\n")
        done = lab.run([lab.PYTHON, "-c", code, str(folder)], {"sources": "127.0.0.77"})
        lab.equal("under the shim", done.stdout.strip(), "{'127.0.0.77'}")
        code = ("import socket, sys\nopen(sys.argv[1] + '/cgroup.procs', 'w').write('0')\n"
                "for name in ('127.0.0.50', 0), ('127.0.0.51', 41234), ('0.0.0.0', 41235):\n"
                "    s = socket.socket()\n    s.bind(name)\n    port = s.getsockname()[1]\n"
                "    s.connect(('127.0.0.1', 5000))\n    print(s.getsockname()[0], s.getsockname()[1] == port)\n")
        done = lab.run([lab.PYTHON, "-c", code, str(folder)])
        lab.equal("bound by the program", done.stdout.split("\n")[:3],
                  ["127.0.0.50 True", "127.0.0.51 True", "127.0.0.1 True"])
        lab.equal("sources that could not be bound to", attached.listed(folder)["unusable_sources"], [])
    return "3 ways of bind(), and the shim"


def foreign_source():
    """Addresses that this network does not have are passed over."""
    with lab.Hold(PORT), cgroup() as folder, client(folder) as process:
        done = attached.headroom("attach", str(folder), "--sources", "127.0.0.2,192.0.2.1-192.0.2.3")
        if done.status == 2:
            attach(folder)
        lab.equal("lines", len(done.stderr.splitlines()), 1)
        if "3 of 4 are no addresses of this network, 192.0.2.1 first" not in done.stderr:
            raise lab.Failed(done.stderr)
        lab.equal("attached", process.go(50), (50, 0, 0))
        seen = sock_diag.tuples(PORT)
        if set(seen) - {"127.0.0.1", "127.0.0.2"} or seen["127.0.0.2"] < 40:
            raise lab.Failed(f"spread over {seen}")
    return "1 of 4 sources is there"


def same_socket_again():
    """connect() fails where the source is full, and succeeds on the same socket a moment later."""
    code = """
import errno, socket, sys, time
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
held = []
def filled(source):
    while True:
        s = socket.socket()
        s.setsockopt(0, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        s.bind((source, 0))
        if s.connect_ex(("127.0.0.1", 5000)):
            return
        held.append(s)
filled("127.0.0.2")
filled("127.0.0.3")
s = socket.socket()
failures = []
while (why := s.connect_ex(("127.0.0.1", 5000))) and len(failures) < 9:
    failures.append(why)
print(len(failures) < 3, set(failures) <= {errno.EADDRNOTAVAIL}, s.getsockname()[0])
"""
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder, sources=["127.0.0.2", "127.0.0.3"])
        done = lab.run([lab.PYTHON, "-c", code, str(folder)])
        lab.equal("seen", (done.stdout.strip(), done.stderr), ("True True 127.0.0.1", ""))
    return "the kernel's choice when both are full"


def to_another_rule():
    """A socket that was bound for one destination is as before for another, of which nothing is spread."""
    path = lab.scratch() / "rules"
    path.write_text("[to 127.0.0.1:5001]\nshim = off\n[headroom]\nsources = 127.0.0.8\n")
    code = """
import errno, socket, sys
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
s = socket.socket()
print(s.connect_ex(("127.0.0.1", 5000)) == errno.ECONNREFUSED, s.connect_ex(("127.0.0.1", 5001)), s.getsockname()[0])
"""
    with lab.Hold(5001), cgroup() as folder:
        attach(folder, "-c", str(path), sources=[])
        done = lab.run([lab.PYTHON, "-c", code, str(folder)])
        lab.equal("seen", (done.stdout.strip(), done.stderr), ("True 0 127.0.0.1", ""))
    return "the kernel's choice"


def refusal():
    """What fails without fails alike: errno, and no source is given up for it."""
    with cgroup() as folder, client(folder) as process:
        lab.equal("without", process.go(20), (0, 20, errno.ECONNREFUSED))
        attach(folder)
        lab.equal("attached", process.go(40), (0, 40, errno.ECONNREFUSED))
        pairs = attached.listed(folder)["pairs"]
        lab.equal("counted", sum(p["failed"]["refused"] for p in pairs), 40)
        lab.equal("else counted", sum(p["open"] + p["opened"] + p["failed"]["full"] for p in pairs), 0)
    return "ECONNREFUSED, counted"


def counts():
    """Open, TIME_WAIT and ended by the peer, as sock_diag has them."""
    with lab.Hold(PORT) as server, cgroup() as folder, client(folder) as process:
        attach(folder)
        process.go(200)
        pairs = attached.listed(folder)["pairs"]
        lab.equal("open", {p["source"]: p["open"] for p in pairs}, sock_diag.tuples(PORT))
        process.wait()
        server.release()
        lab.wait_for(lambda: lab.total(sock_diag.tuples(PORT, {"TIME-WAIT"})) == 200, "the ends")
        pairs = attached.listed(folder)["pairs"]
        lab.equal("TIME_WAIT", {p["source"]: p["time_wait"] for p in pairs}, sock_diag.tuples(PORT, {"TIME-WAIT"}))
        lab.equal("still open", sum(p["open"] for p in pairs), 0)
        lab.equal("opened", sum(p["opened"] for p in pairs), 200)
    return "200 connections"


def counts_of_resets():
    """A reset leaves no TIME_WAIT; nor does a peer that closes first."""
    code = """
import socket, struct, sys
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
listener = socket.create_server(("127.0.0.1", 5000), backlog=100)
for i in range(30):
    s = socket.create_connection(("127.0.0.1", 5000))
    peer = listener.accept()[0]
    if i % 3 == 0:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    elif i % 3 == 1:
        peer.close()
        s.recv(1)
    s.close()
    peer.close()
"""
    with cgroup() as folder:
        attach(folder)
        done = lab.run([lab.PYTHON, "-c", code, str(folder)])
        lab.equal("the program", (done.status, done.stderr), (0, ""))
        lab.wait_for(lambda: lab.total(sock_diag.tuples(PORT)) == lab.total(sock_diag.tuples(PORT, {"TIME-WAIT"})),
                     "the ends")
        pairs = attached.listed(folder)["pairs"]
        lab.equal("TIME_WAIT", sum(p["time_wait"] for p in pairs), 10)
        lab.equal("in the kernel", lab.total(sock_diag.tuples(PORT)), 10)
        lab.equal("open, opened", (sum(p["open"] for p in pairs), sum(p["opened"] for p in pairs)), (0, 30))
    return "10 of 30"


def hidden():
    """`headroom export` without the rights to look, as the exporter's unit: that it does not see what is attached."""
    nobody = ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps", "-all", str(lab.HEADROOM), "export"]
    done = lab.run(nobody)
    if "headroom_attach" in done.stdout + done.stderr:
        raise lab.Failed(f"nothing is attached\n{done}")
    with cgroup() as folder:
        attach(folder)
        done = lab.run(nobody)
    # Segments of other users that it may not read are skipped, a line each.
    said = [line for line in done.stderr.splitlines() if not line.endswith("; skipped")]
    lab.equal("status, standard error", (done.status, said), (0, [
        "headroom: export: attached cgroups are not in the metrics: needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON: "
        "CAP_BPF is missing"]))
    lab.equal("metrics", re.findall("^headroom_attach_.*", done.stdout, re.M), ["headroom_attach_hidden 1"])
    return "one line, one metric"


def mapped():
    return fills(lambda folder: client(folder, "attach_client", "::ffff:127.0.0.1"))


lab.CASE_LIMIT_S = 900  # "killed half way" attaches a hundred times
lab.main([
    ("a program of glibc", functools.partial(fills, lambda folder: client(folder))),
    ("a static program without libc", raw),
    ("a program of musl", musl),
    ("io_uring", uring),
    ("redis-benchmark", redis_benchmark),
    ("python", functools.partial(fills, python())),
    ("IPv4-mapped", mapped),
    ("IPv6", ipv6),
    ("UDP", udp),
    ("UDP that is left alone", udp_left_alone),
    ("threads", threads),
    ("rule file", rules),
    ("sticky as under the shim", sticky),
    ("spill", spill),
    ("a source of the program's own", own_source),
    ("sources that are not here", foreign_source),
    ("the same socket again", same_socket_again),
    ("another rule, the same socket", to_another_rule),
    ("refused", refusal),
    ("counts", counts),
    ("counts of resets", counts_of_resets),
    ("metrics without rights", hidden),
])
