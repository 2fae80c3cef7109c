#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_fill - to the end of the tuple spaces: k sources give exactly k times the capacity, then EADDRNOTAVAIL."""
import functools
import re
import socket

import lab
from sock_diag import tuples

PORT = 5000
V4 = "127.0.0.{}-127.0.0.{}"
V6 = "fd00::{}-fd00::{}"


def opened(output):
    """Per destination (opened, call that failed, errno), as fill printed them."""
    return [(int(n), call, error)
            for n, call, error in re.findall(r"^\S+ \d+ opened (\d+), (\S+) (\S+)$", output, re.M)]


def fill(arguments, shim, expected, error="connect EADDRNOTAVAIL", dport=PORT):
    """Runs fill to the end and compares its count, its errno and the kernel's count per source."""
    with lab.Process([lab.client("fill"), *arguments], shim, stdin=True) as process:
        lab.wait_for(lambda: "held" in process.stdout(), "fill to reach the end", process)
        seen = tuples(dport, ["ESTAB"])
        [(count, call, number)] = opened(process.stdout())
        lab.equal("the kernel's count per source", seen, expected)
        lab.equal("the program's count", count, lab.total(expected))
        lab.equal("how it ended", f"{call} {number}", error)
        lab.equal("exit status", process.wait().status, 0)
    return f"{count} connections from {len(expected)} source{'s' * (len(expected) != 1)}, then {number}"


def each(pattern, first, last, capacity):
    return {pattern.partition("-")[0].format(i): capacity for i in range(first, last + 1)}


def plain_ipv4(*options):
    lab.ports(40000, 40099)
    with lab.Hold(PORT):
        return fill([*options, "127.0.0.1", str(PORT)], None, {"127.0.0.1": 100})


def no_sources():
    lab.ports(40000, 40099)
    with lab.Hold(PORT):
        return fill(["127.0.0.1", str(PORT)], {}, {"127.0.0.1": 100})


def spread_ipv4(spread, k, *options):
    """k sources of which the first is the natural one, so that even and spill mean the same set."""
    capacity = lab.ports(40000, 40099)
    with lab.Hold(PORT):
        return fill([*options, "127.0.0.1", str(PORT)], {"sources": V4.format(1, k), "spread": spread},
                    each(V4, 1, k, capacity))


def foreign_sources(strict, *options):
    """Of a LIST without the natural source the natural one is the last; with --strict it is not used."""
    capacity = lab.ports(40000, 40099)
    expected = ["127.0.0.7", "127.1.0.0", "127.1.0.1"] + ["127.0.0.1"] * (not strict)
    with lab.Hold(PORT):
        return fill([*options, "127.0.0.1", str(PORT)],
                    {"sources": "127.0.0.7,127.1.0.0/31", "options": ["--strict"] * strict},
                    dict.fromkeys(expected, capacity))


def sticky():
    """All connections to one address have one source, at each of its ports, until that is full."""
    capacity = lab.ports(40000, 40099)
    seen = {}
    shim = {"sources": V4.format(1, 4), "spread": "sticky"}
    for last in range(1, 9):
        to = f"127.0.1.{last}"
        with lab.Hold(5000), lab.Hold(5001), lab.Process(
                [lab.client("fill"), "-c", "60", to, "5000", to, "5001"], shim, stdin=True) as process:
            lab.wait_for(lambda p=process: "held" in p.stdout(), "120 connections", process)
            [(source, count)] = tuples(5000, ["ESTAB"], destination=to).items()
            lab.equal(f"at both ports of {to}", tuples(5001, ["ESTAB"], destination=to), {source: count})
            seen[to] = source
        lab.new_network()
        lab.ports(40000, 40099)
    if len(set(seen.values())) < 3:
        raise lab.Failed(f"eight addresses share too few sources: {seen}")
    with lab.Hold(PORT):
        fill(["127.0.1.1", str(PORT)], shim, each(V4, 1, 4, capacity))
    return f"8 addresses, {len(set(seen.values()))} sources; then all four to the end"


def add_ipv6(count):
    if not socket.has_ipv6:
        raise lab.Skipped("no IPv6 here")
    lab.ipv6_on_loopback(f"fd00::{i}" for i in range(1, count + 1))


