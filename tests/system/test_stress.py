#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_stress - many threads at random, and many connections one after the other: counts and memory stay true.

Short as a test; longer with HEADROOM_STRESS_SECONDS, HEADROOM_STRESS_SEEDS ("1 2 3"), HEADROOM_ENDURE_CONNECTS
(see tests/reliability/run). With HEADROOM_STRESS_RESULT, what was done is written to that file as JSON.
"""
import collections
import functools
import json
import os
import re

import lab
from sock_diag import tuples

PORT = 5000
SECONDS = int(os.environ.get("HEADROOM_STRESS_SECONDS", "3"))
SEEDS = [int(seed) for seed in os.environ.get("HEADROOM_STRESS_SEEDS", "1").split()]
CONNECTS = int(os.environ.get("HEADROOM_ENDURE_CONNECTS", "20000"))
RESULT = os.environ.get("HEADROOM_STRESS_RESULT")
SOURCES = "127.0.0.1-127.0.0.4,fd00:1::1-fd00:1::4"
SHIMS = {"no sources": {}, "even": {"sources": SOURCES, "spread": "even"},
         "spill": {"sources": SOURCES, "spread": "spill"}}
ROW = re.compile(rf"^\S+:{PORT} +(\S+) +(\d+) +(\d+) +(\d+) +\d+ +\d+ +\d+ +\d+$", re.M)
DONE = re.compile(r"held (\d+): (\d+) connects, (\d+) failed, (\d+) duplicates, (\d+) closes, (\d+) forks")
# Of the program, or of a sanitizer it was built with.
COMPLAINT = re.compile("^stress:|Sanitizer|runtime error")
# Above what the allocator, the loader and the ledger's first entries come to, and far below a byte a connect.
GROWTH_KIB = 256


def record(what, **numbers):
    if RESULT:
        with open(RESULT, "a", encoding="ascii") as file:
            file.write(json.dumps({"what": what, **numbers}) + "\n")


def network():
    lab.new_network()
    lab.ports(10000, 60000)
    lab.ipv6_on_loopback(f"fd00:1::{number}" for number in range(1, 5))


def in_use(summaries):
    """Return: {source: in use}, connections opened; over the tables of all processes."""
    counts, opened = collections.Counter(), 0
    for source, rows_opened, held, time_wait in ROW.findall(summaries):
        counts[source] += int(held) + int(time_wait)
        opened += int(rows_opened)
    return {source: count for source, count in counts.items() if count}, opened


def stress(which, seed):
    network()
    shim = {**SHIMS[which], "options": ["--summary", "--log", f"file:{lab.scratch() / 'log'}"]}
    with lab.Hold(PORT, "http"), lab.Process([lab.client("stress"), str(seed), str(SECONDS)], shim) as process:
        done = lab.wait_for(lambda: DONE.search(process.stdout()), "the threads to end", process,
                            limit_s=SECONDS + lab.PATIENCE_S)
        held, connects, failed, duplicates, closes, forks = map(int, done.groups())
        kernel = tuples(PORT)
        process.send(15)
        ended = process.wait()
    lab.equal("exit status", ended.status, 0)
    lab.equal("complaints", [line for line in ended.stderr.splitlines() if COMPLAINT.search(line)], [])
    counted, opened = in_use(ended.stderr)
    lab.equal(f"seed {seed}: in use, by source", counted, kernel)
    # Those of the children come on top.
    if opened < connects:
        raise lab.Failed(f"seed {seed}: {opened} counted as opened, of {connects} connects")
    record("stress", sources=which, seed=seed, seconds=SECONDS, connects=connects, failed=failed, closes=closes,
           duplicates=duplicates, forks=forks, in_use=lab.total(kernel))
    return f"{connects} connects, {forks} forks, {lab.total(kernel)} in use at the end, as the kernel has"


def filtered():
    """The shim stands down in the middle of its work: who is in it meanwhile goes on, and nothing else is asked."""
    network()
    shim = {**SHIMS["even"], "options": ["--log", "off"]}
    with lab.Hold(PORT, "http"), lab.Process([lab.client("stress"), "1", str(SECONDS), "filter"], shim) as process:
        done = lab.wait_for(lambda: DONE.search(process.stdout()), "the threads to end", process,
                            limit_s=SECONDS + lab.PATIENCE_S)
        process.send(15)
        ended = process.wait()
    lab.equal("exit status", ended.status, 0)
    lab.equal("complaints", [line for line in ended.stderr.splitlines() if COMPLAINT.search(line)], [])
    return f"{done[2]} connects"


def stressed(which):
    return "; ".join(stress(which, seed) for seed in SEEDS)


def resident(sources, connects, destinations):
    """Return: the private memory at each tenth, in KiB."""
    network()
    limit_s = lab.PATIENCE_S + connects // 1000
    shim = {"sources": sources, "options": ["--log", f"file:{lab.scratch() / 'log'}"]}
    with lab.Hold(PORT, "http"):
        done = lab.run([lab.client("endure"), str(connects), str(destinations)], shim, limit_s)
    lab.equal("said at the end", (done.status, done.stdout.splitlines()[-1:]), (0, ["done, 0 failed"]))
    return [int(line.split()[1]) for line in done.stdout.splitlines()[:-1]]


def flat(sources, destinations, connects=None):
    lab.not_under_sanitizer("it keeps what was freed")
    connects = connects or CONNECTS
    steps = resident(sources, connects, destinations)
    # The first fifth is what fills the ledger and the allocator's caches.
    grown = max(steps[2:]) - steps[1]
    record("endure", sources=sources or "none", destinations=destinations, connects=connects, kib=steps, grown=grown)
    if grown > GROWTH_KIB:
        raise lab.Failed(f"memory grew by {grown} KiB from the first fifth on: {steps} KiB at each tenth")
    return f"{connects} connects to {destinations} destinations, {grown} KiB more at the end than at a fifth"


FOUR = "127.0.0.1-127.0.0.4"
lab.CASE_LIMIT_S = (SECONDS + lab.PATIENCE_S) * len(SEEDS) + CONNECTS // 500 + 60
lab.main([
    *((f"32 threads, {which}", functools.partial(stressed, which)) for which in SHIMS),
    ("32 threads, under a filter from the middle on", filtered),
    ("memory, no sources", functools.partial(flat, None, 1)),
    ("memory, sources", functools.partial(flat, FOUR, 1)),
    # More than the ledger holds (LEDGER_DESTINATIONS_MAX): the first fifth is to have seen them all. With several sources
    # it would have to see each from each.
    ("memory, 17000 destinations", functools.partial(flat, "127.0.0.1", 17000, max(CONNECTS, 5 * 17000))),
])
