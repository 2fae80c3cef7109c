#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_attach_routes - `headroom attach` where the source decides whether a peer answers: links, tunnels, and sockets that choose their route."""
import contextlib

import attached
import lab
from attached import INTO, PORT, seen_by, SOURCES_OF, attach, cgroup, client, detach

TO_LINKS = SOURCES_OF + """
held = []
for to in "10.5.0.1", "fd05::1", "10.1.0.1":
    print(to, *sorted(sources_of(12, socket.SOCK_STREAM, to, 5000) | sources_of(12, socket.SOCK_DGRAM, to, 5000)))
"""
# What is answered: to, how many of 24 were not, the sources.
ANSWERED = """
held = []
for to in sys.argv[3:]:
    failed, sources = 0, set()
    for kind in [socket.SOCK_STREAM] * 12 + [socket.SOCK_DGRAM] * 12:
        s = socket.socket(socket.AF_INET, kind)
        held.append(s)
        s.settimeout(0.3)
        try:
            s.connect((to, 5000))
            s.send(b"x")
            failed += kind == socket.SOCK_DGRAM and s.recv(1) != b"x"
        except OSError:
            failed += 1
        sources.add(s.getsockname()[0])
    print(to, failed, *sorted(sources), flush=True)
"""
ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5000))
print("ready", flush=True)
while True:
    s.sendto(*s.recvfrom(9))
"""


def _second_link(far, near, there):
    lab.ip("link", "add", "near1", "type", "veth", "peer", "name", "far1", "netns", str(far))
    for where, name, addresses in (None, "near1", near), (far, "far1", there):
        for address in addresses:
            lab.ip("addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []), inside=where)
        lab.ip("link", "set", name, "up", inside=where)


@contextlib.contextmanager
def two_links(near=("10.5.0.2/24", "10.5.0.3/24")):
    """10.1.0.0/24 and 10.5.0.0/24; a machine that has .1 on both, and lets in what comes by the link it would answer by (rp_filter).

    Gives a cgroup, and answered(address...): the lines of ANSWERED for a program there.
    """
    with contextlib.ExitStack() as held:
        far = held.enter_context(lab.far_network(["10.1.0.2/24", "10.1.0.3/24"], "10.1.0.1/24"))
        lab.sysctl("ipv4/conf/all/rp_filter", 0)
        for name in "all", "default":
            lab.run(["sh", "-c", f"echo 1 >/proc/sys/net/ipv4/conf/{name}/rp_filter"], inside=far)
        if near:
            _second_link(far, near, ["10.5.0.1/24"])
        held.enter_context(lab.Hold(PORT, inside=far))
        echo = held.enter_context(lab.Process([lab.PYTHON, "-c", ECHO], inside=far))
        lab.wait_for(lambda: "ready" in echo.stdout(), "the echo", echo)
        folder = held.enter_context(cgroup())
        attach(folder)  # skips where nothing can be attached
        detach(folder)

        def answered(*to):
            done = lab.run([lab.PYTHON, "-c", INTO + ANSWERED, str(folder), "0", *to])
            lab.equal("stderr", done.stderr, "")
            return done.stdout.splitlines()
        yield far, folder, answered


def another_link():
    """A peer on a link that no source is on has no way back to them: there the kernel's own choice stays, unless a rule names it."""
    own = ["10.1.0.2", "10.1.0.3", "fd01::2"]
    rules = lab.scratch() / "links.rules"
    rules.write_text(f"[to 10.5.0.1]\nsources = {own[0]}\n[headroom]\nsources = {','.join(own)}\n")
    with lab.far_network(["10.1.0.2/24", "10.1.0.3/24", "fd01::2/64"], "10.1.0.1/24") as far, lab.Hold(PORT, inside=far), \
            cgroup() as folder:
        _second_link(far, ["10.5.0.2/24", "fd05::2/64"], ["10.5.0.1/24", "fd05::1/64"])
        lab.ip("addr", "add", "fd01::1/64", "dev", "far0", "nodad", inside=far)
        lab.ip("route", "add", "10.9.0.7", "via", "10.1.0.2", inside=far)
        lab.ip("addr", "add", "10.9.0.7/32", "dev", "lo")
        attach(folder)  # skips where nothing can be attached
        detach(folder)
        without, seen = seen_by(folder, TO_LINKS, sources=own)
        lab.equal("without", without, ["10.5.0.1 10.5.0.2", "fd05::1 fd05::2", "10.1.0.1 10.1.0.2"])
        lab.equal("attached", seen, [*without[:2], "10.1.0.1 10.1.0.2 10.1.0.3"])
        _, seen = seen_by(folder, TO_LINKS, sources=[*own, "10.9.0.7"])
        lab.equal("an address of no link", seen[0], "10.5.0.1 10.9.0.7")
        attach(folder, "-c", str(rules), sources=[])
        lab.equal("rules that are listed", attached.listed(folder)["rules"], 2)
        detach(folder)
        _, seen = seen_by(folder, TO_LINKS, "-c", str(rules), sources=[])
        lab.equal("a rule for it", seen[:2], ["10.5.0.1 10.1.0.2", without[1]])
    return "as without"


