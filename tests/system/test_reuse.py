#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse - connections handed out again, to a server that names in each reply the request it answers.

The client is exchange.c, the server tag.c, whose misbehaviour each request chooses (tag_replies.c). No client may
ever read a byte of another exchange, nor fail where it would not without reuse. Longer with
HEADROOM_REUSE_EXCHANGES and HEADROOM_REUSE_THREADS.
"""
import functools
import os
import re

import lab
from sock_diag import tuples

PORT = 5000
EXCHANGES = int(os.environ.get("HEADROOM_REUSE_EXCHANGES", "300"))
THREADS = os.environ.get("HEADROOM_REUSE_THREADS", "2")
DONE = re.compile(r"^done (\d+) failed (\d+) raced (\d+) connections (\d+)$", re.M)
# What leaves a connection fit for another exchange, or lets the server be seen to have closed in time.
FIT = {
    "http": "ok,bytes,chunked",
    "redis": "ok,bytes,nested,error",
    "memcached": "ok,bytes",
    "raw": "ok,bytes",
}
# What ends it, or ought to: the connection is never handed out again.
UNFIT = {
    "http": "204,304,ok:HEAD,100,close,longer,shorter,endless,http10,101,ok:CONNECT,!ok,!slow",
    "redis": "longer,shorter,push,ok:SELECT,ok:MULTI,ok:SUBSCRIBE,!ok,!slow",
    "memcached": "longer,shorter,error,!ok,!slow",
    "raw": "!ok,!slow",
}
# The server closes while the client may be about to ask: RFC 9112, section 9.5.
RACES = "sayless,reset,half,idleclose,idlereset"


class Tag(lab.Process):
    """The server; gives what its clients said."""

    def __init__(self, *how):
        super().__init__([lab.client("tag"), str(PORT), *map(str, how)])
        lab.wait_for(lambda: "ready" in self.stdout(), "the server", self)


def reusing(guard, *options, rules=None):
    """The shim with a guard for all destinations, or with rules."""
    if rules:
        path = lab.scratch() / "rules"
        path.write_text(rules)
        return {"options": ["-c", str(path), "--summary", *options]}
    return {"options": ["--reuse", guard, "--summary", *options]}


def summary(done, label):
    """Return: a number of the summary, 0 if it is not there; the sum over all processes."""
    return sum(int(number) for number in re.findall(rf"{label}", done.stderr))


def hits(done):
    return summary(done, r"reuse: (\d+) connect\(\) calls? served by a parked")


def exchanges(protocol, modes, shim, threads=THREADS, forks=0, styles="bne", address="127.0.0.1", count=None):
    """Return: the Result, and done, failed, raced, connections over all processes."""
    done = lab.run([lab.client("exchange"), address, str(PORT), protocol, str(count or EXCHANGES), modes, str(threads),
                    str(forks), styles], shim)
    if done.status:
        raise lab.Failed(f"{ {1: 'a byte of another exchange', 3: 'an exchange failed'}.get(done.status, 'it died')}"
                         f"\n{done}")
    counts = [sum(column) for column in zip(*([int(n) for n in line] for line in DONE.findall(done.stdout)))]
    return done, *counts


def fit(protocol, address):
    """Nearly every exchange is served from the pool, and a port in TIME_WAIT is one of a connection that ended. The server
    has a thread for each connection, and so says the rule: turns, which on a busy machine are shorter, have tests of their own."""
    shim = reusing(protocol, rules=f"[headroom]\nreuse = {protocol}\nmax_uses = 1000\n")
    with Tag():
        done, count, failed, raced, connections = exchanges(protocol, FIT[protocol], shim, address=address)
        lab.equal("failed, raced", (failed, raced), (0, 0))
        left = lab.total(tuples(PORT, ["TIME-WAIT"]))
        if left > connections:
            raise lab.Failed(f"{left} ports in TIME_WAIT of {connections} connections\n{done}")
    # On a busy machine a connection rests for longer before it is handed out, and another is made meanwhile: so for each of
    # the 16 depths that are looked at (CONDUCT_DEPTHS, pool/reuse/conduct.h), in each of two threads.
    if connections > count // 10 + 2 * 16 or hits(done) != count - connections:
        raise lab.Failed(f"{count} exchanges over {connections} connections\n{done}")
    return f"{count} exchanges over {connections} connections"


def unfit(protocol):
    """The same among exchanges that spoil their connection: what fails is what fails without reuse."""
    lab.ports(10000, 59999)
    modes = ",".join((FIT[protocol], UNFIT[protocol]))
    with Tag():
        _, count, *plain = exchanges(protocol, modes, None)
        lab.equal("without reuse: failed, raced", plain[:2], [0, 0])
        done, _, failed, raced, connections = exchanges(protocol, modes, reusing(protocol))
    lab.equal("failed, raced", (failed, raced), (0, 0))
    # Among the first of them may be one that speaks against the server for all that follow.
    if not hits(done) and not summary(done, r"paused (\d+)"):
        raise lab.Failed(f"nothing was reused\n{done}")
    return f"{count} exchanges over {connections} connections"


def races(protocol):
    """What is lost to a server that closes unannounced is counted, and little of it makes reuse pause."""
    lab.ports(10000, 59999)
    with Tag():
        done, count, failed, raced, _ = exchanges(protocol, f"ok,{RACES}", reusing(protocol))
    failures = summary(done, r"dead when handed out: (\d+)")
    lab.equal("failed", failed, 0)
    paused = summary(done, r"paused (\d+)")
    if raced > failures or raced > count // 30 or (raced > 3 * int(THREADS) and not paused):
        raise lab.Failed(f"{raced} exchanges lost, {failures} counted\n{done}")
    return f"{count} exchanges, {raced} lost to the server's close"


def forks(protocol):
    """Processes forked while others exchange: a parked connection is its parent's."""
    lab.not_under_sanitizer("its allocator's locks, held by another thread at fork(), stay locked in the child")
    lab.ports(10000, 59999)
    with Tag():
        done, count, failed, raced, connections = exchanges(protocol, FIT[protocol], reusing(protocol), forks=8,
                                                            count=EXCHANGES // 3)
    lab.equal("failed, raced", (failed, raced), (0, 0))
    if not hits(done):
        raise lab.Failed(f"nothing was reused\n{done}")
    return f"{count} exchanges in 9 processes over {connections} connections"


def greeting():
    """A server that speaks first is never parked."""
    with Tag("greeting"):
        done, *_ = exchanges("redis", "?ok", reusing("redis"), styles="b", count=5)
        lab.equal("hits", hits(done), 0)


def of(function, *arguments):
    return functools.partial(function, *arguments)


if __name__ == "__main__":
    lab.main([
        *((f"fit: {p} {a}", of(fit, p, a)) for p in FIT for a in ("127.0.0.1", "::1")),
        *((f"unfit: {p}", of(unfit, p)) for p in FIT),
        *((f"races: {p}", of(races, p)) for p in FIT),
        *((f"forks: {p}", of(forks, p)) for p in FIT),
        ("a server that speaks first", greeting),
    ])
