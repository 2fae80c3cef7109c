#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_disable - the switch that takes the shim out of every program: /run/headroom/disabled, HEADROOM_DISABLE,
`headroom disable`, `headroom enable`. Each case has a /run of its own.
"""
import collections
import functools
import json
import os
import pathlib
import re
import struct

import lab
from sock_diag import tcp_sockets, tuples

FOLDER, FILE = pathlib.Path("/run/headroom"), pathlib.Path("/run/headroom/disabled")
SOURCES = "127.0.0.2-127.0.0.5"
RESET, ASKED, HELD = 5000, 5001, 5002
TOGGLES = 3
ROW = re.compile(rf"^\S+:(\d+) +(\S+) +\d+ +(\d+) +(\d+) +\d+ +\d+ +\d+ +\d+$", re.M)


def own_run():
    lab.own_memory_files()
    lab.call("mount", b"none", b"/run", b"tmpfs", 0, b"mode=755")
    lab.ports(20000, 60000)


def disable(file=True):
    FOLDER.mkdir(mode=0o755, exist_ok=True)
    if file:
        FILE.touch(mode=0o644)


def headroom(*arguments, statuses=(0,)):
    done = lab.run([str(lab.HEADROOM), *arguments])
    if done.status not in statuses:
        raise lab.Failed(f"headroom {' '.join(arguments)}: {done}")
    return done


class Load(lab.Process):
    """toggle.c, its threads under way."""

    def __init__(self, rules, threads=8):
        self.file, path = lab.scratch() / "seen", lab.scratch() / "rules"
        path.write_text(rules)
        super().__init__([lab.client("toggle"), "load", str(threads), str(self.file)],
                         {"options": ["-c", str(path), "--summary"]})
        lab.wait_for(lambda: self.file.exists() and sum(self.seen()) > 100, "some connections", self)

    def seen(self):
        """Return: connections from the kernel's source, from ours, failed calls."""
        data = self.file.read_bytes()
        return struct.unpack("=3Q", data) if len(data) == 24 else (0, 0, 0)

    def settles(self, awake):
        """Waits until some hundred connections in a row leave as they should."""
        last = self.seen()

        def steady():
            nonlocal last
            now = self.seen()
            ours, others = now[1] - last[1], now[0] - last[0]
            # One that was under way may come late.
            wrong = ours <= others if awake else ours
            if not wrong and others + ours > 300:
                return True
            if wrong:
                last = now
            return False

        lab.wait_for(steady, "the sources of the shim" if awake else "the source of the kernel", self)


# No knee in so wide a range; what is parked stays for longer than the case takes.
RULES = f"""[headroom]
sources = {SOURCES}
spread = even
[to *:{ASKED}]
sources = {SOURCES}
reuse = http
idle_timeout = 600s
max_age = 600s
[to *:{HELD}]
sources = {SOURCES}
"""


def under_load():
    own_run()
    FOLDER.mkdir(mode=0o755)
    with lab.Hold(RESET, "http"), lab.Hold(ASKED, "http"), lab.Hold(HELD), Load(RULES) as load:
        for _ in range(TOGGLES):
            load.settles(awake=True)
            FILE.touch(mode=0o644)
            load.settles(awake=False)
            FILE.unlink()
        load.settles(awake=True)
        load.send(10)
        lab.wait_for(lambda: "done" in load.stdout(), "the last connections", load)
        kernel = tuples(HELD)
        natural, spread, failed = load.seen()
        load.send(15)
        done = load.wait()
    warned = "".join(re.findall(r"^toggle: .*\n", done.stderr, re.M))
    lab.equal(f"calls that failed: {warned[:500]}{done.stderr[-500:]}: ", failed, 0)
    lab.equal("exit status", done.status, 0)
    rows = collections.defaultdict(collections.Counter)
    for port, source, held, time_wait in ROW.findall(done.stderr):
        rows[int(port)][source] += int(held) + int(time_wait)
    lab.equal("in use at the end, by source, as the kernel has it", {s: n for s, n in rows[HELD].items() if n}, kernel)
    lab.equal("still open of what was closed by a reset", {s: n for s, n in rows[RESET].items() if n}, {})
    return f"{natural} from the kernel's source, {spread} from the shim's"