def loopback_rule(sources):
    """Sources that are not of the loopback are for it in a rule that names it alone."""
    rules = lab.scratch() / "rules"
    rules.write_text(f"[to 127.0.0.0/8]\nsources = {sources}\n")
    return {"options": ["-c", str(rules)]}


def plain_ipv6():
    add_ipv6(1)
    with lab.Hold(PORT):
        return fill(["fd00::1", str(PORT)], None, {"fd00::1": 100})


def spread_ipv6(spread, k, *options):
    add_ipv6(k)
    with lab.Hold(PORT):
        return fill([*options, "fd00::1", str(PORT)], {"sources": V6.format(1, k), "spread": spread},
                    each(V6, 1, k, 100))


def both_families():
    """One LIST with addresses of both families: each destination uses those of its own."""
    add_ipv6(3)
    shim = {"sources": f"{V4.format(1, 2)},{V6.format(1, 3)}"}
    with lab.Hold(PORT), lab.Process([lab.client("fill"), "127.0.0.1", str(PORT), "fd00::1", str(PORT)], shim,
                                     stdin=True) as process:
        lab.wait_for(lambda: "held" in process.stdout(), "fill to reach the end", process)
        lab.equal("the program's counts", opened(process.stdout()),
                  [(200, "connect", "EADDRNOTAVAIL"), (300, "connect", "EADDRNOTAVAIL")])
        lab.equal("the kernel's count", tuples(PORT), {**each(V4, 1, 2, 100), **each(V6, 1, 3, 100)})
    return "200 connections over IPv4, 300 over IPv6"


def reserved(shim, k):
    lab.ports(40000, 40099, reserved="40010-40019,40050")
    with lab.Hold(PORT):
        return fill(["127.0.0.1", str(PORT)], shim, each(V4, 1, k, 89))


def reserved_list_is_long(shim, k):
    """The kernel tells a list of any length, by one read."""
    lab.ports(40000, 42099, reserved=",".join(map(str, range(40000, 42000, 2))))
    with lab.Hold(PORT):
        return fill(["127.0.0.1", str(PORT)], shim, each(V4, 1, k, 1100))


def listener_inside(shim, k):
    """A listener takes its port away from connect() on every source, even when it listens on another address."""
    lab.ports(40000, 40099)
    with lab.Hold(PORT), socket.socket() as listener:
        listener.bind(("127.9.9.9", 40050))
        listener.listen()
        return fill(["127.0.0.1", str(PORT)], shim, each(V4, 1, k, 99))


def explicit_binds(shim, k):
    lab.ports(40000, 40099)
    with lab.Hold(PORT):
        held = [socket.socket() for _ in range(10)]
        for i, s in enumerate(held):
            s.bind(("127.9.9.9", 40030 + i))
        return fill(["127.0.0.1", str(PORT)], shim, each(V4, 1, k, 90))


def odd_range(k):
    """Without IP_LOCAL_PORT_RANGE an odd range guarantees one port less; with it (Linux 6.8) all of them."""
    if lab.kernel() < (6, 8) or not lab.has_port_range_option():
        raise lab.Skipped("before Linux 6.8 an odd range guarantees one port less")
    capacity = lab.ports(40000, 40100)
    with lab.Hold(PORT):
        return fill(["127.0.0.1", str(PORT)], {"sources": V4.format(1, k)}, each(V4, 1, k, capacity))


def one_port():
    lab.ports(40000, 40000)
    with lab.Hold(PORT):
        return fill(["127.0.0.1", str(PORT)], {"sources": V4.format(1, 3)}, each(V4, 1, 3, 1))


def second_destination():
    """Each destination has tuple spaces of its own: filling one leaves the next whole."""
    lab.ports(40000, 40099)
    with lab.Hold(5000), lab.Hold(5001), lab.Process(
            [lab.client("fill"), "127.0.0.1", "5000", "127.0.0.1", "5001", "127.0.0.9", "5000"],
            {"sources": V4.format(1, 2)}, stdin=True) as process:
        lab.wait_for(lambda: "held" in process.stdout(), "fill to reach the end", process)
        lab.equal("the program's counts", opened(process.stdout()), [(200, "connect", "EADDRNOTAVAIL")] * 3)
        lab.equal("towards 127.0.0.1:5000", tuples(5000, destination="127.0.0.1"), each(V4, 1, 2, 100))
        lab.equal("towards 127.0.0.1:5001", tuples(5001), each(V4, 1, 2, 100))
        lab.equal("towards 127.0.0.9:5000", tuples(5000, destination="127.0.0.9"), each(V4, 1, 2, 100))
    return "3 destinations x 2 sources x 100"


