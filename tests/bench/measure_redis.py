#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_redis - redis-benchmark -k 0 over a veth pair: a connection per request, each left in TIME_WAIT."""
import time

import bench
import lab
import redis

LOW, HIGH = 32768, bench.pick(32768 + 1999, 60999)
SIZES = bench.pick([1900], [13500, 27000])
REQUESTS = SIZES[-1]
LONG_S = bench.pick(0.5, 120)
SHIMS = {"without": None, "one source": bench.ONE_SOURCE, "8 sources": bench.EIGHT_SOURCES, "reuse": redis.REUSE}


def requests():
    variants = {(name, count): lambda s=shim, c=count: redis.benchmark(c, LOW, HIGH, s)
                for name, shim in SHIMS.items() for count in SIZES}
    for name in SHIMS:
        variants[name, SIZES[0]]()  # warm-up; the larger size takes a minute without the shim
    both = bench.interleave(variants, rounds=5, warm_up=0)
    taken = {name: both[name, REQUESTS] for name in SHIMS}
    of = f"of {REQUESTS:,}, {HIGH - LOW + 1:,} ports"
    bench.record("time-wait", f"TIME_WAITs left by redis-benchmark -k 0 {of}", "", bench.part(taken, "time_wait"))
    bench.record("kernel", f"kernel CPU of redis-benchmark -k 0 {of}", "s", bench.part(taken, "kernel"))
    bench.growths("growth", "a request of redis-benchmark -k 0, by requests", "us", SIZES, both,
                  lambda found: 1e6 / found["rate"])
    return bench.record(f"requests-{REQUESTS}", f"redis-benchmark -k 0 {of}", "requests/s", bench.part(taken, "rate"), better="more")


def long_run(name, shim):
    """One run of LONG_S seconds, or until redis-benchmark gives up. Return: when it gave up, or None."""
    points = []
    with redis.far_server(LOW, HIGH), lab.Process(redis.command(100000000), shim) as process:
        start = last = time.monotonic()
        before = redis.commands_done()
        while process.running() and last - start < LONG_S:
            time.sleep(LONG_S / 120)
            now, count = time.monotonic(), redis.commands_done()
            points.append((round(now - start, 3), round((count - before) / (now - last), 1)))
            last, before = now, count
        gave_up = None if process.running() else last - start
    bench.series("redis", name, points)
    return gave_up, sum(rate * (t - s) for (t, rate), s in zip(points, [0, *(t for t, _ in points)]))


def cliff():
    """Once each: the picture. It ends where redis-benchmark finds no port left."""
    ends = {name: long_run(name, shim) for name, shim in SHIMS.items()}
    bench.record("long", f"requests done in {LONG_S} s, or until no port was left", "requests",
                 {name: [done] for name, (_, done) in ends.items()}, better="more",
                 note="; ".join(f"{name} gave up after {end:.1f} s" for name, (end, _) in ends.items() if end))
    return ", ".join(f"{name} {done:.0f} requests" + (f", gave up after {end:.1f} s" if end else "")
                     for name, (end, done) in ends.items())


if __name__ == "__main__":
    title = "redis-benchmark -k 0"
    lab.main([("requests", bench.reported("requests", title, requests)), ("over time", bench.reported("long", title, cliff))])
