#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_states - connections that hang or linger: each state has a diagnosis of its own, for the right namespace."""
import contextlib
import os
import re
import shutil
import subprocess

import incident
from incident import BAD, FAR, FINE, NEAR, TO, lab

SERVER = "server = socket.socket(); server.bind((sys.argv[1], 5000)); server.listen(0)"
HANGS = f"""
for i in range(int(sys.argv[1])):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("{FAR}", 5000))
    kept.append(s)
"""
MANY = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5000)"
SHUTS = MANY + "\nfor s in kept: s.shutdown(socket.SHUT_WR)"
CLOSES_FIRST = MANY + "\nfor s in kept: s.shutdown(socket.SHUT_WR); s.recv(1); s.close()"
ANSWERS = """
server = socket.create_server(("", 5000), backlog=1000)
print("done", flush=True)
while True:
    s = server.accept()[0]
    try:
        s.recv(1)
    except ConnectionResetError:
        pass
    s.close()
"""



def black_hole():
    """The server's queue is full, so that it drops SYNs."""
    with incident.network(servers=()) as far, incident.program(SERVER, FAR, inside=far), \
            incident.program(HANGS, 40) as culprit:
        def hangs():
            return lab.run([str(lab.HEADROOM), "check", "--sample", "0", TO]).status == BAD
        lab.wait_for(hangs, "SYNs to be sent again")
        space, text = incident.check(status=BAD)
        lab.equal("verdict", space["verdict"], "hanging")
        incident.has("check", text, "verdict    hanging", incident.who(culprit))
        incident.has("first advice", incident.advice(text), "wait for an answer to a SYN", "down, or a firewall",
                     "sysctl -w net.ipv4.tcp_syn_retries=2")
        incident.has("--all", incident.headroom("check", "--all", status=BAD).stdout, "hanging")


