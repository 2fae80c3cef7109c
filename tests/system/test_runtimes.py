#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_runtimes - python3 (blocking, asyncio), node and the JVM reach sources x range, and one range without."""
import functools

import lab
from sock_diag import tuples

PORT, CAPACITY, ATTEMPTS = 5000, 100, 350
CLIENTS = lab.HERE / "clients"


def python(name):
    return lambda: [lab.PYTHON, str(CLIENTS / name)]


def node():
    lab.needs("node")
    return ["node", str(CLIENTS / "fill_node.js")]


def java(how):
    def command():
        lab.needs("java", "javac")
        if not (lab.shared() / "FillSockets.class").exists():
            done = lab.run(["javac", "-d", str(lab.shared()), str(CLIENTS / "FillSockets.java")])
            lab.equal("javac's exit status", done.status, 0)
        # Small heap and one compiler: a quick start, nothing to do with what is tested.
        return ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Xmx64m", "-cp", str(lab.shared()),
                "FillSockets", how]
    return command


PROGRAMS = {
    "python3 blocking": python("fill_blocking.py"),
    "python3 asyncio": python("fill_asyncio.py"),
    "node": node,
    "java Socket": java("socket"),
    "java Socket with a time-out": java("timeout"),
    "java SocketChannel": java("channel"),
}


def attempt(name, count, shim):
    """Return: what the program printed, its exit status, the kernel's count while it held on."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    command = [*PROGRAMS[name](), "127.0.0.1", str(PORT), str(count)]
    with lab.Hold(PORT), lab.Process(command, shim, stdin=True) as process:
        lab.wait_for(lambda: process.stdout().endswith("\n"), f"{name} to try {count} times", process)
        seen = tuples(PORT, ["ESTAB"])
        done = process.wait()
        return done.stdout, done.status, seen


def to_the_end(name, shim, expected):
    stdout, status, seen = attempt(name, ATTEMPTS, shim)
    reached = lab.total(expected)
    lab.equal("the kernel's count", seen, expected)
    lab.equal("the program's count", stdout,
              f"opened {reached}, failed {{'EADDRNOTAVAIL': {ATTEMPTS - reached}}}\n")
    lab.equal("exit status", status, 0)
    return f"{reached} of {ATTEMPTS} connections"


def unchanged(name):
    """Where it succeeds without, all is the same with the shim."""
    without, status, seen = attempt(name, CAPACITY // 2, None)
    lab.equal("without: exit status and count", (status, seen), (0, {"127.0.0.1": CAPACITY // 2}))
    for shim in ({}, {"sources": "127.0.0.1-127.0.0.3"}):
        stdout, status, seen = attempt(name, CAPACITY // 2, shim)
        lab.equal(f"with {shim}: exit status, stdout and count", (status, stdout, lab.total(seen)),
                  (0, without, CAPACITY // 2))
    return without.strip()


def full(k):
    return {f"127.0.0.{i}": CAPACITY for i in range(1, k + 1)}


def cases(name):
    yield f"{name}: without", functools.partial(to_the_end, name, None, full(1))
    yield f"{name}: even 3", functools.partial(
        to_the_end, name, {"sources": "127.0.0.1-127.0.0.3", "spread": "even"}, full(3))
    yield f"{name}: spill 2", functools.partial(
        to_the_end, name, {"sources": "127.0.0.1-127.0.0.2", "spread": "spill"}, full(2))
    yield f"{name}: unchanged where it succeeds", functools.partial(unchanged, name)


lab.main([case for name in PROGRAMS for case in cases(name)])
