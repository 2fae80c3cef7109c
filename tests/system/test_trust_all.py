#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_trust_all - none of the sources has a way back, and the kernel's own choice has: what works without the shim works with it.

The destination is behind the gateway of a second uplink, which lets in only its own address. Or it turns the sources away.
"""
import contextlib
import functools
import json

import lab
import serving

PORT = 7061
SERVICE, SERVICE6 = "192.0.2.1", "2001:db8:9::1"
NEAR, NEAR6 = [f"10.1.0.{i}" for i in range(3, 7)], [f"2001:db8:1::{i}" for i in range(3, 7)]
NATURAL, NATURAL6 = "10.1.0.2", "2001:db8:1::2"
UPLINK2, UPLINK2_6 = "10.5.0.2", "2001:db8:5::2"

SERVER = serving.LISTEN + serving.WELCOME + f"""
import select, sys
listeners = listen_on({PORT})
print("ready", flush=True)
while True:
    for listener in select.select(listeners, [], [])[0]:
        s, peer = listener.accept()
        welcome(s, peer[0], sys.argv[1:])
"""

# Connections of a kind. Says for each, in the order of their beginnings, what came of it: its source, or what the program
# was told.
CLIENT = """
import errno, json, os, select, socket, sys, threading, time
to, port, kind, count, pause = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
family = socket.AF_INET6 if ":" in to else socket.AF_INET
outcomes, lock = [], threading.Lock()

def begun():
    with lock:
        outcomes.append(None)
        return len(outcomes) - 1

def ended(place, s, what):
    outcomes[place] = what
    s.close()

def one(timeout):
    s = socket.socket(family)
    s.settimeout(timeout)
    place = begun()
    try:
        s.connect((to, port))
        ended(place, s, s.getsockname()[0] if s.recv(5) == b"hello" else "end")
    except OSError as why:
        ended(place, s, errno.errorcode.get(why.errno, "timeout"))

def many(timeout, n):
    for _ in range(n):
        one(timeout)
        time.sleep(pause)

