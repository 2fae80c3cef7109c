#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_reuse - connections kept for the next connect(), against real ones."""
import bench
import lab
import redis

REQUESTS = bench.pick(2000, 12000)
COUNTS = bench.pick([1200], [1000, 12000])


def pair(count, shim):
    """Return: microseconds of connect() and close(), with a PING in between that is not counted."""
    lab.new_network()
    lab.ports(32768, 60999)
    (lab.scratch() / "redis").unlink(missing_ok=True)
    with redis.server("127.0.0.1"):
        return bench.measured([bench.program("churn"), "-x", "-n", str(count), "127.0.0.1", str(redis.PORT)],
                              shim)["pair_p50_us"]


def pairs():
    lab.needs("redis-server")
    shims = {"without": None, "no sources": bench.NO_SOURCES, "reuse": redis.REUSE}
    both = bench.interleave({(name, count): lambda s=shim, c=count: pair(c, s)
                             for name, shim in shims.items() for count in COUNTS})
    bench.growths("growth", "connect() + close() of a connection to Redis, by exchanges", "us", COUNTS, both, float)
    return bench.record("pair", "connect() + close() of a connection to Redis", "us",
                        {name: both[name, COUNTS[-1]] for name in shims})


def benchmark():
    """Below the knee: the un-exhausted run is the best that there is without."""
    taken = bench.interleave({name: lambda s=shim: redis.benchmark(REQUESTS, 32768, 60999, s)
                              for name, shim in (("without", None), ("reuse", redis.REUSE))})
    bench.record("time-wait", f"TIME_WAITs left by redis-benchmark -k 0 of {REQUESTS:,}", "",
                 bench.part(taken, "time_wait"))
    return bench.record("redis-benchmark", f"redis-benchmark -k 0 of {REQUESTS:,}, below the knee", "requests/s",
                        bench.part(taken, "rate"), better="more")


if __name__ == "__main__":
    lab.main([("pair", bench.reported("pair", "connect() + close() from the pool", pairs)),
              ("redis-benchmark", bench.reported("redis-benchmark", "redis-benchmark with reuse", benchmark))])
