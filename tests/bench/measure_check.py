#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_check - `headroom check --all` beside ss and netstat, over many sockets."""
import os
import time

import bench
import crowd
import lab

SIZES = bench.pick([1000, 10000], [1000, 10000, 180000, 1000000])
PER_SOURCE = 9000
COMMANDS = {
    "ss -tan": ["ss", "-tan"],
    "ss, filter": ["ss", "-tan", "dport = :5000"],
    "netstat -tan": ["netstat", "-tan"],
    "check --all": [str(lab.HEADROOM), "check", "--all", "--sample", "0"],
    "check one": [str(lab.HEADROOM), "check", "--sample", "0", "127.0.0.1:5000"],
}


def timed(command):
    """Return: seconds, most memory in KiB."""
    env = lab.environment()
    null = os.open(os.devnull, os.O_WRONLY)
    begin = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, env, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
    _, status, use = os.wait4(pid, 0)
    took = time.perf_counter() - begin
    os.close(null)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise lab.Failed(f"{' '.join(command)}: {os.waitstatus_to_exitcode(status)}")
    return {"ms": took * 1e3, "kib": use.ru_maxrss}


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
        taken = bench.interleave(variants, 5)
    memory = bench.part(taken, "kib")
    del memory["one pass"]
    bench.record(f"memory-{size}", f"most memory, {size:,} sockets", "KiB", memory, base="ss -tan")
    times = bench.part(taken, "ms")
    return times, bench.record(f"{size}", f"{size:,} sockets", "ms", times, base="ss -tan")


def all_sizes():
    found = {size: sockets(size)[0] for size in SIZES}
    for name in ("check --all", "ss -tan"):
        bench.growth(f"growth-{name.replace(' ', '-')}", f"{name}, by sockets", "us a socket", (SIZES[0], SIZES[-1]), {
            "small": [1e3 * v / SIZES[0] for v in found[SIZES[0]][name]],
            "large": [1e3 * v / SIZES[-1] for v in found[SIZES[-1]][name]]})


if __name__ == "__main__":
    lab.main([("sockets", bench.reported("sockets", "check --all", all_sizes))])
