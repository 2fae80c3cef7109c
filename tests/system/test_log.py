#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_log - the 50, 80 and 95 % lines, failover, exhaustion and recovery are reported, and never on stdout."""
import contextlib
import os
import pty
import socket
import subprocess
import termios
import functools
import json
import re
import shlex
import time

import lab

PORT, CAPACITY = 5000, 100
TWO = "127.0.0.1-127.0.0.2"


def logfmt(line):
    """Return: the fields of a logfmt line, quotes undone."""
    words = shlex.split(line)
    lab.equal("the first word", words[0], "headroom")
    return dict(word.split("=", 1) for word in words[1:])


def fill(shim, *options, to=("127.0.0.1", str(PORT))):
    """Return: the Result of filling everything up."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    with lab.Hold(PORT):
        done = lab.run([lab.client("fill"), *options, *to], shim)
    lab.equal("exit status", done.status, 0)
    for line in done.stdout.splitlines():
        if not re.fullmatch(r"\S+ \d+ opened \d+, connect EADDRNOTAVAIL|held", line):
            raise lab.Failed(f"on stdout: {line}")
    return done


def by_event(records):
    found = {}
    for record in records:
        found.setdefault(record["event"], []).append(record)
    return found


def check_complete(records, sources, destination=f"127.0.0.1:{PORT}"):
    """What a fill to the end has to report, whatever the format."""
    found = by_event(records)
    steps = {(r["source"], int(r["percent"])) for r in found.get("threshold", [])}
    lab.equal("steps", steps, {(s, p) for s in sources for p in (50, 80, 95)})
    for record in found["threshold"]:
        lab.equal("a step's in_use and capacity", (int(record["in_use"]), int(record["capacity"])),
                  (int(record["percent"]), CAPACITY))
    for record in found.get("failover", []):
        lab.equal("a failover's source is one of ours", record["source"] in sources, True)
        lab.equal("a failover's in_use, open", (int(record["in_use"]), int(record["open"])), (CAPACITY, CAPACITY))
    lab.equal("failovers were reported", bool(found.get("failover")), len(sources) > 1)
    [last] = found["exhausted"]
    lab.equal("exhaustion: in_use, capacity, open, time_wait",
              [int(last[k]) for k in ("in_use", "capacity", "open", "time_wait")],
              [len(sources) * CAPACITY] * 3 + [0])
    lab.equal("exhaustion: level, EADDRNOTAVAIL named", (last["level"], "EADDRNOTAVAIL" in last["msg"]),
              ("error", True))
    lab.equal("destination", {r["destination"] for r in records}, {destination})
    lab.equal("program", {r["prog"] for r in records}, {"fill"})
    return f"{len(records)} lines: " + ", ".join(f"{len(v)} {k}" for k, v in sorted(found.items()))


def to_stderr():
    done = fill({"sources": TWO})
    return check_complete([logfmt(line) for line in done.stderr.splitlines()], ["127.0.0.1", "127.0.0.2"])


def json_format():
    done = fill({"sources": TWO, "env": {"HEADROOM_LOG_FORMAT": "json"}})
    records = [json.loads(line) for line in done.stderr.splitlines()]
    for record in records:
        lab.equal("numbers are numbers", isinstance(record["in_use"], int) and isinstance(record["pid"], int), True)
    return check_complete(records, ["127.0.0.1", "127.0.0.2"])


def to_file(option):
    path = lab.scratch() / "log"
    shim = {"sources": TWO, "options": ["--log", f"file:{path}"]} if option else \
        {"sources": TWO, "env": {"HEADROOM_LOG": f"file:{path}"}}
    lab.equal("stderr", fill(shim).stderr, "")
    lines = path.read_text().splitlines()
    return check_complete([logfmt(line) for line in lines], ["127.0.0.1", "127.0.0.2"])


def no_sources():
    done = fill({})
    return check_complete([logfmt(line) for line in done.stderr.splitlines()], ["127.0.0.1"])


def ipv6():
    lab.ipv6_on_loopback(f"fd00::{i}" for i in (1, 2))
    done = fill({"sources": "fd00::1-fd00::2"}, to=("fd00::1", str(PORT)))
    return check_complete([logfmt(line) for line in done.stderr.splitlines()], ["fd00::1", "fd00::2"],
                          f"[fd00::1]:{PORT}")


def mapped_as_ipv4():
    done = fill({"sources": TWO}, "-m")
    return check_complete([logfmt(line) for line in done.stderr.splitlines()], ["127.0.0.1", "127.0.0.2"])


def levels():
    done = fill({"sources": TWO, "env": {"HEADROOM_LOG_LEVEL": "error"}})
    lab.equal("events at level error", set(by_event(map(logfmt, done.stderr.splitlines()))), {"exhausted"})
    for off in ({"env": {"HEADROOM_LOG": "off"}}, {"options": ["--log", "off"]}):
        lab.new_network()
        lab.equal("log off", fill({"sources": TWO, **off}).stderr, "")
    return "error: exhaustion only; off: nothing"


def recovered():
    """Fill, let go by reset, fill again: the recovery is a line, and the steps are reported anew."""
    done = fill({}, "-a", to=("127.0.0.1", str(PORT)) * 2)
    found = by_event(map(logfmt, done.stderr.splitlines()))
    lab.equal("recoveries", len(found.get("recovered", [])), 1)
    lab.equal("steps", [int(r["percent"]) for r in found["threshold"]], [50, 80, 95] * 2)
    return "50 80 95, recovered, 50 80 95"


def time_wait():
    """Ports held by TIME_WAIT are told apart from open ones."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    program = "import socket, sys\n" \
              "for _ in range(60): socket.create_connection(('127.0.0.1', 5000)).close()\n" \
              "print('closed', flush=True); sys.stdin.read()\n" \
              "held = [socket.create_connection(('127.0.0.1', 5000)) for _ in range(40)]\n" \
              "try: socket.create_connection(('127.0.0.1', 5000))\n" \
              "except OSError as why: print(why.errno)\n"
    with lab.Hold(PORT, "http"), lab.Process([lab.PYTHON, "-c", program], {}, stdin=True) as process:
        lab.wait_for(lambda: "closed" in process.stdout(), "60 connections", process)
        lab.reaches(PORT, {"127.0.0.1": 60}, process, ["TIME-WAIT"])
        done = process.wait()
    lab.equal("stdout", done.stdout, "closed\n99\n")
    [last] = by_event(map(logfmt, done.stderr.splitlines()))["exhausted"]
    lab.equal("open, time_wait, in_use", [int(last[k]) for k in ("open", "time_wait", "in_use")], [40, 60, CAPACITY])
    return "40 open and 60 TIME_WAIT"


