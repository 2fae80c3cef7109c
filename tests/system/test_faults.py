#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_faults - system calls of the shim fail, or the network changes: the program's calls come out the same.

The program is faults.c. It makes itself none of the calls that strace(1) makes fail (or is spared by when=), so what
fails is the shim's. What the program says and its exit status must be those of a run without the shim.
"""
import functools
import itertools
import json
import os
import pathlib
import signal

import lab
from sock_diag import tuples

PORT = 5000
ERRORS = "ENOPROTOOPT EPERM ENOMEM EINVAL EMFILE ENOSPC EINTR".split()
# Few ports, so that the shim reads the range and has something to log; a log file, so that it opens one.
SOURCES = "127.0.0.1-127.0.0.3"
numbers = itertools.count(1)


def shims():
    log = ["--log", f"file:{lab.scratch() / 'log'}"]
    return {
        "no sources": {"options": log},
        "even": {"sources": SOURCES, "spread": "even"},
        "spill": {"sources": SOURCES, "spread": "spill", "options": ["--summary", *log]},
        "auto": {"sources": "auto", "options": ["--summary"]},
    }


def reusing():
    """For the modes of the client whose server answers."""
    return {"reuse": {"options": ["--reuse", "raw", "--summary"]},
            "reuse, even": {"options": ["--reuse", "raw"], "sources": SOURCES}}


def no_folder_yet():
    """The folder of the usage segment is to be made first, a new one for each run."""
    made = lab.state()
    return {"no sources": {"env": {"HEADROOM_STATE_DIR": f"{made}/{next(numbers)}"}}}


def server(mode):
    if mode not in ("exchanges", "watched"):
        return lab.Hold(PORT)
    tag = lab.Process([lab.client("tag"), str(PORT)])
    lab.wait_for(lambda: "ready" in tag.stdout(), "the server", tag)
    return tag


def outcome(shim, inject=None, host="127.0.0.1", mode="all"):
    """Runs the client. Return: what it said and its exit status, and the calls that were made to fail."""
    lab.new_network()
    lab.ports(40000, 50000 if mode == "threads" else 40019)
    if host != "127.0.0.1":
        lab.ip("addr", "add", f"{host}/24", "dev", "lo")
    trace = lab.scratch() / "trace"
    trace.unlink(missing_ok=True)
    with server(mode), lab.Process([lab.client("faults"), host, mode], shim) as process:
        lab.wait_for(lambda: "ready" in process.stdout(), "the client", process)
        if not inject:
            process.send(10)
            done = process.wait()
            return (done.status, done.stdout), 0
        options = ["-o", str(trace), "-e", f"trace={inject[0]}", "-e",
                   f"inject={inject[0]}:error={inject[1]}{inject[2]}"]
        if mode == "threads":
            # The first connect() gets its memory under the lock: the other threads come to wait for it.
            options += ["-e", f"trace={inject[0]},mmap", "-e", "inject=mmap:delay_exit=50000"]
        with lab.Tracer(process, *options) as strace:
            process.send(10)
            done = process.wait()
            strace.wait()
    return (done.status, done.stdout), trace.read_text().count("(INJECTED)")


def unharmed(way, host, mode, shim):
    """What it comes to where nothing fails: seen once, by the first case that wants to know."""
    known = lab.shared() / f"{way}, {host}, {mode}"
    if not known.exists():
        known.write_text(json.dumps(outcome(shim, None, host, mode)[0]))
    return tuple(json.loads(known.read_text()))


def same(call, when="", only=None, host="127.0.0.1", mode="all", ways=shims, errors=ERRORS):
    lab.needs("strace")
    plain = unharmed("without", host, mode, None)
    injected = 0
    for which in ways():
        if only and which not in only:
            continue
        lab.equal(f"{which}: nothing fails", unharmed(f"{ways.__name__} {which}", host, mode, ways()[which]), plain)
        for error in errors:
            seen, count = outcome(ways()[which], (call, error, when), host, mode)
            lab.equal(f"{which}: {call} fails with {error}", seen, plain)
            injected += count
    # A case in which nothing was made to fail proves nothing.
    if not injected:
        raise lab.Failed(f"the shim made no {call}() that could fail")
    return f"{injected} failures, the program's calls the same"


def refused_at_start():
    """madvise(MADV_WIPEONFORK) is refused, as before Linux 4.14: only libc's own fork() is seen."""
    lab.needs("strace")
    plain = unharmed("without", "127.0.0.1", "all", None)
    for which, shim in shims().items():
        for error in ("EINVAL", "ENOMEM", "EPERM"):
            lab.new_network()
            lab.ports(40000, 40019)
            trace = lab.scratch() / "trace"
            inject = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=madvise", "-e",
                      f"inject=madvise:error={error}"]
            with lab.Hold(PORT), lab.Process([*inject, *lab.shimmed([lab.client("faults")], **shim)]) as strace:
                lab.wait_for(lambda: "ready" in strace.stdout(), "the client", strace)
                client = pathlib.Path(f"/proc/{strace.pid}/task/{strace.pid}/children").read_text().split()
                os.kill(int(client[0]), signal.SIGUSR1)
                done = strace.wait()
            lab.equal(f"{which}: {error}", (done.status, done.stdout), plain)
            lab.equal(f"{which}: made to fail", "(INJECTED)" in trace.read_text(), True)
    return "the program's calls the same"