def full_masquerade():
    """A range of 50 ports for what is translated: the 51st connection hangs, though there are ports."""
    nft = shutil.which("nft", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not nft:
        raise lab.Skipped("nft is not installed")
    with incident.network() as far:
        lab.ip("addr", "add", "10.2.0.2/32", "dev", "lo", inside=far)
        lab.ip("route", "add", "10.2.0.2/32", "via", FAR)
        rules = f"""table ip nat {{
            chain post {{
                type nat hook postrouting priority 100
                ip daddr 10.2.0.2 tcp dport 5000 masquerade to :50000-50049
            }}
        }}
        """
        if subprocess.run([nft, "-f", "-"], input=rules, text=True, check=False, capture_output=True).returncode:
            raise lab.Skipped("this kernel has no NAT, or this user may not set it")
        with incident.program(HANGS.replace(FAR, "10.2.0.2"), 60):
            def hangs():
                return lab.run([str(lab.HEADROOM), "check", "--sample", "0", "10.2.0.2:5000"]).status == BAD
            lab.wait_for(hangs, "SYNs to be sent again")
            space, text = incident.check(to="10.2.0.2:5000", status=BAD)
            lab.equal("verdict", (space["verdict"], space["in_use"]["ESTABLISHED"]), ("hanging", 50))
            incident.has("first advice", incident.advice(text), "NAT on this host", "insert_failed", "masquerade",
                         "nft list ruleset")


def fin_wait2():
    """Shut down by the program, which holds them; and closed by it, while the server does not close."""
    with incident.network():
        with incident.program(SHUTS, 60):
            lab.reaches(5000, {NEAR: 60}, states=["FIN-WAIT-2"])
            _, text = incident.check()
            incident.has("held", incident.advice(text), "60 connections are in FIN_WAIT2", "until the program calls close()")
        lab.reaches(5000, {NEAR: 60}, states=["FIN-WAIT-2"])
        _, text = incident.check()
        incident.has("closed", incident.advice(text), "the server does not close its side", "tcp_fin_timeout=15",
                     "kept: the same settings in /etc/sysctl.d")


def time_wait():
    with incident.network(servers=()) as far, incident.program(ANSWERS, inside=far), \
            incident.program(CLOSES_FIRST, 170):
        lab.reaches(5000, {NEAR: 170}, states=["TIME-WAIT"])
        space, text = incident.check(status=BAD)
        lab.equal("verdict", (space["headroom"], space["in_use"]), (30, {"all": 170, "TIME_WAIT": 170}))
        incident.has("first advice", incident.advice(text), "170 ports are in TIME_WAIT", "keepalive")
        lab.equal("truth", incident.truth(TO), 30)


def reused():
    """With tcp_tw_reuse the same 170 are nobody's loss, and no verb counts them so."""
    with incident.network(servers=()) as far, incident.program(ANSWERS, inside=far), \
            incident.program(CLOSES_FIRST, 170):
        lab.sysctl("ipv4/tcp_tw_reuse", 1)
        lab.reaches(5000, {NEAR: 170}, states=["TIME-WAIT"])
        space, text = incident.check(status=FINE)
        lab.equal("check", (space["verdict"], space["time_wait_reusable"], space["taken_percent"]), ("fine", 170, 0))
        incident.lacks("advice", text, "TIME_WAIT, 60 s")
        [row] = incident.as_json("check", "--all")["tuple_spaces"]
        for name, one in (("check", space), ("--all", row), ("status", incident.as_json("status")["worst"][0])):
            lab.equal(f"headroom of {name}", (one["headroom"], one["headroom_at_least"]), (200, 200))
        for one in (space, row):
            lab.equal("without those", one["headroom_without_reusable"], 30)
        [row_of_top] = incident.rows_of_top("--host")
        lab.equal("top", [row_of_top[name] for name in ("source", "headroom", "capacity", "open", "time-wait", "others")],
                  [NEAR, "200", "200", "0", "170", "0"])
        lab.equal("--all", (row["verdict"], row["time_wait_reusable"], row["taken_percent"]), ("fine", 170, 0))
        metrics = incident.metrics("--host")
        label = f'source="{NEAR}",destination="{TO}"'
        lab.equal("metrics", [metrics[f"headroom_{name}"][label] for name in ("ports", "in_use_ports", "time_wait_ports")],
                  [200, 0, 170])
        # Each may be taken over when it is a second old.
        lab.wait_for(lambda: incident.truth(TO) == 200, "200 connections")


@contextlib.contextmanager
def named_namespace():
    """Our network under a name of ip-netns(8)."""
    lab.needs("ip")
    name = f"headroom-test-{os.getpid()}"
    lab.ip("netns", "attach", name, str(os.getpid()))
    try:
        yield name
    finally:
        lab.ip("netns", "delete", name)


def for_the_namespace():
    """What is advised from outside is to be typed outside."""
    if os.geteuid():
        raise lab.Skipped("needs root, for ip netns")
    with incident.network(), incident.program(MANY, 190) as culprit, named_namespace() as name:
        for option, value, prefix in (("--netns", name, f"ip netns exec {name} "),
                                      ("--pid", culprit.pid, f"nsenter --target {culprit.pid} --net -- ")):
            done = lab.run(["unshare", "--net", str(lab.HEADROOM), "check", "--sample", "0", option, str(value), TO])
            lab.equal(f"exit status\n{done}", done.status, BAD)
            commands = re.findall(r"^       (?!kept)(\S.*)$", done.stdout, re.M)
            for command in commands:
                if not command.startswith(prefix) and f"{option} {value}" not in command:
                    raise lab.Failed(f"{command!r} is not for the namespace of {option} {value}\n{done.stdout}")
            incident.has("kept", done.stdout, "docker run --sysctl")


lab.main([
    ("a black hole", black_hole),
    ("a full masquerade range", full_masquerade),
    ("FIN_WAIT2", fin_wait2),
    ("TIME_WAIT", time_wait),
    ("TIME_WAIT that is reused", reused),
    ("advice for another namespace", for_the_namespace),
])
