#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_attach_worlds - `headroom attach` beside whatever else bears on a connect(): what works without it works with it."""
import os
import pathlib

import attached
import lab
import sock_diag
from attached import INTO, PORT, seen_by, SOURCES, SOURCES_OF, attach, cgroup, client, detach

TO = "('127.0.0.1', 5000)"


def left_alone():
    """A socket with a mark, on an interface, with a source, a port or both of its own; one that is connected."""
    code = f"""
held = []
def shown(s, before=None):
    held.append(s)
    why = s.connect_ex({TO})
    print(why, s.getsockname()[0], before is None or before == s.getsockname()[1])
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, 36, 7); shown(s)
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo"); shown(s)
s = socket.socket(); s.bind(("127.0.0.9", 0)); shown(s, s.getsockname()[1])
s = socket.socket(); s.setsockopt(0, 24, 1); s.bind(("127.0.0.9", 0)); s.setsockopt(0, 24, 0); shown(s)
port = 40010 + 2 * int(sys.argv[2])
s = socket.socket(); s.bind(("127.0.0.9", port)); shown(s, port)
s = socket.socket(); s.bind(("", port + 1)); shown(s, port + 1)
shown(s)  # EISCONN
s = socket.socket(); s.bind(("", 0)); s.listen(1); print(s.connect_ex({TO}))
"""
    lab.ports(40000, 40099, "40010-40013")
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder)  # skips where nothing can be attached
        detach(folder)
        without, seen = seen_by(folder, code)
        lab.equal("the same with and without", seen, without)
        lab.equal("seen", [line.split()[0] for line in without], ["0"] * 6 + ["106", "106"])
    return f"{len(without)} sockets"


def not_counted():
    """What a program has bound itself is not counted, though its source is one of the list, and not when it ends either."""
    code = f"""
held = []
for i in range(30):
    s = socket.socket()
    if i % 3 == 0:
        s.setsockopt(0, 24, 1)
    if i % 3 != 2:
        s.bind(("127.0.0.2", 0))
    s.connect({TO})
    held.append(s)
print("open", flush=True)
sys.stdin.readline()
for i, s in enumerate(held):
    if i % 3 != 2:
        s.close()
print("closed", flush=True)
sys.stdin.readline()
"""
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder, sources=["127.0.0.2"])
        with lab.Process([lab.PYTHON, "-c", INTO + code, str(folder)], stdin=True) as process:
            lab.wait_for(lambda: "open" in process.stdout(), "its connections", process)
            lab.equal("open", sum(p["open"] for p in attached.listed(folder)["pairs"]), 10)
            process._stdin.write(b"\n")
            process._stdin.flush()
            lab.wait_for(lambda: "closed" in process.stdout(), "the ends", process)
            lab.wait_for(lambda: lab.total(sock_diag.tuples(PORT, {"FIN-WAIT-2"})) == 20, "their FINs", process)
            lab.equal("still open", sum(p["open"] for p in attached.listed(folder)["pairs"]), 10)
    return "10 of 30"


def again_on_the_same_socket():
    """A connection that ended, by the peer's reset or by AF_UNSPEC: the next one leaves from any source, and is counted."""
    code = """
libc = ctypes.CDLL(None)
listener = socket.create_server(("127.0.0.1", 5000), backlog=64)
sources = set()
for i in range(40):
    s = socket.socket()
    for n in range(3):
        s.connect(("127.0.0.1", 5000))
        sources.add(s.getsockname()[0])
        peer = listener.accept()[0]
        if i % 2:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            try:
                s.recv(1)
            except ConnectionResetError:
                pass
        libc.connect(s.fileno(), (ctypes.c_char * 16)(), 16)  # AF_UNSPEC
        peer.close()
    s.close()
print(sorted(sources))
"""
    with cgroup() as folder:
        attach(folder)
        done = lab.run([lab.PYTHON, "-c", INTO + code, str(folder)])
        lab.equal("seen", (done.stdout.strip(), done.stderr), (str(SOURCES), ""))
        pairs = attached.listed(folder)["pairs"]
        lab.equal("opened, open", (sum(p["opened"] for p in pairs), sum(p["open"] for p in pairs)), (120, 0))
        lab.equal("none is full", sum(p["failed"]["full"] for p in pairs), 0)
    return "120 connections of 40 sockets"