# The network changes

STEPS = """
import errno, socket, sys
held, last = [], ""
for line in sys.stdin:
    host, port, count = line.split()
    opened, failed = 0, ""
    while opened < int(count):
        held.append(socket.socket())
        try:
            held[-1].connect((host, int(port)))
        except OSError as why:
            failed = errno.errorcode[why.errno]
            held.pop().close()
            break
        opened += 1
    print(opened, failed, flush=True)
"""
FAR = "10.9.0.100"


def step(process, count, host):
    before = process.stdout().count("\n")
    process._stdin.write(f"{host} {PORT} {count}\n".encode())
    process._stdin.flush()
    lab.wait_for(lambda: process.stdout().count("\n") > before, "a step", process)
    return process.stdout().splitlines()[-1].strip()


def over_veth(shim, function):
    lab.new_network()
    near = [f"10.9.0.{i}/24" for i in (1, 2, 3)]
    with lab.far_network(near, f"{FAR}/24") as far, lab.Hold(PORT, inside=far), \
            lab.Process([lab.PYTHON, "-c", STEPS], shim, stdin=True) as process:
        seen = function(process)
        process.end_input()
        lab.equal("exit status", process.wait().status, 0)
    return seen


SPREAD = {"even": {"sources": "10.9.0.1-10.9.0.3"}, "spill": {"sources": "10.9.0.1-10.9.0.3", "spread": "spill"},
          "auto": {"sources": "auto"}, "no sources": {}}


def address_deleted():
    """New connections leave from the others; those that are open from it stay."""
    def steps(process):
        seen = [step(process, 60, FAR)]
        lab.ip("addr", "del", "10.9.0.2/24", "dev", "near0")
        seen.append(step(process, 60, FAR))
        lab.ip("addr", "add", "10.9.0.2/24", "dev", "near0")
        return [*seen, step(process, 30, FAR)]

    for which, shim in SPREAD.items():
        # One source has 100 ports; with three there is room for all of them.
        expected = ["60", "40 EADDRNOTAVAIL", "0 EADDRNOTAVAIL"] if which == "no sources" else ["60", "60", "30"]
        lab.equal(f"{which}: opened at each step", over_veth(shim, steps), expected)
    lab.equal("without: opened at each step", over_veth(None, steps), ["60", "40 EADDRNOTAVAIL", "0 EADDRNOTAVAIL"])
    return "60, 60, 30 opened"


def only_source_deleted():
    """All sources of the list are gone: the program's own way is left."""
    def steps(process):
        seen = [step(process, 30, FAR)]
        lab.ip("addr", "del", "10.9.0.2/24", "dev", "near0")
        lab.ip("addr", "del", "10.9.0.3/24", "dev", "near0")
        return [*seen, step(process, 30, FAR)]

    for which, shim in (("without", None), ("even", {"sources": "10.9.0.2,10.9.0.3"}),
                        ("spill", {"sources": "10.9.0.2,10.9.0.3", "spread": "spill"})):
        lab.equal(f"{which}: opened", over_veth(shim, steps), ["30", "30"])
    return "30, 30 opened"