def parked():
    """The program makes no call: the thread that keeps time gives the pool up. After 16 exchanges the server is known, and after 16
    more over one connection that would have had its turn."""
    own_run()
    FOLDER.mkdir(mode=0o755)
    with lab.Hold(ASKED, "http"), lab.Process(
            [lab.PYTHON, "-c", f"""
import socket, sys
for i in range(30):
    s = socket.create_connection(("127.0.0.1", {ASKED}))
    s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    s.recv(4096)
    s.close()
print("ready", flush=True)
sys.stdin.read()
"""], {"options": ["--reuse", "http"], "env": {"HEADROOM_CONFIG": str(rules("[headroom]\nidle_timeout = 600s\n"))}},
            stdin=True) as client:
        lab.wait_for(lambda: "ready" in client.stdout(), "the client", client)

        def open_ones():
            return sum(s.dport == ASKED and s.state == "ESTAB" for s in tcp_sockets())

        if not open_ones():
            raise lab.Failed("nothing is parked")
        FILE.touch(mode=0o644)
        lab.wait_for(lambda: not open_ones(), "the pool to be given up", client)


def rules(text):
    path = lab.scratch() / "more.rules"
    path.write_text(text)
    return path


def calls(trace):
    """Return: how often each call was made, but for what the loader does and the look at the file."""
    names = re.findall(r"^(?:\[pid +\d+\] )?(\w+)\(", trace.read_text(), re.M)
    return collections.Counter(name for name in names if name in (
        "socket", "bind", "connect", "setsockopt", "getsockopt", "getsockname", "recvfrom", "sendto", "ppoll", "poll",
        "close", "fcntl", "clone", "futex", "clock_gettime", "ioctl", "dup3", "fallocate", "ftruncate", "prctl"))


def from_the_start(how):
    """Not a call more than without the shim."""
    lab.needs("strace")
    lab.not_under_sanitizer("it makes calls of its own")
    own_run()
    env = {"HEADROOM_SUMMARY": "1"}
    if how == "file":
        disable()
    else:
        env["HEADROOM_DISABLE"] = "1"
    command = ["strace", "-f", "-o", str(lab.scratch() / "trace"), lab.client("toggle"), "some", "40"]
    with lab.Hold(RESET, "http"):
        plain = lab.run(command)
        expected = calls(lab.scratch() / "trace")
        # strace itself is not under it.
        done = lab.run([*command[:4], "-E", f"LD_PRELOAD={lab.BUILD / 'libheadroom.so'}", "-E",
                        f"HEADROOM_SOURCES={SOURCES}", *command[4:]], env=env)
        lab.equal("without the shim", (plain.status, plain.stdout), (0, "38 natural, 0 spread, 0 failed\n"))
        lab.equal("said", (done.status, done.stdout, done.stderr), (0, plain.stdout, plain.stderr))
        trace = (lab.scratch() / "trace").read_text()
        seen = calls(lab.scratch() / "trace")
        # Nor does it ask what it may do (restraint.h).
        lab.equal("looks into the process", "/proc/self/status" in trace, False)
        # The loader opens and closes one library more, and the shim those it needs.
        seen["close"] = expected["close"]
        lab.equal("calls", seen, expected)
    if how == "file":
        looks = trace.count(f'"{FILE}"')
        if not 1 <= looks <= 2 * 60:
            raise lab.Failed(f"{looks} looks at the file")


def next_of(client, order):
    """What toggle.c says of its next connection."""
    before = len(client.stdout().split())
    client._stdin.write(f"{order}\n".encode())
    client._stdin.flush()
    lab.wait_for(lambda: len(client.stdout().split()) > before, "a connection", client)
    return client.stdout().split()[-1]


