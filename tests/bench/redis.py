# SPDX-License-Identifier: Apache-2.0
"""redis - a redis-server at the far end of a veth pair, and redis-benchmark that opens a connection per request."""
import contextlib
import csv
import io
import os
import resource
import socket

import bench
import lab
import sock_diag

PORT = 6379
REUSE = {"options": ("--reuse", "redis", *bench.QUIET)}


def server(address, inside=None):
    """Also listens on the Unix socket "redis" in the scratch folder, for questions that take no port."""
    process = lab.Process(["redis-server", "--port", str(PORT), "--save", "", "--maxclients", "10000", "--bind", address,
                           "--protected-mode", "no", "--unixsocket", str(lab.scratch() / "redis")], inside=inside)
    lab.wait_for(lambda: lab.listening(0, lab.scratch() / "redis"), "redis-server", process)
    return process


@contextlib.contextmanager
def far_server(low, high):
    """In a namespace nobody has used, with the range of ports low to high."""
    lab.needs("redis-server", "redis-benchmark")
    lab.new_network()
    lab.ports(low, high)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(lab.scratch() / "redis")
    with bench.far_network() as far, server(bench.FAR, far):
        yield far


def command(requests):
    return ["redis-benchmark", "-h", bench.FAR, "-p", str(PORT), "-k", "0", "-n", str(requests), "-t", "get", "--csv"]


def benchmark(requests, low, high, shim):
    """Return: requests per second, seconds of kernel CPU, TIME_WAITs left behind."""
    with far_server(low, high):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_stime
        done = lab.run(command(requests), shim)
        after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_stime
        rows = list(csv.reader(io.StringIO(done.stdout)))
        if done.status or len(rows) < 2:
            raise lab.Failed(f"redis-benchmark\n{done}")
        return {"rate": float(rows[-1][1]), "kernel": after - before,
                "time_wait": lab.total(sock_diag.tuples(PORT, ["TIME-WAIT"]))}


def commands_done():
    """How many commands the server has carried out."""
    with socket.socket(socket.AF_UNIX) as question:
        question.connect(str(lab.scratch() / "redis"))
        question.sendall(b"INFO stats\r\n")
        text = question.recv(65536).decode()
    return next(int(line.split(":")[1]) for line in text.splitlines() if line.startswith("total_commands_processed"))
