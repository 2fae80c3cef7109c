#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_connect - p50 and p99 of connect() over 0 to 99.9 % of a tuple space in use, with random closes."""
import statistics

import bench
import crowd
import lab

LEVELS = ["0", "25", "45", "55", "75", "90", "95", "99", "99.9"]
SIZES = bench.pick([4000], [4000, 16000])
PORTS = SIZES[-1]
SAMPLES = bench.pick(100, 1000)
OTHERS = 75
SHIMS = {"without": None, "headroom": bench.NO_SOURCES}


def ask(shim, capacity, wanted):
    return bench.measured([bench.program("levels"), "127.0.0.1", "5000", str(capacity), str(SAMPLES), *wanted], shim)


def levels(shim, capacity):
    lab.new_network()
    lab.ports(30000, 30000 + capacity - 1)
    # Each closed connection stays with the server, too: enough processes for all of them.
    with bench.sink(processes=2, most=bench.PER_PROCESS):
        return ask(shim, capacity, LEVELS)


def over_use():
    both = bench.interleave({(name, ports): lambda s=shim, p=ports: levels(s, p)
                             for name, shim in SHIMS.items() for ports in SIZES})
    bench.growths("size", "connect() p50 at 95 % in use, by ports", "us", SIZES, both, lambda found: found["p50@95"])
    taken = {name: both[name, PORTS] for name in SHIMS}
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


def others():
    """The ports are in use by a process without the shim: the program that is measured has none, and finds out."""
    held = PORTS * OTHERS // 100
    lab.new_network()
    lab.ports(30000, 30000 + PORTS - 1)
    with crowd.crowd([[lab.client("fill"), "-c", str(held), "127.0.0.1", "5000"]], None, PORTS):
        lab.equal("connections", crowd.connected(), held)
        taken = bench.interleave({name: lambda s=shim: ask(s, PORTS, ["0"]) for name, shim in SHIMS.items()})
    return "; ".join(bench.record(f"others-{figure}-{PORTS}", f"connect() {figure}, {OTHERS} % of {PORTS:,} ports in use by "
                                  "others", "us", bench.part(taken, f"{figure}@0")) for figure in ("p50", "p99"))


if __name__ == "__main__":
    lab.main([("in use", over_use), ("in use by others", others)])