def only_its_own(client, connect):
    """Return: calls of a connection that are not toggle.c's own, but for the look at the file; what has been begun before
    is no concern."""
    if lab.SANITIZER:
        return collections.Counter()
    with lab.Tracer(client, "-o", str(lab.scratch() / "trace")) as tracer:
        connect()
        tracer.stop()
    seen = collections.Counter(re.findall(r"^\d+ +(\w+)\(", (lab.scratch() / "trace").read_text(), re.M))
    # access(), newfstatat(), prctl(): the look; restart_syscall: of strace.
    return seen - collections.Counter(read=9, write=9, socket=1, connect=1, getsockname=1, setsockopt=1, close=1, access=1,
                                      faccessat=1, newfstatat=1, prctl=1, restart_syscall=9)


def one_by_one(fork):
    """The first connection after a second sees it, however long there was none; and so does a forked child's."""
    own_run()
    FOLDER.mkdir(mode=0o755)
    order = "fork" if fork else "one"
    with lab.Hold(RESET, "http"), lab.Process([lab.client("toggle"), "later"], {"sources": SOURCES}, stdin=True) as client:
        lab.wait_for(lambda: "ready" in client.stdout(), "the client", client)
        next_from = functools.partial(next_of, client, order)

        lab.equal("at first", next_from(), "spread")
        FILE.touch(mode=0o644)
        lab.wait_for(lambda: next_from() == "natural", "the kernel's source", client)
        lab.equal("then", [next_from() for _ in range(3)], ["natural"] * 3)
        if not fork:
            lab.equal("calls", only_its_own(client, next_from), collections.Counter())
        FILE.unlink()
        lab.wait_for(lambda: next_from() == "spread", "a source of the shim's", client)
        lab.equal("then", [next_from() for _ in range(3)], ["spread"] * 3)


def started_disabled():
    """It has not used the shim when the file goes."""
    own_run()
    disable()
    with lab.Hold(RESET, "http"), lab.Process([lab.client("toggle"), "later"], {"sources": SOURCES},
                                              stdin=True) as client:
        lab.wait_for(lambda: "ready" in client.stdout(), "the client", client)
        lab.equal("at first", next_of(client, "one"), "natural")
        FILE.unlink()
        lab.wait_for(lambda: next_of(client, "one") == "spread", "a source of the shim's", client)


def not_roots(how):
    """What others may have made disables nothing."""
    own_run()
    disable(file=False)
    if how == "a link":
        (FOLDER / "target").touch(mode=0o644)
        FILE.symlink_to("target")
    elif how == "a folder":
        FILE.mkdir()
    else:
        FILE.touch()
        if how == "another user's":
            try:
                os.chown(FILE, 1000, 1000)
            except OSError as why:
                raise lab.Skipped("no other user here") from why
        else:
            FILE.chmod(0o666)
    with lab.Hold(RESET, "http"):
        done = lab.run([lab.client("toggle"), "some", "40"], {"sources": SOURCES})
    lab.equal("said", done.stdout, "3 natural, 35 spread, 0 failed\n")


def killed_for_the_look():
    """A filter that the program put itself under in a way that no hook sees."""
    own_run()
    FOLDER.mkdir(mode=0o755)
    with lab.Hold(RESET, "http"):
        for sources in (None, SOURCES):
            done = lab.run([lab.client("toggle"), "filter"], {"sources": sources})
            if done.status == 77:
                raise lab.Skipped("needs Linux on x86-64")
            lab.equal("exit status", done.status, 0)


def now():
    """Others on this machine may be under a shim, with another /run than ours."""
    return headroom("disable", "--now", statuses=(0, 1)).stdout


