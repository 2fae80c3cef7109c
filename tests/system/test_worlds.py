#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_worlds - hosts with two uplinks, routing rules, link-local peers: a connection that works without the shim works with it."""
import contextlib
import functools
import json
import re
import socket

import lab
import serving

PORT = 7060
SERVICE, SERVICE6 = "192.0.2.1", "2001:db8:9::1"
NEAR, NEAR2, UPLINK2 = "10.1.0.2", "10.1.0.3", "10.5.0.2"
NEAR6, ULA6 = "2001:db8:1::2", "fd00:1::2"
EVERY = {"sources": f"{NEAR},{NEAR2},{UPLINK2}"}
FIRST = {"sources": f"{NEAR},{NEAR2}"}

# What a program does: connections to one place, each with the same options. Says their sources and what failed.
CLIENT = """
import collections, json, socket, struct, sys
to, count, options, how = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
family = socket.AF_INET6 if ":" in to else socket.AF_INET
address = socket.getaddrinfo(to, int(sys.argv[5]), family, socket.SOCK_STREAM)[0][4]
seen, kept = collections.Counter(), []
for n in range(count):
    s = socket.socket(fileno=3) if how == "inherited" else socket.socket(family)
    s.settimeout(2)
    for level, name, value in options:
        s.setsockopt(level, name, value.encode() if isinstance(value, str) else value)
    try:
        s.connect(address)
        seen[s.getsockname()[0]] += 1
    except OSError as why:
        seen[why.strerror or str(why)] += 1
    if how == "keep":
        kept.append(s)
    elif how != "inherited":
        s.close()
print(json.dumps(seen))
"""


def connects(shim, to=SERVICE, count=6, options=(), how="", port=PORT, **rest):
    done = lab.run([lab.PYTHON, "-c", CLIENT, to, str(count), json.dumps(options), how, str(port)], shim, **rest)
    if done.status:
        raise lab.Failed(str(done))
    return json.loads(done.stdout)


SERVER = serving.LISTEN + f"""
import time
listeners = listen_on({PORT})
print("ready", flush=True)
time.sleep(1000)
"""


@contextlib.contextmanager
def two_uplinks():
    """The client has near0 and near1, each of which lets in only its own sources (BCP 38). The main table uses near0."""
    with lab.far_network([f"{NEAR}/24", f"{NEAR2}/24", f"{NEAR6}/64", f"{ULA6}/64"], "10.1.0.1/24") as far:
        lab.ip("link", "add", "near1", "type", "veth", "peer", "name", "far1", "netns", str(far))
        lab.ip("addr", "add", f"{UPLINK2}/24", "dev", "near1")
        lab.ip("addr", "add", "2001:db8:5::2/64", "dev", "near1", "nodad")
        for words in (("addr", "add", "10.5.0.1/24", "dev", "far1"), ("addr", "add", f"{SERVICE}/32", "dev", "lo"),
                      ("addr", "add", f"{SERVICE6}/128", "dev", "lo", "nodad"),
                      ("addr", "add", "2001:db8:1::1/64", "dev", "far0", "nodad"),
                      ("addr", "add", "2001:db8:5::1/64", "dev", "far1", "nodad"), ("link", "set", "far1", "up")):
            lab.ip(*words, inside=far)
        lab.ip("link", "set", "near1", "up")
        lab.run(["sysctl", "-q", "-w", *(f"net.ipv4.conf.{i}.rp_filter=1" for i in ("all", "far0", "far1"))], inside=far)
        for name in ("all", "near0", "near1"):
            lab.sysctl(f"ipv4/conf/{name}/rp_filter", 2)
        lab.ip("route", "add", "default", "via", "10.1.0.1")
        lab.ip("route", "add", "default", "via", "10.5.0.1", "table", "100")
        lab.ip("-6", "route", "add", "default", "via", "2001:db8:1::1")
        lab.ip("-6", "route", "add", "default", "via", "2001:db8:5::1", "table", "100")
        with lab.Process([lab.PYTHON, "-c", SERVER], inside=far) as server:
            lab.wait_for(lambda: "ready" in server.stdout(), "the server", server)
            lab.wait_for(lambda: connects(None, count=1) == {NEAR: 1}, "the first uplink")
            lab.wait_for(lambda: connects(None, SERVICE6, count=1) == {NEAR6: 1}, "the first uplink's IPv6")
            lab.wait_for(lambda: connects(None, "10.5.0.1", count=1) == {UPLINK2: 1}, "the second uplink")
            yield far


