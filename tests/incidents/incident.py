# SPDX-License-Identifier: Apache-2.0
"""incident - what the tests of incidents share: a client and a server namespace, programs that make trouble, the truth
(connect until connect() fails), and what each verb of the command says beside it.

The truth is asked last: while it fills the ports the verbs would see it.
"""
import contextlib
import errno
import json
import os
import pathlib
import re
import socket
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
import lab  # noqa: E402

NEAR, FAR = "10.9.0.1", "10.9.0.100"
PORT = 5000
TO = f"{FAR}:{PORT}"
FINE, BAD, USAGE, UNKNOWN = 0, 1, 2, 3
IP_BIND_ADDRESS_NO_PORT, IP_LOCAL_PORT_RANGE = 24, 51
WHOLE_RANGE = struct.pack("I", 1 | 65535 << 16)


def needs_probe():
    if not lab.has_port_range_option():
        raise lab.Skipped("single ports can be asked about from Linux 6.3 on")


def needs_users():
    """A user of a user namespace is the only one there."""
    lab.needs("setpriv")
    if os.geteuid() or pathlib.Path("/proc/self/uid_map").read_text().split()[:2] != ["0", "0"]:
        raise lab.Skipped("no other user here")


@contextlib.contextmanager
def network(size=200, servers=(PORT,), closes=False):
    """A client namespace (ours) with size ports, 10.9.0.1 and fd09::1; servers on FAR and fd09::100, which keep what
    they accept, or close it at once. Gives the pid of a process over there.
    """
    lab.ports(40000, 40000 + size - 1)
    with lab.far_network([f"{NEAR}/24", "fd09::1/64"], f"{FAR}/24") as far, contextlib.ExitStack() as held:
        lab.ip("addr", "add", "fd09::100/64", "dev", "far0", "nodad", inside=far)
        for port in servers:
            held.enter_context(program(CLOSES, port, inside=far) if closes else lab.Hold(port, inside=far))
        yield far


def program(text, *arguments, **how):
    """A python program with connect(), as another process; it has done its work when it says "done"."""
    code = PROGRAM + text + "\nprint('done', flush=True)\nsignal.pause()\n"
    process = lab.Process([lab.PYTHON, "-c", code, *map(str, arguments)], **how)
    return Culprit(process)


PROGRAM = """
import errno, os, resource, signal, socket, struct, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
kept = []
def connect(host, port, source=None, explicit=False, device=None, kind=socket.SOCK_STREAM, protocol=0):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind, protocol)
    if device:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if source:
        if not explicit:
            s.setsockopt(socket.SOL_IP, 24, 1)
        s.bind((source, 0))
    s.connect((host, port))
    kept.append(s)
    return s
"""


CLOSES = """
server = socket.create_server(("", int(sys.argv[1])), backlog=1000)
print("done", flush=True)
while True:
    server.accept()[0].close()
"""


class Culprit:
    def __init__(self, process):
        self.process, self.pid = process, process.pid

    def __enter__(self):
        lab.wait_for(lambda: "done" in self.process.stdout(), "the program's work", self.process)
        return self

    def __exit__(self, *_):
        self.process.stop()


def truth(to=TO, source=None, device=None):
    """Connects until connect() fails, with the whole range. Return: how many came through; all are reset again."""
    host, port = to.rsplit(":", 1)
    host = host.strip("[]")
    held = []
    try:
        while True:
            s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            held.append(s)
            s.setsockopt(socket.SOL_IP, IP_LOCAL_PORT_RANGE, WHOLE_RANGE)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if device:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            if source:
                s.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                s.bind((source, 0))
            try:
                s.connect((host, int(port)))
            except OSError as why:
                lab.equal("the end of the ports", errno.errorcode[why.errno], "EADDRNOTAVAIL")
                return len(held) - 1
    finally:
        for s in held:
            s.close()


def headroom(*words, status=FINE, **how):
    """Runs the command. Return: the Result, after its exit status was compared."""
    done = lab.run([str(lab.HEADROOM), *words], **how)
    lab.equal(f"exit status of headroom {' '.join(words)}\n{done}", done.status, status)
    return done


def check(*words, status=FINE, to=TO, **how):
    """Return: (JSON of the one tuple space that was asked for, its text)."""
    seen = json.loads(headroom("check", "--json", "--sample", "0", *words, to, status=status, **how).stdout)
    [space] = [s for s in seen["tuple_spaces"] if s["asked_for"]]
    return space, headroom("check", "--sample", "0", *words, to, status=status, **how).stdout


def as_json(*words, status=FINE, **how):
    return json.loads(headroom(*words, "--json", status=status, **how).stdout)


def advice(text):
    """The first thing to do, on one line, as `headroom check` prints it."""
    _, _, rest = text.partition("What to do\n  1. ")
    return " ".join(re.split(r"\n  2\. |\n\n", rest)[0].split())


def has(what, text, *wanted):
    for part in wanted:
        if part not in text:
            raise lab.Failed(f"{what}: no {part!r} in\n{text}")


def mistakes(*cases):
    """Each is the words of a command, and what its one line of complaint says."""
    for words, wanted in cases:
        done = headroom(*words, status=USAGE)
        has(" ".join(words), done.stderr, wanted)
        lab.equal(f"lines of {words}", (done.stderr.count("\n"), done.stdout), (1, ""))


def lacks(what, text, *unwanted):
    for part in unwanted:
        if part in text:
            raise lab.Failed(f"{what}: {part!r} in\n{text}")


def rows_of_top(*words, **how):
    """Return: the rows of `headroom top --once`, each as {column: text}."""
    lines = headroom("top", "--once", "--delay", "0.1", *words, **how).stdout.splitlines()
    if not lines or "destination" not in lines[0]:
        return []
    starts = [found.start() for found in re.finditer(r"\S+", lines[0])]
    return [dict(zip(lines[0].split(), line.replace("(no shim)", "(no-shim)").split()))
            for line in lines[1:] if len(line) > starts[2] and not re.match(r".*: \d+ ports?, ", line)]


def metrics(*words):
    """Return: {name: {labels: value}} of `headroom export`."""
    out = {}
    for line in headroom("export", *words).stdout.splitlines():
        found = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
        if found:
            out.setdefault(found[1], {})[found[2] or ""] = float(found[3])
    return out


def name_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def who(process):
    return f"{name_of(process.pid)}[{process.pid}]"
