#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_overhead - what the shim adds at low use: to connect() and close(), and to calls on other fds.

"by hand" is a program that makes the shim's system calls itself: the floor. Without sources and with a close by RST
there are none."""
import bench
import lab

# Many short runs, as the differences are small. What one leaves in TIME_WAIT is a sixth of the range in the end.
ROUNDS, PAIR_TIMES = bench.pick(600, 1000), bench.pick(5, 28)
TIMES = bench.pick(5, 7)
LOOPBACK = {8: "127.0.0.1-127.0.0.8", 200: "127.0.0.1-127.0.0.200"}


def pairs(end, by_hand, sources=0, env=None, rounds=ROUNDS):
    shim = {"options": bench.QUIET, "env": env or {}, **({"sources": LOOPBACK[sources]} if sources else {})}
    return bench.measured([bench.program("overhead"), str(rounds), end, by_hand], shim)


def pair(end, sources):
    by_hand = "bind" if sources else "look"
    what = "a connect() that is refused, and close()" if end == "refused" else f"connect() + close() by {end.upper()}"
    taken = bench.interleave({"run": lambda: pairs(end, by_hand, sources)}, PAIR_TIMES)["run"]
    bench.record(f"added-{end}-{sources}", f"added to {what}, {sources or 'no'} sources", "ns", {
        "by hand": [1000 * (v["hand_us"] - v["plain_us"]) for v in taken],
        "headroom": [1000 * (v["shim_us"] - v["plain_us"]) for v in taken]}, base=None)
    return bench.record(f"{end}-{sources}", f"{what}, {sources or 'no'} sources", "us", {
        "without": [v["plain_us"] for v in taken], "by hand": [v["hand_us"] for v in taken],
        "headroom": [v["shim_us"] for v in taken]})


def counting():
    """Keeping the figures in a file that `headroom report` reads, against keeping them in memory. Many short runs: two
    processes differ more than two halves of one."""
    def added(env):
        return 1000 * pairs("rst", "none", env=env, rounds=bench.pick(600, 1200))["added_us"]
    taken = bench.interleave({"off": lambda: added({"HEADROOM_STATE_DIR": "off"}), "on": lambda: added(None)},
                             rounds=bench.pick(5, 60))
    return bench.record("counting", "added to connect() + close() by counting for headroom report", "ns",
                        {"headroom": [on - off for on, off in zip(taken["on"], taken["off"])]}, base=None)


def growth():
    taken = bench.interleave({"small": lambda: pairs("rst", "bind", 8), "large": lambda: pairs("rst", "bind", 200)}, TIMES)
    bench.growth("growth-sources", "connect() + close(), by sources", "us", (8, 200), bench.part(taken, "shim_us"))
    taken = bench.interleave({"small": lambda: others(bench.NO_SOURCES), "large": lambda: others(bench.NO_SOURCES, 15000)},
                             rounds=5)
    for call in ("close", "read", "write", "recv"):
        bench.growth(f"growth-{call}", f"{call}() of an fd not ours, by TCP sockets open", "ns", (0, 15000),
                     bench.part(taken, f"{call}_hooked"))


def others(shim=None, tracked=0, env=None):
    return bench.measured([bench.program("others"), str(bench.pick(100, 1000)), str(tracked)], shim, env=env)


def not_ours():
    variants = {"headroom": lambda: others(bench.NO_SOURCES),
                "headroom, reuse": lambda: others({"options": ("--reuse", "redis", *bench.QUIET)})}
    for name, env in bench.preloads().items():
        variants[name] = lambda e=env: others(env=e)
    taken = bench.interleave(variants, TIMES)
    for call in ("close", "read", "write", "recv"):
        bench.record(call, f"added to {call}() of an fd not ours", "ns", {
            name: [v[f"{call}_hooked"] - v[f"{call}_plain"] for v in values] for name, values in taken.items()}, base=None)
    return "close(), read(), write(), recv()"


if __name__ == "__main__":
    lab.main([*((f"{end}, {sources} sources", lambda e=end, s=sources: pair(e, s))
                for end in ("rst", "time-wait", "refused") for sources in (0, 8)),
              ("counting", counting), ("fds that are not ours", not_ours), ("growth", bench.full_only(growth))])
