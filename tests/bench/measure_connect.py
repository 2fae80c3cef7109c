#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_connect - p50 and p99 of connect() over 0 to 99.9 % of a tuple space in use, with random closes."""
import statistics

import bench
import lab

LEVELS = ["0", "25", "45", "55", "75", "90", "95", "99", "99.9"]
PORTS, SMALL = bench.pick(4000, 16000), bench.pick(1000, 4000)
SAMPLES = bench.pick(100, 1000)


def levels(shim, capacity, wanted, samples=SAMPLES):
    lab.new_network()
    lab.ports(30000, 30000 + capacity - 1)
    # Each closed connection stays with the server, too: enough processes for all of them.
    with bench.sink(processes=2, most=bench.PER_PROCESS):
        command = [bench.program("levels"), "127.0.0.1", "5000", str(capacity), str(samples), *wanted]
        return bench.measured(command, shim)


def over_use():
    taken = bench.interleave({"without": lambda: levels(None, PORTS, LEVELS),
                              "headroom": lambda: levels(bench.NO_SOURCES, PORTS, LEVELS)})
    for figure in ("p50", "p99"):
        for level in LEVELS:
            bench.record(f"{figure}-{level}-{PORTS}", f"connect() {figure}, {level} % of {PORTS:,} ports in use", "us",
                         bench.part(taken, f"{figure}@{level}"))
        for name, values in taken.items():
            bench.series(f"connect-{figure}", name, [
                (float(level), statistics.median(v[f"{figure}@{level}"] for v in values)) for level in LEVELS])
    flat = [{"p50 at 25 %": v["p50@25"], "p50 at 95 %": v["p50@95"]} for v in taken["headroom"]]
    return bench.record("flat", "connect() p50 with headroom", "us",
                        {key: [v[key] for v in flat] for key in flat[0]}, base="p50 at 25 %")


def size():
    """The same share of a larger tuple space."""
    for name, shim in (("without", None), ("headroom", bench.NO_SOURCES)):
        taken = bench.interleave({"small": lambda s=shim: levels(s, SMALL, ["95"]),
                                  "large": lambda s=shim: levels(s, PORTS, ["95"])})
        bench.growth(f"size-{name}", f"connect() p50 at 95 % in use, by ports, {name}", "us", (SMALL, PORTS),
                     bench.part(taken, "p50@95"))


if __name__ == "__main__":
    lab.main([("in use", over_use), ("size of the tuple space", bench.full_only(size))])
