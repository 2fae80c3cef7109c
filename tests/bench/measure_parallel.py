#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_parallel - threads and processes that connect to one destination at the same time.

"8 by hand" is the program that binds to eight sources itself, without the shim: the floor of "8 sources"."""
import bench
import lab

MS = bench.pick(80, 250)
COUNTS = [(option, count) for option, counts in (("-t", bench.pick([1, 32], [1, 2, 8, 32])), ("-p", bench.pick([1, 40], [1, 8, 40])))
          for count in counts]
SHIMS = {"without": None, "no sources": bench.NO_SOURCES, "8 sources": {"sources": "127.0.0.1-127.0.0.8",
                                                                       "options": bench.QUIET}, "8 by hand": None}


def rate(option, count, shim, by_hand=()):
    lab.new_network()
    lab.ports(32768, 60999)
    with bench.sink():
        return bench.measured([bench.program("churn"), option, str(count), *by_hand, "-m", str(MS), "127.0.0.1", "5000"],
                              shim)["per_second"]


def together():
    each_us = {}
    for option, count in COUNTS:
        taken = bench.interleave({
            name: lambda s=shim, h=("-s", "8") if "by hand" in name else (): rate(option, count, s, h) for name, shim in SHIMS.items()})
        what = "thread" if option == "-t" else "process"
        bench.record(f"{what}-{count}", f"connections by {count} {what}{'es' if what == 'process' else 's'}"
                     if count > 1 else f"connections by 1 {what}", "connections/s", taken, better="more")
        each_us[option, count] = [1e6 / per_second for per_second in taken["8 sources"]]
    for option, what, most in (("-t", "threads", 32), ("-p", "processes", 40)):
        bench.growth(f"growth-{what}", f"a connection, by {what}, 8 sources", "us", (1, most),
                     {"small": each_us[option, 1], "large": each_us[option, most]})


if __name__ == "__main__":
    lab.main([("together", together)])