def sources_of_two_links():
    """Each of the sources has a way back from the peers of its own link alone."""
    with two_links() as (_, folder, answered):
        lab.equal("without", answered("10.5.0.1", "10.1.0.1"), ["10.5.0.1 0 10.5.0.2", "10.1.0.1 0 10.1.0.2"])
        attach(folder, sources=["10.1.0.2", "10.1.0.3", "10.5.0.3"])
        lab.equal("attached", answered("10.5.0.1", "10.1.0.1"), ["10.5.0.1 0 10.5.0.3", "10.1.0.1 0 10.1.0.2 10.1.0.3"])
        found = attached.listed(folder)
        lab.equal("listed", (found["sources"], found["rules"], found["rules_of_links"], found["links_changed"]),
                  (3, 1, 2, False))
        detach(folder)
        # All of a list are on the link, and a way over a gateway leads on within its prefix.
        lab.ip("route", "add", "10.5.0.64/26", "via", "10.1.0.1")
        attach(folder, sources=["10.1.0.2", "10.5.0.3"])
        lab.equal("over a gateway", answered("10.5.0.65")[0].split()[2:], ["10.1.0.2", "10.5.0.3"])
    return "48 of 48 answered"


def sources_of_another_rule():
    """That some rule has a source on a link does not make those of another serve there."""
    rules = lab.scratch() / "rules"
    rules.write_text("[to *:5001]\nsources = 10.5.0.3\n[to 203.0.113.0/24]\nsources = 10.5.0.3\n"
                     "[headroom]\nsources = 10.1.0.2-10.1.0.3\n")
    with two_links() as (_, folder, answered):
        attach(folder, "-c", str(rules), sources=[])
        lab.equal("attached", answered("10.5.0.1", "10.1.0.1"), ["10.5.0.1 0 10.5.0.2", "10.1.0.1 0 10.1.0.2 10.1.0.3"])
        lab.equal("rules", attached.listed(folder)["rules"], 3)
    return "48 of 48 answered"


def tunnel():
    """The peers of a tunnel have routes, its interface an address without a prefix (WireGuard); those of a container's link no address."""
    with two_links(near=["10.5.0.2/32"]) as (_, folder, answered):
        lab.ip("route", "add", "10.5.0.0/24", "dev", "near1", "table", "52")
        lab.ip("rule", "add", "pref", "52", "lookup", "52")
        lab.ip("link", "add", "near2", "type", "veth", "peer", "name", "far2")
        for name in "near2", "far2":
            lab.ip("link", "set", name, "up")
        lab.ip("route", "add", "10.6.0.7", "dev", "near2")
        without = answered("10.5.0.1")
        lab.equal("without", without, ["10.5.0.1 0 10.5.0.2"])
        attach(folder, sources=["10.1.0.2", "10.1.0.3"])
        lab.equal("attached", answered("10.5.0.1", "10.1.0.1"), [*without, "10.1.0.1 0 10.1.0.2 10.1.0.3"])
        lab.equal("a link without an address", answered("10.6.0.7")[0].split()[2:], ["10.1.0.2", "10.1.0.3"])
    return "48 of 48 answered"


