#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_rewritten - a service address that the kernel rewrites to one of several backends (cgroup/connect4, as Cilium does).

To the program, and to the shim, it is one destination; to the kernel each backend has ports of its own. So one that is
full says nothing of the other, and no connect() may be refused that the kernel would grant: with one backend of two
full, half of the calls fail without the shim, and no more with it. getpeername() shows the service, as with Cilium.
"""
import contextlib
import functools
import os
import pathlib
import re

import lab
from sock_diag import tuples

CAPACITY, SERVICE, BACKENDS = 100, 5000, (5001, 5002)

TRIES = """
import socket, sys
held, tries = [], 0
while len(held) < int(sys.argv[1]) and tries < 100000:
    s = socket.socket()
    s.setblocking(sys.argv[2] == "blocking")
    tries += 1
    error = s.connect_ex(("127.0.0.1", %d))
    if error in (0, 115):
        held.append(s)
    elif error != 99:
        sys.exit(f"errno {error}")
print(f"opened {len(held)} in {tries}, peer {held[0].getpeername()[1]}", flush=True)
sys.stdin.read()
""" % SERVICE


@contextlib.contextmanager
def cgroup():
    """A folder of the cgroup2 mount, which goes when the processes in it have gone."""
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    roots = [pathlib.Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"]
    if not roots:
        raise lab.Skipped("there is no cgroup2 mount")
    folder = roots[0] / f"headroom-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as why:
        raise lab.Skipped(f"a cgroup cannot be made: {why}") from why
    try:
        yield str(folder)
    finally:
        lab.wait_for(lambda: not (folder / "cgroup.procs").read_text(), "the cgroup to be empty")
        folder.rmdir()


def service(shim, wanted, most, held=0, blocking="blocking"):
    """Others hold ports to the first backend; how many tries does it take to open so many?"""
    lab.ports(40000, 40000 + CAPACITY - 1)
    with lab.Hold(BACKENDS[0]), lab.Hold(BACKENDS[1]), cgroup() as folder, contextlib.ExitStack() as stack:
        if held:
            others = stack.enter_context(lab.Process([lab.client("fill"), "-c", str(held), "127.0.0.1", str(BACKENDS[0])],
                                                     stdin=True))
            lab.wait_for(lambda: "held" in others.stdout(), "the others", others)
        command = [lab.client("rewrite"), folder, "127.0.0.1", str(SERVICE), *map(str, BACKENDS),
                   lab.PYTHON, "-c", TRIES, str(wanted), blocking]
        with lab.Process(command, shim, stdin=True) as process:
            lab.wait_for(lambda: process.stdout().endswith("\n") or not process.running(), "the tries")
            if not process.running() and process.wait().status == 77:
                raise lab.Skipped(process.wait().stderr.strip())
            found = re.match(r"opened (\d+) in (\d+), peer (\d+)", process.stdout())
            if not found:
                raise lab.Failed(process.wait().stderr)
            opened, tries, peer = map(int, found.groups())
            lab.equal("opened, and the peer's port", (opened, peer), (wanted, SERVICE))
            lab.equal("the kernel's count", sum(sum(tuples(port, ["ESTAB"]).values()) for port in BACKENDS), wanted + held)
            if tries > most:
                raise lab.Failed(f"{tries} tries for {opened}, wanted at most {most}")
            lab.equal("exit status", process.wait().status, 0)
    return f"{opened} in {tries} tries"


def of(*arguments, **named):
    return functools.partial(service, *arguments, **named)


# Of 200 calls 100 are to fail, give or take seven; more than 300 happens once in 10^12.
HALF = {"wanted": CAPACITY, "most": 300, "held": CAPACITY}
FREE = {"wanted": 2 * CAPACITY, "most": 400}
# A hundred are open of the service, as many as one tuple space has, when one of two calls fails.
PAST = {"wanted": CAPACITY + 20, "most": 350, "held": 80}
EVEN = {"sources": "127.0.0.1", "spread": "even"}

lab.main([
    ("one backend of two is full: without", of(None, **HALF)),
    ("one backend of two is full", of({}, **HALF)),
    ("one backend of two is full, non-blocking", of({}, **HALF, blocking="not")),
    ("one backend of two is full, a source that is named", of(EVEN, **HALF)),
    ("one backend of two is nearly full: without", of(None, **PAST)),
    ("one backend of two is nearly full", of({}, **PAST)),
    ("one backend of two is nearly full, a source that is named", of(EVEN, **PAST)),
    ("both are free: without", of(None, **FREE)),
    ("both are free", of({}, **FREE)),
    ("both are free, a source that is named", of(EVEN, **FREE)),
])