def two_processes(spread):
    """Two programs at once, neither knowing of the other, share k tuple spaces to the last port."""
    lab.ports(40000, 40099)
    shim = {"sources": V4.format(1, 3), "spread": spread}
    command = [lab.client("fill"), "127.0.0.1", str(PORT)]
    with lab.Hold(PORT), lab.Process(command, shim, stdin=True) as a, lab.Process(command, shim, stdin=True) as b:
        for process in (a, b):
            lab.wait_for(lambda p=process: "held" in p.stdout(), "fill to reach the end", process)
        lab.equal("the kernel's count", tuples(PORT, ["ESTAB"]), each(V4, 1, 3, 100))
        counts = [opened(p.stdout())[0] for p in (a, b)]
        lab.equal("both programs' sum", sum(c[0] for c in counts), 300)
        lab.equal("how they ended", {c[1:] for c in counts}, {("connect", "EADDRNOTAVAIL")})
    return f"{counts[0][0]} + {counts[1][0]} = 300"


def explicit_source(option):
    """A source the program chose itself stays: one tuple space, whatever the LIST."""
    lab.ports(40000, 40099)
    with lab.Hold(PORT):
        return fill([option, "127.0.0.5", "127.0.0.1", str(PORT)], {"sources": V4.format(1, 3)},
                    {"127.0.0.5": 100})


def bad_source():
    """A source that cannot be bound is set aside and the others carry on."""
    lab.ports(40000, 40099)
    with lab.Hold(PORT):
        return fill(["127.0.0.1", str(PORT)], loopback_rule("127.0.0.1,192.0.2.77,127.0.0.2"), each(V4, 1, 2, 100))


def all_sources_bad():
    """With no source that works, the program gets what it would have had: its natural source."""
    lab.ports(40000, 40099)
    with lab.Hold(PORT):
        return fill(["127.0.0.1", str(PORT)], loopback_rule("192.0.2.77,192.0.2.78"), {"127.0.0.1": 100})


def balance():
    """`even` keeps the sources level long before the end."""
    lab.ports(40000, 40099)
    with lab.Hold(PORT), lab.Process([lab.client("fill"), "-c", "60", "127.0.0.1", str(PORT)],
                                     {"sources": V4.format(1, 3), "spread": "even"}, stdin=True) as process:
        lab.wait_for(lambda: "held" in process.stdout(), "60 connections", process)
        seen = tuples(PORT, ["ESTAB"])
        lab.equal("the kernel's total", lab.total(seen), 60)
        if len(seen) != 3 or max(seen.values()) - min(seen.values()) > 2:
            raise lab.Failed(f"not even: {seen}")
    return f"60 connections as {sorted(seen.values())}"


def first_sources():
    """Programs that make one connection each do not all start at the same source."""
    lab.ports(40000, 40099)
    # The ends that these programs leave are counted: the first must be there when the last has come.
    lab.sysctl("ipv4/tcp_fin_timeout", 600)
    with lab.Hold(PORT):
        for _ in range(48):
            lab.run([lab.client("fill"), "-c", "1", "127.0.0.1", str(PORT)], {"sources": V4.format(1, 3)})
        seen = tuples(PORT)
    # By chance alone one of three stays empty once in ten million times.
    lab.equal("connections, sources", (lab.total(seen), sorted(seen)), (48, sorted(each(V4, 1, 3, 0))))
    return f"48 programs as {sorted(seen.values())}"


def spill_order():
    """`spill` stays with the natural source before the knee."""
    lab.ports(40000, 40099)
    with lab.Hold(PORT), lab.Process([lab.client("fill"), "-c", "40", "127.0.0.1", str(PORT)],
                                     {"sources": V4.format(1, 3), "spread": "spill"}, stdin=True) as process:
        lab.wait_for(lambda: "held" in process.stdout(), "40 connections", process)
        lab.equal("the kernel's count", tuples(PORT, ["ESTAB"]), {"127.0.0.1": 40})
    return "40 of 100 all from the natural source"


