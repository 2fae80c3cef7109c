#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_check - `headroom check`: counts are the kernel's, processes are named, bad input gets one line and 2."""
import contextlib
import json
import os
import pathlib
import re
import socket
import threading

import lab
import sock_diag

PORT = 5000
TO = f"127.0.0.1:{PORT}"
# Older kernels do not list sockets that are bound and nothing else: any port may be held by one.
LISTED = lab.kernel() >= (6, 8)
UNLISTED = "headroom: this kernel, before 6.8, does not list sockets that are bound and not connected\n"
PROBES = lab.has_port_range_option()
UNPROBED = "headroom: --probe: the kernel cannot be asked about single ports (Protocol not available): Linux 6.3 can\n"


def check(*options, status=0, **how):
    """Return: the JSON of `headroom check`."""
    done = lab.run([str(lab.HEADROOM), "check", "--json", *options], **how)
    lab.equal(f"exit status of check {' '.join(options)}\n{done}", done.status, status)
    return json.loads(done.stdout)


def first(*options, status=0, **how):
    """Return: the one tuple space that was asked for."""
    [space] = [s for s in check("--sample", "0", *options, status=status, **how)["tuple_spaces"] if s["asked_for"]]
    return space


def text(*options, status=0, **how):
    done = lab.run([str(lab.HEADROOM), "check", *options], **how)
    lab.equal(f"exit status of check {' '.join(options)}\n{done}", done.status, status)
    return done


@contextlib.contextmanager
def connections(count, to=("127.0.0.1", PORT), source=None):
    held = [socket.create_connection(to, source_address=source) for _ in range(count)]
    try:
        yield held
    finally:
        for s in held:
            s.close()


def needs_probe():
    if not PROBES:
        raise lab.Skipped("--probe needs IP_LOCAL_PORT_RANGE, which is there from Linux 6.3 on")


def counts():
    """What is in use is what the kernel lists, by state; the rest is headroom; the holder is named."""
    with lab.Hold(PORT), connections(40) as held:
        for s in held[:10]:
            s.shutdown(socket.SHUT_WR)
        lab.reaches(PORT, {"127.0.0.1": 10}, states=["FIN-WAIT-2"])
        space = first(TO)
        lab.equal("in use", space["in_use"], {"all": 40, "ESTABLISHED": 30, "FIN_WAIT2": 10})
        lab.equal("headroom, capacity", (space["headroom"], space["capacity"]), (60, 100))
        lab.equal("exact", (space["exact"], space["past_knee"], space["bad_news"]), (LISTED, False, False))
        lab.equal("who", [(p["pid"], p["sockets"]) for p in space["processes"]], [(os.getpid(), 40)])


def time_wait():
    with socket.create_server(("127.0.0.1", PORT)) as server:
        with connections(30):
            pass
        for _ in range(30):
            server.accept()[0].close()
        lab.reaches(PORT, {"127.0.0.1": 30}, states=["TIME-WAIT"])
        space = first(TO)
        lab.equal("in use", space["in_use"], {"all": 30, "TIME_WAIT": 30})
        lab.equal("who", (space["processes"], space["without_process"]), ([], 30))
        lab.equal("not to be had again", space["time_wait_reusable"], 0)
        lab.sysctl("ipv4/tcp_tw_reuse", 2)
        lab.equal("to be had again on loopback", first(TO)["time_wait_reusable"], 30)


def exhausted():
    with lab.Hold(PORT), connections(100):
        space = first(TO, status=1)
        lab.equal("headroom, past the knee", (space["headroom"], space["past_knee"], space["bad_news"]), (0, True, True))
        done = text("--sample", "0", TO, status=1)
        for part in ("headroom   0 of 100 ports, 100 % in use", "past it", "What to do", "headroom run --sources"):
            if part not in done.stdout:
                raise lab.Failed(f"`{part}` is missing in\n{done}")
        if "\033" in done.stdout:
            raise lab.Failed("colour, and not to a terminal")


