#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_memory - what the shim keeps of a connection, and of a destination."""
import pathlib
import re

import bench
import lab

CONNECTIONS = bench.pick((500, 2000), (1000, 18000))
DESTINATIONS = (1000, bench.pick(3000, 10000))
PLAIN, EIGHT = bench.NO_SOURCES, {"sources": "127.0.0.1-127.0.0.8", "options": bench.QUIET}


def kept(arguments, shim):
    """Return: bytes of private memory of a fill that holds what it opened."""
    lab.new_network()
    lab.ports(20000, 60999)
    with bench.sink(processes=2, most=0 if "-a" in arguments else bench.PER_PROCESS), \
            lab.Process([lab.client("fill"), *arguments], shim, stdin=True) as process:
        lab.wait_for(lambda: "held" in process.stdout(), "fill", process)
        text = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return 1024 * int(re.search(r"Private_Dirty: *(\d+)", text)[1])


def connections(count, shim):
    return kept(["-c", str(count), "127.0.0.1", "5000"], shim)


def destinations(count, shim):
    """One connection to each, closed before the next."""
    to = [word for i in range(count) for word in (f"127.1.{i >> 8}.{i & 255}", "5000")]
    return kept(["-a", "-c", "1", *to], shim)


def per_unit(name, title, function, sizes, rounds):
    small, large = sizes
    found = {}
    for variant, shim in (("without", None), ("headroom", PLAIN), ("headroom, 8 sources", EIGHT)):
        taken = bench.interleave({"small": lambda s=shim: function(small, s),
                                  "large": lambda s=shim: function(large, s)}, rounds, warm_up=0)
        found[variant] = taken
    plain = [(b - a) / (large - small) for a, b in zip(found["without"]["small"], found["without"]["large"])]
    each = {variant: [(b - a) / (large - small) - p for a, b, p in zip(taken["small"], taken["large"], plain)]
            for variant, taken in found.items() if variant != "without"}
    bench.record(f"{name}-total", f"memory of a program with {large:,} {name}s", "KiB",
                 {variant: [b / 1024 for b in taken["large"]] for variant, taken in found.items()})
    bench.growth(f"growth-{name}", f"memory that the shim adds for a {name}, by {name}s", "bytes", sizes, {
        size: [(b - a) / count for a, b in zip(found["without"][size], found["headroom"][size])]
        for size, count in (("small", small), ("large", large))})
    return bench.record(name, title, "bytes", each, base=None)


if __name__ == "__main__":
    lab.main([
        ("connection", lambda: per_unit("connection", "memory added for a connection", connections, CONNECTIONS,
                                        bench.pick(2, 5))),
        ("destination", lambda: per_unit("destination", "memory added for a destination", destinations, DESTINATIONS,
                                         bench.pick(2, 5))),
    ])
