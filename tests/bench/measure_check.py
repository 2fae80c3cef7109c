#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_check - `headroom check --all` beside ss and netstat, over many sockets."""
import functools
import json

import bench
import crowd
import lab

SMALL = 10000
SIZES = bench.pick([1000, 10000], [1000, 10000, 72000, 180000, 1000000])
PER_SOURCE = 9000
COMMANDS = {
    "ss -tan": ["ss", "-tan"],
    "ss, filter": ["ss", "-tan", "dport = :5000"],
    "netstat -tan": ["netstat", "-tan"],
    "check --all": [str(lab.HEADROOM), "check", "--all", "--sample", "0"],
    "check one": [str(lab.HEADROOM), "check", "--sample", "0", "127.0.0.1:5000"],
}


def timed(command):
    """Return: milliseconds, most memory in KiB."""
    found = bench.measured([bench.program("timed"), *command])
    if found["status"] not in (0, 1):
        raise lab.Failed(f"{' '.join(command)}: {found['status']:.0f}")
    return found


def one_pass():
    return {"ms": bench.measured([bench.program("kernel_view")])["pass_ms"], "kib": 0}


def sockets(size):
    """So many sockets: both ends of half as many connections, each 9,000 from a source to a destination of its own."""
    lab.needs("ss")
    lab.new_network()
    lab.ports(10000, 65535)
    connections = size // 2
    crowd.room_for(connections)
    fills = [[lab.client("fill"), "-r", "-s", f"127.0.{i + 1}.1",
              "-c", str(min(PER_SOURCE, connections - i * PER_SOURCE)), f"127.0.{i + 1}.1", "5000"]
             for i in range((connections + PER_SOURCE - 1) // PER_SOURCE)]
    with crowd.crowd(fills, None, connections):
        lab.equal("connections", crowd.connected() >= connections, True)
        variants = {name: lambda c=command: timed(c) for name, command in COMMANDS.items()}
        try:
            lab.needs("netstat")
        except lab.Skipped as why:
            del variants["netstat -tan"]
            bench.absent("netstat", "netstat -tan", why)
        variants["one pass"] = one_pass
        one_pass()  # warms the sockets up; the commands were by the smaller sizes
        taken = bench.interleave(variants, 5, warm_up=int(size <= SMALL))
    memory = bench.part(taken, "kib")
    del memory["one pass"]
    bench.record(f"memory-{size}", f"most memory, {size:,} sockets", "KiB", memory, base="ss -tan")
    times = bench.part(taken, "ms")
    return times, bench.record(f"{size}", f"{size:,} sockets", "ms", times, base="ss -tan")


def of(size):
    times, text = sockets(size)
    (lab.shared() / f"{size}").write_text(json.dumps(times))
    return text


def growth():
    """Of the sizes that were measured in this run."""
    files = [size for size in SIZES if (lab.shared() / f"{size}").exists()]
    if len(files) < 2:
        raise lab.Skipped("two sizes are wanted")
    small, large = files[0], files[-1]
    found = [json.loads((lab.shared() / f"{size}").read_text()) for size in (small, large)]
    for name in ("check --all", "ss -tan"):
        bench.growth(f"growth-{name.replace(' ', '-')}", f"{name}, by sockets", "us a socket", (small, large), {
            size: [1e3 * v / count for v in times[name]]
            for size, times, count in (("small", found[0], small), ("large", found[1], large))})


if __name__ == "__main__":
    lab.main([*((f"{size:,} sockets", bench.reported(f"{size}", f"{size:,} sockets", functools.partial(of, size)))
                for size in SIZES), ("growth", growth)])