def used_again(option, second_round, shim, k):
    """Ports given up by a reset are there again at once; those of an orderly close stay in use by the kernel."""
    lab.ports(40000, 40099)
    where = ["127.0.0.1", str(PORT)]
    with lab.Hold(PORT), lab.Process([lab.client("fill"), option, *where, *where], shim, stdin=True) as process:
        lab.wait_for(lambda: "held" in process.stdout(), "fill to reach the end twice", process)
        rounds = opened(process.stdout())
        lab.equal("the two rounds", rounds, [(k * 100, "connect", "EADDRNOTAVAIL"),
                                             (second_round, "connect", "EADDRNOTAVAIL")])
        lab.equal("the kernel's count", tuples(PORT), each(V4, 1, k, 100))
    return f"{rounds[0][0]}, then {rounds[1][0]}"


def of(function, *arguments):
    return functools.partial(function, *arguments)


TWO = {"sources": V4.format(1, 2)}

lab.main([
    ("ipv4 without", of(plain_ipv4)),
    ("ipv4 non-blocking without", of(plain_ipv4, "-n")),
    ("ipv6 without", plain_ipv6),
    ("ipv4 shim, no sources", no_sources),
    ("ipv4 even 3", of(spread_ipv4, "even", 3)),
    ("ipv4 even 3 non-blocking", of(spread_ipv4, "even", 3, "-n")),
    ("ipv4 even 3 in 8 threads", of(spread_ipv4, "even", 3, "-t", "8")),
    ("ipv4 even 8", of(spread_ipv4, "even", 8)),
    ("ipv4 spill 2", of(spread_ipv4, "spill", 2)),
    ("ipv4 spill 3 non-blocking", of(spread_ipv4, "spill", 3, "-n")),
    ("ipv4 spill 3 in 8 threads", of(spread_ipv4, "spill", 3, "-t", "8")),
    ("ipv4 a list lacking the natural source", of(foreign_sources, False)),
    ("ipv4 a list lacking the natural source, non-blocking", of(foreign_sources, False, "-n")),
    ("ipv4 a list lacking the natural source, strict", of(foreign_sources, True)),
    ("sticky", sticky),
    ("mapped without", of(plain_ipv4, "-m")),
    ("mapped even 3", of(spread_ipv4, "even", 3, "-m")),
    ("mapped spill 2 non-blocking", of(spread_ipv4, "spill", 2, "-m", "-n")),
    ("ipv6 even 3", of(spread_ipv6, "even", 3)),
    ("ipv6 even 2 non-blocking", of(spread_ipv6, "even", 2, "-n")),
    ("ipv6 spill 3", of(spread_ipv6, "spill", 3)),
    ("ipv4 and ipv6 in one list", both_families),
    ("reserved ports without", of(reserved, None, 1)),
    ("reserved ports even 3", of(reserved, {"sources": V4.format(1, 3)}, 3)),
    ("a long list of reserved ports without", of(reserved_list_is_long, None, 1)),
    ("a long list of reserved ports even 2", of(reserved_list_is_long, {"sources": V4.format(1, 2)}, 2)),
    ("a listener inside without", of(listener_inside, None, 1)),
    ("a listener inside even 3", of(listener_inside, {"sources": V4.format(1, 3)}, 3)),
    ("explicit binds inside without", of(explicit_binds, None, 1)),
    ("explicit binds inside even 2", of(explicit_binds, TWO, 2)),
    ("odd range even 1", of(odd_range, 1)),
    ("odd range even 3", of(odd_range, 3)),
    ("range of one port even 3", one_port),
    ("three destinations even 2", second_destination),
    ("two processes even 3", of(two_processes, "even")),
    ("two processes spill 3", of(two_processes, "spill")),
    ("explicit source, bind(ip, 0)", of(explicit_source, "-b")),
    ("explicit source, IP_BIND_ADDRESS_NO_PORT", of(explicit_source, "-s")),
    ("a source that is not local", bad_source),
    ("no source that is local", all_sources_bad),
    ("balance of even", balance),
    ("48 programs of one connection even 3", first_sources),
    ("order of spill", spill_order),
    ("after resets without", of(used_again, "-a", 100, None, 1)),
    ("after resets even 2", of(used_again, "-a", 200, TWO, 2)),
    ("after orderly closes without", of(used_again, "-e", 0, None, 1)),
    ("after orderly closes even 2", of(used_again, "-e", 0, TWO, 2)),
])