def other_ways():
    """Non-blocking, Fast Open, MPTCP, dup()ed, passed on."""
    code = f"""
import select
def done(s):
    print(s.getsockname()[0] in ("127.0.0.1", "127.0.0.2"), s.getpeername()[1], s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
s = socket.socket(); s.setblocking(False)
why = s.connect_ex({TO})
select.select([], [s], [])
print(why in (0, errno.EINPROGRESS)); done(s)
s = socket.socket()
try:
    print(s.sendto(b"hello", 0x20000000, {TO})); done(s)  # MSG_FASTOPEN
except OSError as why:
    print(why.errno)
s = socket.socket(); s.setsockopt(6, 30, 1)  # TCP_FASTOPEN_CONNECT
s.connect({TO}); print(s.send(b"hello")); done(s)
try:
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); s.connect({TO}); done(s)  # MPTCP
except OSError as why:
    print(why.errno)
s = socket.socket(); twin = os.dup(s.fileno()); s.connect({TO}); done(socket.socket(fileno=twin))
a, b = socket.socketpair()
s = socket.socket(); socket.send_fds(a, [b"x"], [s.fileno()])
twin = socket.socket(fileno=socket.recv_fds(b, 1, 1)[1][0]); s.close(); twin.connect({TO}); done(twin)
"""
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder)
        detach(folder)
        without, seen = seen_by(folder, code, sources=["127.0.0.2"])
        lab.equal("the same with and without", seen, without)
    return f"{len(seen)} lines"


def detached_while_connecting():
    """Attached and detached twenty times while four threads connect: none of their connections fails."""
    lab.ports(20000, 59999)
    with lab.Process([lab.client("attach_churn"), "serve", str(PORT)]) as server, cgroup() as folder, attached.Client(
            folder, [lab.client("attach_churn"), "127.0.0.1", str(PORT), "20000", "8", "0"]) as process:
        lab.wait_for(lambda: "listening" in server.stdout(), "the server", server)
        attach(folder)
        detach(folder)
        process._stdin.write(b"\n")
        process._stdin.flush()
        for n in range(20):
            attach(folder, sources=SOURCES[:1 + n % 4])
            attached.listed(folder)
            detach(folder)
        lab.wait_for(lambda: "\n" in process.stdout(), "the client", process, limit_s=300)
        lab.equal("failed", process.stdout().split(",")[1].strip(), "0 failed")
    return process.stdout().strip()


def attached_anew():
    """Detached and attached again with other rules: what is open from before does not lessen the counts when it ends."""
    with lab.Hold(PORT), cgroup() as folder, client(folder) as first, client(folder) as second:
        attach(folder, sources=["127.0.0.2", "127.0.0.3"])
        lab.equal("first", first.go(40), (40, 0, 0))
        detach(folder)
        attach(folder, sources=["127.0.0.3", "127.0.0.4"])
        lab.equal("second", second.go(40), (40, 0, 0))
        lab.equal("sources", sorted(sock_diag.tuples(PORT)), ["127.0.0.2", "127.0.0.3", "127.0.0.4"])
        first.wait()
        lab.wait_for(lambda: lab.total(sock_diag.tuples(PORT, {"FIN-WAIT-2"})) == 40, "the ends of the first")
        pairs = attached.listed(folder)["pairs"]
        lab.equal("open", (sum(p["open"] for p in pairs), sorted(p["source"] for p in pairs if p["open"])),
                  (40, ["127.0.0.3", "127.0.0.4"]))
    return "40 and 40"