WORLD = {}


def in_two_uplinks(function):
    @functools.wraps(function)
    def case(*arguments):
        with two_uplinks() as far:
            WORLD["far"] = far
            return function(*arguments)
    return case


def same(what, shims, **how):
    """With each shim as without any."""
    plain = connects(None, **how)
    for shim in shims:
        lab.equal(f"{what}, {shim}", connects(shim, **how), plain)
    return plain


ALL_WAYS = [{}, EVERY, {**EVERY, "spread": "spill"}, {"sources": "auto"}, {"sources": "auto", "spread": "even"}]

SO_MARK, SO_BINDTODEVICE, IP_TOS, IPV6_TCLASS = 36, 25, socket.IP_TOS, socket.IPV6_TCLASS
IPV6_ADDR_PREFERENCES, PUBLIC, TEMPORARY = 72, 2, 1
MARKED = [[socket.SOL_SOCKET, SO_MARK, 1]]
CLASSED = [[socket.IPPROTO_IP, IP_TOS, 0x10]]
CLASSED6 = [[socket.IPPROTO_IPV6, IPV6_TCLASS, 0x20]]


@in_two_uplinks
def mark():
    lab.ip("rule", "add", "fwmark", "1", "table", "100")
    lab.equal("without", same("marked", ALL_WAYS, options=MARKED), {UPLINK2: 6})
    lab.equal("unmarked", connects(FIRST), {NEAR: 3, NEAR2: 3})
    return "the second uplink, each time"


@in_two_uplinks
def mark_taken_back():
    both = [[socket.SOL_SOCKET, SO_MARK, 1], [socket.SOL_SOCKET, SO_BINDTODEVICE, "near0"], [socket.SOL_SOCKET, SO_MARK, 0]]
    none = both + [[socket.SOL_SOCKET, SO_BINDTODEVICE, ""]]
    lab.equal("like a new socket", connects(FIRST, options=none), {NEAR: 3, NEAR2: 3})
    lab.equal("still bound to a device", same("", [FIRST], options=both), {NEAR: 6})


@in_two_uplinks
def device():
    options = [[socket.SOL_SOCKET, SO_BINDTODEVICE, "near1"]]
    lab.ip("route", "add", "default", "via", "10.5.0.1", "dev", "near1", "metric", "200")
    lab.equal("without", same("bound to the device", ALL_WAYS, options=options), {UPLINK2: 6})


@in_two_uplinks
def traffic_class():
    lab.equal("no rule looks at it", connects(FIRST, options=CLASSED), {NEAR: 3, NEAR2: 3})
    lab.ip("rule", "add", "tos", "0x10", "table", "100")
    lab.equal("without", same("classed", ALL_WAYS, options=CLASSED), {UPLINK2: 6})
    ecn = [[socket.IPPROTO_IP, IP_TOS, 0x02]]
    lab.equal("the bits of ECN alone", connects(FIRST, options=ecn), {NEAR: 3, NEAR2: 3})


@in_two_uplinks
def traffic_class6():
    lab.ip("addr", "add", "2001:db8:1::3/64", "dev", "near0", "nodad")
    sources = {"sources": f"{NEAR6},2001:db8:1::3"}
    lab.equal("no rule looks at it", lab.total(connects(sources, SERVICE6, options=CLASSED6)), 6)
    lab.ip("-6", "rule", "add", "tos", "0x20", "table", "100")
    same("classed", [sources, {"sources": "auto"}], to=SERVICE6, options=CLASSED6)


