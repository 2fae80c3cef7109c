#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_end - what happens at the end: the time and the kernel CPU of a connect() that finds no port.

The program asks again and again, with a wait of 1 ms in between."""
import bench
import lab

PORTS, SMALL = bench.pick(4000, 16000), bench.pick(1000, 4000)
MS = bench.pick(60, 2000)


def refused(ports, shim):
    lab.new_network()
    lab.ports(32768, 32768 + ports - 1)
    with bench.sink(processes=2, most=bench.PER_PROCESS):
        return bench.measured([bench.program("refused"), "127.0.0.1", "5000", str(MS)], shim)


def end(name, sources, ports):
    shim = {"sources": f"127.0.0.1-127.0.0.{sources}", "options": bench.QUIET}
    taken = bench.interleave({"without": lambda: refused(ports, None), "headroom": lambda: refused(ports, shim)})
    where = f"{sources} source{'s' * (sources > 1)}, {ports:,} ports each"
    bench.record(f"{name}-kernel", f"kernel CPU of a refused connect(), {where}", "us",
                 bench.part(taken, "kernel_us_each"))
    return bench.record(name, f"a refused connect(), {where}", "us", bench.part(taken, "us_each"))


def growth():
    for name, shim in (("without", None), ("headroom", {"sources": "127.0.0.1", "options": bench.QUIET})):
        taken = bench.interleave({"small": lambda s=shim: refused(SMALL, s), "large": lambda s=shim: refused(PORTS, s)},
                                 rounds=5)
        bench.growth(f"growth-{name}", f"a refused connect(), by ports, {name}", "us", (SMALL, PORTS),
                     bench.part(taken, "us_each"))


if __name__ == "__main__":
    lab.main([("one source", lambda: end("one", 1, PORTS)), ("8 sources", lambda: end("eight", 8, PORTS // 8)),
              ("growth", bench.full_only(growth))])