def parent_and_child():
    """The outer cgroup's attachment has the same sources: what the inner one has bound is not counted twice."""
    with lab.Hold(PORT), cgroup() as outer, cgroup(outer) as inner, client(inner) as process, client(outer) as other:
        attach(outer)
        attach(inner)
        lab.equal("inner", process.go(40), (40, 0, 0))
        lab.equal("outer", other.go(20), (20, 0, 0))
        lab.equal("counted", [sum(p["open"] for p in attached.listed(folder)["pairs"]) for folder in (inner, outer)],
                  [40, 20])
        process.wait()
        lab.wait_for(lambda: lab.total(sock_diag.tuples(PORT, {"FIN-WAIT-2"})) == 40, "the ends")
        lab.equal("then", sum(p["open"] for p in attached.listed(outer)["pairs"]), 20)
    return "40 and 20"


def source_goes():
    """An address that is taken off the interface: from the next connect() on the others are used."""
    with lab.Hold(PORT), cgroup() as folder, client(folder, "attach_client", "192.0.2.1") as process:
        for last in (1, 2, 3):
            lab.ip("addr", "add", f"192.0.2.{last}/32", "dev", "lo")
        attach(folder, sources=["192.0.2.2", "192.0.2.3"])
        lab.equal("both", process.go(40), (40, 0, 0))
        lab.ip("addr", "del", "192.0.2.3/32", "dev", "lo")
        before = sock_diag.tuples(PORT)
        lab.equal("one is gone", process.go(40), (40, 0, 0))
        after = sock_diag.tuples(PORT)
        lab.equal("from the other", (after["192.0.2.2"] - before["192.0.2.2"], after["192.0.2.3"]),
                  (40, before["192.0.2.3"]))
    return "80 of 80"


FROM_EACH = """
import collections
kind = getattr(socket, sys.argv[2])
failed, used, held = collections.Counter(), collections.Counter(), []
for i in range(120):
    s = socket.socket(socket.AF_INET, kind)
    why = s.connect_ex((sys.argv[3], 5000))
    used[s.getsockname()[0]] += not why
    failed[errno.errorcode.get(why, "none")] += 1
    if not why:
        held.append(s)
print(120 - failed["none"], *sorted(s for s in used if used[s]))
"""


def _a_few_lost(folder, to, sources, lost, kinds=("SOCK_STREAM", "SOCK_DGRAM"), *options):
    """Of 120 connections one or two from the source that none can leave from, as it is asked again after seconds."""
    for kind in kinds:
        attach(folder, *options, sources=sources)
        done = lab.run([lab.PYTHON, "-c", INTO + FROM_EACH, str(folder), kind, to])
        detach(folder)
        lab.equal("stderr", done.stderr, "")
        failed, *used = done.stdout.split()
        lab.equal(f"{kind}: sources that were used", used, [s for s in sources if s != lost])
        if int(failed) > 8:
            raise lab.Failed(f"{kind}: {failed} of 120 failed")


def source_without_route():
    """connect() from it ends before its first packet, which no tracepoint sees: the others are used."""
    sources = [f"192.0.2.{last}" for last in (2, 3, 4)]
    for last in (1, 2, 3, 4):
        lab.ip("addr", "add", f"192.0.2.{last}/32", "dev", "lo")
    lab.ip("rule", "add", "pref", "10", "lookup", "local")
    lab.ip("rule", "del", "pref", "0")
    lab.ip("rule", "add", "pref", "5", "from", "192.0.2.3", "unreachable")
    with lab.Hold(PORT), cgroup() as folder:
        _a_few_lost(folder, "192.0.2.1", sources, "192.0.2.3")
        _a_few_lost(folder, "192.0.2.1", sources, "192.0.2.3", ("SOCK_STREAM",), "--own-ports=20000-20999")
    return "3 of 3 ways"


def source_that_any_may_bind():
    """net.ipv4.ip_nonlocal_bind: bind() takes an address that is not here, and connect() fails."""
    pathlib.Path("/proc/sys/net/ipv4/ip_nonlocal_bind").write_text("1")
    with lab.Hold(PORT), cgroup() as folder:
        _a_few_lost(folder, "127.0.0.1", ["127.0.0.2", "127.0.0.3", "192.0.2.9"], "192.0.2.9")
    return "TCP and UDP"