@in_two_uplinks
def inherited():
    """A marked socket that another program made: no hook saw how."""
    lab.ip("rule", "add", "fwmark", "1", "table", "100")
    code = ("import os, socket, sys\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, 36, 1)\n"
            "os.dup2(s.fileno(), 3)\nos.set_inheritable(3, True)\nos.execv(sys.argv[1], sys.argv[1:])")
    for shim in (None, EVERY):
        done = lab.run([lab.PYTHON, "-c", code, lab.PYTHON, "-c", CLIENT, SERVICE, "1", "[]", "inherited", str(PORT)], shim)
        lab.equal(f"with {shim}, {done.stderr}", done.stdout, json.dumps({UPLINK2: 1}) + "\n")


MARKED_BESIDE = """
import socket, sys
def connected(mark):
    s = socket.socket()
    if mark:
        s.setsockopt(socket.SOL_SOCKET, 36, mark)
    if s.connect_ex((sys.argv[1], int(sys.argv[2]))):
        return False
    kept.append(s)
    return True
kept = []
plain = sum(connected(0) for n in range(130))
marked = 0
for n in range(80):
    marked += connected(1)
    for again in range(3):
        connected(0)
print(plain, marked)
"""


def full_for_others():
    """The source of those without a mark is full; that says nothing of the other uplink's."""
    seen = []
    for shim in (None, {}, {"sources": NEAR}, {"sources": NEAR, "spread": "spill"}):
        lab.new_network()
        with two_uplinks():
            lab.ip("rule", "add", "fwmark", "1", "table", "100")
            seen.append(lab.run([lab.PYTHON, "-c", MARKED_BESIDE, SERVICE, str(PORT)], shim).stdout)
    lab.equal("with the shim: those without a mark, those with one", seen[1:], seen[:1] * 3)
    return seen[0].strip()


@in_two_uplinks
def on_another_link():
    named = [EVERY, {**EVERY, "spread": "spill"}, {"sources": NEAR}, {"sources": "auto"}]
    lab.equal("without", same("a peer of the second uplink", named, to="10.5.0.1"), {UPLINK2: 6})
    lab.equal("a peer of the first", connects(EVERY, "10.1.0.1"), {NEAR: 3, NEAR2: 3})
    both = {"sources": f"{NEAR6},2001:db8:5::2"}
    lab.equal("IPv6", same("a peer of the second uplink", [both], to="2001:db8:5::1"), {"2001:db8:5::2": 6})
    return "from the address on its link"


@in_two_uplinks
def through_a_tunnel():
    """As WireGuard has it: an address without a prefix, routes by the device, and only that address let in."""
    far = WORLD["far"]
    lab.ip("link", "add", "tunnel0", "type", "veth", "peer", "name", "tunnel1", "netns", str(far))
    for own, peer, bits in (("10.8.0.2", "10.8.0.1", 32), ("2001:db8:8::2", "2001:db8:8::1", 128)):
        dad = ["nodad"] if ":" in own else []
        lab.ip("addr", "add", f"{own}/{bits}", "dev", "tunnel0", *dad)
        lab.ip("addr", "add", f"{peer}/{bits}", "dev", "tunnel1", *dad, inside=far)
    lab.ip("link", "set", "tunnel0", "up")
    lab.ip("link", "set", "tunnel1", "up", inside=far)
    for family, own, net in (("-4", "10.8.0.2/32", "10.8.0.0/24"), ("-6", "2001:db8:8::2/128", "2001:db8:8::/64")):
        lab.ip(family, "route", "add", net, "dev", "tunnel0")
        lab.ip(family, "route", "add", own, "dev", "tunnel1", inside=far)
    lab.run(["sysctl", "-q", "-w", "net.ipv4.conf.tunnel1.rp_filter=1"], inside=far)
    for source in (NEAR6, ULA6):
        lab.ip("-6", "rule", "add", "iif", "tunnel1", "from", source, "prohibit", inside=far)
    named = [EVERY, {**EVERY, "spread": "spill"}, {"sources": NEAR}, {"sources": "auto"}]
    lab.wait_for(lambda: connects(None, "10.8.0.1", count=1) == {"10.8.0.2": 1}, "the tunnel")
    lab.equal("without", same("a peer behind the tunnel", named, to="10.8.0.1"), {"10.8.0.2": 6})
    lab.equal("others", connects(EVERY, "10.1.0.1"), {NEAR: 3, NEAR2: 3})
    lab.wait_for(lambda: connects(None, "2001:db8:8::1", count=1) == {"2001:db8:8::2": 1}, "the tunnel's IPv6")
    both = [{"sources": f"{NEAR6},{ULA6}"}]
    lab.equal("IPv6", same("a peer behind the tunnel", both, to="2001:db8:8::1"), {"2001:db8:8::2": 6})
    return "from the tunnel's address"


