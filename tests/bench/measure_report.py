#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_report - `headroom report`, `export` and `top` over many processes with many destinations each."""
import contextlib
import functools
import http.client
import json
import re
import time

import bench
import drawn
import lab

SIZES = bench.pick((10, 40), (50, 200))
DESTINATIONS, HTTP = 50, 9816
TITLES = {"processes": "headroom report", "scrape": "a scrape of headroom export --listen",
          "textfile": "headroom export --textfile", "top": "a refresh of headroom top, time of the processor"}


@contextlib.contextmanager
def programs(processes):
    """So many programs under the shim, each with a connection to each destination. Gives the environment in which their
    usage segments are seen."""
    lab.new_network()
    lab.ports(32768, 60999)
    to = [word for i in range(DESTINATIONS) for word in (f"127.1.0.{i + 1}", "5000")]
    with contextlib.ExitStack() as stack:
        env = stack.enter_context(bench.state())
        stack.enter_context(bench.sink(most=bench.PER_PROCESS))
        for _ in range(processes):
            client = stack.enter_context(lab.Process([lab.client("fill"), "-c", "1", *to],
                                                     {"options": bench.QUIET, "env": env}, stdin=True))
            lab.wait_for(lambda c=client: "held" in c.stdout(), "a client to be done", client)
        done = lab.run([str(lab.HEADROOM), "report", "--json"], env=env)
        if done.status not in (0, 1):
            raise lab.Failed(f"headroom report\n{done}")
        lab.equal("processes in the report", len(json.loads(done.stdout)["processes"]), processes)
        yield env


def once(env, *words):
    """Return: milliseconds of the verb from its start to its end."""
    found = bench.measured([bench.program("timed"), str(lab.HEADROOM), *words], env=env)
    if found["status"] not in (0, 1):
        raise lab.Failed(f"headroom {' '.join(words)}: {found['status']:.0f}")
    return found["ms"]


def scrape(processes):
    """Return: milliseconds until Prometheus would have its answer."""
    begin = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", HTTP)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    took = (time.perf_counter() - begin) * 1e3
    found = re.search(r'^headroom_processes\{process="fill".*\} (\d+)$', text, re.M)
    lab.equal("processes in the answer", found and int(found[1]), processes)
    return took


def report(env, _):
    return bench.interleave({"processes": lambda: once(env, "report")})


def export(env, processes):
    file = str(lab.scratch() / "headroom.prom")
    with lab.Process([str(lab.HEADROOM), "export", "--listen", str(HTTP)], env=env) as server:
        lab.wait_for(lambda: "listening" in server.stdout(), "the HTTP server", server)
        return bench.interleave({"scrape": lambda: scrape(processes),
                                 "textfile": lambda: once(env, "export", "--textfile", file)})


def top(env, processes):
    with drawn.Terminal([str(lab.HEADROOM), "top", "--delay", "0.2"], env) as screen:
        screen.until(lambda: f" {processes} processes,".encode() in screen.drawn, "its first picture")
        return bench.interleave({"top": screen.one_turn_ms})


def of(processes):
    with programs(processes) as env:
        return report(env, processes) | export(env, processes) | top(env, processes)


def verbs():
    taken = {(row, processes): values for processes in SIZES for row, values in of(processes).items()}
    said = []
    for row, title in TITLES.items():
        bench.growth(f"growth-{row}", f"{title}, by processes", "ms", SIZES,
                     {which: taken[row, processes] for which, processes in zip(("small", "large"), SIZES)})
        said.append(title + ": " + bench.record(
            row, f"{title}, {SIZES[-1]} processes x {DESTINATIONS} destinations", "ms",
            {"headroom": taken[row, SIZES[-1]]}, base=None))
    return "; ".join(said)


if __name__ == "__main__":
    lab.main([("report, export, top", verbs)])