def command():
    own_run()
    # The segments of root's programs.
    FOLDER.mkdir(mode=0o700)
    with lab.Hold(RESET, "http"), lab.Process([lab.client("toggle"), "later"], {"sources": SOURCES}, stdin=True) as client:
        lab.wait_for(lambda: "ready" in client.stdout(), "the client", client)
        for words in (["disable"], ["enable"]):
            said = headroom(*words).stdout
            if not re.search(r"\b[1-9]\d* process(es)? under the shim", said) or FILE.exists():
                raise lab.Failed(f"{words}: {said}")
        old = os.umask(0o077)
        said = now()
        os.umask(old)
        lab.equal("the first line", said.splitlines()[0], f"disabled: {FILE}")
        lab.equal("modes", [oct(p.stat().st_mode & 0o7777) for p in (FOLDER, FILE)], ["0o711", "0o644"])
        lab.equal("again", now().splitlines()[0], f"disabled already: {FILE}")
        lab.equal("status", "disabled by" in headroom("status").stdout, True)
        lab.equal("json", json.loads(headroom("status", "--json").stdout)["shim"]["disabled"], True)
        lab.equal("run", "enable" in headroom("run", "--", "true").stderr, True)
        lab.equal("enable", headroom("enable").stdout.splitlines()[0], f"enabled: there is no {FILE}")
        lab.equal("again", headroom("enable").stdout.splitlines()[0], f"enabled already: there is no {FILE}")
        lab.equal("status", json.loads(headroom("status", "--json").stdout)["shim"]["disabled"], False)
        # What does not count is replaced.
        FILE.symlink_to("/etc/passwd")
        now()
        lab.equal("a file", FILE.is_symlink(), False)
        headroom("enable")


def another_run():
    """A container has a /run of its own: it is told."""
    lab.needs("unshare")
    own_run()
    wrap = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
    with lab.Process([*wrap, lab.client("toggle"), "later"],
                     env={"LD_PRELOAD": str(lab.BUILD / "libheadroom.so")}, stdin=True) as client:
        lab.wait_for(lambda: "ready" in client.stdout(), "the client", client)
        said = headroom("disable", "--now", statuses=(1,)).stdout
        if not re.search(rf"^[1-9]\d* more .*:\n(  .*\n)*?  {client.pid} \S*toggle later", said, re.M) and not re.search(
                r"and \d+ others", said):
            raise lab.Failed(said)


def not_root():
    own_run()
    try:
        os.chown(FOLDER.parent, 1000, 1000)
        os.chown(FOLDER.parent, 0, 0)
    except OSError as why:
        raise lab.Skipped("no other user here") from why
    wrap = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]
    done = lab.run([*wrap, str(lab.HEADROOM), "disable", "--now"])
    lab.equal("exit status", done.status, 2)
    lab.equal("says who may", "this takes root" in done.stderr, True)
    disable()
    done = lab.run([*wrap, str(lab.HEADROOM), "enable"])
    lab.equal("exit status", (done.status, FILE.exists()), (2, True))
    # A user's programs heed root's file.
    FILE.chmod(0o600)
    FOLDER.chmod(0o711)
    with lab.Hold(RESET, "http"):
        done = lab.run([*wrap, lab.client("toggle"), "some", "40"],
                       env={"LD_PRELOAD": str(lab.BUILD / "libheadroom.so"), "HEADROOM_SOURCES": SOURCES,
                            "HEADROOM_STATE_DIR": "off"})
    lab.equal("said", done.stdout, "38 natural, 0 spread, 0 failed\n")


lab.main([
    ("toggled under load", under_load),
    ("what is parked goes without a call of the program's", parked),
    ("from the start, by the file", functools.partial(from_the_start, "file")),
    ("from the start, by the variable", functools.partial(from_the_start, "variable")),
    ("one connection now and then", functools.partial(one_by_one, False)),
    ("a child for each connection", functools.partial(one_by_one, True)),
    ("disabled before its first connection", started_disabled),
    *((f"a file that does not count: {how}", functools.partial(not_roots, how))
      for how in ("a link", "a folder", "another user's", "one that others can write to")),
    ("a filter that kills for the look", killed_for_the_look),
    ("headroom disable, headroom enable", command),
    ("a program with another /run", another_run),
    ("a user who is not root", not_root),
])