@in_two_uplinks
def uplink_of_its_own():
    """A source that a routing rule gives an uplink of its own is used, for peers behind it as well as on a link."""
    lab.ip("rule", "add", "from", UPLINK2, "table", "100")
    lab.equal("behind it", connects({"sources": f"{NEAR},{UPLINK2}"}), {NEAR: 3, UPLINK2: 3})
    lab.equal("on a link", connects({"sources": f"{NEAR},{UPLINK2}"}, "10.1.0.1"), {NEAR: 3, UPLINK2: 3})
    return "both uplinks"


@in_two_uplinks
def on_no_link():
    """An address of lo is on no other link than the destination's."""
    lab.ip("addr", "add", "10.9.0.7/32", "dev", "lo")
    lab.equal("sources", connects({"sources": "10.9.0.7"}, "10.1.0.2", port=9), {"Connection refused": 6})
    return "used"


@in_two_uplinks
def automatic():
    lab.ip("addr", "add", "10.2.0.2/24", "dev", "near0")
    lab.ip("addr", "add", "2001:db8:1::3/64", "dev", "near0", "nodad", "preferred_lft", "0")
    auto = {"sources": "auto", "spread": "even"}
    lab.equal("IPv4", connects(auto), {NEAR: 3, NEAR2: 3})
    lab.equal("IPv6", connects(auto, SERVICE6), {NEAR6: 6})
    lab.equal("but for one", connects({**auto, "sources": f"auto,!{NEAR2}"}), {NEAR: 6})
    lab.equal("loopback", connects(auto, "127.0.0.1", port=9), {"Connection refused": 6})


@in_two_uplinks
def link_local():
    lab.ip("addr", "add", "169.254.7.2/16", "dev", "near0")
    shims = [EVERY, {"sources": f"{NEAR6},{ULA6},fe80::1,169.254.7.2"}, {"sources": "auto", "spread": "even"}]
    shown = lab.run(["ip", "-o", "-6", "addr", "show", "dev", "far0", "scope", "link"], inside=WORLD["far"]).stdout
    to = re.search(r"fe80::[0-9a-f:]+", shown)[0] + "%near0"
    lab.wait_for(lambda: all(a.startswith("fe80") for a in connects(None, to, 1)), "the link-local address")
    seen = same("a link-local peer", shims, to=to)
    lab.equal("in all", lab.total(seen), 6)
    return "the address of the link"


def unset():
    with lab.Hold(PORT):
        for to in ("0.0.0.0", "::"):
            if to == "::":
                shims = [{"sources": "::1"}, {"sources": "fd00::7"}]
            else:
                shims = [{"sources": "127.0.0.2,127.0.0.3"}, {"sources": "127.0.0.2", "spread": "spill"}, {"sources": "auto"}]
            seen = same(f"connect() to {to}", shims, to=to)
            lab.equal("in all", lab.total(seen), 6)
    return "the loopback, as without"


