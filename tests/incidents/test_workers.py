#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_workers - several workers share one tuple space: none of them is full, together they are."""
import contextlib
import json

import incident
from incident import BAD, FAR, FINE, NEAR, TO, lab

CONNECTS = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5000)"


@contextlib.contextmanager
def workers(number, each):
    """The shim's segments come with the first connect()."""
    with contextlib.ExitStack() as held:
        yield [held.enter_context(incident.program(CONNECTS, each, shim={})) for _ in range(number)]


def report(status, *options):
    return incident.headroom("report", *options, status=status)


def four_of_25():
    with incident.network(size=100), workers(4, 25) as all_of_them:
        seen = json.loads(report(BAD, "--json").stdout)["processes"]
        lab.equal("who", sorted(p["pid"] for p in seen), sorted(w.pid for w in all_of_them))
        for process in seen:
            [row] = process["spaces"]
            lab.equal("of each", (row["open"], row["headroom"], row["capacity"]), (25, 0, 100))
        incident.has("report", report(BAD).stdout, "now")
        # Of one worker alone the others count as well.
        report(BAD, str(all_of_them[0].pid))
        incident.check(status=BAD)
        lab.equal("truth", incident.truth(TO), 0)


def three_of_25():
    with incident.network(size=100), workers(3, 25):
        for process in json.loads(report(FINE, "--json").stdout)["processes"]:
            lab.equal("of each", process["spaces"][0]["headroom"], 25)
        lab.equal("truth", incident.truth(TO), 25)


def beside_one_without_the_shim():
    """What only the kernel knows of counts too."""
    with incident.network(size=100), workers(2, 20), incident.program(CONNECTS, 45):
        for process in json.loads(report(FINE, "--json").stdout)["processes"]:
            lab.equal("of each", process["spaces"][0]["headroom"], 15)
        lab.equal("truth", incident.truth(TO), 15)


def all_blocked():
    incident.needs_probe()
    binder = f"for i in range(75): connect('{FAR}', 5001, '{NEAR}', explicit=True)"
    with incident.network(size=100, servers=(5000, 5001)), workers(1, 25), incident.program(binder):
        [process] = json.loads(report(BAD, "--json").stdout)["processes"]
        lab.equal("headroom", process["spaces"][0]["headroom"], 0)
        lab.equal("truth", incident.truth(TO), 0)


lab.main([
    ("four workers of 25 of 100", four_of_25),
    ("three of them", three_of_25),
    ("beside a program without the shim", beside_one_without_the_shim),
    ("and a blocker of the rest", all_blocked),
])
