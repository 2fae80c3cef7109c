# SPDX-License-Identifier: Apache-2.0
"""crowd - very many connections at once: several clients (fill.c) and several processes behind one listener (sink.c),
as a process may have 20,000 fds only."""
import contextlib
import pathlib
import re

import bench
import lab

AT_ONCE = 4  # clients that connect at the same time: the machine may have two processors


def room_for(connections):
    """Skips the case when both ends of so many would not fit into half of what memory is free."""
    free = int(re.search(r"MemAvailable: *(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) * 1024
    if connections * 8192 > free / 2:
        raise lab.Skipped(f"{connections:,} connections want {connections * 16384 >> 30} GiB of free memory")


def connected():
    """Return: connections in this namespace by the kernel's count; both ends of each are here."""
    text = pathlib.Path("/proc/self/net/sockstat").read_text()
    return int(re.search(r"TCP: inuse (\d+)", text)[1]) // 2


@contextlib.contextmanager
def crowd(commands, shim, most):
    """Runs the commands, a few at a time, each a fill that says "held", towards port 5000. Gives the clients."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(bench.sink(processes=most // bench.PER_PROCESS + 2, most=bench.PER_PROCESS))
        clients = []
        for i in range(0, len(commands), AT_ONCE):
            wave = [stack.enter_context(lab.Process(command, shim, stdin=True)) for command in commands[i:i + AT_ONCE]]
            for client in wave:
                lab.wait_for(lambda c=client: "held" in c.stdout(), "a client to be done", client)
            clients += wave
        yield clients