def threshold():
    with lab.Hold(PORT), connections(30):
        first("--threshold", "31", TO)
        first("--threshold", "30", TO, status=1)


RESTLESS = f"""
import os, socket, sys, threading
low = os.open("/dev/null", os.O_RDONLY)
held = [socket.create_connection(("127.0.0.1", {PORT})) for _ in range(100)]
ended = threading.Event()

def come_and_go():
    global low
    while not ended.is_set():
        os.close(low)
        low = os.open("/dev/null", os.O_RDONLY)

thread = threading.Thread(target=come_and_go)
thread.start()
print("up", flush=True)
sys.stdin.read()
ended.set()
thread.join()
"""


def restless():
    """A holder that opens and closes files meanwhile: each of its sockets is found."""
    lab.ports(40000, 40999)
    with lab.Hold(PORT), lab.Process([lab.PYTHON, "-c", RESTLESS], stdin=True) as process:
        lab.wait_for(lambda: "up" in process.stdout(), "the holder", process)
        for _ in range(40):
            done = check("--sample", "0", f"127.0.0.1:{PORT}")
            lab.equal("sockets without a process", done["sockets_without_visible_process"], 0)
    return "40 looks"


def old_binder():
    """A program that binds the old way is found by the probe, named, and told what to do."""
    needs_probe()
    with lab.Hold(PORT), lab.Hold(5001), lab.Process(
            [lab.client("fill"), "-b", "127.0.0.3", "-c", "30", "127.0.0.1", "5001"], stdin=True) as binder:
        lab.reaches(5001, {"127.0.0.3": 30}, binder)
        unsure = first(TO)
        lab.equal("without --probe", (unsure["headroom"], unsure["headroom_at_least"], unsure["exact"]),
                  (100, 70 if LISTED else 0, False))
        if "at most 100" not in text("--sample", "0", TO).stdout:
            raise lab.Failed("the upper bound is not called one")
        sure = first("--probe", TO)
        lab.equal("with --probe", (sure["headroom"], sure["exact"], sure["blocked"]["connected"]), (70, True, 30))
        lab.equal("who", [(p["pid"], p["name"], p["sockets"]) for p in sure["blocked"]["processes"]], [(binder.pid, "fill", 30)])
        if not re.fullmatch(r"headroom run -- \S*fill .*5001", sure["advice"][0]["command"]):
            raise lab.Failed(f"the first advice: {sure['advice'][0]}")


def older_kernel():
    """Where bound-only sockets are not listed, that is said, and the ports are asked about unasked."""
    older = ["setarch", "--uname-2.6"] if LISTED else []  # by its word only: this kernel lists them all the same
    lab.needs(*older[:1])
    with lab.Hold(PORT), socket.socket() as bound, contextlib.ExitStack() as opened:
        bound.bind(("127.0.0.9", 40050))
        opened.enter_context(connections(10))  # after it: none of them has that port
        found, also = ((89, 89, True), "") if PROBES else ((89 if older else 90, 0, False), UNPROBED)
        for options in ([], ["--probe"]):
            done = lab.run([*older, str(lab.HEADROOM), "check", "--json", "--sample", "0", *options, TO])
            lab.equal("what it says", done.stderr, UNLISTED + (also if options else also.replace("--probe: ", "")))
            [space] = json.loads(done.stdout)["tuple_spaces"]
            lab.equal(" ".join(["headroom, at least, exact", *options]),
                      (space["headroom"], space["headroom_at_least"], space["exact"]), found)


def on_an_interface():
    """A socket bound to an interface takes nothing from the tuple space of those that are not."""
    with lab.Hold(PORT):
        held = []
        for _ in range(20):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
            s.connect(("127.0.0.1", PORT))
            held.append(s)
        spaces = check("--sample", "0", "--probe", TO)["tuple_spaces"]
        lab.equal("per interface", sorted((s["interface"], s["headroom"]) for s in spaces), [(0, 100), (1, 80)])