def loopback():
    """What listens there may let 127.0.0.1 in and nobody else: a list that is for other networks is none for it."""
    for address in ("10.9.0.1", "10.9.0.2"):
        lab.ip("addr", "add", f"{address}/32", "dev", "lo")
    lab.ipv6_on_loopback(["fd00::7"])
    listed = "10.9.0.1,10.9.0.2,fd00::7"
    shims = [{"sources": listed, "options": ["--spread", s]} for s in ("even", "spill", "sticky")]
    rules, named = lab.scratch() / "rules", lab.scratch() / "named"
    rules.write_text(f"[to *:{PORT}]\nsources = {listed}\n")
    named.write_text("[to 127.0.0.0/8]\nsources = 10.9.0.1,10.9.0.2\n")
    shims += [{"sources": listed, "options": ["--strict"]}, {"options": ["-c", str(rules)]}]
    with lab.Hold(PORT):
        for to in ("127.0.0.1", "127.0.0.9", "::1"):
            lab.equal(to, len(same(f"connect() to {to}", shims, to=to)), 1)
        lab.equal("another address of this host", connects(shims[0], "10.9.0.1"), {"10.9.0.1": 3, "10.9.0.2": 3})
        lab.equal("a rule for it", connects({"options": ["-c", str(named)]}, "127.0.0.1"), {"10.9.0.1": 3, "10.9.0.2": 3})
    return "as without"


# One that lives in two networks. Both have a server on 127.0.0.1, the other has a range of its own.
TWO_NETWORKS = """
import array, collections, ctypes, os, socket, sys, threading
how, elsewhere = sys.argv[1], f"/proc/{sys.argv[2]}/ns/net"
libc = ctypes.CDLL(None, use_errno=True)
home, there = os.open("/proc/self/ns/net", os.O_RDONLY), os.open(elsewhere, os.O_RDONLY)
NEWNET, SYS_setns, SYS_unshare = 0x40000000, 308, 272

def go(fd):
    done = libc.syscall(SYS_setns, fd, NEWNET) if how == "raw" else libc.setns(fd, NEWNET)
    if done:
        raise OSError(ctypes.get_errno(), "setns")

def connects(count, make=socket.socket):
    seen = collections.Counter()
    for n in range(count):
        s = make()
        code = s.connect_ex(("127.0.0.1", 7060))
        seen[s.getsockname()[0] if not code else os.strerror(code)] += 1
        kept.append(s)
    return dict(sorted(seen.items()))

def made_there():
    go(there)
    s = socket.socket()
    go(home)
    return s

def received():
    ours, theirs = socket.socketpair()
    if not os.fork():
        go(there)
        s = socket.socket()
        theirs.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
        os._exit(0)
    fd = array.array("i", ours.recvmsg(1, socket.CMSG_SPACE(4))[1][0][2])[0]
    os.wait()
    return socket.socket(fileno=fd)

def thread_there():
    go(there)
    said.append(connects(200))

kept, said = [], []
if how == "exchange":
    said = [connects(6), connects(6, made_there), connects(6)]
elif how == "received":
    said = [connects(120), connects(6, received)]
elif how == "child":
    said = [connects(3)]
    if not os.fork():
        go(there)
        print(connects(20), flush=True)
        os._exit(0)
    os.wait()
else:
    said.append(connects(120))
    stop = threading.Event()
    def hammer():
        while not stop.is_set():
            with socket.socket() as s:
                s.connect_ex(("127.0.0.1", 7060))
    threads = [threading.Thread(target=hammer), threading.Thread(target=thread_there)]
    for thread in threads:
        thread.start()
    threads[1].join()
    stop.set()
    threads[0].join()
print(*said)
"""