def route_deleted():
    def steps(process):
        seen = [step(process, 30, FAR)]
        lab.ip("route", "del", "10.9.0.0/24", "dev", "near0")
        seen.append(step(process, 30, FAR))
        lab.ip("route", "add", "10.9.0.0/24", "dev", "near0", "src", "10.9.0.1")
        return [*seen, step(process, 30, FAR)]

    plain = over_veth(None, steps)
    lab.equal("without", plain, ["30", "0 ENETUNREACH", "30"])
    for which, shim in SPREAD.items():
        lab.equal(which, over_veth(shim, steps), plain)
    return f"{', '.join(plain)}, like without"


def range_narrowed():
    """The new range is the limit, and the old one again when it is back."""
    def steps(process, sources):
        seen = [step(process, 50 * sources, "127.0.0.1")]
        lab.ports(40000, 40009)
        step(process, 1000, "127.0.0.1")
        inside = sum(1 for s in lab.sock_diag.tcp_sockets()
                     if s.dport == PORT and s.state == "ESTAB" and s.sport <= 40009)
        seen.append(inside // sources)
        lab.ports(40000, 40099)
        # A source found full is left alone for up to half a second.
        lab.wait_for(lambda: step(process, 1000, "127.0.0.1") and
                     lab.total(tuples(PORT)) >= 100 * sources, "the whole range to be used again", process)
        return [*seen, lab.total(tuples(PORT)) // sources]

    for which, shim, sources in (("without", None, 1), ("no sources", {}, 1),
                                 ("even", {"sources": SOURCES}, 3)):
        lab.new_network()
        with lab.Hold(PORT), lab.Process([lab.PYTHON, "-c", STEPS], shim, stdin=True) as process:
            lab.equal(f"{which}: opened, within the narrowed range, all", steps(process, sources),
                      [str(50 * sources), 10, 100])
    return "10 of 10, then 100 of 100 a source"


def of(call, *arguments, **how):
    return functools.partial(same, call, *arguments, **how)


SOURCED = ("even", "spill", "auto")
# What makes the usage segment, and what undoes it.
SEGMENT = ("fstatfs", "getdents64", "fchmod", "ftruncate", "fallocate", "madvise", "newfstatat", "geteuid", "prlimit64",
           "pread64", "lseek", "munmap", "ftruncate,unlinkat", "fallocate,munmap,unlinkat", "uname")
lab.main([
    *((f"{call} fails", of(call)) for call in ("setsockopt", "getsockopt", "recvfrom", "getsockname", "getpid")),
    *((f"{call} fails", of(call, only=SOURCED)) for call in ("bind", "openat", "read", "mmap", "fcntl")),
    *((f"{call} fails", of(call, only=("spill", "auto"))) for call in ("ppoll", "write", "fstat")),
    *((f"{call} fails", of(call, only=("spill", "auto"))) for call in SEGMENT),
    ("mkdirat fails", of("mkdirat", ways=no_folder_yet)),
    ("close of the shim's own fds fails", of("close", mode="keeps")),
    ("futex fails", of("futex", mode="threads", only=("no sources", "even"))),
    ("futex fails now and then", of("futex", ":when=1+2", mode="threads", only=("no sources", "even"))),
    *((f"with reuse, {call} fails", of(call, mode="exchanges", ways=reusing))
      for call in ("dup3", "fcntl", "recvfrom", "getsockopt", "setsockopt", "getsockname", "prlimit64", "mmap",
                   "getpid")),
    ("with reuse, dup3 fails once", of("dup3", ":when=2", mode="exchanges", ways=reusing)),
    # The client enters each socket into its set itself: the first call, and every second one where none is parked.
    ("with reuse, no connection can be taken out of its epoll set",
     of("epoll_ctl", ":when=2+2", mode="watched", ways=reusing)),
    ("with reuse, one connection cannot be taken out of its epoll set",
     of("epoll_ctl", ":when=2", mode="watched", ways=reusing)),
    ("with reuse, a connection cannot be put into an epoll set",
     of("epoll_ctl", ":when=4", mode="watched", ways=reusing)),
    ("sendto fails", of("sendto", only=("auto",), host="10.9.0.1")),
    # The client's first socket() and the shim's first connect() come first of their kinds.
    ("socket for a look at routes fails", of("socket", ":when=2", only=("spill", "auto"))),
    ("connect for a look at routes fails", of("connect", ":when=1", only=("spill", "auto"))),
    ("madvise at start fails", refused_at_start),
    ("a source address is deleted", address_deleted),
    ("all source addresses are deleted", only_source_deleted),
    ("a route is deleted", route_deleted),
    ("the range is narrowed", range_narrowed),
])