def elsewhere_after_no_route():
    """A socket whose connect() ended before its first packet: its source is not the program's, as after any failure."""
    path = lab.scratch() / "rules"
    path.write_text("[to 192.0.2.1:5001]\nshim = off\n[headroom]\nsources = 192.0.2.2\n")
    for address in "192.0.2.1/32", "192.0.2.2/32":
        lab.ip("addr", "add", address, "dev", "lo")
    code = """
held = []
for i in range(3):
    s = socket.socket()
    held.append(s)
    print(s.connect_ex(("198.51.100.1", 5000)), s.connect_ex(("192.0.2.1", 5001 - i % 2)), s.getsockname()[0])
"""
    with lab.Hold(PORT), lab.Hold(5001), cgroup() as folder:
        attach(folder, "-c", str(path), sources=[])
        done = lab.run([lab.PYTHON, "-c", INTO + code, str(folder)])
        lab.equal("errno before, then, source", (done.stdout.splitlines(), done.stderr),
                  (["101 0 192.0.2.1", "101 0 192.0.2.2", "101 0 192.0.2.1"], ""))
        lab.equal("counted", [(p["destination"], p["opened"]) for p in attached.listed(folder)["pairs"] if p["opened"]],
                  [("192.0.2.1:5000", 1)])
    return "3 sockets"


def refused_by_the_socket():
    """bind() fails for a reason of the socket's own (IPv6 only, to an IPv4-mapped address): it says nothing of the source."""
    code = """
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
print(s.connect_ex(("::ffff:127.0.0.1", 5000)))
held = [socket.socket() for i in range(20)]
for s in held:
    s.connect(("127.0.0.1", 5000))
print(len({s.getsockname()[0] for s in held} - {"127.0.0.2", "127.0.0.3"}))
"""
    with lab.Hold(PORT), cgroup() as folder:
        for options in ((), ("--own-ports=20000-20099",)):
            attach(folder, *options, sources=["127.0.0.2", "127.0.0.3"])
            done = lab.run([lab.PYTHON, "-c", INTO + code, str(folder)])
            lab.equal("errno as without; other sources then", (done.stdout.split(), done.stderr), (["101", "0"], ""))
            lab.equal("set aside", attached.listed(folder)["unusable_sources"], [])
            detach(folder)
    return "twice"


def same_own_ports_twice():
    """Two cgroups, one source, the same range of ports of their own: both reach it, and no connect() fails before."""
    with lab.Hold(PORT), cgroup() as one, cgroup() as other, client(one) as first, client(other) as second:
        for folder in one, other:
            attach(folder, "--own-ports=20000-20099", sources=["127.0.0.2"])
        lab.equal("first", first.go(60), (60, 0, 0))
        lab.equal("second", second.go(60), (60, 0, 0))
        ports = [s.sport for s in sock_diag.tcp_sockets() if s.dport == PORT and 20000 <= s.sport <= 20099]
        lab.equal("ports of our own", (len(ports), len(set(ports))), (100, 100))
    return "100 and 20 ephemeral ones"


def cgroup_goes_while_connecting():
    """A removed cgroup's attachment lasts as its sockets do; its process, moved elsewhere before, connects as without."""
    with lab.Hold(PORT), cgroup() as outside, cgroup() as folder, client(folder) as process:
        attach(folder)
        lab.equal("attached", process.go(20), (20, 0, 0))
        number = folder.stat().st_ino
        (outside / "cgroup.procs").write_text(str(process.pid))
        folder.rmdir()
        try:
            lab.equal("then", process.go(20), (20, 0, 0))
            lab.equal("from", sock_diag.tuples(PORT)["127.0.0.1"], 20)
            lab.equal("its sockets", sum(p["open"] for p in attached.listed(folder)["pairs"]), 20)
            process.wait()
            lab.wait_for(lambda: not attached.listed(folder) and not attached.pinned_of(number), "the end of its sockets")
            lab.equal("pinned", attached.pinned_of(number), [])
        finally:
            folder.mkdir()
    return "20 and 20"


