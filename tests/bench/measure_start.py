#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_start - the start and end of a program that does nothing, and the memory a preloaded library adds to it."""
import os
import re
import statistics
import time

import bench
import lab

STARTS = bench.pick(30, 200)


def shim(**settings):
    return {"LD_PRELOAD": str(lab.BUILD / "libheadroom.so"), "HEADROOM_LOG": "off", **settings}


def start(env, command=("/bin/true",)):
    """Return: milliseconds of the median run."""
    env, taken = lab.environment(env), []
    for _ in range(STARTS):
        begin = time.perf_counter()
        os.waitpid(os.posix_spawn(command[0], command, env), 0)
        taken.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(taken)


def starts():
    variants = {"without": lambda: start({}), "headroom": lambda: start(shim()),
                "headroom, 8 sources": lambda: start(shim(HEADROOM_SOURCES="127.0.0.1-127.0.0.8")),
                "headroom run": lambda: start({}, (str(lab.HEADROOM), "run", "--log", "off", "--", "/bin/true"))}
    for name, env in bench.preloads().items():
        variants[name] = lambda e=env: start(e)
    return bench.record("true", "start and end of true", "ms", bench.interleave(variants))


def first():
    """The first connect() with sources reads what other processes have in use: the usage segments of 250 that have
    ended, here, or none."""
    lab.new_network()
    command = [bench.program("churn"), "-n", "1", "127.0.0.1", "5000"]
    eight = {"sources": "127.0.0.1-127.0.0.8", "options": bench.QUIET}
    with bench.state() as none, bench.state() as many, bench.sink():
        shims = {"without": None, "headroom": {**eight, "env": {"HEADROOM_STATE_DIR": "off"}},
                 "headroom, few segments": {**eight, "env": none}, "headroom, 250 segments": {**eight, "env": many}}
        for _ in range(250):
            bench.measured(command, shims["headroom, 250 segments"])
        return bench.record("first", "the first connect(), 8 sources, and close()", "us", bench.interleave({
            name: lambda s=shim: bench.measured(command, s)["pair_p50_us"] for name, shim in shims.items()}))


def rules():
    """The rule file is read at the start."""
    for count in (1, 1000):
        (lab.scratch() / f"rules{count}").write_text("".join(
            f"[to 10.{i >> 8}.{i & 255}.0/24:443]\nsources = 10.0.0.1-10.0.0.8\n" for i in range(count)))
    taken = bench.interleave({name: lambda c=count: start(shim(HEADROOM_CONFIG=str(lab.scratch() / f"rules{c}")))
                              for name, count in (("small", 1), ("large", 1000))})
    bench.growth("growth-rules", "start and end of true, by rules", "ms", (1, 1000), taken)


def processes():
    """A process for each connection, as of a server that forks, or a loop in a shell; nothing in TIME_WAIT from before."""
    def cost(options, shim):
        lab.new_network()
        lab.ports(32768, 60999)
        with bench.state() as state:
            command = [bench.program("forked"), *options, str(bench.pick(200, 1000))]
            return bench.measured(command, shim and {**shim, "env": state})["cpu_us"]
    shims = {"without": None, "no sources": bench.NO_SOURCES,
             "8 sources": {"sources": "127.0.0.1-127.0.0.8", "options": bench.QUIET}}
    for name, options in (("forked", ()), ("started", ("-x",))):
        bench.record(f"process-{name}", f"a process for each connection, {name}: time of the processor", "us",
                     bench.interleave({v: lambda o=options, s=shim: cost(o, s) for v, shim in shims.items()}, bench.pick(5, 15)))


def kib(env, key):
    done = lab.run(["/bin/cat", "/proc/self/smaps_rollup"], env=env)
    return sum(int(number) for number in re.findall(rf"^{key}: *(\d+)", done.stdout, re.M))


def memory():
    variants = {"without": {}, "headroom": shim(), **bench.preloads()}
    for name, key in (("rss", "Rss"), ("private", "Private_Dirty")):
        bench.record(name, f"memory of cat, {key}", "KiB",
                     bench.interleave({v: lambda e=env, k=key: kib(e, k) for v, env in variants.items()}))


if __name__ == "__main__":
    lab.main([("true", starts), ("first connect", first), ("rules", rules),
              ("a process for each connection", processes), ("memory", memory)])