def threads(timeout):
    each = [threading.Thread(target=many, args=(timeout, count // 10)) for _ in range(10)]
    for t in each: t.start()
    for t in each: t.join()

def twenty():
    poll, open_ = select.epoll(), {}
    for _ in range(20):
        s = socket.socket(family)
        s.setblocking(False)
        place = begun()
        code = s.connect_ex((to, port))
        if code not in (0, errno.EINPROGRESS):
            ended(place, s, errno.errorcode[code])
            continue
        poll.register(s, select.EPOLLIN)
        open_[s.fileno()] = place, s
    end = time.monotonic() + 0.3
    while open_ and time.monotonic() < end:
        for fd, _ in poll.poll(max(0, end - time.monotonic())):
            place, s = open_.pop(fd)
            poll.unregister(fd)
            try:
                source = s.getsockname()[0]
                ended(place, s, source if s.recv(5) == b"hello" else "end")
            except OSError as why:
                ended(place, s, errno.errorcode[why.errno])
    for place, s in open_.values():
        ended(place, s, "timeout")

if kind == "blocking": many(None, count)
if kind == "timeout": many(0.3, count)
if kind == "blocking threads": threads(None)
if kind == "threads": threads(0.3)
if kind == "epoll":
    for _ in range(count // 20):
        twenty()
if kind == "forks":
    for _ in range(count):
        r, w = os.pipe()
        if not os.fork():
            one(0.3)
            os.write(w, outcomes[-1].encode())
            os._exit(0)
        os.wait()
        outcomes.append(os.read(r, 100).decode())
        os.close(r)
        os.close(w)
        time.sleep(pause)
print(json.dumps(outcomes))
"""


def rules_first(far):
    """Routing rules before the table of local addresses, so that they bear on what is for this host, too."""
    for family in ("-4", "-6"):
        lab.ip(family, "rule", "add", "pref", "100", "table", "local", inside=far)
        lab.ip(family, "rule", "del", "pref", "0", inside=far)


@contextlib.contextmanager
def elsewhere(far):
    """A host behind the far one, with the service's addresses and nobody who listens."""
    code = ("import ctypes, signal\nctypes.CDLL(None).unshare(0x40000000)\nprint('ready', flush=True)\nsignal.pause()")
    with lab.Process([lab.PYTHON, "-c", code]) as host:
        lab.wait_for(lambda: "ready" in host.stdout(), "the other host", host)
        lab.ip("link", "add", "out0", "type", "veth", "peer", "name", "in0", "netns", str(host.pid), inside=far)
        for words in (("addr", "add", "10.7.0.1/24", "dev", "out0"), ("addr", "add", "2001:db8:7::1/64", "dev", "out0", "nodad"),
                      ("link", "set", "out0", "up")):
            lab.ip(*words, inside=far)
        for words in (("link", "set", "lo", "up"), ("addr", "add", "10.7.0.2/24", "dev", "in0"),
                      ("addr", "add", "2001:db8:7::2/64", "dev", "in0", "nodad"), ("link", "set", "in0", "up"),
                      ("addr", "add", f"{SERVICE}/32", "dev", "lo"), ("addr", "add", f"{SERVICE6}/128", "dev", "lo", "nodad"),
                      ("route", "add", "default", "via", "10.7.0.1"), ("-6", "route", "add", "default", "via", "2001:db8:7::1")):
            lab.ip(*words, inside=host.pid)
        lab.ip("route", "add", SERVICE, "via", "10.7.0.2", "table", "200", inside=far)
        lab.ip("-6", "route", "add", SERVICE6, "via", "2001:db8:7::2", "table", "200", inside=far)
        # What comes back is from an address that the far one has, too.
        lab.run(["sysctl", "-q", "-w", "net.ipv4.conf.out0.accept_local=1"], inside=far)
        yield


def natural(uplinks):
    """The kernel's own choices."""
    return (UPLINK2, UPLINK2_6) if uplinks == 2 else (NATURAL, NATURAL6)


@contextlib.contextmanager
def world(how, uplinks=2):
    """how: what becomes of the sources at the gateway; uplinks: is it that of another interface than theirs?"""
    with lab.far_network([*(f"{a}/24" for a in (NATURAL, *NEAR)), *(f"{a}/64" for a in (NATURAL6, *NEAR6))], "10.1.0.1/24") as far, \
            contextlib.ExitStack() as stack:
        lab.ip("link", "add", "near1", "type", "veth", "peer", "name", "far1", "netns", str(far))
        lab.ip("addr", "add", f"{UPLINK2}/24", "dev", "near1")
        lab.ip("addr", "add", f"{UPLINK2_6}/64", "dev", "near1", "nodad")
        for words in (("addr", "add", "10.5.0.1/24", "dev", "far1"), ("addr", "add", f"{SERVICE}/32", "dev", "lo"),
                      ("addr", "add", f"{SERVICE6}/128", "dev", "lo", "nodad"),
                      ("addr", "add", "2001:db8:1::1/64", "dev", "far0", "nodad"),
                      ("addr", "add", "2001:db8:5::1/64", "dev", "far1", "nodad"), ("link", "set", "far1", "up")):
            lab.ip(*words, inside=far)
        lab.ip("link", "set", "near1", "up")
        for name in ("all", "near0", "near1"):
            lab.sysctl(f"ipv4/conf/{name}/rp_filter", 2)
        lab.sysctl("ipv4/tcp_syn_retries", 1)
        with contextlib.suppress(OSError):  # Linux 6.5
            lab.sysctl("ipv4/tcp_syn_linear_timeouts", 0)
        lab.run(["sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0", "net.ipv4.ip_forward=1",
                 "net.ipv6.conf.all.forwarding=1"], inside=far)
        gateways = ("10.5.0.1", "2001:db8:5::1") if uplinks == 2 else ("10.1.0.1", "2001:db8:1::1")
        for gateway, source in zip(gateways, natural(uplinks)):
            lab.ip("-6" if ":" in source else "-4", "route", "add", "default", "via", gateway, "src", source)
        rules_first(far)
        if how == "refused":
            stack.enter_context(elsewhere(far))
        what = {"dropped": ["blackhole"], "unreachable": ["unreachable"], "refused": ["table", "200"]}.get(how, [])
        for source in NEAR + NEAR6 if what else []:
            lab.ip("-6" if ":" in source else "-4", "rule", "add", "pref", "10", "iif", f"far{uplinks - 1}", "from", source, *what,
                   inside=far)
        server = stack.enter_context(
            lab.Process([lab.PYTHON, "-c", SERVER, *(NEAR + NEAR6 if how == "turned away" else [])], inside=far))
        lab.wait_for(lambda: "ready" in server.stdout(), "the server", server)
        for to, source in zip((SERVICE, SERVICE6), natural(uplinks)):
            lab.wait_for(lambda to=to, source=source: connects(None, "timeout", 1, to)[0] == [source], f"the way to {to}")
        yield far


def connects(shim, kind, count, to=SERVICE, pause=0.0, **rest):
    done = lab.run([lab.PYTHON, "-c", CLIENT, to, str(PORT), kind, str(count), str(pause)], shim, limit_s=300, **rest)
    if done.status:
        raise lab.Failed(str(done))
    return json.loads(done.stdout), done.stderr
COUNT = 100


def good(seen):
    return sum("." in outcome or ":" in outcome for outcome in seen)


def bar(kind, seen, first, rest):
    """At most so many of the first 40, and of the others."""
    lost = [40 - good(seen[:40]), len(seen) - 40 - good(seen[40:])]
    if lost[0] > first or lost[1] > rest:
        raise lab.Failed(f"{kind}: {lost[0]} of the first 40 and {lost[1]} of the others lost: {seen}")
    return f"{lost[0]} of the first 40, {lost[1]} of the others"


def served(how, kind, uplinks, first, to=SERVICE, listed=2, spread="even"):
    """As without the shim, but for a few. first: that may be lost of the first 40; of the others a test of the list."""
    lab.ports(40000, 42999)
    with world(how, uplinks):
        seen, said = connects({"sources": ",".join(NEAR[:listed]), "spread": spread}, kind, COUNT, to)
        lab.equal(f"lines: {said}", said.count("event=sources_failing"), 1)
    return bar(kind, seen, first, 2)


def at_once():
    """A call that blocks, and fails soon, is made again in itself: not even the first is lost."""
    with world("unreachable", 1):
        seen, _ = connects({"sources": NEAR[0]}, "blocking", 1)
    lab.equal("the first", seen, [NATURAL])


def strict():
    """Who forbids it gets what the list gets."""
    with world("refused"):
        for options in (["--strict"], ["--strict", "--spread", "sticky"]):
            seen, said = connects({"sources": ",".join(NEAR[:2]), "options": options}, "blocking", 30)
            lab.equal(f"connected with {options}", good(seen), 0)
            lab.equal("lines", said.count("sources_failing"), 0)


def good_list(uplinks, kind, told):
    """A list that is answered is used, from the first connection on if it is of the interface that leads there."""
    lab.ports(40000, 42999)
    with world("let in", uplinks):
        seen, said = connects({"sources": ",".join(NEAR[:2])}, kind, COUNT)
    natural_ones = seen.count(natural(uplinks)[0])
    if natural_ones > told or good(seen) != COUNT:
        raise lab.Failed(f"{natural_ones} from the kernel's choice: {seen}")
    lab.equal("lines", said.count("failing"), 0)
    return f"{natural_ones} of {COUNT} from the kernel's choice"


BACK = """
import socket, sys, time
def connects(count):
    used = set()
    for _ in range(count):
        s = socket.socket()
        s.settimeout(0.3)
        try:
            s.connect((sys.argv[1], int(sys.argv[2])))
            s.recv(5)
            used.add(s.getsockname()[0])
        except OSError:
            pass
        s.close()
    return used
print("failing", connects(60), flush=True)
sys.stdin.read()
while len(connects(40) & set(sys.argv[3:])) < 2:
    time.sleep(0.05)
print("back", flush=True)
"""


def comes_back():
    """When the list is let in again it is used again."""
    lab.ports(40000, 49999)
    with world("refused") as far, lab.Process([lab.PYTHON, "-c", BACK, SERVICE, str(PORT), *NEAR[:2]],
                                              {"sources": ",".join(NEAR[:2])}, stdin=True) as client:
        lab.wait_for(lambda: f"failing {{'{UPLINK2}'}}" in client.stdout(), "the first", client)
        for source in NEAR:
            lab.ip("rule", "del", "pref", "10", "iif", "far1", "from", source, inside=far)
        client.end_input()
        lab.wait_for(lambda: "back" in client.stdout(), "the list to be used again", client)


SYNS = """
import socket, sys
for _ in range(int(sys.argv[3])):
    s = socket.socket()
    s.connect_ex((sys.argv[1], int(sys.argv[2])))
    s.close()
"""


def out_segments():
    text = open("/proc/net/snmp", encoding="ascii").read()
    names, values = (line.split() for line in text.splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("ActiveOpens")])


def down():
    """Where nobody listens the shim makes no more attempts than the program."""
    with world("let in"):
        for count, more in ((60, 0), (1, 0)):
            before = out_segments()
            lab.run([lab.PYTHON, "-c", SYNS, SERVICE, str(PORT + 1), str(count)], {"sources": ",".join(NEAR[:2])})
            lab.equal("attempts", out_segments() - before, count + more)


def of(function, *arguments, **named):
    return functools.partial(function, *arguments, **named)


HOWS = ("dropped", "unreachable", "refused", "turned away")
KINDS = ("blocking", "timeout", "blocking threads", "threads", "epoll", "forks")
# The families differ in how a way is looked up, not in what is made of a failure.
WAYS = [(how, SERVICE, "IPv4") for how in HOWS] + [(how, SERVICE6, "IPv6") for how in ("dropped", "turned away")]
if lab.SANITIZER:
    WAYS = WAYS[1:3] + WAYS[-1:]


def each(how, uplinks, to, allowed):
    """Each kind of program, one after the other in one world."""
    lab.ports(40000, 49999)
    said = []
    names = NEAR6 if ":" in to else NEAR
    with world(how, uplinks):
        for kind, first in allowed.items():
            # What processes tell each other is not to reach the next kind.
            lab.own_memory_files()
            lab.equal("lost without the shim", good(connects(None, kind, COUNT, to)[0]), COUNT)
            shim = {"sources": ",".join(names[:2]), "env": {"HEADROOM_STATE_DIR": ""}}
            seen, lines = connects(shim, kind, COUNT, to)
            said.append(f"{kind} {bar(kind, seen, first, 2)}")
            lab.equal(f"lines about one source: {lines}", lines.count("source_failing"), 0)
            if kind in ("blocking", "timeout"):
                lab.equal(f"lines: {lines}", lines.count("event=sources_failing"), 1)
    return "; ".join(said)


# Behind the gateway of another interface than that of the sources: a test of the list.
ELSEWHERE = {kind: 3 for kind in KINDS}
# Of the same interface: the first two, what is begun before they end, and a test.
SAME = {"blocking": 3, "timeout": 3, "blocking threads": 13, "threads": 13, "epoll": 23, "forks": 3}
lab.GIVES_UP = True
lab.main([
    *((f"another uplink, {how}, {name}", of(each, how, 2, to, ELSEWHERE)) for how, to, name in WAYS),
    *((f"one uplink, {how}, {name}", of(each, how, 1, to, SAME)) for how, to, name in WAYS),
    *((f"{n} listed", of(served, "refused", "timeout", 1, 4, listed=n)) for n in (1, 4)),
    *((f"sticky, {kind}", of(served, "refused", kind, 1, 4, spread="sticky")) for kind in ("blocking", "timeout")),
    ("at once", at_once),
    ("strict", strict),
    *((f"a good list, {kind}, {n}", of(good_list, n, kind, told))
      for kind in ("blocking", "timeout", "threads") for n, told in ((1, 0), (2, 60))),
    ("it comes back", comes_back),
    ("the server is down", down),
])
