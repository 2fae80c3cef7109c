#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_short - programs that make a process for each connection: what one costs of the processor's time, the first of
them and after thousands. forked.c (measure_start.py) is the same with a child that does nothing else."""
import contextlib
import os
import pathlib
import resource
import socket

import bench
import lab
import serving
from lab.syscalls import call, CLONE_NEWNET

# Few at a time and many rounds: the machine may be busy.
BEFORE, FIRST, LATE, ROUNDS = bench.pick(300, 2950), 20, bench.pick(30, 50), bench.pick(5, 15)
SERVER, OURS = 5000, 6000
TO = f"127.0.0.1 {SERVER}"
SHIMS = {"without": None, "no sources": bench.NO_SOURCES, "8 sources": {"sources": "127.0.0.1-127.0.0.8", "options": bench.QUIET}}


def spent_us():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e6


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def ask():
    """Connects to the program that is measured, has no question, and waits until it ends the connection."""
    with socket.create_connection(("127.0.0.1", OURS)) as connection:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def may_ask():
    try:
        ask()
        return True
    except ConnectionRefusedError:
        return False


def by_server(command):
    """Return: a function that has a server make so many children. The first is not counted: by it we know that the
    server is there."""
    def spend(count, shim, state):
        before = spent_us()
        with lab.Process(command(), shim and {**shim, "env": state}) as server:
            lab.wait_for(may_ask, "the server", server)
            for _ in range(count):
                ask()
            lab.wait_for(lambda: not children(server.pid), "the last child to end", server)
        return spent_us() - before
    return spend


def by_loop(command):
    """Return: a function that has a shell start so many."""
    def spend(count, shim, state):
        before = spent_us()
        done = lab.run(["/bin/sh", "-c", f"i=0; while [ $i -lt {count} ]; do sh -c '{command}; :'; i=$((i + 1)); done"],
                       shim and {**shim, "env": state}, limit_s=600)
        if done.status:
            raise lab.Failed(str(done))
        return spent_us() - before
    return spend


def inetd():
    config = lab.scratch() / "inetd.conf"
    config.write_text(f"{OURS} stream tcp nowait.100000 root /bin/nc.openbsd nc -N {TO}\n")
    return ["inetd", "-E", "-i", "-R", "1000000", str(config)]


LISTEN = f"TCP-LISTEN:{OURS},fork,reuseaddr"
# What they are called in the rows, what they need, how they are run.
PROGRAMS = {
    "socat fork, to TCP": ("socat", by_server(lambda: ["socat", LISTEN, f"TCP:127.0.0.1:{SERVER}"])),
    "socat fork, to nc": ("socat", by_server(lambda: ["socat", LISTEN, f"EXEC:nc.openbsd -N {TO}"])),
    "inetd, nc": ("inetd", by_server(inetd)),
    "sh -c nc": ("nc.openbsd", by_loop(f"nc.openbsd -N {TO} </dev/null")),
    "sh -c curl": ("curl", by_loop(f"curl -s -o /dev/null http://127.0.0.1:{SERVER}/")),
}


def answer(connection):
    """As short as may be, and to who sends nothing, too."""
    with connection:
        connection.settimeout(.01)
        try:
            connection.recv(4096)
        except TimeoutError:
            pass
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")


class World:
    """A network namespace with a server, and a folder of usage segments, for one way to run the programs."""

    def __init__(self, shim, name, stack):
        lab.new_network()
        lab.ports(32768, 60999)
        self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, self._namespace)
        self._shim, self._state = shim, stack.enter_context(bench.state())
        if "curl" in name:
            listener = stack.enter_context(socket.create_server(("", SERVER), backlog=4096))
            serving.each_in_a_thread(listener, answer)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
        else:
            stack.enter_context(bench.sink(SERVER, speaks=True))

    def each_us(self, spend, count):
        """Return: of one process of so many, without what the program takes that makes none."""
        call("setns", self._namespace, CLONE_NEWNET)
        return (spend(count, self._shim, self._state) - spend(0, self._shim, self._state)) / count


def a_process(name):
    program, spend = PROGRAMS[name]
    lab.needs(program, "nc.openbsd")

    def of_the_first(shim):
        with contextlib.ExitStack() as stack:
            return World(shim, name, stack).each_us(spend, FIRST)

    def record(which, title, taken):
        bench.record(f"{'-'.join(name.replace(',', '').split())}-{which}",
                     f"{name}: a process for each connection, {title}: time of the processor", "us", taken)

    record("first", f"of the first {FIRST}", bench.interleave(
        {variant: lambda s=shim: of_the_first(s) for variant, shim in SHIMS.items()}, ROUNDS))
    with contextlib.ExitStack() as stack:
        worlds = {variant: World(shim, name, stack) for variant, shim in SHIMS.items()}
        for world in worlds.values():
            world.each_us(spend, BEFORE)
        record("late", f"after {BEFORE:,}", bench.interleave(
            {variant: lambda w=world: w.each_us(spend, LATE) for variant, world in worlds.items()}, ROUNDS))


if __name__ == "__main__":
    lab.main([(name, bench.reported(name.replace(" ", "-"), name, lambda n=name: a_process(n))) for name in PROGRAMS])
