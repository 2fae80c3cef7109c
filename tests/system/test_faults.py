#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_faults - system calls of the shim fail, or the network changes: the program's calls come out the same.

How they are made to fail is in inject.py; those that fail one at a time are in test_faults_each.py.
"""
import os
import pathlib
import signal

import inject
import lab
import sock_diag
from inject import SOURCES, of, outcome, reusing, shims
from sock_diag import tuples

PORT = inject.PORT


def refused_at_start():
    """madvise(MADV_WIPEONFORK) is refused, as before Linux 4.14: only libc's own fork() is seen."""
    lab.needs("strace")
    plain = inject.unharmed("without", None)
    for which, shim in shims().items():
        for error in ("EINVAL", "ENOMEM", "EPERM"):
            lab.new_network()
            lab.ports(40000, 40019)
            trace = lab.scratch() / "trace"
            command = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=madvise", "-e",
                      f"inject=madvise:error={error}"]
            with lab.Hold(PORT), lab.Process([*command, *lab.shimmed([lab.client("faults")], **shim)]) as strace:
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
        inside = sum(1 for s in sock_diag.tcp_sockets()
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


SOURCED = ("even", "spill", "auto")
# What makes the usage segment, and what undoes it.
SEGMENT = ("fstatfs", "getdents64", "fchmod", "ftruncate", "fallocate", "madvise", "newfstatat", "geteuid", "prlimit64",
           "lseek", "munmap", "ftruncate,unlinkat", "fallocate,munmap,unlinkat")
lab.main([
    *((f"{call} fails", of(call)) for call in ("setsockopt", "getsockopt", "recvfrom", "getsockname", "getpid")),
    *((f"{call} fails", of(call, only=SOURCED)) for call in ("bind", "openat", "pread64", "mmap", "fcntl")),
    *((f"{call} fails", of(call, only=("spill", "auto"))) for call in ("ppoll", "write", "fstat")),
    *((f"{call} fails", of(call, only=("spill", "auto"))) for call in SEGMENT),
    ("mkdirat fails", of("mkdirat", ways=inject.no_folder_yet)),
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
    ("a question about routes fails", of("sendto", only=SOURCED, host="10.9.0.1")),
    # The client's first socket() comes first.
    ("socket for a look at routes fails", of("socket", ":when=2", only=("spill", "auto"))),
    ("madvise at start fails", refused_at_start),
    ("a source address is deleted", address_deleted),
    ("all source addresses are deleted", only_source_deleted),
    ("a route is deleted", route_deleted),
    ("the range is narrowed", range_narrowed),
])