def link_that_comes():
    """A link that came after the attachment: `--list` says so, and `--refresh` heeds it, while programs connect."""
    with two_links(near=None) as (far, folder, answered):
        attach(folder, sources=["10.1.0.2", "10.1.0.3"])
        lab.equal("at first", answered("10.1.0.1"), ["10.1.0.1 0 10.1.0.2 10.1.0.3"])
        with client(folder, "attach_client", "10.1.0.1") as process:
            lab.equal("connected", process.go(20), (20, 0, 0))
            opened = sum(p["opened"] for p in attached.listed(folder)["pairs"])
            for turn in range(2):
                lab.equal("changed", attached.listed(folder)["links_changed"], False)
                if turn:
                    lab.ip("link", "del", "near1")
                else:
                    _second_link(far, ["10.5.0.2/24"], ["10.5.0.1/24"])
                lab.wait_for(lambda: attached.listed(folder)["links_changed"], "the link to be seen")
                for words in (["attach", "--list"], ["status"]):
                    if "headroom attach --refresh" not in attached.headroom(*words).stdout:
                        raise lab.Failed(f"{words[0]} does not tell")
                for words in (["attach", "--refresh", str(folder)], ["attach", "--refresh"]):
                    done = attached.headroom(*words)
                    said = "refreshed" if len(words) == 3 else "nothing has changed"
                    lab.equal("--refresh", (done.status, done.stdout, done.stderr), (0, f"{said}: {folder}\n", ""))
                lab.equal("rules", attached.listed(folder)["rules_of_links"], 1 - turn)
                lab.equal("still spread", process.go(20), (20, 0, 0))
                if not turn:
                    lab.equal("refreshed", answered("10.5.0.1"), ["10.5.0.1 0 10.5.0.2"])
                lab.equal("as before", answered("10.1.0.1"), ["10.1.0.1 0 10.1.0.2 10.1.0.3"])
            lab.equal("counted on", sum(p["opened"] for p in attached.listed(folder)["pairs"]), opened + 40 + 24)
        detach(folder)
        done = attached.headroom("attach", "--refresh", str(folder))
        lab.equal("detached: status, lines", (done.status, len(done.stderr.splitlines())), (2, 1))
    return "a link that comes, and goes"


OPTIONS = SOURCES_OF + """
held = []
IP, IPV6, SOCKET = socket.IPPROTO_IP, socket.IPPROTO_IPV6, socket.SOL_SOCKET
index = struct.pack("!I", socket.if_nametoindex("lo"))
FAMILIES = {
    "127.0.0.1": [(SOCKET, 5, 1, 0), (IP, 19, 1, 0), (IP, 50, index, bytes(4)), (IP, 4, b"\\1\\1\\1\\0", b"")],
    "fd00::1": [(SOCKET, 5, 1, 0), (IPV6, 75, 1, 0), (IPV6, 76, index, bytes(4)), (IPV6, 72, 2, 0x100), (IPV6, 33, 1, 0),
                (IPV6, 50, bytes(16) + struct.pack("i", 1), bytes(20))]}
for to, options in FAMILIES.items():
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        for level, name, *values in options:
            for values in values[:1], values:
                sources = set()
                for i in range(20):
                    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, kind)
                    if ":" in to:
                        s.setsockopt(IPV6, socket.IPV6_V6ONLY, 1)
                    for value in values:
                        s.setsockopt(level, name, value)
                    s.connect((to, 5000))
                    sources.add(s.getsockname()[0])
                    held.append(s)
                print(to, kind.name, level, name, ["set", "reset"][len(values) - 1], *sorted(sources))
"""


def options_that_choose():
    """Each option that the kernel looks at when it chooses the route: such a socket is left alone, and spread when it is taken back."""
    lab.ports(20000, 59999)
    lab.ipv6_on_loopback(["fd00::1", "fd00::2"])
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder)  # skips where nothing can be attached
        detach(folder)
        without, seen = seen_by(folder, OPTIONS, sources=["127.0.0.2", "127.0.0.3", "fd00::1", "fd00::2"])
        lab.equal("set", [line for line in seen if " set " in line], [line for line in without if " set " in line])
        wrong = [line for line in seen if " reset " in line and len(line.split()) != 7]
        lab.equal("reset: not from two sources", wrong, [])
        attach(folder, sources=["127.0.0.2", "127.0.0.3"])
        code = f"""
held = []
for i in range(9):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, 5, i % 3 == 0)
    s.connect(("127.0.0.1", {PORT}))
    held.append(s)
print("open", flush=True)
sys.stdin.readline()
"""
        with lab.Process([lab.PYTHON, "-c", INTO + code, str(folder)], stdin=True) as process:
            lab.wait_for(lambda: "open" in process.stdout(), "its connections", process)
            lab.equal("counted", sum(p["open"] for p in attached.listed(folder)["pairs"]), 6)
    return f"{len(without)} ways"


