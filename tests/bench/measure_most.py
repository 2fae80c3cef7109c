#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_most - the most connections to one listener: the limit by the kernel's rules is sources x capacity."""
import time

import bench
import crowd
import lab

PORTS = bench.pick(2500, 5000)


def most(sources, ports, shim):
    """Return: connections reached, by the kernel's count; seconds."""
    lab.new_network()
    lab.ports(32768, 32768 + ports - 1)
    wanted = sources * ports
    crowd.room_for(wanted)
    # Of a size that the last one, too, finds the end.
    each = min(bench.PER_PROCESS, wanted // 2 + 1)
    command = [lab.client("fill"), "-c", str(each), "127.0.0.1", "5000"]
    start = time.monotonic()
    with crowd.crowd([command] * (wanted // each + 1), shim, wanted):
        took = time.monotonic() - start
        return {"count": crowd.connected(), "each": took / wanted * 1e6}


def of(name, sources, ports, rounds, without=True):
    shim = {"sources": f"127.0.0.1-127.0.0.{sources}", "options": bench.QUIET}
    variants = {"headroom": lambda: most(sources, ports, shim)}
    if without:
        variants["without"] = lambda: most(1, ports, None)
    taken = bench.interleave(variants, rounds, warm_up=0)
    bench.record(f"{name}-share", f"of {sources} x {ports:,}, reached", "%", {
        "headroom": [100 * v["count"] / (sources * ports) for v in taken["headroom"]]}, base=None, better="more")
    return taken["headroom"], bench.record(name, f"connections to one listener, {sources} sources x {ports:,} ports",
                                           "connections", bench.part(taken, "count"), better="more")


def thousands():
    large, text = of("thousands", 4, PORTS, 5)
    if not bench.FULL:
        return text
    small, _ = of("few", 4, PORTS // 4, 5, without=False)
    bench.growth("growth-thousands", "a connection, both ends, by connections", "us", (PORTS, 4 * PORTS),
                 {"small": [v["each"] for v in small], "large": [v["each"] for v in large]})
    return text


def million():
    """Once: it takes minutes."""
    few, _ = of("100000", 4, 28232, 1, without=False)
    many, text = of("1000000", 36, 28232, 1, without=False)
    bench.growth("growth", "a connection, both ends, by connections", "us", (4 * 28232, 36 * 28232),
                 {"small": [v["each"] for v in few], "large": [v["each"] for v in many]})
    return text


if __name__ == "__main__":
    lab.main([("thousands at once", thousands),
              *([("1,000,000 at once", bench.reported("1000000", "1,000,000 at once", million))] if bench.FULL else [])])