EXHAUST = "import socket\nheld, failed = [], 0\n" \
          "for _ in range(12):\n" \
          "    try: held.append(socket.create_connection(('127.0.0.1', 5000)))\n" \
          "    except OSError as why: failed += why.errno == 99\n" \
          "print(len(held), failed, flush=True)\n"


def preloaded(**more):
    return lab.environment({"LD_PRELOAD": f"{lab.SANITIZER}:{lab.BUILD}/libheadroom.so".strip(":"), **more})


def file_limit():
    """A line past RLIMIT_FSIZE would raise SIGXFSZ, which kills."""
    lab.not_under_sanitizer("its runtime writes lines of its own at the end")
    lab.ports(40000, 40009)
    log = lab.scratch() / "log"
    for to in ({}, {"HEADROOM_LOG": f"file:{log}"}):
        program = "import os, resource\nos.write(2, b'x' * 1024); resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))\n" \
                  f"open({str(log)!r}, 'w').write('x' * 1000)\n" \
                  "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n" + EXHAUST
        with lab.Hold(PORT), open(lab.scratch() / "err", "wb") as error:
            done = subprocess.run([lab.PYTHON, "-c", program], env=preloaded(**to), stdout=subprocess.PIPE,
                                  stderr=error, text=True)
        lab.equal(f"{to}: status and stdout", (done.returncode, done.stdout), (0, "10 2\n"))
        lab.equal("standard error", (lab.scratch() / "err").read_bytes(), b"x" * 1024)
        lab.new_network()
        lab.ports(40000, 40009)
    return "no line, no signal"


def in_the_background(tostop):
    """A job in the background of a terminal: with TOSTOP it would be stopped for a line."""
    lab.not_under_sanitizer("its runtime writes lines of its own at the end")
    lab.ports(40000, 40009)
    with lab.Hold(PORT):
        child, terminal = pty.fork()
        if not child:
            attributes = termios.tcgetattr(2)
            attributes[3] = attributes[3] | termios.TOSTOP if tostop else attributes[3] & ~termios.TOSTOP
            termios.tcsetattr(2, termios.TCSANOW, attributes)
            job = subprocess.Popen([lab.PYTHON, "-c", EXHAUST], env=preloaded(), stdout=subprocess.DEVNULL, process_group=0)
            _, status = os.waitpid(job.pid, os.WUNTRACED)
            job.kill()
            os._exit(100 if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status))
        said = b""
        with contextlib.suppress(OSError):
            while part := os.read(terminal, 4096):
                said += part
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(terminal)
    lab.equal("exit status; 100: stopped", status, 0)
    lab.equal("a line on the terminal", b"event=exhausted" in said, not tostop)
    return "no line" if tostop else "a line"


def socket_as_stderr():
    """Under inetd standard error is the client's connection; under systemd it may be the journal's socket."""
    lab.ports(40000, 40009)
    for which, lines in (("plain", False), ("journal", True), ("other journal", False), ("asked", True)):
        ours, theirs = socket.socketpair()
        st = os.fstat(theirs.fileno())
        more = {"journal": {"JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"},
                "other journal": {"JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino + 1}"},
                "asked": {"HEADROOM_LOG": "stderr"}}.get(which, {})
        with lab.Hold(PORT), ours, theirs:
            done = subprocess.run([lab.PYTHON, "-c", EXHAUST], env=preloaded(**more), stdout=subprocess.PIPE,
                                  stderr=theirs, text=True)
            theirs.close()
            got = ours.recv(65536)
        lab.equal(f"{which}: stdout", done.stdout, "10 2\n")
        lab.equal(f"{which}: lines", b"event=exhausted" in got, lines)
        lab.new_network()
        lab.ports(40000, 40009)
    return "only the journal's, or as asked"