CLASSES = SOURCES_OF + """
held = []
def classed(to, kind, level, name, value):
    sources = set()
    for i in range(20):
        s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, kind)
        if ":" in to:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(level, name, value)
        s.connect((to, 5000))
        sources.add(s.getsockname()[0])
        held.append(s)
    return len(sources)
print(*(classed("127.0.0.1", kind, 0, 1, value) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM) for value in (0x10, 2)),
      *(classed("fd00::1", kind, 41, 67, value) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM) for value in (0x10, 2)))
"""


def traffic_class():
    """IP_TOS and IPV6_TCLASS choose the route where a routing rule or a route looks at them, and only there. ECN's bits do not."""
    lab.ports(20000, 59999)
    lab.ipv6_on_loopback(["fd00::1", "fd00::2"])
    sources = ["127.0.0.2", "127.0.0.3", "fd00::1", "fd00::2"]
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder)  # skips where nothing can be attached
        detach(folder)
        for family, what in ("-4", "rule"), ("-6", "rule"), ("-4", "route"):
            lab.equal("no such rule", seen_by(folder, CLASSES, sources=sources), (["1 1 1 1 1 1 1 1"], ["2 2 2 2 2 2 2 2"]))
            how = ["tos", "0x10", "lookup", "52"] if what == "rule" else ["192.0.2.0/24", "tos", "0x10", "dev", "lo"]
            lab.ip(family, what, "add", *how)
            lab.equal(f"a {what}", seen_by(folder, CLASSES, sources=sources), (["1 1 1 1 1 1 1 1"], ["1 2 1 2 1 2 1 2"]))
            lab.ip(family, what, "del", *how)
    return "rules of both families, a route"


ELSEWHERE = """
libc = ctypes.CDLL(None)
def shown(s, to):
    print(s.connect_ex((to, 5000)), s.getsockname()[0])
# Refused, then to a link-local address; with an option set meanwhile; UDP, which was taken apart.
s = socket.socket(); s.connect_ex(("127.0.0.1", 5001)); shown(s, "169.254.1.1")
s = socket.socket(); s.connect_ex(("127.0.0.1", 5001)); s.setsockopt(socket.SOL_SOCKET, 5, 1); shown(s, "127.0.0.1")
s = socket.socket(); s.connect_ex(("127.0.0.1", 5001)); s.setsockopt(socket.SOL_SOCKET, 36, 7); shown(s, "127.0.0.1")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("127.0.0.1", 5353))
libc.connect(s.fileno(), (ctypes.c_char * 16)(), 16)
shown(s, "169.254.1.1")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("127.0.0.1", 5353))
libc.connect(s.fileno(), (ctypes.c_char * 16)(), 16)
s.setsockopt(socket.SOL_SOCKET, 36, 7)
shown(s, "127.0.0.1")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("127.0.0.1", 5353))
libc.connect(s.fileno(), (ctypes.c_char * 16)(), 16)
shown(s, "224.0.0.251")
"""


def elsewhere():
    """The same socket, to where nothing is spread or with an option set meanwhile: what an earlier connect() bound is taken back."""
    lab.ip("addr", "add", "169.254.1.1/32", "dev", "lo")
    lab.ip("addr", "add", "192.0.2.1/32", "dev", "lo")
    lab.ip("route", "add", "224.0.0.0/4", "dev", "lo", "src", "192.0.2.1")
    with lab.Hold(PORT), cgroup() as folder:
        attach(folder)  # skips where nothing can be attached
        detach(folder)
        without, seen = seen_by(folder, ELSEWHERE)
        lab.equal("the same with and without", seen, without)
        lab.equal("without", without, ["0 169.254.1.1", "0 127.0.0.1", "0 127.0.0.1", "0 169.254.1.1", "0 127.0.0.1",
                                       "0 192.0.2.1"])
    return "6 sockets"


lab.GIVES_UP = True
lab.main([
    ("a peer on another link", another_link),
    ("sources of two links", sources_of_two_links),
    ("sources of another rule", sources_of_another_rule),
    ("a tunnel", tunnel),
    ("a link that comes", link_that_comes),
    ("options that choose the route", options_that_choose),
    ("traffic classes", traffic_class),
    ("elsewhere by the same socket", elsewhere),
])