def several_sources():
    needs_probe()
    with lab.Hold(PORT), connections(7, source=("127.0.0.2", 0)):
        spaces = check("--sample", "0", "--probe", "--from", "127.0.0.1-127.0.0.3", TO)["tuple_spaces"]
        lab.equal("per source", {s["source"]: (s["headroom"], s["asked_for"]) for s in spaces},
                  {f"127.0.0.{i}": (93, True) for i in (1, 2, 3)})
        spaces = check("--sample", "0", TO)["tuple_spaces"]
        lab.equal("who else", {s["source"]: s["asked_for"] for s in spaces}, {"127.0.0.1": True, "127.0.0.2": False})


def names():
    done = check("--sample", "0", f"localhost:{PORT}", TO)
    if TO not in [s["destination"] for s in done["tuple_spaces"]]:
        raise lab.Failed(f"localhost is not {TO}: {done}")
    lab.equal("each destination once", len(done["tuple_spaces"]), len({s["destination"] for s in done["tuple_spaces"]}))


def mapped():
    """IPv4-mapped connections are IPv4 ones."""
    with lab.Hold(PORT):
        with socket.socket(socket.AF_INET6) as s:
            s.connect(("::ffff:127.0.0.1", PORT))
            lab.equal("in use", first(TO)["in_use"]["all"], 1)
            lab.equal("asked in IPv6", first(f"[::ffff:127.0.0.1]:{PORT}")["in_use"]["all"], 1)


def ipv6():
    with lab.Hold(PORT), connections(5, ("::1", PORT)):
        lab.equal("headroom", first(f"[::1]:{PORT}")["headroom"], 95)


def link_local():
    """The scope of a link-local destination is the interface its sockets are bound to."""
    with lab.far_network(["fe80::1/64"], "fe80::2/64") as far, lab.Hold(PORT, inside=far):
        index = socket.if_nametoindex("near0")
        held = [socket.socket(socket.AF_INET6) for _ in range(3)]
        for s in held:
            s.connect(("fe80::2", PORT, 0, index))
        # The interface has an address of the kernel's making too, which becomes a source once it is known to be alone.
        spaces = check("--sample", "0", f"[fe80::2%near0]:{PORT}")["tuple_spaces"]
        lab.equal("in use", sum(space["in_use"]["all"] for space in spaces), 3)
        lab.equal("interfaces", {space["interface"] for space in spaces}, {index})


def other_namespace():
    """--pid and --netns look into the namespace, not into ours."""
    with lab.far_network(["10.9.0.1/24"], "10.9.0.2/24") as far, lab.Hold(PORT) as server:
        with lab.Process([lab.client("fill"), "-c", "12", "10.9.0.1", str(PORT)], inside=far, stdin=True) as process:
            lab.wait_for(lambda: "held" in process.stdout(), "12 connections", process)
            for option in (["--pid", str(far)], ["--netns", f"/proc/{far}/ns/net"]):
                space = first(*option, f"10.9.0.1:{PORT}")
                lab.equal("in use, source, holder", (space["in_use"]["all"], space["source"], space["processes"][0]["pid"]),
                          (12, "10.9.0.2", process.pid))
        lab.equal("here", server.running(), True)


@contextlib.contextmanager
def opening(pause):
    """More and more connections while the block runs, one after each pause of seconds; the list holds them."""
    held, stop = [], threading.Event()

    def opens():
        with contextlib.suppress(OSError):
            while not stop.wait(pause):
                held.append(socket.create_connection(("127.0.0.1", PORT)))

    thread = threading.Thread(target=opens)
    thread.start()
    try:
        yield held
    finally:
        stop.set()
        thread.join()


