#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_ports - `headroom ports` and `headroom explain`: who blocks which port, and what that leaves."""
import json
import os
import re
import socket

import lab

PORT = 5000


def ports(*options, status=0):
    done = lab.run([str(lab.HEADROOM), "ports", "--json", *options])
    lab.equal(f"exit status\n{done}", done.status, status)
    return json.loads(done.stdout)


def text(*options, status=0):
    done = lab.run([str(lab.HEADROOM), "ports", *options])
    lab.equal(f"exit status\n{done}", done.status, status)
    return done.stdout


def bound(address, port, listen=False):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.bind((address, port))
    if listen:
        s.listen()
    return s


def untouched():
    seen = ports()
    lab.equal("all of the range", (seen["range"], seen["usable"], seen["exact"], seen["blocked_ports"]),
              (100, 100, True, []))


def by_whom():
    """Each blocked port with its reason and its process; the probe finds what no list tells."""
    lab.ports(40000, 40099, reserved="40010-40019")
    with lab.Hold(PORT), bound("127.9.9.9", 40001, True), bound("::1", 40002), bound("127.9.9.9", 40015, True), \
            bound("127.0.0.3", 40030) as connected:
        connected.connect(("127.0.0.1", PORT))
        me = {"pid": os.getpid(), "name": open("/proc/self/comm", encoding="ascii").read().strip()}
        expected = [{"first": port, "last": port, "by": by, "state": state, "reserved": port == 40015, **me}
                    for port, by, state in ((40001, "listener", "LISTEN"), (40002, "bound", "BOUND"),
                                            (40015, "listener", "LISTEN"))]
        seen = ports()
        lab.equal("listed", seen["blocked_ports"], expected)
        lab.equal("left", (seen["usable"], seen["usable_at_least"], seen["exact"]), (88, 87, False))
        seen = ports("--probe")
        expected.append({"first": 40030, "last": 40030, "by": "connected", "state": "ESTABLISHED", "reserved": False, **me})
        lab.equal("probed", seen["blocked_ports"], expected)
        lab.equal("left", (seen["usable"], seen["usable_at_least"], seen["exact"]), (87, 87, True))
        seen = text("--probe")
        if "ip_local_reserved_ports=40001,40010-40019\n" not in seen:
            raise lab.Failed(f"the listener is not to be reserved, or what is reserved is forgotten\n{seen}")
        if any(len(line) > 80 for line in seen.splitlines()):
            raise lab.Failed(f"wider than 80 columns\n{seen}")


def neighbours():
    """Ports of one process, side by side, are one line."""
    with bound("127.9.9.9", 40001), bound("127.9.9.9", 40002), bound("127.9.9.9", 40003):
        [run] = ports()["blocked_ports"]
        lab.equal("one run", (run["first"], run["last"]), (40001, 40003))
        if "40001-40003" not in text():
            raise lab.Failed("not in the text")


def none_left():
    lab.ports(40000, 40001)
    with bound("127.9.9.9", 40000), bound("127.9.9.9", 40001):
        lab.equal("left", ports(status=1)["usable"], 0)


def bad_input():
    for options in (["--frob"], ["x"], ["--pid"], ["--pid", "x"]):
        done = lab.run([str(lab.HEADROOM), "ports", *options])
        lab.equal(f"status, lines of {options}", (done.status, done.stderr.count("\n"), done.stdout), (2, 1, ""))


def explain():
    listed = lab.run([str(lab.HEADROOM), "explain", "--help"])
    lab.equal("status", listed.status, 0)
    words = [line.split()[0] for line in listed.stdout.splitlines()[2:]]
    for word in words:
        done = lab.run([str(lab.HEADROOM), "explain", word])
        if done.status or len(done.stdout) < 200 or any(len(line) > 80 for line in done.stdout.splitlines()):
            raise lab.Failed(f"{word}: {done}")
    done = lab.run([str(lab.HEADROOM), "explain", "nonsense"])
    lab.equal("status, lines", (done.status, done.stderr.count("\n")), (2, 1))
    return f"{len(words)} words"


def completion():
    """bash completes verbs, options and words; both shells know every option that --help lists."""
    folder = lab.HERE.parent.parent / "completions"
    files = [(folder / name).read_text() for name in ("headroom.bash", "_headroom")]
    for verb in ("status", "run", "check", "ports", "report", "top", "record", "export", "explain", "config"):
        options = re.findall(r"^  .{0,4}(--[a-z-]+)", lab.run([str(lab.HEADROOM), verb, "--help"]).stdout, re.M)
        for name, known in zip(("bash", "zsh"), files):
            missing = [option for option in options if option not in known]
            lab.equal(f"options of {verb} that {name} does not know", missing, [])
    for words, expected in ((["ch"], "check"), (["check", "--pr"], "--probe"), (["explain", "kn"], "knee"),
                            (["ports", "--js"], "--json"), (["run", "--spread", "sp"], "spill"), (["top", "--sort", "=", "ra"], "rate"), (["report", "--by", "so"], "source"), (["run", "--", "tru"], "true truncate"),
                            (["help", "exp"], "export explain")):
        line = " ".join(["headroom", *words])
        done = lab.run(["bash", "-c", f"source {folder}/headroom.bash; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
                        "_headroom; echo ${COMPREPLY[*]}"])
        lab.equal(f"completion of `{line}`", sorted(set(done.stdout.split()) & set(expected.split())), sorted(expected.split()))


HIGH_FD = """
import socket, sys, time
kept = [open("/dev/null") for _ in range(300)]
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("done", flush=True)
time.sleep(1000)
"""


def at_a_high_fd():
    """The first fds of all processes are looked at first, the others too."""
    low = 40000
    lab.ports(low, low + 99)
    with lab.Process([lab.PYTHON, "-c", HIGH_FD, str(low + 1)]) as listener:
        lab.wait_for(lambda: "done" in listener.stdout(), "the listener", listener)
        text = lab.run([str(lab.HEADROOM), "ports"]).stdout
        if f"[{listener.pid}] 1\n" not in text:
            raise lab.Failed(text)


lab.main([
    ("nobody there", untouched),
    ("who blocks what", by_whom),
    ("at a high fd", at_a_high_fd),
    ("neighbours", neighbours),
    ("none left", none_left),
    ("bad input", bad_input),
    ("explain", explain),
    ("completion", completion),
])