def not_flooded():
    """A program that keeps trying is told each time by errno; the log stays short and counts the rest."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    program = "import socket\nheld, failed = [], 0\n" \
              "for _ in range(5000):\n" \
              "    try: held.append(socket.create_connection(('127.0.0.1', 5000)))\n" \
              "    except OSError as why: failed += why.errno == 99\n" \
              "print(len(held), failed)\n"
    with lab.Hold(PORT):
        began_s = time.monotonic()
        done = lab.run([lab.PYTHON, "-c", program], {"sources": TWO})
        took_s = time.monotonic() - began_s
    lab.equal("stdout", done.stdout, "200 4800\n")
    lines = done.stderr.splitlines()
    if len(lines) > 20 + 10 * took_s:  # LOG_BURST, LOG_PER_SECOND
        raise lab.Failed(f"{len(lines)} lines for 4800 failures")
    return f"{len(lines)} lines for 4800 failures"


def fd_two_taken():
    """A program that closes stderr and connects with fd 2 must not send log lines to its peer."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    program = "import os, socket\nlistener = socket.create_server(('127.0.0.1', 5000), backlog=400)\n" \
              "os.close(2)\nheld = []\n" \
              "try:\n" \
              "    while True: held.append(socket.create_connection(('127.0.0.1', 5000)))\n" \
              "except OSError: pass\n" \
              "got = b''\nlistener.setblocking(False)\n" \
              "for _ in held:\n" \
              "    peer = listener.accept()[0]\n    peer.setblocking(False)\n" \
              "    try: got += peer.recv(1000)\n" \
              "    except BlockingIOError: pass\n" \
              "print(held[0].fileno(), len(held), got)\n"
    done = lab.run([lab.PYTHON, "-c", program], {"sources": TWO})
    lab.equal("first fd, connections, bytes at the peer", done.stdout, "2 200 b''\n")
    return "200 connections from fd 2 on, not a byte of ours in them"


def summary():
    """A table on stderr at the end, one line per destination and source with what was opened."""
    quiet = {"sources": TWO, "env": {"HEADROOM_LOG": "off"}}
    for shim in ({**quiet, "options": ["--summary"]},
                 {**quiet, "env": {"HEADROOM_LOG": "off", "HEADROOM_SUMMARY": "1"}}):
        lab.new_network()
        done = fill(shim)
        for source in ("127.0.0.1", "127.0.0.2"):
            if not re.search(rf"^127\.0\.0\.1:{PORT} +{re.escape(source)} +{CAPACITY} ", done.stderr, re.M):
                raise lab.Failed(f"no line for {source} with {CAPACITY}\n{done}")
    lab.new_network()
    lab.equal("without being asked for", fill(quiet).stderr, "")
    return f"{len(done.stderr.splitlines())} lines on stderr"


def none_when_quiet():
    """Nothing to report, nothing written."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    with lab.Hold(PORT):
        done = lab.run([lab.client("fill"), "-c", "40", "127.0.0.1", str(PORT)], {"sources": TWO})
    lab.equal("stderr", done.stderr, "")
    return "40 connections, no line"


def undeferred():
    """Two sockets whose port the program asks for, in an epoll set before connect(): one line, none at the usual level."""
    program = [lab.PYTHON, "-c", "import select, socket\n"
               "for i in range(2):\n"
               "    s = socket.socket(); s.bind(('127.0.0.1', 0)); assert s.getsockname()[1]\n"
               "    e = select.epoll(); e.register(s); s.connect_ex(('127.0.0.1', 1))"]
    lab.equal("stderr", lab.run(program, {}).stderr, "")
    done = lab.run(program, {"env": {"HEADROOM_LOG_LEVEL": "info"}})
    lab.equal("status", done.status, 0)
    lab.equal("lines", [logfmt(line)["event"] for line in done.stderr.splitlines()].count("undeferred"), 1)
    return "1 line"


lab.main([
    ("a line past the limit of file sizes", file_limit),
    ("a job in the background, TOSTOP", lambda: in_the_background(True)),
    ("a job in the background", lambda: in_the_background(False)),
    ("standard error is a socket", socket_as_stderr),
    ("stderr", to_stderr),
    ("a port that is asked for", undeferred),
    ("json", json_format),
    ("file by --log", functools.partial(to_file, True)),
    ("file by HEADROOM_LOG", functools.partial(to_file, False)),
    ("no sources", no_sources),
    ("ipv6", ipv6),
    ("mapped counts as ipv4", mapped_as_ipv4),
    ("levels and off", levels),
    ("recovery", recovered),
    ("TIME_WAIT", time_wait),
    ("not flooded", not_flooded),
    ("stderr closed, fd 2 a connection", fd_two_taken),
    ("summary", summary),
    ("quiet", none_when_quiet),
])
