#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_fd - a program cannot tell a connection that was handed out from a new one; and which are never parked.

Each case of clients/reuse_fd/case.py must print the same with reuse and without. The server says which exchanges shared a
connection.
"""
import functools

import lab

PORT = 5000
REUSED = """blocking; nonblocking; nonblocking, not asked; nonblocking, then blocking; blocking, then nonblocking;
options set before; options gone; sizes the same; epoll; epoll, edge; epoll, left behind;
bound to a source; numbers; blank"""
ANEW = """sizes differ; options that leave traces; epoll, dup; bound, the next not; epoll closed, its twin not; epoll replaced, its twin not;
epoll replaced before connect; epoll remade before connect; dup; passed; forked; splice; stdio; raw system call; shut; linger 0;
unknown option; owner; owner by ioctl(); owner by syscall(); in recv(); dup2() onto a parked one;
late reply; closed while parked; first send; first send, nonblocking; first send, epoll; first send, unknown options;
first send, nonblocking, doubled; reset, then asked; shut before; listened before;
to itself"""
# Thousands of calls while a connection is parked; and what ends for being idle is still leaving, beside those that are parked.
SLOW = {"numbers", "more than may be parked"}
UNCOUNTED = "inherited; not inherited; files run out; more than may be parked; unseen first send"


def listed(text):
    return [name.strip() for name in text.split(";")]


def same(name, address, expected):
    """expected: True if the connection is to be handed out again, False if not, None if either will do."""
    command = [lab.PYTHON, str(lab.HERE / "clients/reuse_fd/case.py"), name, address, str(PORT)]
    how = {"options": ["--reuse", "raw", "--summary"]}
    if name in SLOW:
        rules = lab.scratch() / "rules"
        rules.write_text("[headroom]\nidle_timeout = 10m\n")
        how["env"] = {"HEADROOM_CONFIG": str(rules)}
    lab.ports(10000, 59999)
    with lab.Process([lab.client("tag"), str(PORT)]) as server:
        lab.wait_for(lambda: "ready" in server.stdout(), "the server", server)
        plain = lab.run(command)
        done = lab.run(command, how)
    lab.equal("without: exit status", plain.status, 0)
    if (done.status, done.stdout) != (plain.status, plain.stdout):
        raise lab.Failed(f"not as without reuse\n{plain.stdout}\nwith reuse\n{done}")
    if name.startswith(("first send", "reset")) and "replaced unseen: 1" not in done.stderr:
        raise lab.Failed(f"nothing was replaced\n{done}")
    numbers = [line for line in done.stderr.splitlines() if line.startswith("connection")]
    if expected is not None:
        lab.equal("connections reused", len(set(numbers)) < len(numbers), expected)
    return f"{len(numbers)} exchanges over {len(set(numbers))} connections"


lab.main([(f"{name} {address}", functools.partial(same, name, address, expected))
          for names, expected in ((REUSED, True), (ANEW, False), (UNCOUNTED, None)) for name in listed(names)
          for address in (["127.0.0.1", "::1"] if expected else ["127.0.0.1"])])
