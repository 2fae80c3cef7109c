#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_http_clients - curl --parallel, wrk and ab reach sources x range, and one range without."""
import functools
import re
import signal

import lab
from sock_diag import tuples

PORT, CAPACITY = 5000, 100
URL = f"http://127.0.0.1:{PORT}/"
# curl runs at most 300 transfers at once: the end of 2 sources can be seen, that of 3 not.
CURL_URLS, WRK_CONNECTIONS = 270, 350
SHIMS = {
    "without": (None, 1),
    "even 2": ({"sources": "127.0.0.1-127.0.0.2", "spread": "even"}, 2),
    "spill 2": ({"sources": "127.0.0.1-127.0.0.2", "spread": "spill"}, 2),
    "even 3": ({"sources": "127.0.0.1-127.0.0.3", "spread": "even"}, 3),
}


def full(k):
    return {f"127.0.0.{i}": CAPACITY for i in range(1, k + 1)}


def curl_command(count, *options, port=PORT, output="body"):
    lab.needs("curl")
    lab.not_under_sanitizer("curl then hangs in setlocale(), shim or not")
    # Results go to stderr, which curl writes at once, while a stdout that is a file fills up first.
    return ["curl", "--no-progress-meter", "--parallel", "--parallel-immediate", "--parallel-max", "300",
            "--max-time", f"{lab.PATIENCE_S}", "--output", output, "--write-out", "%{stderr}result %{http_code} %{errormsg}\n",
            *options, f"http://127.0.0.1:{port}/[1-{count}]"]


def curl_outcome(stderr):
    """Return: the transfers that got 200, all that ended."""
    return stderr.count("result 200 \n"), stderr.count("result ")


# Of transfers that failed and others that did not curl 7 makes 7 (could not connect), curl 8 what the last ended with.
SOME_FAILED = (7, 0)


def held_transfers(shim, k):
    """All transfers start at once and are held: each that failed has said so when the kernel is asked. Return: curl's
    exit status."""
    lab.new_network()
    lab.ports(40000, 40000 + CAPACITY - 1)
    held = k * CAPACITY
    with lab.Hold(PORT) as server, lab.Process(curl_command(CURL_URLS), shim) as process:
        lab.wait_for(lambda: curl_outcome(process.stderr())[1] >= CURL_URLS - held, "the failing transfers", process)
        lab.reaches(PORT, full(k), process, ["ESTAB"])
        server.release()
        done = process.wait()
    lab.equal("transfers that got 200, of all", curl_outcome(done.stderr), (held, CURL_URLS))
    return done.status


def curl(which):
    shim, k = SHIMS[which]
    plain = held_transfers(None, 1)
    if plain not in SOME_FAILED:
        raise lab.Failed(f"curl without the shim ended with {plain}")
    if shim:
        lab.equal("exit status, as without the shim", held_transfers(shim, k), plain)
    return f"{k * CAPACITY} of {CURL_URLS} transfers, exit status {plain}"


def curl_unchanged():
    """As many as one range has ports: exit status and stdout the same with and without."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    seen = []
    for shim in (None, {}, SHIMS["even 3"][0]):
        with lab.Hold(PORT, "http"):
            done = lab.run(curl_command(20, output="-"), shim)
        seen.append((done.status, done.stdout, done.stderr))
    lab.equal("without", seen[0], (0, "ok\n" * 20, "result 200 \n" * 20))
    lab.equal("shim, no sources", seen[1], seen[0])
    lab.equal("shim, 3 sources", seen[2], seen[0])
    return "20 transfers, exit status 0"


def curl_all_succeed():
    """What one range cannot hold succeeds with two, and the exit status is 0."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    for port, shim, statuses, expected in ((PORT, None, SOME_FAILED, CAPACITY),
                                           (PORT + 1, SHIMS["even 2"][0], (0,), 2 * CAPACITY)):
        command = curl_command(2 * CAPACITY, port=port)
        with lab.Hold(port) as server, lab.Process(command, shim) as process:
            lab.wait_for(lambda p=port, n=expected: lab.total(tuples(p, ["ESTAB"])) == n, "all connections", process)
            server.release()
            done = process.wait()
        if done.status not in statuses:
            raise lab.Failed(f"exit status {done.status}, expected one of {statuses}")
        lab.equal("transfers that got 200, of all", curl_outcome(done.stderr), (expected, 2 * CAPACITY))
    return f"{CAPACITY} of {2 * CAPACITY} transfers without, all with 2 sources"


