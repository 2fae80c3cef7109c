#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_faults_each - system calls of the shim fail one at a time: the program's calls come out the same.

Where all calls of a kind fail, the first failure hides the rest. How they are made to fail is in inject.py.
"""
import functools
import os
import pathlib
import re
import signal
import time

import inject
import lab

DAY_S = 24 * 3600


def to_file():
    return inject.logging(f"file:{lab.scratch() / 'log'}")


def to_syslog():
    return inject.logging("syslog")


def each(call, mode, ways, **how):
    return functools.partial(inject.each, call, mode, ways, **how)


# Segments of processes that ended

def segment_of_ended(folder, ended_s):
    """A file like that of a process that was started nine days ago."""
    path = folder / f"{int(time.time() - 9 * DAY_S):011x}.4711.00000000"
    path.touch(0o400)
    os.utime(path, (time.time() - ended_s,) * 2)
    return path


def sweep(call, ended_s):
    """Others' segments cannot be given a time, or not removed: they stay, and the program has one of its own."""
    lab.needs("strace")
    if not lab.state():
        raise lab.Skipped("no memory file system here")
    plain = inject.unharmed("without", None)
    for error in inject.ERRORS:
        folder = lab.state() / error
        folder.mkdir(0o700)
        planted = segment_of_ended(folder, ended_s)
        seen, lines = inject.outcome({"env": {"HEADROOM_STATE_DIR": str(folder)}}, (call, error, ""))
        lab.equal(f"{call} fails with {error}", seen, plain)
        # The client and the child it forks.
        lab.equal(f"{error}: made to fail", inject.failed(lines), 2)
        names = {path.name for path in folder.iterdir()}
        # Whoever was slow writes on the board.
        lab.equal(f"{error}: segments", (planted.exists(), len(names - {"recent.1", "board"})), (True, 3))
        lab.equal(f"{error}: the file of short-lived processes", "recent.1" in names, True)
    return "the program's calls the same"


# The start of the shim, in a constructor

def started(mode, fault=()):
    """The client with the shim, traced from its first moment. Return: what it said, its exit status; the trace."""
    lab.new_network()
    trace = lab.scratch() / "trace"
    rules = lab.scratch() / "rules"
    rules.write_text(f"[headroom]\nsources = {inject.SOURCES}\n")
    # The shim is for the client alone: strace is to start as ever.
    command = ["strace", "-f", "-qq", "-o", str(trace), "-E", f"LD_PRELOAD={lab.BUILD / 'libheadroom.so'}", *fault,
               lab.client("faults"), "127.0.0.1", mode]
    with lab.Hold(inject.PORT), lab.Process(command, env={"HEADROOM_CONFIG": str(rules)}) as strace:
        lab.wait_for(lambda: "ready" in strace.stdout(), "the client", strace)
        client = pathlib.Path(f"/proc/{strace.pid}/task/{strace.pid}/children").read_text().split()
        os.kill(int(client[0]), signal.SIGUSR1)
        done = strace.wait()
    return (done.status, done.stdout), trace.read_text()


def calls_at_start(trace):
    """Return: (name, number among those of its name) of what the shim calls between the loader and main()."""
    names = re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE)
    first, end = names.index("uname"), names.index("rt_sigprocmask")
    return [(names[at], names[:at + 1].count(names[at])) for at in range(first, end)]


def start():
    lab.needs("strace")
    plain = {mode: inject.unharmed("without", None, mode=mode) for mode in ("all", "keeps")}
    seen, trace = started("all")
    lab.equal("nothing fails", seen, plain["all"])
    calls = calls_at_start(trace)
    for name, number in calls:
        # A file that cannot be closed takes one of the program's numbers.
        mode = "keeps" if name == "close" else "all"
        for error in ("EPERM", "ENOMEM", "EINTR"):
            seen, trace = started(mode, ["-e", f"inject={name}:error={error}:when={number}"])
            lab.equal(f"{name} number {number} fails with {error}", seen, plain[mode])
            lab.equal(f"{name} number {number}: made to fail", "(INJECTED)" in trace, True)
    return f"each of {', '.join(sorted({name for name, _ in calls}))}"


# A sweep runs its program some hundred times.
lab.CASE_LIMIT_S = 900
lab.main([
    ("with reuse, close fails", inject.of("close", mode="crowds", ways=inject.crowding)),
    *((f"with reuse, each {call} fails", each(call, "crowds", inject.crowding))
      for call in ("close", "fcntl", "getsockopt", "setsockopt", "recvfrom", "dup3", "ppoll", "prlimit64")),
    # The client's own are those of the first round, when nothing is parked, and one of each round after it.
    ("with reuse, each connect to settle fails", each("connect", "crowds", inject.crowding, numbers=(4, 5, 6))),
    # A connection that its server closed after it was handed out is replaced at the first send.
    *((f"with reuse, each {call} fails where a connection is replaced", each(call, "renewed", inject.crowding))
      for call in ("close", "fcntl", "getsockopt", "setsockopt", "recvfrom", "dup3")),
    # Ours are close-on-exec, the client's are not.
    ("with reuse, each socket for a replacement fails",
     each("socket", "renewed", inject.crowding, ours="SOCK_STREAM|SOCK_CLOEXEC")),
    ("utimensat fails", functools.partial(sweep, "utimensat", 9 * DAY_S)),
    ("unlinkat of an old segment fails", functools.partial(sweep, "unlinkat", 2 * DAY_S)),
    ("clock_gettime fails", inject.of("clock_gettime", only=("no sources", "spill"))),
    ("recvfrom for a look at routes fails", inject.of("recvfrom", only=("even", "spill", "auto"), host="10.9.0.1")),
    ("sendto to syslog fails", inject.of("sendto", ways=to_syslog)),
    ("write to a log file fails", inject.of("write", ways=to_file)),
    *((f"each {call} fails", each(call, "keeps", to_file)) for call in ("close", "openat", "pread64", "fstat", "mmap")),
    ("each call at the start fails", start),
])