def two_networks(how, shim, expected):
    """In another network this process's counts, sources and pauses say nothing."""
    with lab.far_network(["10.1.0.2/24"], "10.1.0.1/24") as far, lab.Hold(PORT), lab.Hold(PORT, inside=far):
        lab.run(["sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=41000 41999"], inside=far)
        seen = lab.run([lab.PYTHON, "-c", TWO_NETWORKS, how, str(far)], shim)
        lab.equal(f"seen {seen.stderr}", seen.stdout, expected)


OWN, FULL = "127.0.0.1", "Cannot assign requested address"
LOOPBACK = {"sources": "127.0.0.2,127.0.0.3"}


def networks(how, plain, even=None):
    """Without the shim, without sources, and with two."""
    for shim, expected in ((None, plain), ({}, plain), (LOOPBACK, even or plain)):
        lab.new_network()
        two_networks(how, shim, " ".join(map(str, expected)) + "\n")


def thread_in_another():
    full = {OWN: 100, FULL: 20}
    for how in ("thread", "raw"):
        networks(how, [full, {OWN: 200}], [{"127.0.0.2": 60, "127.0.0.3": 60}, {OWN: 200}])
    return "200 of 200"


def sockets_of_another():
    for shim in (None, {}, LOOPBACK):
        lab.new_network()
        with lab.far_network(["10.1.0.2/24"], "10.1.0.1/24") as far, lab.Hold(PORT), lab.Hold(PORT, inside=far):
            done = lab.run([lab.PYTHON, "-c", TWO_NETWORKS, "exchange", str(far)], shim)
            first, other, last = re.findall(r"{[^}]*}", done.stdout)
            lab.equal("made there", other, str({OWN: 6}))
            if shim == LOOPBACK:
                lab.equal("those of home", [sorted(eval(s).values()) for s in (first, last)], [[3, 3], [3, 3]])
    return "left to the kernel"


def received_from_another():
    networks("received", [{OWN: 100, FULL: 20}, {OWN: 6}], [{"127.0.0.2": 60, "127.0.0.3": 60}, {OWN: 6}])


def child_in_another():
    """A child is at home where it began: what it makes elsewhere is left alone."""
    for shim in (None, {}, LOOPBACK):
        lab.new_network()
        with lab.far_network(["10.1.0.2/24"], "10.1.0.1/24") as far, lab.Hold(PORT), lab.Hold(PORT, inside=far):
            done = lab.run([lab.PYTHON, "-c", TWO_NETWORKS, "child", str(far)], shim)
            lab.equal("the child", done.stdout.splitlines()[0], str({OWN: 20}))


MOVES = """
import collections, ctypes, os, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x40000000) == 0
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
l = socket.socket()
l.bind(("127.0.0.1", 7060))
l.listen(100)
seen, kept = collections.Counter(), []
for n in range(6):
    s = socket.create_connection(("127.0.0.1", 7060))
    seen[s.getsockname()[0]] += 1
    kept.append(s)
print(sorted(seen.items()))
"""


def moves_for_good():
    """A program that goes to a network of its own before it has done anything is at home there."""
    lab.equal("sources", lab.run([lab.PYTHON, "-c", MOVES], LOOPBACK).stdout,
              str([("127.0.0.2", 3), ("127.0.0.3", 3)]) + "\n")


lab.main([
    ("a mark", mark),
    ("a mark taken back", mark_taken_back),
    ("a device", device),
    ("a traffic class", traffic_class),
    ("a traffic class of IPv6", traffic_class6),
    ("a marked socket, inherited", inherited),
    ("full for others", full_for_others),
    ("a peer on another link", on_another_link),
    ("a peer behind a tunnel", through_a_tunnel),
    ("an uplink of its own", uplink_of_its_own),
    ("an address of no link", on_no_link),
    ("auto", automatic),
    ("a link-local peer", link_local),
    ("the unset address", unset),
    ("the loopback", loopback),
    ("a thread in another network", thread_in_another),
    ("sockets made in another network", sockets_of_another),
    ("sockets received from another network", received_from_another),
    ("a child in another network", child_in_another),
    ("a network of its own", moves_for_good),
])
