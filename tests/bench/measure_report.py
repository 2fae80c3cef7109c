#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_report - `headroom report` over many processes with many destinations each."""
import contextlib
import json
import os
import subprocess
import time

import bench
import lab

PROCESSES, SMALL, DESTINATIONS = bench.pick(40, 200), bench.pick(10, 50), 50


def report(processes):
    """Return: milliseconds of a few reports while so many programs run under the shim."""
    lab.new_network()
    to = [word for i in range(DESTINATIONS) for word in (f"127.1.0.{i + 1}", "5000")]
    taken = []
    with contextlib.ExitStack() as stack:
        env = stack.enter_context(bench.state())
        stack.enter_context(bench.sink())
        for _ in range(processes):
            client = stack.enter_context(lab.Process([lab.client("fill"), "-a", "-c", "1", *to],
                                                     {"options": bench.QUIET, "env": env}, stdin=True))
            lab.wait_for(lambda c=client: "held" in c.stdout(), "a client to be done", client)
        done = lab.run([str(lab.HEADROOM), "report", "--json"], env=env)
        if done.status not in (0, 1):
            raise lab.Failed(f"headroom report\n{done}")
        lab.equal("processes in the report", len(json.loads(done.stdout)["processes"]), processes)
        for _ in range(bench.ROUNDS + 1):
            begin = time.perf_counter()
            subprocess.run([str(lab.HEADROOM), "report"], env={**os.environ, **env}, stdout=subprocess.DEVNULL, check=False)
            taken.append((time.perf_counter() - begin) * 1e3)
    return taken[1:]


def processes():
    if not bench.verb("report"):
        raise lab.Skipped("`headroom report` is not there yet")
    small, large = report(SMALL), report(PROCESSES)
    bench.growth("growth", "headroom report, by processes", "ms", (SMALL, PROCESSES), {"small": small, "large": large})
    return bench.record("processes", f"headroom report, {PROCESSES} processes x {DESTINATIONS} destinations", "ms",
                        {"headroom": large}, base=None)


def missing(name):
    def case():
        raise lab.Skipped("there, and not measured" if bench.verb(name) else f"`headroom {name}` is not there yet")
    return case


if __name__ == "__main__":
    lab.main([("report", bench.reported("processes", "headroom report", processes)),
              *((name, bench.reported(name, f"headroom {name}", missing(name))) for name in ("top", "export"))])
