#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_status - the one page: its verdict, culprit, next command and exit status in each incident; for Nagios too."""
import os
import re

import incident
from incident import BAD, FAR, FINE, NEAR, TO, lab

BINDS = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5000, '{NEAR}', explicit=True)"
CONNECTS = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5000)"
UDP = f"""
for i in range(int(sys.argv[1])):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("{FAR}", 53))
    kept.append(s)
"""


def says(verdict, status, nagios, culprit, following, page_has=()):
    for words in ((), ("status",)):
        page = incident.headroom(*words, status=status).stdout
        incident.has("the page", page, f"verdict   {verdict}", *page_has)
        if any(len(line) > 80 for line in page.splitlines()):
            raise lab.Failed(f"wider than 80 columns\n{page}")
    if culprit:
        incident.has("the culprit", page, incident.who(culprit))
    lab.equal("next", re.findall(r"^next      (.*)$", page, re.M), [following] if following else [])
    seen = incident.as_json("status", status=status)
    lab.equal("JSON", seen["verdict"], verdict)
    line = incident.headroom("status", "--nagios", status=nagios).stdout
    word = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[nagios]
    if not re.fullmatch(rf"HEADROOM {word} - {verdict}[^|\n]*\|( [a-z_]+=\d+(;\d*:?;?(\d*:)?;?\d*;?\d*)?)+\n", line):
        raise lab.Failed(f"for Nagios: {line!r}")
    return seen


def nothing():
    with incident.network():
        seen = says("fine", FINE, 0, None, None, ["200, 0 reserved, 0 blocked (0 %)", "UDP       200 of 200 ports left"])
        lab.equal("nobody", (seen["tuple_spaces"], seen["worst"]), (0, []))


def exhausted():
    with incident.network(), incident.program(CONNECTS, 200):
        seen = says("exhausted", BAD, 2, None, f"headroom check {TO}", [f"0 of 200 ports left to {TO} from {NEAR}"])
        [worst] = seen["worst"]
        lab.equal("worst", (worst["destination"], worst["source"], worst["headroom_at_least"]), (TO, NEAR, 0))
        lab.equal("truth", incident.truth(TO), 0)


def blocked():
    incident.needs_probe()
    with incident.network(servers=(5000, 5001)), incident.program(BINDS, 170) as culprit:
        seen = says("tight", BAD, 1, culprit, "headroom ports", ["170 of 200 ports are lost", "170 blocked (85 %)"])
        lab.equal("blockers", [p["pid"] for p in seen["ports"]["blockers"]], [culprit.pid])
        lab.equal("truth", incident.truth(f"{FAR}:5001"), 30)


def udp():
    with incident.network(), incident.program(UDP, 200) as culprit:
        says("exhausted", BAD, 2, culprit, "headroom ports", ["UDP sockets hold 200 of 200"])


def leaking():
    with incident.network(closes=True), incident.program(CONNECTS, 30) as culprit:
        lab.reaches(5000, {NEAR: 30}, states=["CLOSE-WAIT"])
        says("leaking", BAD, 1, culprit, "headroom check --leaks", ["30 connections in CLOSE_WAIT"])


def under_the_shim():
    with incident.network(), incident.program(CONNECTS, 30, shim={}), incident.program(CONNECTS, 10):
        seen = says("fine", FINE, 0, None, None, ["1 process, 75 % of the ports in use"])
        lab.equal("coverage", (seen["shim"]["processes"], seen["shim"]["in_use"], seen["shim"]["in_use_by_all"]), (1, 30, 40))


def elsewhere():
    """From another namespace: the one that was asked for, and a line for each."""
    if os.geteuid():
        raise lab.Skipped("needs root, to enter namespaces")
    with incident.network(), incident.program(CONNECTS, 200) as culprit:
        away = ["unshare", "--net", str(lab.HEADROOM), "status"]
        done = lab.run([*away, "--pid", str(culprit.pid)])
        lab.equal(f"exit status\n{done}", done.status, BAD)
        incident.has("next", done.stdout, f"next      headroom check --pid {culprit.pid} {TO}")
        done = lab.run([*away, "--all-netns"])
        lab.equal(f"exit status\n{done}", done.status, BAD)
        incident.has("all", done.stdout, f"0 of 200 ports left to {TO}")
        for words, wanted in ((["top", "--once", "--delay", "0.1"], f"(no shim)  {TO}"),
                              (["export"], f'headroom_ports{{source="{NEAR}",destination="{TO}"}} 0'),
                              (["report"], "no process under the shim")):
            seen = lab.run(["unshare", "--net", str(lab.HEADROOM), *words, "--pid", str(culprit.pid)])
            lab.equal(f"exit status\n{seen}", seen.status, 0)
            incident.has(words[0], seen.stdout, wanted)
        incident.has("here", done.stdout.splitlines()[0], "here", "fine")


def watched():
    with incident.network():
        process = lab.Process([str(lab.HEADROOM), "status", "--watch=0.1"])
        lab.wait_for(lambda: process.stdout().count("verdict   fine") > 2, "three pages", process)
        process.stop()


def bad_input():
    for words in (["x"], ["--nagios", "--json"], ["--all-netns", "--json"], ["--threshold", "x"]):
        done = incident.headroom("status", *words, status=2)
        lab.equal(f"lines of {words}", (done.stderr.count("\n"), done.stdout), (1, ""))


lab.main([
    ("nothing wrong", nothing),
    ("a destination is exhausted", exhausted),
    ("most ports are blocked", blocked),
    ("UDP is exhausted", udp),
    ("a leak", leaking),
    ("half under the shim", under_the_shim),
    ("another namespace", elsewhere),
    ("--watch", watched),
    ("bad input", bad_input),
])