def rate():
    """What is opened while it looks is counted, and the end is foreseen."""
    def foreseen():
        [space] = check("--sample", "0.2", TO)["tuple_spaces"]
        return space["rate"]["taken"] and space["rate"]["exhausted_in_seconds"] is not None

    lab.ports(40000, 49999)
    with lab.Hold(PORT):
        with opening(0.02) as held:
            # On a busy machine none may come between the two looks.
            lab.wait_for(foreseen, "an end to be foreseen")
        [space] = check("--sample", "0.1", TO)["tuple_spaces"]
        lab.equal(f"at rest, {len(held)} open", (space["rate"]["taken"], space["rate"]["exhausted_in_seconds"]), (0, None))


def everything():
    """--all: the least headroom first; what a listener accepted is nobody's tuple space."""
    with lab.Hold(PORT), lab.Hold(5001), connections(30), connections(49, ("127.0.0.1", 5001)):
        done = check("--all")
        lab.equal("ranked", [(s["destination"], s["headroom"]) for s in done["tuple_spaces"]],
                  [("127.0.0.1:5001", 51), (TO, 70)])
        check("--all", "--threshold", "49", status=1)
        if "127.0.0.1:5001" not in text("--all").stdout.splitlines()[3]:
            raise lab.Failed("the table does not begin with the worst")


def leaks():
    with socket.create_server(("127.0.0.1", PORT)) as server:
        for _ in range(2):
            lab.equal("nothing leaks", check("--leaks", "--sample", "0.1")["leaks"], [])
        with connections(12):
            for _ in range(12):
                server.accept()[0].close()
            lab.reaches(PORT, {"127.0.0.1": 12}, states=["CLOSE-WAIT"])
            [leak] = check("--leaks", "--sample", "0.1", status=1)["leaks"]
            lab.equal("who, where, how many", (leak["pid"], leak["destination"], leak["close_wait"]),
                      (os.getpid(), TO, 12))
            if leak["oldest_close_wait_seconds"] is None:
                raise lab.Failed("the kernel tells the age")
            if "12 in CLOSE_WAIT" not in text("--leaks", "--sample", "0.1", status=1).stdout:
                raise lab.Failed("not in the text")


def growing():
    """Connections that only ever get more, and those that come and go."""
    lab.ports(40000, 49999)
    with lab.Hold(PORT), opening(0.005):
        [leak] = check("--leaks", "--sample", "3", status=1)["leaks"]
    lab.equal("growing", (leak["only_grows"], leak["destination"], leak["pid"]), (True, TO, os.getpid()))


def other_users():
    """Without the right to see whose a socket is: the same numbers, and one line that says what is missing."""
    needs_probe()
    lab.needs("setpriv")
    nobody = ["setpriv", "--reuid", "65534", "--clear-groups"]
    if lab.run([*nobody, "true"]).status or lab.run([*nobody, str(lab.HEADROOM), "--version"]).status:
        raise lab.Skipped("no other user here, or headroom is not to be run by others")
    with lab.Hold(PORT), connections(10):
        done = lab.run([*nobody, str(lab.HEADROOM), "check", "--probe", "--sample", "0", TO])
        lab.equal("status", done.status, 0)
        lab.equal("what it says", done.stderr, ("" if LISTED else UNLISTED) + "headroom: the processes of 10 sockets "
                  "are not shown: run as root to see the processes of other users\n")
        if "headroom   90 of 100 ports" not in done.stdout:
            raise lab.Failed(f"another number than root's\n{done}")


def strange_name():
    """A process's name is no way to a terminal, nor to bad JSON."""
    with lab.Hold(PORT), connections(3):
        pathlib.Path("/proc/self/comm").write_bytes(b"\x1b[31m\xff\n\"x")
        lab.equal("in JSON", first(TO)["processes"][0]["name"], '?[31m??"x')
        done = text("--sample", "0", TO)
        if "\x1b" in done.stdout or '?[31m??"x[' not in done.stdout:
            raise lab.Failed(str(done))