def curl_interface():
    """curl --interface binds a source itself: it keeps that one and its single range."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    seen = []
    for port, shim in enumerate((None, SHIMS["even 3"][0]), PORT):
        with lab.Hold(port) as server, lab.Process(curl_command(150, "--interface", "127.0.0.9", port=port),
                                                   shim) as process:
            lab.wait_for(lambda p=process: curl_outcome(p.stderr())[1] >= 50, "the failing transfers", process)
            lab.reaches(port, {"127.0.0.9": CAPACITY}, process, ["ESTAB"])
            server.release()
            seen.append((process.wait().status, curl_outcome(process.stderr())))
    lab.equal("without: transfers with 200, of all", seen[0][1], (CAPACITY, 150))
    lab.equal("the same with the shim", seen[1], seen[0])
    return f"{CAPACITY} from 127.0.0.9, with and without"


def wrk(which):
    """wrk tries each connection once, then counts what it did not get as connect errors.

    One port of its first source is in TIME_WAIT: wrk first opens and closes a connection to try the address.
    """
    lab.needs("wrk")
    shim, k = SHIMS[which]
    lab.ports(40000, 40000 + CAPACITY - 1)
    command = ["wrk", "-t", "1", "-c", str(WRK_CONNECTIONS), "-d", f"{lab.PATIENCE_S}s", "--timeout", "30s", URL]
    with lab.Hold(PORT, "http"), lab.Process(command, shim) as process:
        lab.reaches(PORT, full(k), process)
        lab.wait_for(lambda: lab.total(tuples(PORT, ["ESTAB"])) == k * CAPACITY - 1, "all others to be established", process)
        process.send(signal.SIGINT)  # it has seen enough, and says what it saw
        done = process.wait()
    lab.equal("exit status", done.status, 0)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout)
    lab.equal("socket errors", errors and errors.groups(), (str(WRK_CONNECTIONS - k * CAPACITY + 1), "0", "0", "0"))
    return f"{k * CAPACITY} of {WRK_CONNECTIONS} connections"


def ab(which):
    """ab gives up after some failures; the connections it then drops are counted where the server holds them."""
    lab.needs("ab")
    shim, k = SHIMS[which]
    lab.ports(40000, 40000 + CAPACITY - 1)
    with lab.Hold(PORT, "first"):
        done = lab.run(["ab", "-q", "-k", "-n", "350", "-c", "350", URL], shim)
        lab.equal("the kernel's count", tuples(PORT), full(k))
    lab.equal("exit status and reason",
              (done.status, "Cannot assign requested address (99)" in done.stderr), (99, True))
    return f"{k * CAPACITY} of 350 connections, then {done.stderr.strip().splitlines()[-1]}"


def ab_all_succeed():
    """Requests that overrun one range complete over three."""
    lab.needs("ab")
    lab.ports(40000, 40000 + CAPACITY - 1)
    count = 3 * CAPACITY
    with lab.Hold(PORT, "http"):
        done = lab.run(["ab", "-q", "-k", "-n", str(2 * count), "-c", str(count), URL],
                       {**SHIMS["even 3"][0], "options": ["--log", "off"]})
        lab.equal("exit status, stderr", (done.status, done.stderr), (0, ""))
        lab.equal("the kernel's count", tuples(PORT), full(3))
    for name, number in (("Complete requests", 2 * count), ("Failed requests", 0)):
        lab.equal(name, re.findall(rf"^{name}:\s+(\d+)$", done.stdout, re.M), [str(number)])
    return f"{2 * count} requests over {count} connections"


def of(function, *arguments):
    return functools.partial(function, *arguments)


lab.main([
    *((f"curl --parallel: {which}", of(curl, which)) for which in ("without", "even 2", "spill 2")),
    ("curl: more than one range succeeds", curl_all_succeed),
    ("curl: unchanged where it succeeds", curl_unchanged),
    ("curl --interface keeps its source", curl_interface),
    *((f"wrk: {which}", of(wrk, which)) for which in ("without", "even 3", "spill 2")),
    *((f"ab: {which}", of(ab, which)) for which in ("without", "even 3", "spill 2")),
    ("ab: more than one range succeeds", ab_all_succeed),
])