def capabilities():
    """Without root: CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are enough where the BPF file system can be written to."""
    with cgroup() as folder:
        attach(folder)
        detach(folder)
        for path in (attached.PINS.parent, folder):
            os.chown(path, 65534, 65534)
        os.chmod(attached.PINS.parent, 0o700)
        done = lab.run(["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps", "-all,+bpf,+net_admin,+perfmon",
                        "--ambient-caps", "-all,+bpf,+net_admin,+perfmon", str(lab.HEADROOM), "attach", str(folder),
                        "--sources", "127.0.0.2"])
        os.chown(attached.PINS.parent, 0, 0)
        lab.equal("attach", (done.status, done.stderr), (0, ""))
        lab.equal("listed", attached.listed(folder) is not None, True)
        detach(folder)
    return "three"


def user_namespace():
    """Root in a user namespace of its own: one line."""
    with cgroup() as folder:
        attach(folder)
        detach(folder)
        done = lab.run(["unshare", "-U", "-r", str(lab.HEADROOM), "attach", str(folder), "--sources", "127.0.0.2"])
        lab.equal("status, lines", (done.status, len(done.stderr.splitlines()), done.stdout), (2, 1, ""))
        if "in a user namespace" not in done.stderr:
            raise lab.Failed(done.stderr)
    return done.stderr.strip()


def without_bpf_file_system():
    """Where it is not mounted `attach` mounts it; `--list` and `detach --all` say that there is nothing."""
    with cgroup() as folder:
        attach(folder)
        detach(folder)
        lab.call("umount2", b"/sys/fs/bpf", 2)
        for arguments, said in ((["attach", "--list"], "nothing is attached\n"), (["detach", "--all"], "")):
            done = attached.headroom(*arguments)
            lab.equal(arguments, (done.status, done.stdout, done.stderr), (0, said, ""))
        attach(folder)
        lab.equal("listed", attached.listed(folder) is not None, True)
        detach(folder)
    return "mounted"


def udp_ipv6():
    """Of an IPv6 UDP socket: bound where it is for IPv6 only already, else left alone, so that IPv4 works next."""
    addresses = [f"fd00::{i}" for i in range(1, 5)]
    lab.ipv6_on_loopback(addresses)
    code = """
held = []
for only in 1, 0:
    sources = {}
    for i in range(40):
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        s.connect(("fd00::1", 5353))
        held.append(s)
        sources[s.getsockname()[0]] = 1
        if s.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) != only:
            print("changed")
    print(len(sources))
ctypes.CDLL(None).connect(s.fileno(), (ctypes.c_char * 16)(), 16)  # AF_UNSPEC, as getaddrinfo() does
s.connect(("::ffff:127.0.0.1", 5353))
print(s.getsockname()[0], flush=True)
sys.stdin.readline()
"""
    with cgroup() as folder:
        attach(folder, sources=["fd00::1-fd00::4"])
        with lab.Process([lab.PYTHON, "-c", INTO + code, str(folder)], stdin=True) as process:
            lab.wait_for(lambda: process.stdout().count("\n") >= 3, "its sockets", process)
            lab.equal("sources with, without V6ONLY; IPv4 next", process.stdout().split(), ["4", "1", "::ffff:127.0.0.1"])
            lab.equal("counted", sum(p["open"] for p in attached.listed(folder)["udp"]), 40)
    return "4 sources, 1"


def loopback():
    """A name server on the loopback answers those of the loopback alone, as systemd-resolved does: others' lists are none for it."""
    own = ["10.9.0.1", "10.9.0.2"]
    for address in own:
        lab.ip("addr", "add", f"{address}/32", "dev", "lo")
    code = SOURCES_OF + f"""
held = [socket.create_server(("", 53), backlog=99), socket.create_server(("::1", 53), family=socket.AF_INET6, backlog=99)]
for to in "127.0.0.53", "127.0.0.1", "::1", "{own[0]}":
    for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
        print(to, *sorted(sources_of(20, kind, to, 53)))
"""
    rules = lab.scratch() / "loopback.rules"
    rules.write_text(f"[to 127.0.0.0/8]\nsources = {','.join(own)}\n")
    with cgroup() as folder:
        attach(folder)  # skips where nothing can be attached
        detach(folder)
        without, seen = seen_by(folder, code, sources=own)
        lab.equal("the loopback", seen[:6], without[:6])
        lab.equal("another address of this host", seen[6:], [" ".join([own[0], *own])] * 2)
        _, seen = seen_by(folder, code, "-c", str(rules), sources=[])
        lab.equal("a rule for it", seen[:4], [" ".join([to, *own]) for to in ("127.0.0.53", "127.0.0.1") for _ in "12"])
        lab.equal("what it is not for", seen[4:], without[4:])
    return "as without"


