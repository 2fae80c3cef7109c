#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_neighbour - how long a neighbour without the shim waits for servers with few workers or few clients, beside a
program that reuses its connections and one that does not."""
import functools

import bench
import lab
import test_reuse_servers as servers

REQUESTS = bench.pick(400, 2000)
ROUNDS = bench.pick(3, 10)


def python(*how):
    return servers.started([lab.PYTHON, str(servers.CLIENTS / "reuse_app.py"), str(servers.PORT), *how])


def gunicorn(*how):
    return servers.started(["gunicorn", "-b", f"127.0.0.1:{servers.PORT}", "--keep-alive", "2", "--chdir",
                            str(servers.CLIENTS), *how, "reuse_app:app"])


# Protocol, server, threads of the program. One thread of its own never waits for a worker, and so learns nothing of others.
CASES = {
    "apache2, 3 workers": ("http", functools.partial(servers.apache_server, REQUESTS), 3),
    "http.server, one at a time": ("http", functools.partial(python, "single", "reads"), 3),
    "http.server, one at a time, a program of one thread": ("http", functools.partial(python, "single", "reads"), 1),
    "gunicorn, sync": ("http", functools.partial(gunicorn, "-w", "1"), 3),
    "gunicorn, 2 threads": ("http", functools.partial(gunicorn, "-w", "1", "-k", "gthread", "--threads", "2"), 3),
    "redis, 10 clients": ("redis", functools.partial(servers.redis, "--maxclients", "10"), 3),
}


def waits(protocol, server, threads, shim):
    """Return: the neighbour's 99th percentile, in microseconds."""
    lab.new_network()
    lab.ports(10000, 59999)
    with server(), servers.load(servers.PORT, threads, protocol, count=REQUESTS, shim=shim) as program:
        with servers.load(servers.PORT, 1, protocol, count=REQUESTS) as neighbour:
            beside = neighbour.wait()
        program.wait()
    seen = servers.counts(beside)
    if seen["good"] != REQUESTS:
        raise lab.Failed(f"the neighbour: {seen}")
    return bench.figures(beside.stderr)["p99_us"]


def case(name):
    protocol, server, threads = CASES[name]
    taken = bench.interleave({"without": lambda: waits(protocol, server, threads, None),
                              "reuse": lambda: waits(protocol, server, threads, servers.shim_for(protocol))}, rounds=ROUNDS)
    return bench.record(f"p99-{list(CASES).index(name)}", f"p99 of a neighbour of {name}", "us", taken)


if __name__ == "__main__":
    lab.main([(name, bench.reported(name, f"p99 of a neighbour of {name}", functools.partial(case, name))) for name in CASES])
