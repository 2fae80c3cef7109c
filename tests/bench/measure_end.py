#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_end - what happens at the end: the time and the kernel CPU of a connect() that finds no port.

The program asks again and again, with a wait of 1 ms in between."""
import bench
import lab

SIZES = bench.pick([4000], [2000, 8000])
MS = bench.pick(60, 500)


def refused(ports, shim):
    lab.new_network()
    lab.ports(32768, 32768 + ports - 1)
    with bench.sink(processes=2, most=bench.PER_PROCESS):
        return bench.measured([bench.program("refused"), "127.0.0.1", "5000", str(MS)], shim)


def end(name, sources, sizes):
    """sizes: of the ports of each source. The last is shown; of two, the growth too."""
    shims = {"without": None, "headroom": {"sources": f"127.0.0.1-127.0.0.{sources}", "options": bench.QUIET}}
    both = bench.interleave({(variant, ports): lambda s=shim, p=ports: refused(p, s)
                             for variant, shim in shims.items() for ports in sizes})
    taken = {variant: both[variant, sizes[-1]] for variant in shims}
    where = f"{sources} source{'s' * (sources > 1)}, {sizes[-1]:,} ports each"
    bench.record(f"{name}-kernel", f"kernel CPU of a refused connect(), {where}", "us",
                 bench.part(taken, "kernel_us_each"))
    bench.growths("growth", "a refused connect(), by ports", "us", sizes, both, lambda found: found["us_each"])
    return bench.record(name, f"a refused connect(), {where}", "us", bench.part(taken, "us_each"))


if __name__ == "__main__":
    lab.main([("one source", lambda: end("one", 1, SIZES)), ("8 sources", lambda: end("eight", 8, [SIZES[-1] // 8]))])