def width():
    """Text for people fits 80 columns, commands aside."""
    with lab.Hold(PORT), lab.Hold(5001), connections(60), connections(9, source=("127.0.0.9", 0)):
        for options in ([TO, "--sample", "0"], ["--probe", TO, "--sample", "0"], ["--all"], ["--leaks", "--sample", "0.1"]):
            done = lab.run([str(lab.HEADROOM), "check", *options])
            for line in done.stdout.splitlines():
                if len(line) > 80 and not line.startswith("       "):
                    raise lab.Failed(f"{len(line)} columns: {line}")


BAD = [
    ([], "headroom: check: no destination given; `headroom check --help` has the usage"),
    (["foo"], "headroom: foo: expected HOST:PORT, such as 10.0.0.9:443 or [fd00::9]:443"),
    (["127.0.0.1:0"], "headroom: 127.0.0.1:0: port 0 is not between 1 and 65535"),
    (["127.0.0.1:70000"], "headroom: 127.0.0.1:70000: port 70000 is not between 1 and 65535"),
    (["127.0.0.1:nosuch"], "headroom: 127.0.0.1:nosuch: `nosuch` is neither a port nor the name of a service"),
    (["--porbe", TO], "headroom: check: `--porbe` is not an option; did you mean `--probe`?"),
    (["::1:80"], "headroom: ::1:80: an IPv6 address needs brackets: [::1]:80"),
    (["[::1:80"], "headroom: [::1:80: expected HOST:PORT, such as 10.0.0.9:443 or [fd00::9]:443"),
    (["--netns", "/proc/self/ns/mnt", TO], "headroom: --netns: /proc/self/ns/mnt: is not a network namespace"),
    (["--from", "192.0.2.9", TO], "headroom: --from: 192.0.2.9 is not an address of this host"),
    (["--from", "x", TO], None),
    (["--from", "::1", TO], "headroom: --from: no source of the family of 127.0.0.1:5000"),
    (["--pid", "0", TO], "headroom: --pid: `0` is not a process id"),
    (["--pid", "99999999", TO], "headroom: --pid: there is no process 99999999"),
    (["--netns", "nowhere", TO], "headroom: --netns: /run/netns/nowhere: No such file or directory"),
    (["--sample", "soon", TO], "headroom: --sample: `soon` is not a number from 0 to 3600"),
    (["--threshold", "101", TO], "headroom: --threshold: `101` is not a number from 0 to 100"),
    (["--unheard-of", TO], "headroom: check: `--unheard-of` is not an option; `headroom check --help` has the details"),
    (["--all", TO], "headroom: --all: takes no destination"),
    (["--all", "--leaks"], "headroom: check: --all and --leaks are two questions: ask one at a time"),
    (["192.0.2.1:80"], "headroom: 192.0.2.1:80: no route to 192.0.2.1:80: Network is unreachable"),
    (["no.such.name.invalid:80"], None),
]


def bad_input():
    for options, line in BAD:
        done = lab.run([str(lab.HEADROOM), "check", *options])
        lab.equal(f"exit status of {options}", done.status, 2)
        lab.equal(f"lines about {options}", done.stderr.count("\n"), 1)
        lab.equal(f"output of {options}", done.stdout, "")
        if line:
            lab.equal(f"what is said of {options}", done.stderr, line + "\n")


lab.main([
    ("counts by state, and who", counts),
    ("TIME_WAIT", time_wait),
    ("exhausted", exhausted),
    ("threshold", threshold),
    ("a holder's files come and go", restless),
    ("an old-style binder", old_binder),
    ("an older kernel", older_kernel),
    ("sockets bound to an interface", on_an_interface),
    ("several sources", several_sources),
    ("names", names),
    ("IPv4-mapped", mapped),
    ("ipv6", ipv6),
    ("link-local", link_local),
    ("another namespace", other_namespace),
    ("rate", rate),
    ("--all", everything),
    ("--leaks, CLOSE_WAIT", leaks),
    ("--leaks, growing", growing),
    ("sockets of other users", other_users),
    ("a strange name", strange_name),
    ("80 columns", width),
    ("bad input", bad_input),
])
