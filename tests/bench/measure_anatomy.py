#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_anatomy - where a connect() and a close() under the shim spend what they add: system calls by perf, the
time of each, instructions by function by callgrind."""
import re

import bench
import lab

COUNTS = bench.pick((300, 900), (1000, 3000))
WAYS = {"no sources": bench.NO_SOURCES, "8 sources": {"sources": "127.0.0.1-127.0.0.8", "options": bench.QUIET}}
SHOWN = 24  # functions
CALLS = ["socket", "setsockopt", "bind", "connect", "recvfrom", "close"]
EVENTS = ",".join(["raw_syscalls:sys_enter", *(f"syscalls:sys_enter_{call}" for call in CALLS)])


def environment(shim):
    """The shim by LD_PRELOAD, so that perf and callgrind see the program and not `headroom run`."""
    if shim is None:
        return {}
    return {"LD_PRELOAD": str(lab.BUILD / "libheadroom.so"), "HEADROOM_LOG": "off",
            **({"HEADROOM_SOURCES": shim["sources"]} if "sources" in shim else {})}


def churn(front, count, env=None):
    lab.new_network()
    lab.ports(32768, 60999)
    with bench.sink(processes=2, most=bench.PER_PROCESS):
        done = lab.run([*front, bench.program("churn"), "-n", str(count), "127.0.0.1", "5000"], env=env)
    if done.status:
        raise lab.Failed(f"{front[0]}\n{done}")


def calls(count, shim):
    """strace would make connect() slow, to which the shim answers with a system call more; perf does not. Return:
    {system call: how often}."""
    out = lab.scratch() / "perf"
    preload = [f"{key}={value}" for key, value in environment(shim).items()]
    churn(["perf", "stat", "-x,", "-o", str(out), "-e", EVENTS, "env", *preload], count)
    found = {name: int(number) for number, name in re.findall(r"^(\d+),.*?,\w+:sys_enter_?(\w*),", out.read_text(), re.M)}
    found["other calls"] = found.pop("") - sum(number for name, number in found.items() if name)
    return found


def per_connection(function, shim, few):
    """What one more connection adds to those of function(COUNTS[0], shim). Return: {name: number}."""
    many = function(COUNTS[1], shim)
    return {name: (many[name] - few.get(name, 0)) / (COUNTS[1] - COUNTS[0]) for name in many}


def system_calls():
    lab.needs("perf")
    done = lab.run(["perf", "stat", "-x,", "-e", EVENTS, "true"])
    if done.status:
        raise lab.Skipped(f"perf counts no system calls here: {done.stderr.strip().splitlines()[0]}")
    shims = {"without": None, **WAYS}
    few = {name: calls(COUNTS[0], shim) for name, shim in shims.items()}
    taken = bench.interleave({name: lambda n=name, s=shim: per_connection(calls, s, few[n]) for name, shim in shims.items()},
                             warm_up=0)
    for call in [*CALLS, "other calls"]:
        numbers = bench.part(taken, call)
        if any(number > 0.001 for values in numbers.values() for number in values):
            bench.record(f"call-{call}", f"{call}{'()' * (call in CALLS)} in a connect() and close() by RST, calls", "",
                         numbers, base=None)
    return "counted by perf"


def times():
    lab.ports(32768, 60999)
    with bench.sink():
        done = [lab.run([bench.program("asked"), "127.0.0.1", "5000", str(bench.pick(20, 200))])
                for _ in range(bench.ROUNDS)]
    names = [line.rpartition(" ")[0] for line in done[0].stdout.splitlines()]
    for i, name in enumerate(names):
        bench.record(f"time-{i}", f"{name} by itself", "ns", {
            "without": [float(d.stdout.splitlines()[i].rpartition(" ")[2]) for d in done]}, base=None)


def instructions(count, shim):
    """Return: {function of the shim: instructions}."""
    out = lab.scratch() / "callgrind"
    churn(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"], count, environment(shim))
    text = lab.run(["callgrind_annotate", "--threshold=100", str(out)]).stdout
    found = {}
    for number, name in re.findall(r"^ *([\d,]+) .*?:(\S+) \[\S*libheadroom\.so\]", text, re.M):
        found[name] = found.get(name, 0) + int(number.replace(",", ""))
    return found


def by_function():
    lab.needs("valgrind", "callgrind_annotate")
    found = {name: per_connection(instructions, shim, instructions(COUNTS[0], shim)) for name, shim in WAYS.items()}
    bench.record("instructions", "the shim's instructions for a connection", "", {
        name: [sum(seen.values())] for name, seen in found.items()}, base=None)
    order = sorted(found["8 sources"], key=lambda function: -found["8 sources"][function])
    for function in [f for f in order if found["8 sources"][f] >= 1][:SHOWN]:
        bench.record(f"function-{function}", f"of these, {function}()", "",
                     {name: [seen.get(function, 0)] for name, seen in found.items()}, base=None)


if __name__ == "__main__":
    lab.main([("system calls", bench.reported("calls", "system calls", system_calls)), ("their times", times),
              ("instructions", bench.full_only(bench.reported("instructions", "instructions", by_function)))])