def threads_with_names():
    """A rule for a program is for all its threads, whatever they call themselves, and not for a thread that has a program's name."""
    path = lab.scratch() / "rules"
    path.write_text("[to 127.0.0.0/8 proc=worker]\nsources = 127.0.0.7\n[to 127.0.0.0/8 proc=program]\nsources = 127.0.0.8\n")
    code = f"""
import threading
libc = ctypes.CDLL(None)
libc.prctl(15, b"program")
def connect(name):
    libc.prctl(15, name)  # PR_SET_NAME
    held.append(socket.create_connection({TO}))
held = []
for name in b"worker", b"http-nio-1", b"program":
    thread = threading.Thread(target=connect, args=[name])
    thread.start()
    thread.join()
held.append(socket.create_connection({TO}))
print(*(s.getsockname()[0] for s in held))
"""
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder, "-c", str(path), sources=[])
        done = lab.run([lab.PYTHON, "-c", INTO + code, str(folder)])
        lab.equal("sources", (done.stdout, done.stderr), ("127.0.0.8 " * 3 + "127.0.0.8\n", ""))
    return "4 threads"


def report_reads_no_sockets():
    """`report` and `top` of a cgroup read the maps: as many system calls with ten connections as with hundreds."""
    lab.needs("strace")
    lab.not_under_sanitizer("strace")
    lab.ports(20000, 29999)

    def calls(verb):
        path = lab.scratch() / "calls"
        lab.run(["strace", "-f", "-o", str(path), "-e", "trace=sendto,recvfrom,recvmsg,bpf", str(lab.HEADROOM), *verb,
                 "--state-dir", str(lab.scratch())])
        lines = path.read_text().splitlines()
        return (sum("NETLINK" in line or "recv" in line for line in lines), sum(" bpf(" in line for line in lines))

    with lab.Hold(PORT), cgroup() as folder, client(folder) as process:
        attach(folder)
        process.go(40)
        few = [calls(verb) for verb in (["report", "--json"], ["top", "--once"])]
        process.go(800)
        many = [calls(verb) for verb in (["report", "--json"], ["top", "--once"])]
        lab.equal("calls", many, few)
        lab.equal("of the socket list", [n for n, _ in many], [0, 0])
    return f"{[bpf for _, bpf in many]} calls of bpf()"


lab.main([
    ("left alone", left_alone),
    ("bound by the program: not counted", not_counted),
    ("again on the same socket", again_on_the_same_socket),
    ("other ways to connect", other_ways),
    ("detached while connecting", detached_while_connecting),
    ("attached anew", attached_anew),
    ("parent and child", parent_and_child),
    ("a source that goes", source_goes),
    ("a source without a route", source_without_route),
    ("a source that is not here, and can be bound to", source_that_any_may_bind),
    ("elsewhere after there was no route", elsewhere_after_no_route),
    ("bind() fails for a reason of the socket", refused_by_the_socket),
    ("the same own ports twice", same_own_ports_twice),
    ("a cgroup that goes, its process elsewhere", cgroup_goes_while_connecting),
    ("capabilities", capabilities),
    ("a user namespace", user_namespace),
    ("without the BPF file system", without_bpf_file_system),
    ("UDP, IPv6", udp_ipv6),
    ("the loopback", loopback),
    ("threads with names of their own", threads_with_names),
    ("report and top read no sockets", report_reads_no_sockets),
])
