#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_kinds - sockets of other kinds: IPv6, IPv4-mapped, MPTCP, bound to an interface; and processes in containers."""
import os
import pathlib
import re
import socket

import incident
from incident import BAD, FAR, NEAR, TO, lab

TO_V6 = "[fd09::100]:5000"
MIXED = f"""
for i in range(70): connect("fd09::100", 5000)
for i in range(60): connect("::ffff:{FAR}", 5000)
for i in range(20): connect("{FAR}", 5000)
"""
BOUND = f"""
for i in range(90): connect("{FAR}", 5000, device="near0")
for i in range(30): connect("{FAR}", 5000)
"""
MULTIPATH = f"""
for i in range(60): connect("{FAR}", 5000, protocol=262)
for i in range(10): connect("{FAR}", 5000, "{NEAR}", explicit=True, protocol=262)
"""
CONNECTS = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5000)"


def families():
    """IPv4-mapped connections are IPv4's; IPv6 has a tuple space of its own, and the ports of both are one range."""
    with incident.network(), incident.program(MIXED) as culprit:
        space, _ = incident.check("--probe")
        lab.equal("IPv4", (space["headroom"], space["in_use"]["all"]), (120, 80))
        lab.equal("who", [p["pid"] for p in space["processes"]], [culprit.pid])
        space, _ = incident.check("--probe", to=TO_V6)
        lab.equal("IPv6", (space["headroom"], space["in_use"]["all"], space["source"]), (130, 70, "fd09::1"))
        rows = {row["destination"]: row["in_use"] for row in incident.as_json("check", "--all", "--probe")["tuple_spaces"]}
        lab.equal("--all", rows, {TO: 80, TO_V6: 70})
        lab.equal("truth", (incident.truth(TO), incident.truth(TO_V6)), (120, 130))


def ipv6_exhausted():
    with incident.network(), incident.program("for i in range(200): connect('fd09::100', 5000)") as culprit:
        space, text = incident.check(to=TO_V6, status=BAD)
        lab.equal("verdict", (space["verdict"], space["headroom"]), ("exhausted", 0))
        incident.has("check", text, f"{incident.who(culprit)} 200")
        incident.has("status", incident.headroom("status", status=BAD).stdout, f"0 of 200 ports left to {TO_V6} from fd09::1")
        incident.check()
        lab.equal("truth", (incident.truth(TO_V6), incident.truth(TO)), (0, 200))


def on_an_interface():
    """Sockets bound to an interface are told apart. What unbound ones hold is lost to them, not the other way round."""
    with incident.network(), incident.program(BOUND):
        every = incident.headroom("check", "--all", "--probe").stdout
        incident.has("told apart", every, f"{NEAR}%near0", f"{NEAR} ")
        rows = incident.as_json("check", "--all", "--probe")["tuple_spaces"]
        left = {bool(row["interface"]): row["headroom"] for row in rows}
        lab.equal("unbound", left[False], 170)
        space, _ = incident.check("--probe")
        lab.equal("check", space["headroom"], 170)
        shown = incident.metrics("--host")["headroom_ports"]
        lab.equal("export", shown, {f'source="{NEAR}",destination="{TO}"': 170,
                                    f'source="{NEAR}%near0",destination="{TO}"': left[True]})
        top = incident.rows_of_top("--host")
        lab.equal("top", [(row["source"], row["headroom"], row["open"]) for row in top],
                  [(f"{NEAR}%near0", str(left[True]), "90"), (NEAR, "170", "30")])
        lab.equal("truth", (incident.truth(TO), incident.truth(TO, device="near0")), (170, left[True]))


def in_a_vrf():
    """What is bound to a VRF has ports of its own; a program under the shim is shown there too."""
    with incident.network():
        try:
            lab.ip("link", "add", "red", "type", "vrf", "table", "7")
        except lab.Failed as why:
            raise lab.Skipped(f"needs Linux with VRF: {why}") from why
        lab.ip("link", "set", "red", "up")
        lab.ip("link", "set", "near0", "master", "red")
        lab.ip("addr", "replace", f"{NEAR}/24", "dev", "near0")
        with incident.program(f"for i in range(150): connect('{FAR}', 5000, device='red')", shim={}) as culprit:
            [row] = [row for row in incident.as_json("check", "--all", "--probe")["tuple_spaces"] if row["in_use"]]
            lab.equal("check --all", (row["interface"], row["headroom"]), ("red", 50))
            [row] = incident.rows_of_top("--host")
            lab.equal("top", (row["process"], row["source"], row["headroom"], row["open"]),
                      (incident.who(culprit), f"{NEAR}%red", "50", "150"))
            labels = f'source="{NEAR}%red",destination="{TO}"'
            shown = incident.metrics("--host")
            lab.equal("export", (shown["headroom_ports"][labels],
                                 shown["headroom_process_open_connections"][f'process="{incident.name_of(culprit.pid)}",{labels}']),
                      (50, 150))
            lab.equal("truth", incident.truth(TO, device="red"), 50)


def multipath():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()
    except OSError as why:
        raise lab.Skipped(f"no MPTCP here: {why.strerror}") from why
    incident.needs_probe()
    with incident.network(servers=(5000, 5001)), incident.program(MULTIPATH):
        space, _ = incident.check("--probe")
        left = space["headroom"]
        lab.equal("exact", space["exact"], True)
        lab.equal("truth", incident.truth(TO), left)
        other, _ = incident.check("--probe", to=f"{FAR}:5001")
        lab.equal("truth of another", incident.truth(f"{FAR}:5001"), other["headroom"])


def two_containers():
    """Pids of two pid namespaces: each is told with the one it has there."""
    if os.geteuid():
        raise lab.Skipped("needs root, to make pid namespaces")
    lab.needs("unshare")
    code = incident.PROGRAM + CONNECTS + "\nprint('done', flush=True)\nsignal.pause()\n"
    with incident.network():
        inside = []
        for count in (60, 130):
            process = lab.Process(["unshare", "--pid", "--fork", "--kill-child", lab.PYTHON, "-c", code, str(count)])
            lab.wait_for(lambda p=process: "done" in p.stdout(), "the connections", process)
            inside.append(int(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()))
        space, text = incident.check(status=BAD)
        lab.equal("who", [(p["pid"], p["sockets"], p["pid_there"]) for p in space["processes"]],
                  [(inside[1], 130, 1), (inside[0], 60, 1)])
        lab.equal("marked", len(re.findall(r"another pid namespace, pid 1 there", text)), 2)
        lab.equal("truth", incident.truth(TO), 10)


def unset_address():
    """connect() to the unset address is to this host."""
    with lab.Hold(5000):
        for to, meant in (("0.0.0.0:5000", "127.0.0.1:5000"), ("[::]:5000", "[::1]:5000")):
            space, _ = incident.check(to=to)
            lab.equal(to, (space["destination"], space["headroom"]), (meant, 100))


lab.main([
    ("IPv4, IPv6 and IPv4-mapped", families),
    ("IPv6 exhausted", ipv6_exhausted),
    ("bound to an interface", on_an_interface),
    ("in a VRF", in_a_vrf),
    ("MPTCP", multipath),
    ("two containers", two_containers),
    ("the unset address", unset_address),
])
