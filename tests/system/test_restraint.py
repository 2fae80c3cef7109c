#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_restraint - a program that may do little does no less under the shim: seccomp, landlock, chroot, its last fds.

The program is restraint.c. Each case runs without the shim and with it, in several modes; what it says and how it
ends must be the same.
"""
import functools
import re

import lab

MODES = {
    "no sources": {},
    "even": {"sources": "10.9.0.1-10.9.0.4"},
    "spill": {"sources": "10.9.0.1-10.9.0.4", "spread": "spill"},
    "auto": {"sources": "auto"},
    "summary": {"options": ["--summary"]},
    "log to a file": {"options": ["--log", "file:/dev/null", "--log-level", "info"], "sources": "auto"},
    "segment": {"env": {"HEADROOM_STATE_DIR": ""}, "sources": "10.9.0.1-10.9.0.4"},
    "reuse": {"options": ["--reuse", "raw"]},
}
# What the shim may call on the program's sockets, and for itself.
ON_SOCKETS = ("bind", "setsockopt", "getsockopt", "getsockname", "recvfrom", "ioctl", "fcntl")
FOR_ITSELF = ("openat", "mkdirat", "ftruncate", "fallocate", "madvise", "newfstatat", "ppoll", "prlimit64",
              "getpid", "netlink", "fstat", "sendto")
# What a program may do without that has a filter from before its start: neither it nor its loader calls these.
AT_START = (*ON_SOCKETS, "mkdirat", "ftruncate", "fallocate", "ppoll", "sendto")


def same(*arguments, modes=tuple(MODES), expected=None):
    lab.own_memory_files()
    for i in (1, 2, 3, 4):
        lab.ip("addr", "add", f"10.9.0.{i}/24", "dev", "lo")
    with lab.Hold(5000), lab.Hold(5001):
        command = [lab.client("restraint"), *arguments]
        plain = lab.run(command)
        if plain.status == 77:
            raise lab.Skipped(plain.stderr.strip())
        lab.equal("without the shim", plain.status, 0)
        if expected:
            lab.equal("without the shim", plain.stdout, expected)
        for mode in modes:
            done = lab.run(command, shim=MODES[mode])
            lab.equal(f"{mode}: exit status", done.status, 0)
            lab.equal(f"{mode}: said", done.stdout, plain.stdout)
    return f"{len(modes)} modes"


def port(way, *calls):
    return functools.partial(same, "port", way, *calls, expected="a port\n")


def connects(way, *calls, **how):
    return functools.partial(same, "connect", way, *calls, **how)


def lets_all_pass():
    """As in a container: sources, automatic ones too, are used."""
    for i in (1, 2, 3, 4):
        lab.ip("addr", "add", f"10.9.0.{i}/24", "dev", "lo")
    lab.ports(40000, 40019)
    with lab.Hold(5000):
        done = lab.run([lab.client("restraint"), "let", "prctl", lab.client("fill"), "10.9.0.1", "5000"],
                       shim={"sources": "auto"})
    lab.equal("opened", done.stdout.splitlines()[:1], ["10.9.0.1 5000 opened 80, connect EADDRNOTAVAIL"])
    return "4 x 20"


def opens_before():
    """What tells of a filter is closed before the program's first socket has its number: other threads miss none."""
    lab.needs("strace")
    lab.not_under_sanitizer("its runtime opens files of its own")
    for i in (1, 2, 3, 4):
        lab.ip("addr", "add", f"10.9.0.{i}/24", "dev", "lo")
    trace = lab.scratch() / "trace"
    with lab.Hold(5000), lab.Hold(5001):
        lab.run(["strace", "-f", "-e", "trace=openat,socket,execve", "-o", str(trace), lab.client("restraint"), "connect", "none"], shim={})
    calls = trace.read_text().rpartition("execve(")[2].splitlines()
    opened = [n for n, line in enumerate(calls) if "/proc/self/status" in line]
    made = [n for n, line in enumerate(calls) if "socket(AF_INET, SOCK_STREAM" in line]
    lab.equal("files opened for that", len(opened), 1)
    lab.equal("before the first socket", opened[0] < made[0], True)


def each_is_tried():
    """pool/base/trial.c against what the other sources call, but for what a program does itself at a hooked call, and for
    what the command alone does (walk.c)."""
    sources = [f for folder in ("pool", "preload") for f in (lab.HERE.parent.parent / folder).rglob("*.c")]
    called = {name for f in sources if f.name not in ("trial.c", "walk.c")
              for name in re.findall(r"kernel_syscall\(\s*SYS_(\w+)", f.read_text())}
    tried = set(re.findall(r"\{ SYS_(\w+),", (lab.HERE.parent.parent / "pool/base/trial.c").read_text()))
    lab.equal("called and not tried", sorted(called - tried - {"socket"}), [])
    return f"{len(called)} calls"


lab.main([
    ("a deferred port, then prctl() without bind()", port("prctl", "bind", "setsockopt")),
    ("a deferred port, then seccomp() without bind()", port("seccomp", "bind", "setsockopt", "getsockopt")),
    ("a deferred port, then landlock without bind()", port("landlock")),
    ("a deferred port, then chroot()", port("chroot")),
    *((f"connect() after prctl() without {name}()", connects("prctl", name)) for name in ON_SOCKETS + FOR_ITSELF),
    ("connect() after seccomp() without all of these", connects("seccomp", *ON_SOCKETS, *FOR_ITSELF)),
    ("connect() after landlock without bind()", connects("landlock")),
    # Seen when the next file is to be opened.
    ("netlink forbidden by libc's own prctl()", connects("libc", "netlink", modes=("auto", "spill"))),
    ("netlink forbidden by a system call by hand", connects("raw", "netlink", modes=("auto", "spill"))),
    ("started without netlink", functools.partial(same, "after", "prctl", "netlink")),
    *((f"started without {name}()", functools.partial(same, "after", "prctl", name)) for name in AT_START),
    *((f"two threads, started without {name}()", functools.partial(same, "threaded", "prctl", name))
      for name in ("prctl", *AT_START)),
    ("started under a filter that lets all pass", lets_all_pass),
    ("each call of the shim is tried", each_is_tried),
    ("the filter is looked for before the first socket", opens_before),
    *((f"{threads} threads at their last fds, {'low' if low else 'high'} numbers",
       functools.partial(same, "fds", str(threads), str(low), expected="0 failed\n"))
      for threads in (1, 4) for low in (0, 1)),
])
